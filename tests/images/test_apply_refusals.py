# SPDX-License-Identifier: GPL-3.0-or-later
"""What stops an Apply at the last moment: it is said in words, the disk is as it was, and the draft goes in later.

Real images, exports and commits; no appliance (``stand_in``).
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.stand_in import Place
from vmconsole.images.draft import SPARE_BYTES, Draft
from vmconsole.inventory.errors import ConsoleError, ImageError, ImageInUse, ImageNoSpace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vmconsole.links.ssh import LocalShell

CHANGED = "write -P 0x42 512k 512k"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    disks.qcow2(place.image)
    (tmp_path / "ready").mkdir()
    for number, orders in ((1, [CHANGED]), (2, ["write -P 0x43 8M 2M", "write -z 0 64k"])):
        layer = tmp_path / f"ready/layer-{number}.qcow2"
        below = ["-u", "-F", "qcow2", "-b", "layer-1.qcow2"] if number == 2 else []
        disks.run("qemu-img", "create", "-q", "-f", "qcow2", *below, layer, "16M")
        disks.run("qemu-io", "-f", "qcow2", *[word for order in orders for word in ("-c", order)], layer)
    return place


class Story:
    """An edited image; ``apply`` it as often as wanted."""

    def __init__(self, place: Place, shell: LocalShell) -> None:
        self.place, self._shell = place, shell
        self.asked = 0
        self.at_last_moment: Callable[[], tuple[str, ...]] = lambda: ()
        self.work, self._give = place.draft_work(shell, users=self._users)
        image = place.open(shell)
        place.edit(image)
        image.close()
        self.before = disks.content_hash(place.image)

    def _users(self) -> tuple[str, ...]:
        self.asked += 1
        return self.at_last_moment() if self.asked == 2 else ()

    def apply(self, *, keeps_way_back: bool = True) -> None:
        self.asked = 0
        image = self.place.open(self._shell)
        self._give(image)
        try:
            self.work.apply(keeps_way_back=keeps_way_back)
        finally:
            self._give(None)
            image.close()

    def check_nothing_happened(self) -> None:
        assert disks.content_hash(self.place.image) == self.before
        assert not list(self.place.folder.glob(".vmconsole-apply-*")), "a journal was left"
        assert not list(self.place.work.glob("*/back0/*")), "half a way back was left"

    def check_applied(self) -> None:
        reads = ["read -P 0 0 64k", "read -P 0x41 64k 448k", "read -P 0x42 512k 512k", "read -P 0x43 8M 2M"]
        words = [word for read in reads for word in ("-c", read)]
        done = subprocess.run(
            ["qemu-io", "-r", "-f", "qcow2", *words, self.place.image], capture_output=True, check=True
        )
        assert b"failed" not in done.stdout


@pytest.fixture
def story(place: Place, shell: LocalShell) -> Story:
    return Story(place, shell)


def test_a_guest_that_starts_while_the_draft_is_carried_wins(story: Story) -> None:
    story.at_last_moment = lambda: ("web1 on kvm2",)
    with pytest.raises(ImageInUse, match="web1 on kvm2"):
        story.apply()
    story.check_nothing_happened()
    story.at_last_moment = lambda: ()
    story.apply()
    story.check_applied()


def test_a_lock_that_is_taken_at_the_last_moment_wins(story: Story) -> None:
    guests: list[subprocess.Popen[bytes]] = []

    def start() -> tuple[str, ...]:
        guests.append(disks.start_qemu(story.place.image))
        return ()

    story.at_last_moment = start
    try:
        with pytest.raises(ImageInUse, match="as it was"):
            story.apply()
    finally:
        for guest in guests:
            guest.kill()
            guest.communicate()
    story.check_nothing_happened()
    story.at_last_moment = lambda: ()
    story.apply()
    story.check_applied()


def test_an_image_that_is_changed_at_the_last_moment_is_left_alone(story: Story) -> None:
    def change() -> tuple[str, ...]:
        disks.run("qemu-io", "-f", "qcow2", "-c", "write -P 0x77 4M 64k", story.place.image)
        return ()

    story.at_last_moment = change
    with pytest.raises(ImageError, match="changed by somebody else"):
        story.apply()
    story.before = disks.content_hash(story.place.image)
    story.check_nothing_happened()
    assert list(story.place.work.glob("*/draft.json")), "the draft was thrown away"


def test_an_image_that_others_became_based_on_is_left_alone(story: Story) -> None:
    """A clone leaves no trace on its base, and needs no guest that runs."""
    clone = story.place.folder / "clone.qcow2"
    make = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(story.place.image), str(clone)]
    disks.run(*make)
    with pytest.raises(ImageInUse, match=r"clone\.qcow2"):
        story.apply()
    story.check_nothing_happened()
    clone.unlink()
    story.apply()
    story.check_applied()
    disks.run(*make)
    before = disks.content_hash(story.place.image)
    with pytest.raises(ImageInUse, match=r"clone\.qcow2"):
        story.work.take_back()
    assert disks.content_hash(story.place.image) == before
    clone.unlink()
    story.work.take_back()
    assert disks.content_hash(story.place.image) == story.before


def test_a_host_that_cannot_be_asked_stops_it(story: Story) -> None:
    def fail() -> tuple[str, ...]:
        raise ImageError("kvm2 could not be asked whether it uses the image.")

    story.at_last_moment = fail
    with pytest.raises(ConsoleError, match="could not be asked"):
        story.apply()
    story.check_nothing_happened()


@pytest.fixture
def small_work(tmp_path: Path) -> Iterator[Path]:
    """The drafts' folder on a filesystem of its own, which can be filled."""
    work = tmp_path / "work"
    work.mkdir()
    disks.run("mount", "-t", "tmpfs", "-o", f"size={(SPARE_BYTES >> 20) + 16}m", "tmpfs", work)
    yield work
    disks.until(
        lambda: subprocess.run(["umount", work], capture_output=True, check=False).returncode == 0,
        what="it is unmounted",
    )


