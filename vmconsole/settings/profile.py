# SPDX-License-Identifier: GPL-3.0-or-later
"""Where vmconsole keeps things: one profile directory, or the XDG places of the user when none is given.

Settings are one small JSON file, written atomically; a damaged one is put aside and the defaults serve.
Secrets never come here.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from vmconsole.settings.connections import Connections

if TYPE_CHECKING:
    from collections.abc import Mapping

APP = "vmconsole"
OLD_KEY = "connections"
"""Setting of the first versions: a list of URIs."""
Value = str | int | float | bool | list[str] | None
log = logging.getLogger(__name__)


class Profile:
    """Paths and settings. GUI thread for ``get`` and ``put``; the paths are safe anywhere."""

    def __init__(self, root: Path | None = None) -> None:
        dirs = platformdirs.PlatformDirs(APP, appauthor=False)
        self.settings_dir = root if root is not None else Path(dirs.user_config_dir)
        self.cache_dir = root / "cache" if root is not None else Path(dirs.user_cache_dir)
        self.drafts_dir = root / "drafts" if root is not None else Path(dirs.user_data_dir) / "drafts"
        self.state_dir = root / "state" if root is not None else Path(dirs.user_state_dir)
        for path in (self.settings_dir, self.cache_dir, self.drafts_dir, self.state_dir):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._values = self._load()
        self.connections = Connections(self.settings_dir)
        old = self.texts(OLD_KEY)
        if old and self.connections.take_over(old):  # dropped only when the new file is there
            self.put(OLD_KEY, None)

    @property
    def settings_file(self) -> Path:
        return self.settings_dir / "settings.json"

    @property
    def values(self) -> Mapping[str, Value]:
        return self._values

    def get(self, key: str, default: Value = None) -> Value:
        return self._values.get(key, default)

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self._values.get(key, default)
        return value if isinstance(value, bool) else default

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key)
        return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()

    def put(self, key: str, value: Value) -> None:
        """Set a value and write the file; None removes it. A full disk is logged: losing a setting must stop nobody."""
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        try:
            self._write()
        except OSError:
            log.warning("settings could not be written to %s", self.settings_file, exc_info=True)

    def _load(self) -> dict[str, Value]:
        try:
            found = json.loads(self.settings_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            log.warning("settings in %s cannot be read; they are put aside as .damaged", self.settings_file)
            self._put_aside()
            return {}
        return found if isinstance(found, dict) else {}

    def _put_aside(self) -> None:
        try:
            self.settings_file.rename(self.settings_file.with_suffix(".damaged"))
        except OSError:
            log.warning("and could not be put aside", exc_info=True)

    def _write(self) -> None:
        handle, name = tempfile.mkstemp(dir=self.settings_dir, prefix=".settings-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(self._values, file, indent=1, sort_keys=True)
            Path(name).replace(self.settings_file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
