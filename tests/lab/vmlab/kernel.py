# SPDX-License-Identifier: GPL-3.0-or-later
"""The few system calls that Python 3.11 does not offer: unshare(2) and mount(2).

Runs in a process of its own (a host's pid 1, see init.py), never in a program with threads.
"""

import ctypes
import os

# linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
# linux/mount.h
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.unshare.argtypes = (ctypes.c_int,)


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` (CLONE_NEW…) names; raises OSError. The new pid namespace is for children."""
    if _libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", *, flags: int = 0, options: str = "") -> None:
    """Mount `source` on `target`, as mount(2) does; raises OSError that names the target."""
    done = _libc.mount(os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, options.encode() or None)
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} ({kind or 'bind'}) on {target}: {os.strerror(number)}", target)


def bind(source: str, target: str) -> None:
    """Make `source` (a file or a directory) appear at `target` too."""
    mount(source, target, flags=MS_BIND)
