# SPDX-License-Identifier: GPL-3.0-or-later
"""How the sampler's program gets onto a host, and what its end means. Pure functions."""

from __future__ import annotations

import json
import shlex
from importlib import resources
from typing import TYPE_CHECKING

from vmconsole.inventory.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.errors import Explanation

MODULES = tuple("sampler_remote" + part for part in ("_files", "_places", "_kinds", "_daemon", ""))
NO_PYTHON = 127
"""The shell's own status for a command that is not found; the command below uses it too."""

_LOADER = """
import sys
if sys.version_info < (3, 6):
    sys.exit("python3 is %d.%d here, and 3.6 or newer is needed" % sys.version_info[:2])
import json, os, types
size = int(sys.argv.pop(1))
text = b""
while len(text) < size:
    part = os.read(0, size - len(text))
    if not part:
        sys.exit()
    text += part
for name, source in json.loads(text.decode()):
    sys.modules[name] = module = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
module.main(sys.argv[1:])
"""


def program() -> bytes:
    """The modules that run on the host, as one text for the loader's stdin."""
    here = resources.files("vmconsole.links")
    return json.dumps([[f"vmconsole.links.{m}", (here / f"{m}.py").read_text("utf-8")] for m in MODULES]).encode()


def command(size: int, arguments: Sequence[str]) -> str:
    """Text for /bin/sh that runs the loader, which reads ``size`` bytes of program from stdin."""
    run = f"-I -S -c {shlex.quote(_LOADER)} {size} {shlex.join(arguments)}"
    places = "python3 /usr/bin/python3 /usr/local/bin/python3 /usr/libexec/platform-python"
    find = f'for p in {places}; do command -v "$p" >/dev/null 2>&1 && exec "$p" {run}; done'
    return f"{find}; echo 'vmconsole: python3 not found' >&2; exit {NO_PYTHON}"


def explain_end(status: int | None, said: str, *, where: str) -> Explanation:
    """Why the program on the host ended although nobody asked for it."""
    said = said.strip()
    if status == NO_PYTHON:
        return catalogue().own("figures-no-python", where=where, said=said)
    if "or newer is needed" in said:
        return catalogue().own("figures-old-python", where=where, said=said)
    return catalogue().own("figures-ended", where=where, said=said[-2000:], why=_cause(status))


def explain_denied(denied: str, *, where: str) -> Explanation:
    """The program runs, but its user may not see the guests' processes."""
    return catalogue().own("figures-denied", where=where, said=denied, why=denied)


def explain_no_groups(*, where: str) -> Explanation:
    """The guests are seen, and none has a cgroup of its own."""
    return catalogue().own("figures-no-groups", where=where)


def _cause(status: int | None) -> str:
    if status is None:
        return ""
    if status == 255:
        return "Its ssh connection was closed."
    return f"It was ended by signal {-status}." if status < 0 else f"It ended with status {status}."
