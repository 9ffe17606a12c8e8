# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of the image where things are made before they take their place, all or none. Child process."""

from __future__ import annotations

import contextlib
import stat
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.editing import move, temporary_name
from vmconsole.images.child.handle import is_folder, lstat_of
from vmconsole.images.child.listing import addressable_names
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vmconsole.images.child.handle import Stat, Work

_MANY = 30
"""From here on, a rename for each costs more than it is worth, where nothing is replaced."""


def placed_in(
    work: Work, into: str, tops: Sequence[str], *, is_fresh: bool
) -> contextlib.AbstractContextManager[Staged]:
    """Where to make ``tops``, of which none is in ``into`` yet if ``is_fresh``."""
    return _made_in_place(work, into, tops) if is_fresh and len(tops) >= _MANY else staged_beside(work, into)


@contextlib.contextmanager
def _made_in_place(work: Work, into: str, tops: Sequence[str]) -> Iterator[Staged]:
    """In ``into`` itself; if that fails or is cancelled, what was made goes again."""
    work.writable(names.join(into, "x"))
    try:
        yield Staged(work, into, into)
    except BaseException:
        # Also a cancel must leave nothing behind; the first error is the one that counts.
        made = set(addressable_names(work.handle, into)) & set(tops)
        for name in sorted(made):
            with contextlib.suppress(RuntimeError):
                work.handle.rm_rf(names.join(into, name))
        raise


@contextlib.contextmanager
def staged_beside(work: Work, into: str) -> Iterator[Staged]:
    """A fresh folder in ``into``; whatever is still in it at the end goes."""
    folder = work.writable(temporary_name(names.join(into, "x")))
    work.handle.mkdir_mode(folder, 0o700)
    try:
        yield Staged(work, folder, into)
    finally:
        with contextlib.suppress(RuntimeError):
            work.handle.rm_rf(folder)


class Staged:
    """``folder`` is filled by the caller; ``place`` moves what is there into the folder above."""

    def __init__(self, work: Work, folder: str, into: str) -> None:
        self._work, self.folder, self._into = work, folder, into

    def place(self, tops: Sequence[str], below: Mapping[str, bool]) -> None:
        """Move ``tops``. ``below`` tells of every staged name, as a path, whether it is a folder: one that is there
        already is merged, name by name. Files are replaced."""
        if self.folder == self._into:
            return
        there = self._there(tops)
        self._refuse_mixed(there, below)
        for name in there:
            self._merge(name, below)
            self._work.handle.rm_rf(names.join(self.folder, name))  # what is left of a merged folder
        fresh = [name for name in tops if name not in there]
        for name in fresh:
            move(self._work.handle, names.join(self.folder, name), names.join(self._into, name))

    def _there(self, tops: Sequence[str]) -> dict[str, Stat]:
        taken = set(addressable_names(self._work.handle, self._into))
        known = [name for name in tops if name in taken]
        found = self._work.handle.lstatnslist(self._into, known) if known else []
        return dict(zip(known, found, strict=True))

    def _refuse_mixed(self, there: Mapping[str, Stat], below: Mapping[str, bool]) -> None:
        """Before anything is moved."""
        for name, found in there.items():
            if is_folder(found) != below[name]:
                raise _mixed(names.join(self._into, name))

    def _merge(self, name: str, below: Mapping[str, bool]) -> None:
        staged, wanted = names.join(self.folder, name), names.join(self._into, name)
        there = lstat_of(self._work.handle, wanted)
        if there is not None and stat.S_ISDIR(there["st_mode"]) != below[name]:
            raise _mixed(wanted)
        if there is None or not below[name]:
            move(self._work.handle, staged, wanted)
            return
        for child in below:
            if child.rpartition("/")[0] == name:
                self._merge(child, below)


def _mixed(where: str) -> ImageError:
    return ImageError("A folder cannot replace a file, nor a file a folder.", where=where, advice="Rename one of them.")
