# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the child puts what is copied out of an image: a fresh folder, the only one of the user's that it may write.

It lies in the destination, so that to move is to rename; what else is there is not visible to the child. The parent
moves what came, and only things that belong on a desktop. Blocks; the session's thread.
"""

from __future__ import annotations

import dataclasses
import os
import stat
import tempfile
from typing import TYPE_CHECKING

from vmconsole.images import names, requests
from vmconsole.images.hints import explained
from vmconsole.images.messages import Transferred
from vmconsole.images.removing import remove_tree
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from types import TracebackType

_PREFIX = ".vmconsole-export-"


class Outbox:
    """One export. A context manager: in the end nothing of the folder is left, whatever happened."""

    def __init__(self, request: requests.Export) -> None:
        self._wanted = request
        self._folder = ""

    @property
    def request(self) -> requests.Export:
        """What the child is asked instead."""
        return dataclasses.replace(self._wanted, local_folder=self._folder)

    def __enter__(self) -> Outbox:
        try:
            self._folder = tempfile.mkdtemp(prefix=_PREFIX, dir=self._wanted.local_folder)
        except OSError as error:
            raise explained(
                "The files cannot be written on this machine.", str(error), where=self._wanted.local_folder
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        remove_tree(self._folder)

    def delivered(self, answer: requests.Done | requests.Refused) -> requests.Done | requests.Refused:
        """Move what came to its place, and say where it is. Raises ImageError."""
        if isinstance(answer, requests.Refused) or not isinstance(answer.value, Transferred):
            return answer
        try:
            placed = tuple(self._place(path) for path in answer.value.paths)
        except OSError as error:
            raise explained(
                "The files cannot be written on this machine.", str(error), where=self._wanted.local_folder
            ) from error
        return dataclasses.replace(answer, value=dataclasses.replace(answer.value, paths=placed))

    def _place(self, path: str) -> str:
        name = os.path.basename(path)
        staged = os.path.join(self._folder, name)
        if os.path.dirname(path) != self._folder or name in {"", ".", ".."}:
            raise ImageError("The appliance says that it put a file where it may not.", where=names.shown_text(path))
        check_harmless(staged)
        folder = self._wanted.local_folder
        wanted = os.path.join(folder, names.free_name(name, frozenset(os.listdir(folder))))
        os.rename(staged, wanted)
        return wanted


def check_harmless(path: str) -> None:
    """Nothing there may be a device, pipe or socket, or run with another's rights. Raises ImageError."""
    waiting = [path]
    while waiting:
        here = waiting.pop()
        kind = os.lstat(here).st_mode
        gives_rights = stat.S_ISREG(kind) and kind & (stat.S_ISUID | stat.S_ISGID)
        if gives_rights or not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or stat.S_ISLNK(kind)):
            raise ImageError("The appliance made something that does not belong here.", where=names.shown_text(here))
        if stat.S_ISDIR(kind):
            waiting += [os.path.join(here, name) for name in os.listdir(here)]
