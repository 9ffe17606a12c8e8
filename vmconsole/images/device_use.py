# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host itself uses a block device: it is mounted there, it is swap, or a volume group, RAID or map is made of
it. Such a device is never written by us, as two writers destroy a filesystem.

Blocks; the session's thread. The kernel is asked twice: lsblk(8) says by whom, but only of mounts that it can see; an
exclusive open (open(2), O_EXCL) fails for all of them, also for those of containers, ZFS and btrfs.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from vmconsole.inventory.errors import Explanation, ImageInUse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.facts import ImageFacts
    from vmconsole.links.base import Shell

_DEADLINE_S = 30.0
_MOST_NAMED = 4
_EXCLUSIVE = """\
import errno, os, sys
try:
    os.close(os.open(sys.argv[1], os.O_RDONLY | os.O_EXCL))
except OSError as error:
    print("busy" if error.errno == errno.EBUSY else "unknown")
"""


def why_held(shell: Shell, facts: ImageFacts) -> Explanation | None:
    """Why the device may only be looked at; None for a file, and for a device that nobody on its host uses. Raises
    LinkError."""
    if not facts.is_block_device:
        return None
    done = shell.run(_command(facts.path), deadline_s=_DEADLINE_S)
    found = holders(done.out.decode(errors="surrogateescape"))
    return _words(found, facts.path, _host(shell)) if found else None


def check_free(shell: Shell, facts: ImageFacts) -> None:
    """Raises ImageInUse if the host began to use the device since it was opened."""
    held = why_held(shell, facts)
    if held is not None:
        raise ImageInUse(
            f"{facts.path} is in use by {_host(shell)} itself now, so nothing is written to it.",
            cause=f"{held.cause} To write beside that would destroy its filesystem.",
            advice="Unmount it, or stop what is made of it, then Apply again. The draft is kept, but it fits only if "
            "nothing was written meanwhile.",
            where=held.where,
        )


def holders(out: str) -> tuple[str, ...]:
    """Sentences on who uses it, from the output of the command: «busy» or an empty line, then lsblk's JSON."""
    busy, _, listed = out.partition("\n")
    try:
        found = tuple(said for node in json.loads(listed)["blockdevices"] for said in _of_node(node, is_top=True))
    except (ValueError, KeyError, TypeError):
        found = ()
    return found or (("Its kernel says that it is busy.",) if busy == "busy" else ())


def _of_node(node: dict[str, Any], *, is_top: bool) -> Iterator[str]:
    name, place = str(node["name"]), node.get("mountpoint")
    if place == "[SWAP]":
        yield f"{name} is its swap space."
    elif place:
        yield f"{name} is mounted at {place}."
    elif not is_top and node.get("type") != "part":
        yield f"{name} ({node.get('type')}) is made of it."
    for child in node.get("children") or ():
        yield from _of_node(child, is_top=False)


def _command(path: str) -> str:
    p = shlex.quote(path)
    return "\n".join(
        [
            "export LC_ALL=C",
            f"echo \"$(command -v python3 >/dev/null && python3 -c {shlex.quote(_EXCLUSIVE)} {p} 2>/dev/null)\"",
            f"lsblk -J -p -o NAME,TYPE,MOUNTPOINT -- {p} 2>/dev/null",
            "exit 0",
        ]
    )  # fmt: skip


def _host(shell: Shell) -> str:
    return "this computer" if shell.is_local else shell.where


def _words(found: tuple[str, ...], path: str, where: str) -> Explanation:
    more = f" And {len(found) - _MOST_NAMED} more." if len(found) > _MOST_NAMED else ""
    return Explanation(
        f"{path} is in use by {where} itself, so it can only be looked at.",
        cause=" ".join(found[:_MOST_NAMED]) + more,
        advice="Unmount it, or stop what is made of it, to edit.",
        where=path,
    )
