# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest steps of a long draft become one when it is taken up again. Real images and layers; no appliance."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from vmconsole.images import draft as draft_module
from vmconsole.images import layers
from vmconsole.images.draft import Draft
from vmconsole.images.export import Export
from vmconsole.images.facts import look_at
from vmconsole.images.messages import ChangeVerb, ImageSource
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmconsole.links.ssh import LocalShell

STEPS, MOST = 5, 2


class Long:
    """A draft of ``STEPS`` steps, each of which writes its number over half of the one before."""

    def __init__(self, shell: LocalShell, image: Path, work: Path) -> None:
        self._work, self._source = work, ImageSource(str(image), "qcow2")
        self._facts = look_at(shell, self._source)
        self._export = Export(shell, self._facts, on_lost=lambda _error: None)
        self._export.start(shares=False)
        draft = Draft(work, self._source)
        draft.begin(self._facts, self._export.socket)
        for number in range(1, STEPS + 1):
            disks.run("qemu-io", "-f", "qcow2", "-c", f"write -P {number} {number * 64}k 128k", draft.overlay)
            draft.add(ChangeVerb.WRITTEN, f"/file{number}")
            draft.next_tops()
            draft.seal()
        draft.close()

    @contextlib.contextmanager
    def opened(self) -> Iterator[Draft]:
        draft = Draft(self._work, self._source)
        try:
            draft.resume(self._export.socket)
            yield draft
        finally:
            draft.close()

    def contents(self, draft: Draft) -> list[str]:
        """Of every state that can be reached, the oldest first; the draft is left at the newest."""
        draft.go(-draft.steps_done)
        found = [disks.content_hash(draft.overlay)]
        while draft.steps_undone:
            draft.go(1)
            found.append(disks.content_hash(draft.overlay))
        return found

    def close(self) -> None:
        self._export.close()


@pytest.fixture
def long(shell: LocalShell, image: Path, tmp_path: Path) -> Iterator[Long]:
    long = Long(shell, image, tmp_path / "work")
    yield long
    long.close()


def test_the_oldest_become_one(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    with long.opened() as draft:
        states = long.contents(draft)
    assert len(set(states)) == STEPS + 1
    monkeypatch.setattr(draft_module, "MOST_STEPS", MOST)
    with long.opened() as draft:
        assert draft.steps_done == MOST
        assert [change.path for change in draft.changes] == [f"/file{n}" for n in range(1, STEPS + 1)]
        assert long.contents(draft) == [states[0], *states[-MOST:]]
        assert len(list(draft.overlay.parent.iterdir())) == MOST + 1, "a layer that nobody needs was left"


def test_what_was_undone_can_be_redone_afterwards(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    with long.opened() as draft:
        states = long.contents(draft)
        draft.go(-3)
    monkeypatch.setattr(draft_module, "MOST_STEPS", MOST)
    with long.opened() as draft:
        assert disks.content_hash(draft.overlay) == states[2]
        assert long.contents(draft) == [states[0], *states[2:]]


@pytest.mark.parametrize("nth", [1, 3])
def test_a_crash_meanwhile_loses_nothing(long: Long, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    """The program ends before the nth time that the draft's list is written."""
    with long.opened() as draft:
        states = long.contents(draft)
    left = [nth]
    save = Draft._save

    def crash(draft: Draft) -> None:
        left[0] -= 1
        if left[0] <= 0:
            raise KeyboardInterrupt
        save(draft)

    monkeypatch.setattr(draft_module, "MOST_STEPS", MOST)
    with monkeypatch.context() as patch:
        patch.setattr(Draft, "_save", crash)
        patch.setattr(Draft, "close", lambda draft: os.close(draft._lock))
        with pytest.raises(KeyboardInterrupt), long.opened():
            pass
    with long.opened() as draft:
        assert long.contents(draft) == [states[0], *states[-MOST:]]


def test_what_cannot_be_merged_stays_as_it_is(long: Long, monkeypatch: pytest.MonkeyPatch) -> None:
    """The merging of large layers may take longer than anybody waits."""

    def fail(*arguments: object, **_more: object) -> bytes:
        raise ImageError("qemu-img on this computer did not end in time.", where=str(arguments[-1]))

    with long.opened() as draft:
        states = long.contents(draft)
    monkeypatch.setattr(draft_module, "MOST_STEPS", MOST)
    with monkeypatch.context() as patch:
        real = layers.qemu_img
        patch.setattr(layers, "qemu_img", lambda *a, **k: (real if "-u" in a else fail)(*a, **k))
        with long.opened() as draft:
            assert draft.steps_done == STEPS
            assert long.contents(draft) == states
