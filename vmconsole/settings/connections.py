# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's connections, kept in ``connections.json`` of the profile. GUI thread.

What shapes the connection itself (user, port, key, jump host, read-only) is in its URI; here is what the console adds.
The file is written atomically; a damaged one is put aside, and one record that makes no sense is left out alone.
Secrets never come here.
"""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "connections.json"
VERSION = 1
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SavedConnection:
    """One remembered connection."""

    uri: str
    name: str = ""
    """What the user calls it; empty: the host's own name."""
    colour: str = ""
    """``#rrggbb`` of its mark in the tree, or empty."""
    group: str = ""
    connect_at_start: bool = True
    allows_behind: bool = False
    """Whether changes behind libvirt's back (QMP) are offered there."""


class Connections:
    """All remembered connections, in the user's order. One for each profile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all: dict[str, SavedConnection] = {saved.uri: saved for saved in self._load()}

    @property
    def file(self) -> Path:
        return self._folder / FILE

    @property
    def all(self) -> tuple[SavedConnection, ...]:
        return tuple(self._all.values())

    @property
    def groups(self) -> tuple[str, ...]:
        """Names that are in use, in order."""
        return tuple(sorted({saved.group for saved in self.all if saved.group}, key=str.casefold))

    def find(self, uri: str) -> SavedConnection | None:
        return self._all.get(uri)

    def put(self, *connections: SavedConnection) -> None:
        """Remember them, in place of those with the same URI."""
        self._all |= {saved.uri: saved for saved in connections}
        self._write_or_log()

    def replace(self, uri: str, by: SavedConnection) -> None:
        """In its place; one of the new URI that was elsewhere goes."""
        if uri not in self._all:
            self.put(by)
            return
        kept = [by if saved.uri == uri else saved for saved in self.all if saved.uri == uri or saved.uri != by.uri]
        self._all = {saved.uri: saved for saved in kept}
        self._write_or_log()

    def remove(self, *uris: str) -> None:
        known = [uri for uri in uris if self._all.pop(uri, None) is not None]
        if known:
            self._write_or_log()

    def take_over(self, uris: Sequence[str]) -> bool:
        """Remember those that are not known yet, before the others. Whether the file is written."""
        self._all = {uri: SavedConnection(uri) for uri in uris} | self._all
        return self._write_or_log()

    def _load(self) -> list[SavedConnection]:
        try:
            found = json.loads(self.file.read_text(encoding="utf-8"))
            records = found["connections"]
            if not isinstance(records, list):
                raise TypeError  # noqa: TRY301  # one handler for all that can be wrong with the file
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            log.warning("connections in %s cannot be read; they are put aside as .damaged", self.file)
            self._put_aside()
            return []
        read = [_record(record) for record in records]
        if None in read:
            log.warning("%d connections in %s make no sense and are left out", read.count(None), self.file)
        return [saved for saved in read if saved is not None]

    def _put_aside(self) -> None:
        try:
            self.file.rename(self.file.with_suffix(".damaged"))
        except OSError:
            log.warning("and could not be put aside", exc_info=True)

    def _write_or_log(self) -> bool:
        """A full disk is logged: losing a setting must stop nobody."""
        try:
            self._write()
        except OSError:
            log.warning("connections could not be written to %s", self.file, exc_info=True)
            return False
        return True

    def _write(self) -> None:
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=".connections-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"version": VERSION, "connections": [asdict(c) for c in self.all]}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _record(found: object) -> SavedConnection | None:
    """A record of the file; unknown fields are of a newer version, wrong ones are left at their default."""
    if not isinstance(found, dict) or not isinstance(found.get("uri"), str) or not found["uri"].strip():
        return None
    kinds = {"connect_at_start": bool, "allows_behind": bool}
    given = {
        f.name: found[f.name]
        for f in fields(SavedConnection)
        if f.name in found and isinstance(found[f.name], kinds.get(f.name, str))
    }
    if not _COLOUR.fullmatch(given.get("colour", "")):
        given.pop("colour", None)
    return SavedConnection(**given)
