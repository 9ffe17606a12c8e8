# SPDX-License-Identifier: GPL-3.0-or-later
"""The connections that virt-manager remembers, read from its GSettings. Blocks for a child process; any thread.

They are the keys ``uris`` and ``autoconnect`` of ``org.virt-manager.virt-manager.connections``. ``gsettings`` knows the
backend of this desktop, but needs virt-manager's schema to be installed; without it ``dconf`` and the keyfile backend's
file are asked. Absent is empty, and no error.
"""

from __future__ import annotations

import ast
import configparser
import subprocess
from typing import TYPE_CHECKING

from vmconsole.links.children import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

SCHEMA = "org.virt-manager.virt-manager.connections"
DCONF_PATH = "/org/virt-manager/virt-manager/connections"
DEADLINE_S = 4.0


def read_virt_manager(*, environment: Mapping[str, str], config_home: Path) -> tuple[tuple[str, bool], ...]:
    """(URI, connect at start), in virt-manager's order."""
    readers: tuple[Callable[[str], str], ...] = (
        lambda key: _ask(["gsettings", "get", SCHEMA, key], environment),
        lambda key: _ask(["dconf", "read", f"{DCONF_PATH}/{key}"], environment),
        lambda key: _from_keyfile(config_home / "glib-2.0" / "settings" / "keyfile", key),
    )
    for read in readers:
        uris = text_list(read("uris"))
        if uris:
            wanted = set(text_list(read("autoconnect")))
            return tuple((uri, uri in wanted) for uri in dict.fromkeys(uris))
    return ()


def text_list(value: str) -> tuple[str, ...]:
    """A GVariant of type ``as`` in its text form (``['a', 'b']``, ``@as []``); anything else is empty."""
    try:
        found = ast.literal_eval(value.strip().removeprefix("@as").strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    return tuple(item for item in found if isinstance(item, str)) if isinstance(found, list) else ()


def _ask(command: list[str], environment: Mapping[str, str]) -> str:
    try:
        done = run(command, deadline_s=DEADLINE_S, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.out.decode(errors="replace") if done.status == 0 else ""


def _from_keyfile(file: Path, key: str) -> str:
    parser = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    try:
        parser.read(file, encoding="utf-8")
        return parser.get(DCONF_PATH.lstrip("/"), key, fallback="")
    except (OSError, UnicodeError, configparser.Error):
        return ""
