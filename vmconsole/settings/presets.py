# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of presets of limits: those that come with the program, and the user's own. Blocks on the disk for a moment.

What is in them is for ``quotas.presets`` to say; here they are texts with names.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import OperationRefused
from vmconsole.inventory.resources import resource

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"[^\w-]+")
MOST_LETTERS = 60


class PresetFiles:
    """``folder`` is made when the first preset is saved."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def texts(self) -> tuple[tuple[str, str, bool], ...]:
        """(name, text, whether it is the user's own), the program's first. An own one goes before one of that name."""
        own = {path.stem: path.read_text(encoding="utf-8", errors="replace") for path in sorted(self._own())}
        given = {path.stem: path.read_text(encoding="utf-8") for path in sorted(resource("presets").glob("*.toml"))}
        found = [(name, text, False) for name, text in given.items() if name not in own]
        return (*found, *((name, text, True) for name, text in own.items()))

    def _own(self) -> list[Path]:
        return [path for path in self._folder.glob("*.toml") if path.is_file()] if self._folder.is_dir() else []

    def save(self, title: str, text: str) -> str:
        """Returns the name that it has now. Raises OperationRefused where it cannot be written."""
        name = _NAME.sub("-", title.strip()).strip("-").lower()[:MOST_LETTERS] or "preset"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._folder / f".{name}.new"
            new.write_text(text, encoding="utf-8")
            new.replace(self._folder / f"{name}.toml")
        except OSError as error:
            raise OperationRefused(
                "The preset was not saved.", advice=f"Look at the folder {self._folder}.", said=str(error)
            ) from error
        return name

    def remove(self, name: str) -> None:
        (self._folder / f"{name}.toml").unlink(missing_ok=True)
