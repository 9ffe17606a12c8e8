# SPDX-License-Identifier: GPL-3.0-or-later
"""The only things that may be asked of the agent inside a running guest: its file commands, and a few fixed programs.

The agent can read and write files but has no way to list, rename or delete them, so a short table of programs is run by
guest-exec. There is never a shell. Names reach a program as bytes behind NULs on the input of ``xargs -0``, because the
agent's JSON carries no bytes that are not UTF-8 and so that no name is taken for an option. The link lets nothing else
pass. Sources: QEMU Guest Agent Protocol Reference; POSIX.1-2024 xargs. Plain data, any thread.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHUNK_BYTES = 48 * 1024
"""As much of a file as goes in one call: 64 KiB of base64."""
XARGS = "xargs"
FOLDER = "@folder@"
"""What xargs replaces by the folder to be listed."""
STAT_FORMAT = "//%f %s %u %g %X %Y %Z %h %U %G//%n"
"""A name cannot have a slash, and the folders given have no two in a row: two slashes part the fields."""
FIND_FORMAT = r"%m %y %s %U %G %A@ %T@ %C@ %n %u %g\0%f\0%l\0"

_HERE = (f"{FOLDER}/.", "-mindepth", "1", "-maxdepth", "1")
PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "list": ("-0", "-I", FOLDER, "find", *_HERE, "-printf", FIND_FORMAT),
    "list-with-stat": ("-0", "-I", FOLDER, "find", *_HERE, "-exec", "stat", "-c", STAT_FORMAT, "{}", "+"),
    "stat": ("-0", "stat", "-c", STAT_FORMAT, "--"),
    "stat-target": ("-0", "stat", "-L", "-c", STAT_FORMAT, "--"),
    "real-path": ("-0", "readlink", "-f", "--"),
    "make-folder": ("-0", "mkdir", "--"),
    "rename": ("-0", "mv", "-n", "-T", "--"),
    "replace": ("-0", "mv", "-f", "-T", "--"),
    "delete": ("-0", "rm", "-r", "-f", "--"),
    "set-mode": ("-0", "chmod", "{mode}", "--"),
    "set-owner": ("-0", "chown", "{owner}", "--"),
    "same-attributes": ("-0", "cp", "--attributes-only", "--preserve=all", "--"),
    "new-file": ("-0", "mktemp", "--"),
    "flush": ("-0", "sync", "--"),
    "hash": ("-0", "sha256sum", "--"),
}
"""Arguments of xargs. What follows them comes by its input, NUL behind each."""
_HOLES = {"{mode}": re.compile(r"[0-7]{4}"), "{owner}": re.compile(r"\d{1,10}:\d{1,10}")}
_EXEC_KEYS = {"path", "arg", "input-data", "capture-output"}
FILE_MODES = frozenset({"rb", "rb+"})
"""Never one that makes a file: the agent's are readable by everybody. ``new-file`` makes private ones."""
_ALLOWED: Mapping[str, frozenset[str]] = {
    "guest-ping": frozenset(),
    "guest-info": frozenset(),
    "guest-file-open": frozenset({"path", "mode"}),
    "guest-file-read": frozenset({"handle", "count"}),
    "guest-file-write": frozenset({"handle", "buf-b64"}),
    "guest-file-seek": frozenset({"handle", "offset", "whence"}),
    "guest-file-flush": frozenset({"handle"}),
    "guest-file-close": frozenset({"handle"}),
    "guest-exec": frozenset(_EXEC_KEYS),
    "guest-exec-status": frozenset({"pid"}),
}


def exec_arguments(program: str, names: Sequence[bytes], *, mode: int = 0, owner: str = "") -> dict[str, object]:
    """The arguments of guest-exec for one of ``PROGRAMS``. KeyError for any other."""
    filled = {"{mode}": f"{mode:04o}", "{owner}": owner}
    return {
        "path": XARGS,
        "arg": [filled.get(word, word) for word in PROGRAMS[program]],
        "input-data": base64.b64encode(b"".join(name + b"\0" for name in names)).decode("ascii"),
        "capture-output": True,
    }


def is_allowed(command: str, arguments: Mapping[str, object]) -> bool:
    """Whether this may be asked of a guest's agent."""
    known = _ALLOWED.get(command)
    if known is None or not known.issuperset(arguments):
        return False
    if command == "guest-file-open":
        return arguments.get("mode") in FILE_MODES
    if command == "guest-exec":
        return set(arguments) == _EXEC_KEYS and arguments["path"] == XARGS and _is_program(arguments["arg"])
    return True


def _is_program(words: object) -> bool:
    return isinstance(words, list) and any(_fits(words, program) for program in PROGRAMS.values())


def _fits(words: list[object], program: tuple[str, ...]) -> bool:
    return len(words) == len(program) and all(map(_fits_word, words, program))


def _fits_word(word: object, wanted: str) -> bool:
    hole = _HOLES.get(wanted)
    return word == wanted if hole is None else isinstance(word, str) and hole.fullmatch(word) is not None
