# SPDX-License-Identifier: GPL-3.0-or-later
"""One Apply to two disks of a guest, qcow2 and raw: wherever it is cut off, both become new, or both stay old.

Real images, exports, journals and commits; no appliance (``stand_in``).
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.shells import ShellInFront
from tests.images.stand_in import Place
from vmconsole.images.facts import look_at
from vmconsole.inventory.errors import ConsoleError, ImageDamaged, ImageError, ImageInUse, LinkLost

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.images.draft_work import DraftWork
    from vmconsole.links.base import Completed, Shell
    from vmconsole.links.ssh import LocalShell


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path, has_second_disk=True)
    disks.qcow2(place.image)
    disks.run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", place.image, place.second)
    for folder, byte in (("ready", 0x42), ("ready1", 0x52)):
        (tmp_path / folder).mkdir()
        for number in (1, 2):
            layer = tmp_path / f"{folder}/layer-{number}.qcow2"
            below = ["-u", "-F", "qcow2", "-b", "layer-1.qcow2"] if number == 2 else []
            disks.run("qemu-img", "create", "-q", "-f", "qcow2", *below, layer, "16M")
            disks.run("qemu-io", "-f", "qcow2", "-c", f"write -P {byte + number} {number * 4}M 1M", layer)
    return place


class NthShell(ShellInFront):
    """This machine; at the ``nth`` command that contains ``word`` something happens first, else the link dies."""

    def __init__(self, shell: LocalShell, word: str, nth: int) -> None:
        super().__init__(shell)
        self._word, self._left = word, nth
        self.is_dead = False
        self.instead = self._die

    def _die(self, command: str) -> None:
        self.is_dead = True
        raise LinkLost(f"The link died at {command[:40]!r}.")

    def run(self, command: str, *, deadline_s: float, feed: bytes = b"") -> Completed:
        if self.is_dead:
            raise LinkLost("The link is dead.")
        if re.search(self._word, command):
            self._left -= 1
            if not self._left:
                self.instead(command)
        return self._shell.run(command, deadline_s=deadline_s, feed=feed)


class Story:
    def __init__(self, place: Place, shell: LocalShell) -> None:
        self.place, self._shell = place, shell
        _, give = place.draft_work(shell)
        image = place.open(shell)
        place.edit(image)
        image.close()
        give(None)
        self.old = self.content()
        self.new = self._applied_elsewhere()

    def content(self) -> tuple[str, ...]:
        return tuple(disks.content_hash(image, kind) for image, kind in self.place.images)

    def _applied_elsewhere(self) -> tuple[str, ...]:
        """What it must become, made by QEMU alone."""
        found = []
        for (image, kind), byte in zip(self.place.images, (0x42, 0x52), strict=True):
            copy = image.with_suffix(".wanted")
            disks.run("cp", image, copy)
            orders = [f"write -P {byte + n} {n * 4}M 1M" for n in (1, 2)]
            disks.run("qemu-io", "-f", kind, *[w for order in orders for w in ("-c", order)], copy)
            found.append(disks.content_hash(copy, kind))
            copy.unlink()
        return tuple(found)

    def apply(self, shell: Shell | None = None) -> DraftWork:
        shell = shell or self._shell
        work, give = self.place.draft_work(shell)
        image = self.place.open(self._shell)
        give(image)
        try:
            work.apply(keeps_way_back=True)
        finally:
            image.close()
            give(None)
        return work

    def journals(self) -> list[bool]:
        return [look_at(self._shell, source).unfinished is not None for source in self.place.source.disks]

    def settled(self) -> None:
        def is_quiet() -> bool:
            found = [look_at(self._shell, source).unfinished for source in self.place.source.disks]
            return not any(record.is_running for record in found if record is not None)

        disks.until(is_quiet, what="the host's commit ends")


@pytest.fixture
def story(place: Place, shell: LocalShell) -> Story:
    return Story(place, shell)


def test_both_are_written_and_both_can_be_taken_back(story: Story) -> None:
    assert story.old[0] == story.old[1]
    work = story.apply()
    assert story.content() == story.new
    assert story.journals() == [False, False]
    work.take_back()
    assert story.content() == story.old


SLOW = pytest.mark.slow  # a few seconds each; the others tell of the same places
CUTS = [
    pytest.param("mkdir -m 700", 1, "old", [False, False], marks=SLOW),
    ("mkdir -m 700", 2, "old", [True, False]),
    pytest.param("qemu-img rebase", 2, "old", [True, False], marks=SLOW),
    pytest.param("setsid", 1, "old", [True, True], marks=SLOW),
    ("setsid", 2, "half", [True, True]),
    pytest.param("qemu-img map", 1, "half", [True, True], marks=SLOW),
    pytest.param("qemu-img map", 2, "new", [True, True], marks=SLOW),
    ("^rm -f -- ", 1, "new", [True, True]),
    pytest.param("^rm -f -- ", 2, "new", [False, True], marks=SLOW),
]


@pytest.mark.parametrize(("word", "nth", "leaves", "journals"), CUTS)
def test_a_link_that_dies_leaves_both_old_or_what_the_next_apply_finishes(
    story: Story, shell: LocalShell, word: str, nth: int, leaves: str, journals: list[bool]
) -> None:
    with pytest.raises(ConsoleError):
        story.apply(NthShell(shell, word, nth))
    story.settled()
    assert story.journals() == journals
    half = (story.new[0], story.old[1])
    assert story.content() == {"old": story.old, "half": half, "new": story.new}[leaves]
    work = story.apply()
    assert story.content() == story.new
    assert story.journals() == [False, False]
    work.take_back()
    assert story.content() == story.old


def test_a_second_disk_that_is_taken_meanwhile_follows_later(story: Story, shell: LocalShell) -> None:
    """Between the two commits somebody takes the other disk: what is written stays, the rest waits in its journal."""
    guests: list[subprocess.Popen[bytes]] = []

    def take(_command: str) -> None:
        guests.append(disks.start_qemu(story.place.second, "raw"))

    taking = NthShell(shell, "setsid", 2)
    taking.instead = take
    try:
        with pytest.raises(ImageDamaged, match="only in part") as failed:
            story.apply(taking)
        assert "lock" in failed.value.explanation.said
        assert story.journals() == [True, True], "the second disk's changes were thrown away"
        assert story.content() == (story.new[0], story.old[1])
    finally:
        for guest in guests:
            guest.kill()
            guest.communicate()
    story.apply()
    assert story.content() == story.new


def test_while_the_first_is_written_the_second_is_locked(story: Story, shell: LocalShell) -> None:
    said: list[str] = []

    def try_to_write(_command: str) -> None:
        order = ["qemu-io", "-f", "raw", "-c", "write 0 512", str(story.place.second)]
        said.append(subprocess.run(order, capture_output=True, text=True, check=False).stderr)

    watching = NthShell(shell, "setsid", 1)
    watching.instead = try_to_write
    story.apply(watching)
    assert "lock" in said[0]
    assert story.content() == story.new


def test_one_disk_alone_is_not_finished(story: Story, shell: LocalShell) -> None:
    with pytest.raises(LinkLost):
        story.apply(NthShell(shell, "setsid", 2))
    alone = Place(story.place.folder)
    work, give = alone.draft_work(shell)
    image = alone.open(shell)
    give(image)
    with pytest.raises(ImageError, match="other disks") as refused:
        work.apply(keeps_way_back=True)
    image.close()
    assert str(story.place.second) in refused.value.explanation.advice
    story.apply()
    assert story.content() == story.new


def test_a_draft_that_is_elsewhere_is_not_thrown_away(story: Story, shell: LocalShell) -> None:
    """Another computer was cut off while it carried: its journal is left alone."""
    with pytest.raises(LinkLost):
        story.apply(NthShell(shell, "mkdir -m 700", 2))
    os.rename(story.place.work, story.place.folder / "work of another")
    with pytest.raises(ImageError, match="not on this computer"):
        story.apply()
    assert story.journals() == [True, False]
    os.rename(story.place.folder / "work of another", story.place.work)
    story.apply()
    assert story.content() == story.new


def test_a_clone_that_was_made_after_the_seal_is_not_destroyed(story: Story, shell: LocalShell) -> None:
    with pytest.raises(LinkLost):
        story.apply(NthShell(shell, "setsid", 1))
    clone, base = story.place.folder / "clone.qcow2", story.place.second
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, clone)
    with pytest.raises(ImageInUse, match=r"clone\.qcow2"):
        story.apply()
    assert story.content() == story.old
    clone.unlink()
    story.apply()
    assert story.content() == story.new


@pytest.mark.parametrize("disk", [0, 1])
def test_a_guest_that_ran_between_the_seal_and_the_commit_is_seen(story: Story, shell: LocalShell, disk: int) -> None:
    """Nothing was written by us yet, so no beat tells: the seal knows what the image was."""
    with pytest.raises(LinkLost):
        story.apply(NthShell(shell, "setsid", 1))
    image, kind = story.place.images[disk]
    disks.run("qemu-io", "-f", kind, "-c", "write -P 0x77 13M 64k", image)
    as_the_guest_left_it = story.content()
    with pytest.raises(ImageError, match="written by somebody else") as refused:
        story.apply()
    assert refused.value.explanation.where == str(image)
    assert story.content() == as_the_guest_left_it
