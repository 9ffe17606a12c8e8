# SPDX-License-Identifier: GPL-3.0-or-later
"""Block devices as images: real loop devices of this machine, mounted by it and not."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, close, done, session_on
from vmconsole.images import device_use, old_drafts
from vmconsole.images.device_sample import sample_of
from vmconsole.images.disk import OpenDisk
from vmconsole.images.draft import Draft
from vmconsole.images.facts import look_at
from vmconsole.images.messages import ChangeVerb, ImageMode, ImageSource, OldDraft, SessionState
from vmconsole.inventory.errors import ImageError, ImageInUse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.links.ssh import LocalShell

LOOK = ("-o", "ro,noload")
"""Of ext4: a mount that writes nothing."""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    """/dev/loopN with an ext4 filesystem."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "proof.txt").write_text("this is a device\n")
    disks.run("truncate", "-s", "64M", tmp_path / "device.raw")
    disks.run("mkfs.ext4", "-q", "-d", tree, tmp_path / "device.raw")
    found = disks.run("losetup", "--show", "-f", tmp_path / "device.raw").strip()
    yield found
    disks.run("losetup", "-d", found)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where it may be mounted."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    return folder


@contextlib.contextmanager
def mounted(device: str, place: Path, *options: str) -> Iterator[Path]:
    """Mounted where only we reach it: a mount of all would be copied into each walled process that starts meanwhile,
    and hold the device until that ends."""
    script = 'mount "$@" && echo mounted && read -r _; for last; do :; done; umount "$last"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", *options, device, str(place)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as elsewhere:
        assert elsewhere.stdout is not None
        assert elsewhere.stdout.readline() == b"mounted\n"
        try:
            yield Path(f"/proc/{elsewhere.pid}/root", *place.parts[1:])
        finally:
            elsewhere.communicate(b"\n")
    assert elsewhere.returncode == 0, "it is not unmounted"


def test_a_device_that_its_host_has_mounted_is_to_look_only(shell: LocalShell, device: str, place: Path) -> None:
    disk = OpenDisk(ImageSource(device, "raw"), shell, on_lost=lambda _error: None)
    disk.look()
    assert disk.look_only_reason is None
    disks.run("mount", *LOOK, device, place)
    facts = disk.look()
    reason = disk.look_only_reason
    assert reason is not None
    assert reason.cause == f"{device} is mounted at {place}."
    assert "Unmount" in reason.advice
    with pytest.raises(ImageInUse, match="in use by this computer itself"):
        device_use.check_free(shell, facts)
    disks.run("umount", place)


def test_a_mount_that_lsblk_cannot_see_is_seen_by_the_kernel(shell: LocalShell, device: str, place: Path) -> None:
    facts = look_at(shell, ImageSource(device, "raw"))
    with mounted(device, place, *LOOK):
        held = device_use.why_held(shell, facts)
    assert held is not None
    assert held.cause == "Its kernel says that it is busy."
    device_use.check_free(shell, facts)


def test_what_is_written_to_a_device_changes_its_identity(shell: LocalShell, device: str, place: Path) -> None:
    before = look_at(shell, ImageSource(device, "raw")).identity
    with mounted(device, place, *LOOK):
        pass
    assert look_at(shell, ImageSource(device, "raw")).identity == before
    with mounted(device, place) as there:
        (there / "else.txt").write_text("of the host\n")
    assert look_at(shell, ImageSource(device, "raw")).identity != before


def restarted(work: Path) -> None:
    """Let the kept draft say what it would say had the host been restarted since: another start of the system."""
    (kept,) = work.glob("*/draft.json")
    text = json.loads(kept.read_text("utf-8"))
    for disk in text["disks"]:
        number, _, written = disk["identity"].split()
        disk["identity"] = f"{number} 00000000-0000-0000-0000-000000000000 {int(written) + 5000}"
    kept.write_text(json.dumps(text), "utf-8")


def judged(shell: LocalShell, device: str, work: Path) -> old_drafts.Judged:
    disk = OpenDisk(ImageSource(device, "raw"), shell, on_lost=lambda _error: None)
    disk.look()
    draft = Draft(work, disk.source)
    try:
        assert draft.exists
        assert draft.identities != (disk.facts.identity,)
        return old_drafts.judge(draft, [disk])
    finally:
        draft.close()


