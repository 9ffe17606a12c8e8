# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits and walls for QEMU's disk tools, which read headers that anybody may have written. Words for a shell.

Everywhere qemu-img and qemu-nbd get limits (memory, processor time, size of files), by the shell's own ``ulimit``: on
a host too, as it needs no package. On this machine they also run behind bubblewrap: no network, no other process, and
of all files the system's programs, and the image's own, read-only where they are only looked at. Where bubblewrap is
missing or does not work the limits remain; ``confine`` says so to the user, as its walls need the same. Pure
functions, but for ``walls``, which tries bubblewrap (some milliseconds; any thread).

OpenStack found 1 GiB and 30 s of processor time to be enough for a header (oslo.utils, after CVE-2015-5162).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

from vmconsole.links.children import run

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROBE_S = 20.0
_MIB_IN_KIB = 1024


def _limits(**most: int) -> str:
    """Shell text; a limit that is lower already stays. Letters and units are those of sh(1)."""
    return "; ".join(f"ulimit -{letter} {value} 2>/dev/null || :" for letter, value in most.items())


LOOK_LIMITS = _limits(c=0, v=1024 * _MIB_IN_KIB, t=30, f=2048)
"""For reading a header: 1 GiB, 30 s; what it writes is a megabyte at most."""
SERVE_LIMITS = _limits(c=0, d=2048 * _MIB_IN_KIB)
"""For a server, which may run for days: 2 GiB of data. Its address space is not bounded, as that holds the places of
threads that never run."""
EXPORT_LIMITS = f"{SERVE_LIMITS}; {_limits(f=2048)}"
"""For one that only reads."""
MEMORY_LIMITS = _limits(c=0, d=4096 * _MIB_IN_KIB)
"""For an Apply's own work on its host, which takes as long as it takes. A check of a disk of 64 TiB needs 2 GiB."""
WORK_LIMITS = f"{MEMORY_LIMITS}; {_limits(t=600)}"
"""For work on the files of a draft: time in proportion to their content."""
LONGEST_ANSWER_BYTES = 32 << 20
"""More is not taken from qemu-img on one image: a header can hold a list of 65,536 snapshots."""
OVER_LIMITS = "it was ended: reading it takes more than 1 GiB of memory or 30 s of processor time"
_SYSTEM = ("/usr", "/etc/ld.so.cache", "/etc/alternatives", "/nix/store", "/gnu/store")
_READS_ALL = "CAP_DAC_READ_SEARCH"
"""For root: images belong to QEMU's user. Nothing else of root's rights is left."""


def bubblewrap(*, may_read_all: bool) -> list[str]:
    """The words before what is to be seen and the command."""
    words = [
        "bwrap", "--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
        "--die-with-parent", "--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/proc",
    ]  # fmt: skip
    if may_read_all:
        words += ["--cap-add", _READS_ALL]
    for path in _SYSTEM:
        words += ["--ro-bind-try", path, path]
    for name in sorted(os.listdir("/")):
        if os.path.islink(f"/{name}") and os.readlink(f"/{name}").lstrip("/").startswith("usr/"):
            words += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
    return [*words, "--chdir", "/"]


def walls(*, reads: Iterable[str] = (), writes: Iterable[str] = ()) -> list[str]:
    """bubblewrap's words before a command on files of our own; none where it does not work."""
    words = bubblewrap(may_read_all=False)
    if shutil.which(words[0]) is None:
        return []
    try:
        if run([*words, "sh", "-c", "command -v qemu-img"], deadline_s=_PROBE_S).status:
            return []
    except (OSError, subprocess.TimeoutExpired):
        return []
    for path in writes:
        words += ["--bind", path, path]
    for path in reads:
        words += ["--ro-bind", path, path]
    return words


def begin(*, is_local: bool) -> str:
    """A shell line: ``"$@"`` is what walls begin with, or nothing."""
    if not is_local:
        return "set --"
    words = shlex.join(bubblewrap(may_read_all=os.geteuid() == 0))
    return f'set -- {words}; command -v bwrap >/dev/null && "$@" sh -c "command -v qemu-img" >/dev/null 2>&1 || set --'


LOOK = "\n".join(
    [
        # In a subshell, so that limits and words end with it.
        "look() (",
        f'  i=$1 k=$2; shift 2; {LOOK_LIMITS}',
        '  if [ $# -gt 0 ]; then',
        "    v=--ro-bind; [ -b \"$i\" ] && v=--dev-bind",
        # The parts of a VMDK image lie beside it.
        "    s=$i; [ \"$(head -c 21 -- \"$i\" | tr -d '\\0')\" != '# Disk DescriptorFile' ] || s=$(dirname -- \"$i\")",
        '    set -- env -i PATH="$PATH" LC_ALL=C TZ=UTC "$@" $v "$s" "$s"',
        "  fi",
        # What is said is cut off by head(1), whose status is not the one that is wanted.
        "  exec 4>&1",
        "  e=$({ { \"$@\" qemu-img info -U ${k:+-f \"$k\"} --output=json -- \"$i\" 4>&-; echo $? >&5; } |"
        f" head -c {LONGEST_ANSWER_BYTES} >&4; }} 5>&1)",
        f"  [ $e -lt 128 ] || echo \"qemu-img: {OVER_LIMITS}\" >&2",
        "  exit $e",
        ")",
    ]
)  # fmt: skip
"""A shell function: ``look PATH FORMAT "$@"``, where the words are those of ``begin``. QEMU's JSON of one image, which
is opened by itself, without those below it. An empty FORMAT lets QEMU find out. PATH must be absolute."""
