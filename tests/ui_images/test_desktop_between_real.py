# SPDX-License-Identifier: GPL-3.0-or-later
"""A drag with a real mouse from one real image into another: of one program, of two, of two hosts' guests, and out of
a snapshot. What arrived is looked at by guestfish, after Apply, with owner, mode, time and attributes.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.disks import guestfish, run
from tests.ui_images.desktop import LOWER_PLACE, UPPER_PLACE, apply_by_keyboard, drag, running_editor
from tests.ui_images.test_desktop_between import Window
from tests.ui_images.test_desktop_drag import OPEN_S, make_image
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.display import Display
    from tests.lab.vmlab import Lab

pytestmark = [pytest.mark.window, pytest.mark.appliance, pytest.mark.slow, pytest.mark.timeout(1500)]
ODD = (b"new\nline", b"'quo\"te`$(x)", b"a b", b"\xff\xfe", b"caf\xe9.txt", "ünï.txt".encode())
MANY = 1000
TIME_S = 1_000_000_000


def rich_image(path: Path) -> None:
    """Its folder /src has files of others, odd names, a link, attributes, many small files and a big one."""
    top = path.parent / f"{path.stem}-tree"
    src = top / "src"
    (src / "many").mkdir(parents=True)
    (top / "etc").mkdir()
    (top / "etc" / "fstab").write_text("/dev/vda / ext4 defaults 0 1\n")
    for name in ODD:
        (src / os.fsdecode(name)).write_bytes(name)
    for number in range(MANY):
        (src / "many" / f"f{number:04}").write_bytes(b"%d" % number)
    (src / "big.bin").write_bytes(os.urandom(16 << 20))
    tool = src / "tool"
    tool.write_text("#!/bin/sh\n")
    os.chown(tool, 1234, 4321)
    tool.chmod(0o4750)
    os.setxattr(tool, "user.note", b"a\0\xff")
    os.utime(tool, (TIME_S, TIME_S))
    os.symlink("/etc/passwd", src / "link")
    disks.ext4(top, path, size="300M")


def check(image: Path, at: str, work: Path) -> None:
    """guestfish sees in the image all that ``rich_image`` has made."""
    work.mkdir(exist_ok=True)
    answer = guestfish(
        image, f"lstatns {at}/tool", f"lgetxattrs {at}/tool", f"readlink {at}/link", f"find0 {at} {work}/found",
        f"checksum sha256 {at}/big.bin",
    )  # fmt: skip
    numbers = {key: int(value) for key, value in re.findall(r"^(st_\w+): (-?\d+)$", answer, re.MULTILINE)}
    assert (numbers["st_uid"], numbers["st_gid"], numbers["st_mode"] & 0o7777) == (1234, 4321, 0o4750)
    assert numbers["st_mtime_sec"] == TIME_S
    assert "user.note" in answer
    assert "/etc/passwd" in answer.splitlines()
    found = {name.lstrip(b"/") for name in (work / "found").read_bytes().split(b"\0")} - {b""}
    many = {b"many/f%04d" % number for number in range(MANY)}
    assert found == {*ODD, *many, b"many", b"tool", b"link", b"big.bin"}


@pytest.fixture
def images(tmp_path: Path) -> tuple[Path, Path]:
    place = tmp_path / "disks"
    place.mkdir()
    rich_image(place / "giver.qcow2")
    make_image(place / "taker.qcow2", size="300M")
    return place / "giver.qcow2", place / "taker.qcow2"


@contextmanager
def open_windows(display: Display, tmp_path: Path, images: tuple[Path, Path], how: str) -> Iterator[list[Window]]:
    giver, taker = ("--image", str(images[0])), ("--image", str(images[1]))
    with ExitStack() as stack:
        if how == "one program":
            places = (UPPER_PLACE, LOWER_PLACE)
            both = running_editor(display, tmp_path, *giver, *taker, deadline_s=OPEN_S, places=places)
            process = stack.enter_context(both)
            yield [Window(process, 0), Window(process, 1)]
            return
        found = []
        for name, options, place in (("upper", giver, UPPER_PLACE), ("lower", taker, LOWER_PLACE)):
            one = running_editor(display, tmp_path, *options, deadline_s=OPEN_S, places=(place,), name=name)
            found.append(Window(stack.enter_context(one), 0))
        yield found


@pytest.mark.parametrize("how", ["one program", "two programs"])
def test_a_folder_goes_from_image_to_image(
    display: Display, images: tuple[Path, Path], tmp_path: Path, how: str
) -> None:
    with open_windows(display, tmp_path, images, how) as (upper, lower):
        drag(display, upper.ask("row", "src"), lower.ask("row", "srv"))
        state = lower.until(lambda s: s["changes"] and s["idle"], "the drop is in the draft", deadline_s=240)
        assert state["changes"] == [f"/srv/src added ({MANY + len(ODD) + 3} files in all)"]
        lower.ask("row", "srv")
        apply_by_keyboard(display, lower.process)
    check(images[1], "/srv/src", tmp_path / "work")


@pytest.mark.lab
def test_a_folder_goes_from_host_to_host(display: Display, lab: Lab, tmp_path: Path) -> None:
    """Two windows of one program, on the disks of shut-off guests of kvm1 and kvm2."""
    hosts = [lab.host("kvm1"), lab.host("kvm2")]
    for host in hosts:
        host.repair()
    rich_image(tmp_path / "rich.qcow2")
    guestfish_add(tmp_path / "rich.qcow2", hosts[0].disk(hosts[0].off_guest))
    options = [word for host in hosts for word in ("--uri", host.uri, "--guest", host.off_guest)]
    with running_editor(display, tmp_path, *options, deadline_s=OPEN_S, places=()) as process:
        for number, place in ((0, UPPER_PLACE), (1, LOWER_PLACE)):
            wait_until(lambda n=number: process.ask("disks", str(n))["may_open"], within_s=60, what="its disks")  # type: ignore[misc] # mypy knows no default there
            process.ask("open_disk", str(number))
            wait_until(lambda n=number: process.ask("disks")["editors"] == n + 1, within_s=30, what="its window")  # type: ignore[misc] # as above
            process.ask("use", str(number))
            process.until(lambda s: s["names"] or s["problem"], deadline_s=OPEN_S, what="the files of the disk")
            process.ask("place", *place)
        upper, lower = Window(process, 0), Window(process, 1)
        drag(display, upper.ask("row", "src"), lower.ask("row", "etc"))
        state = lower.until(lambda s: s["changes"] and s["idle"], "the drop is in the draft", deadline_s=240)
        assert state["changes"][0].startswith("/etc/src added")
        assert "brought in" in state["note"]
        apply_by_keyboard(display, process)
    check(hosts[1].disk(hosts[1].off_guest), "/etc/src", tmp_path / "work")


def change(image: Path, *commands: str) -> None:
    """Write into an image, as somebody else would."""
    script = "\n".join(["run", "mount /dev/sda /", *commands])
    env = {**os.environ, "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}
    argv = ["guestfish", "--rw", "--format=qcow2", "-a", str(image)]
    subprocess.run(argv, input=script, text=True, check=True, env=env, timeout=240)


def guestfish_add(rich: Path, into: Path) -> None:
    """Copy /src of one image into another one, so that a guest of the lab has it too."""
    tar = rich.with_suffix(".tar")
    guestfish(rich, f"tar-out /src {tar} numericowner:true xattrs:true")
    change(into, "mkdir-p /src", f"tar-in {tar} /src xattrs:true")


def test_a_file_comes_back_out_of_a_snapshot(display: Display, tmp_path: Path) -> None:
    """The snapshot opens beside the draft, and the file is dragged over by mouse."""
    image = tmp_path / "disks" / "web1.qcow2"
    image.parent.mkdir()
    make_image(image)
    change(image, 'write /etc/motd "as it was\\n"', "chown 33 34 /etc/motd", "chmod 0604 /etc/motd")
    run("qemu-img", "snapshot", "-c", "before", str(image))
    change(image, 'write /etc/motd "spoilt"', "chown 0 0 /etc/motd")
    places = (LOWER_PLACE,)
    with running_editor(display, tmp_path, "--image", str(image), deadline_s=OPEN_S, places=places) as process:
        now = Window(process, 0)
        then = Window(process, now.ask("open_snapshot", "1"))
        then.until(lambda s: s["names"] or s["problem"], "the snapshot's files", deadline_s=OPEN_S)
        then.ask("place", *UPPER_PLACE)
        for window in (now, then):
            window.ask("go", "/etc")
            window.until(lambda s: s["folder"] == "/etc", "the folder")
        drag(display, then.ask("row", "motd"), now.ask("space"))
        wait_until(lambda: now.ask("conflict"), within_s=30, what="it asks")
        display.run("xdotool", "key", "alt+r")
        now.until(lambda s: s["changes"] and s["idle"], "it is in the draft", deadline_s=120)
        assert then.until(lambda s: s["idle"], "done")["changes"] == []
        now.ask("row", "motd")
        apply_by_keyboard(display, process)
    answer = guestfish(image, "cat /etc/motd", "stat /etc/motd")
    assert answer.startswith("as it was")
    assert "uid: 33" in answer
    assert "gid: 34" in answer
    assert subprocess.run(["qemu-img", "check", "-q", str(image)], check=False).returncode == 0