def begun(shell: LocalShell, device: str, work: Path) -> None:
    """A draft of it with a change, and the host was restarted."""
    disk = OpenDisk(ImageSource(device, "raw"), shell, on_lost=lambda _error: None)
    disk.look()
    draft = Draft(work, disk.source)
    draft.begin_all([disk.facts], [work / "nobody"], old_drafts.samples_of([disk]))
    draft.add(ChangeVerb.WRITTEN, "/etc/fstab")
    draft.close()
    restarted(work)


def test_after_a_restart_of_its_host_nobody_can_tell(
    shell: LocalShell, device: str, place: Path, tmp_path: Path
) -> None:
    begun(shell, device, tmp_path / "work")
    found = judged(shell, device, tmp_path / "work")
    assert (found.is_untold, found.may_be_shown) == (True, True)
    assert "host was restarted since" in found.reason.what
    assert "/etc/fstab changed" in found.reason.cause
    with mounted(device, place, *LOOK):
        pass
    assert judged(shell, device, tmp_path / "work").is_untold, "to look is not to write"
    with mounted(device, place) as there:
        (there / "else.txt").write_text("of another machine\n")
    found = judged(shell, device, tmp_path / "work")
    assert (found.is_untold, found.may_be_shown) == (False, True)
    assert "does not fit" in found.reason.what
    assert "look at the draft" in found.reason.advice.lower()


@pytest.mark.parametrize("where", [0, (64 << 20) - 512, 5 * (1 << 20) + 7])
def test_a_sample_tells_what_another_machine_wrote(shell: LocalShell, device: str, tmp_path: Path, where: int) -> None:
    """That leaves nothing in what this kernel counts."""
    facts = look_at(shell, ImageSource(device, "raw"))
    before = sample_of(shell, facts)
    assert before.startswith(f"{64 << 20} ")
    assert sample_of(shell, facts) == before
    with open(tmp_path / "device.raw", "r+b") as file:
        file.seek(where)
        file.write(b"\xa5")
    disks.run("blockdev", "--flushbufs", device)
    assert sample_of(shell, facts) != before


