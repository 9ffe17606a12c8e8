# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of a block device's content. Blocks; the session's thread.

A device has no time of its last change. What its host's kernel counts (``journal.identity_command``) says so while the
host runs, and nothing after a restart, nor of what another machine wrote to shared storage. No sample can prove that
a device is as it was: one that differs proves that it is not, since whoever mounts a filesystem to write changes its
superblock. So a sample may only refuse; that a draft goes on is for a person to say.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.images.facts import ImageFacts
    from vmconsole.links.base import Shell

_DEADLINE_S = 60.0
_PLACES = 64
"""Spread evenly, 16 KiB each: partitions and volumes begin anywhere."""
_BEGIN_MIB, _END_MIB = 8, 1
"""The first partition's superblock and the tables of LVM and GPT stand in the first; a second GPT and old md in the
last."""


def sample_of(shell: Shell, facts: ImageFacts) -> str:
    """One line; empty for a file, whose own times tell, and where the host could not read or hash. Raises LinkError."""
    if not facts.is_block_device:
        return ""
    done = shell.run(_command(facts.path), deadline_s=_DEADLINE_S)
    words = done.out.decode(errors="replace").split()
    return " ".join(words[:2]) if not done.status and len(words) >= 2 and len(words[1]) == 64 else ""


def _command(path: str) -> str:
    """Prints the size in bytes and the SHA-256 of the parts, past the cache where that can be: what it holds of shared
    storage may be old."""
    read = 'dd if="$d" bs=16384 count=$2 skip=$1 $o 2>/dev/null'
    return "\n".join(
        [
            f"export LC_ALL=C; d={shlex.quote(path)}",
            'n=$(blockdev --getsize64 "$d") || exit 1; b=$((n / 16384)); [ "$b" -gt 0 ] || exit 1',
            f"part() {{ {read}; }}; o=iflag=direct; part 0 1 >/dev/null || o=",
            f"all() {{ part 0 {_BEGIN_MIB * 64}; i=1; while [ $i -lt {_PLACES} ]; do",
            f"part $((b / {_PLACES} * i)) 1; i=$((i + 1)); done",
            f"e=$((b - {_END_MIB * 64})); [ $e -gt 0 ] && part $e {_END_MIB * 64 + 1}; }}",
            'echo "$n $(all | sha256sum)"',
        ]
    )
