# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user's ssh configuration says of a host: the names in it, and ``ssh -G`` for the truth. Blocks; any thread.

Names are only collected here; Include, Match, wildcards and defaults are ssh's own business, so ssh is asked what it
would do. It connects to nothing for that (``-G``), but runs the commands of ``Match exec`` as for any login. Sources:
ssh(1), ssh_config(5).
"""

from __future__ import annotations

import glob
import itertools
import os
import re
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import BadAddress, ConnectTimeout, LinkError
from vmconsole.links.children import Child
from vmconsole.links.ending import signal_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_BYTES = 1 << 20
"""Of one file; more is no configuration that a person wrote."""
MOST_FILES = 256
DEEPEST = 16
"""ssh's own limit of Include in Include (readconf.c)."""
_NAME = re.compile(r"[A-Za-z0-9_.:\[\]][A-Za-z0-9_.:%\[\]-]*")
_LINE = re.compile(r"\s*(?P<key>[A-Za-z]+)(?:\s*=\s*|\s+)(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class SshTarget:
    """What ssh would do for one name."""

    name: str
    hostname: str
    user: str
    port: int
    proxy_jump: str = ""
    proxy_command: str = ""
    identity_files: tuple[str, ...] = ()

    @property
    def is_direct(self) -> bool:
        """Whether this computer itself connects to the host's port."""
        return not self.proxy_jump and not self.proxy_command

    @property
    def route(self) -> str:
        """«root@10.0.0.5:2222 through bastion», for a person."""
        port = "" if self.port == 22 else f":{self.port}"
        way = f" through {self.proxy_jump or self.proxy_command}" if not self.is_direct else ""
        return f"{self.user}@{self.hostname}{port}{way}"


def ask_ssh(
    name: str, *, program: str = "ssh", options: Sequence[str] = (), config: Path | None = None, deadline_s: float = 5.0
) -> SshTarget:
    """What ``ssh -G`` says. Raises BadAddress with ssh's words for a configuration that it refuses, ConnectTimeout for
    one that makes it hang (a ``Match exec``)."""
    chosen = ["-F", str(config)] if config is not None else []
    command = [program, *chosen, "-G", *options, "--", name]
    try:
        process = Child(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise BadAddress(
            f"The ssh program «{program}» cannot be run.",
            advice="Install OpenSSH's client, or correct command= in the address.", said=str(error),
        ) from error  # fmt: skip
    try:
        out, err = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired as error:
        signal_group(process, signal.SIGKILL)  # also what Match exec started
        process.communicate()
        raise ConnectTimeout(
            f"ssh did not say within {deadline_s:.0f} s what it would do for {name}.",
            cause="A «Match exec» of the ssh configuration hangs.", where=name,
        ) from error  # fmt: skip
    if process.returncode:
        raise BadAddress(
            "ssh cannot read its configuration.", advice="Correct what ssh names below.", where=name,
            said=err.decode(errors="replace").strip(),
        )  # fmt: skip
    return _target(name, out.decode(errors="replace"))


def _target(name: str, text: str) -> SshTarget:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key.lower(), []).append(value.strip())
    first = {key: values[0] for key, values in found.items()}
    port = first.get("port", "22")
    return SshTarget(
        name=name, hostname=first.get("hostname", name), user=first.get("user", ""),
        port=int(port) if port.isdecimal() else 22,
        proxy_jump=_unless_none(first.get("proxyjump", "")), proxy_command=_unless_none(first.get("proxycommand", "")),
        identity_files=tuple(found.get("identityfile", ())),
    )  # fmt: skip


def _unless_none(value: str) -> str:
    return "" if value.lower() == "none" else value


def host_names(config: Path, *, home: Path) -> tuple[str, ...]:
    """Names that can be connected to, in the order of the files: of Host lines and of Match host lists, without
    patterns. A file that is missing, closed to us, or no text gives what can be read of it."""
    names: dict[str, None] = {}
    _collect(config, home=home, base=config.parent, names=names, seen=set(), depth=0)
    return tuple(names)


def _collect(path: Path, *, home: Path, base: Path, names: dict[str, None], seen: set[Path], depth: int) -> None:
    if depth > DEEPEST or len(seen) >= MOST_FILES or path in seen:
        return
    seen.add(path)
    for key, words in _statements(path):
        if key == "host":
            names.update(dict.fromkeys(word for word in words if _NAME.fullmatch(word)))
        elif key == "match":
            names.update(dict.fromkeys(_match_names(words)))
        elif key == "include":
            for word in words:
                for found in _included(word, home=home, base=base):
                    _collect(found, home=home, base=base, names=names, seen=seen, depth=depth + 1)


def _statements(path: Path) -> Iterator[tuple[str, list[str]]]:
    for line in _text(path).splitlines():
        match = _LINE.match(line)
        if match is None or line.lstrip().startswith("#"):
            continue
        key = match["key"].lower()
        if key in {"host", "match", "include"}:
            yield key, _words(match["rest"])


def _text(path: Path) -> str:
    """Of a regular file only: a pipe would make us wait for ever."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""


def _words(rest: str) -> list[str]:
    try:
        return shlex.split(rest, comments=True)
    except ValueError:  # an open quote: ssh refuses the file, and says so when it is asked
        return []


def _match_names(words: Sequence[str]) -> Iterator[str]:
    for criterion, value in itertools.pairwise(words):
        if criterion.lower() in {"host", "originalhost"}:
            yield from (name for name in value.split(",") if _NAME.fullmatch(name))


def _included(word: str, *, home: Path, base: Path) -> list[Path]:
    """As ssh does: ``~`` is the user's home, other relative names lie beside the configuration."""
    pattern = str(home / word[2:]) if word.startswith("~/") else word
    return [Path(found) for found in sorted(glob.glob(pattern if os.path.isabs(pattern) else str(base / pattern)))]


def ask_all(
    names: Sequence[str], *, config: Path | None, program: str = "ssh", deadline_s: float = 3.0
) -> Iterator[SshTarget]:
    """One after another; a name that ssh refuses is left out."""
    for name in names:
        try:
            yield ask_ssh(name, config=config, program=program, deadline_s=deadline_s)
        except LinkError:
            continue