def test_a_file_needs_no_sample(shell: LocalShell, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(bytes(1 << 20))
    assert sample_of(shell, look_at(shell, ImageSource(str(tmp_path / "image"), "raw"))) == ""


@pytest.mark.parametrize(
    ("out", "found"),
    [
        ("\n", ()),
        ("busy\n", ("Its kernel says that it is busy.",)),
        ('\n{"blockdevices":[{"name":"/dev/sda","type":"disk","mountpoint":null,"children":[{"name":"/dev/sda1",'
         '"type":"part","mountpoint":"[SWAP]"},{"name":"/dev/sda2","type":"part","mountpoint":null,"children":'
         '[{"name":"/dev/mapper/vg-root","type":"lvm","mountpoint":"/"}]},{"name":"/dev/md0","type":"raid1"}]}]}',
         ("/dev/sda1 is its swap space.", "/dev/mapper/vg-root is mounted at /.", "/dev/md0 (raid1) is made of it.")),
        ('\n{"blockdevices":[{"name":"/dev/dm-3","type":"lvm","mountpoint":null}]}', ()),
        ("busy\nnot json", ("Its kernel says that it is busy.",)),
    ],
)  # fmt: skip
def test_who_holds_a_device_is_said(out: str, found: tuple[str, ...]) -> None:
    assert device_use.holders(out) == found


@pytest.mark.appliance
@pytest.mark.timeout(900)
def test_a_draft_of_a_device_is_applied_unless_it_is_mounted_meanwhile(
    shell: LocalShell, device: str, place: Path, tmp_path: Path
) -> None:
    source = ImageSource(device, "raw")
    opened = session_on(tmp_path / "device.raw", shell, tmp_path / "work", source)
    try:
        overview = done(opened.session.open(), deadline_s=LAUNCH_S)
        assert (overview.mode, overview.format) == (ImageMode.DRAFT, "raw")
        assert opened.read("/sda/proof.txt") == b"this is a device\n"
        done(opened.session.write_file("/sda/new.txt", b"new\n"))
        with mounted(device, place, *LOOK) as there:
            with pytest.raises(ImageInUse, match="nothing is written"):
                done(opened.session.apply())
            assert not (there / "new.txt").exists()
        assert opened.session.state is SessionState.READY
        done(opened.session.apply())
        with mounted(device, place, *LOOK) as there:
            assert (there / "new.txt").read_bytes() == b"new\n"
            assert (there / "proof.txt").read_bytes() == b"this is a device\n"
    finally:
        close(opened)


@pytest.mark.appliance
@pytest.mark.timeout(900)
@pytest.mark.slow
def test_a_device_that_was_written_meanwhile_is_refused(
    shell: LocalShell, device: str, place: Path, tmp_path: Path
) -> None:
    opened = session_on(tmp_path / "device.raw", shell, tmp_path / "work", ImageSource(device, "raw"))
    try:
        done(opened.session.open(), deadline_s=LAUNCH_S)
        done(opened.session.write_file("/sda/new.txt", b"new\n"))
        with mounted(device, place) as there:
            (there / "else.txt").write_text("of the host\n")
        with pytest.raises(ImageError, match="changed by somebody else"):
            done(opened.session.apply())
    finally:
        close(opened)
    again = session_on(tmp_path / "device.raw", shell, tmp_path / "work", ImageSource(device, "raw"))
    with mounted(device, place) as there:
        assert sorted(p.name for p in there.iterdir()) == ["else.txt", "lost+found", "proof.txt"]
        try:
            overview = done(again.session.open(), deadline_s=LAUNCH_S)
            assert overview.mode is ImageMode.LOOK_ONLY
            assert overview.mode_reason is not None
            assert "in use by this computer" in overview.mode_reason.what
            assert again.read("/sda/else.txt") == b"of the host\n"
        finally:
            close(again)


@pytest.mark.appliance
@pytest.mark.timeout(900)
@pytest.mark.slow
def test_a_draft_of_a_device_outlives_a_restart_of_its_host(
    shell: LocalShell, device: str, place: Path, tmp_path: Path
) -> None:
    work, source = tmp_path / "work", ImageSource(device, "raw")
    opened = session_on(tmp_path / "device.raw", shell, work, source)
    try:
        done(opened.session.open(), deadline_s=LAUNCH_S)
        done(opened.session.write_file("/sda/new.txt", b"new\n"))
    finally:
        close(opened)
    restarted(work)
    kept = json.loads(next(work.glob("*/draft.json")).read_text("utf-8"))
    again = session_on(tmp_path / "device.raw", shell, work, source)
    try:
        overview = done(again.session.open(), deadline_s=LAUNCH_S)
        assert (overview.mode, overview.old_draft) == (ImageMode.LOOK_ONLY, "untold")
        assert "new.txt" not in again.names("/sda")
        overview = done(again.session.open_again(OldDraft.LOOKED_AT), deadline_s=LAUNCH_S)
        assert (overview.mode, overview.old_draft) == (ImageMode.LOOK_ONLY, "shown")
        assert again.read("/sda/new.txt") == b"new\n"
        with pytest.raises(ImageError, match="look only"):
            done(again.session.write_file("/sda/more.txt", b"x"))
        (tmp_path / "out").mkdir()
        done(again.session.export_paths(["/sda/new.txt"], tmp_path / "out"))
        assert (tmp_path / "out/new.txt").read_bytes() == b"new\n"
        assert {**json.loads(next(work.glob("*/draft.json")).read_text("utf-8"))} == kept, "to look changed the draft"
        overview = done(again.session.open_again(OldDraft.TRUSTED), deadline_s=LAUNCH_S)
        assert (overview.mode, overview.old_draft) == (ImageMode.DRAFT, "")
        assert [c.path for c in again.session.changes()] == ["/sda/new.txt"]
        done(again.session.apply())
    finally:
        close(again)
    with mounted(device, place, *LOOK) as there:
        assert (there / "new.txt").read_bytes() == b"new\n"
    assert not list(work.glob("*/disk?/look.qcow2"))