@pytest.mark.parametrize("fills", ["before", "meanwhile"])
def test_a_full_disk_here_leaves_draft_and_image_as_they_were(
    small_work: Path, place: Place, shell: LocalShell, monkeypatch: pytest.MonkeyPatch, fills: str
) -> None:
    story = Story(place, shell)
    if fills == "meanwhile":  # there was room when it was looked
        monkeypatch.setattr(Draft, "check_room", lambda _draft, _bytes: None)
    free = os.statvfs(small_work).f_bavail * os.statvfs(small_work).f_frsize
    ballast = small_work / "ballast"
    ballast.write_bytes(bytes(free - (3 << 20)))  # for the carried blocks there is room, for the way back there is none
    with pytest.raises(ImageNoSpace) as refused:
        story.apply()
    assert "way back" in refused.value.explanation.advice
    story.check_nothing_happened()
    ballast.write_bytes(bytes(free - (1 << 20)))
    with pytest.raises(ImageNoSpace):
        story.apply(keeps_way_back=False)
    story.check_nothing_happened()
    ballast.unlink()
    story.apply()
    story.check_applied()
    assert story.work.kept_way_back() is not None


@pytest.fixture
def small_host(tmp_path: Path) -> Iterator[Place]:
    """An image of large clusters on a host's small disk, and a draft that touches twenty of them."""
    folder, clusters = tmp_path / "small", range(0, 40, 2)
    folder.mkdir()
    disks.run("mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", folder)
    place = Place(folder)
    for inside in ("ready", "work"):
        (tmp_path / inside).mkdir()
        (folder / inside).symlink_to(tmp_path / inside)
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", place.image, "64M")
    layer = folder / "ready/layer-1.qcow2"
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", layer, "64M")
    orders = [word for mib in clusters for word in ("-c", f"write -P 0x42 {mib}M 64k")]
    disks.run("qemu-io", "-f", "qcow2", *orders, layer)
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "qcow2", "-b", "layer-1.qcow2",
              folder / "ready/layer-2.qcow2", "64M")  # fmt: skip
    yield place
    disks.until(
        lambda: subprocess.run(["umount", folder], capture_output=True, check=False).returncode == 0,
        what="it is unmounted",
    )


def test_a_host_on_which_large_clusters_have_no_room_is_told_before_it_begins(
    small_host: Place, shell: LocalShell
) -> None:
    story = Story(small_host, shell)
    host = os.statvfs(small_host.folder)
    ballast = small_host.folder / "ballast"
    ballast.write_bytes(bytes(host.f_bavail * host.f_frsize - (30 << 20)))  # the draft is of 2 MiB
    with pytest.raises(ImageNoSpace, match=r"needs 5\d MiB"):
        story.apply()
    story.check_nothing_happened()
    ballast.unlink()
    story.apply()
    assert disks.content_hash(small_host.image) != story.before
    assert disks.run("qemu-img", "check", "-f", "qcow2", small_host.image)


def test_without_a_way_back_none_is_kept(story: Story) -> None:
    story.apply()
    assert story.work.kept_way_back() is not None
    image = story.place.open(story._shell)
    story.place.edit(image)
    image.close()
    story.apply(keeps_way_back=False)
    assert story.work.kept_way_back() is None
    assert not list(story.place.work.glob("*/back0/*"))
