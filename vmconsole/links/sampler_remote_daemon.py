# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: UP006, UP035 - this file must run on Python 3.6, where the newer spellings do not exist
"""Where the daemon behind a named socket leaves its guests' pids (``socket=`` in the address).

Runs on the host (see ``sampler_remote``): nothing but the standard library. A second daemon of a host may have another
run directory, or the usual one in a mount namespace of its own. Which one it is shows in /proc: who listens at the
socket (proc(5), /proc/net/unix), and where that process keeps ``driver.pid``, which libvirt's drivers hold open in
their state directory as long as they run (libvirt, ``virPidFileAcquire``).
"""

import contextlib
import os
from typing import List, Set

from vmconsole.links.sampler_remote_places import slurp

DAEMONS = ("libvirtd", "virtqemud", "virtlxcd")
LOOK_AGAIN_EVERY = 15
"""Calls: while no daemon is found, or its directories are gone with it, /proc is gone through that seldom."""
LISTENS = 0x10000


class NamedDaemon:
    """The daemon that listens at ``socket``; ``is_lxc`` says which of its drivers is meant."""

    def __init__(self, root: str, socket: str, *, is_lxc: bool) -> None:
        self.root = root
        self.socket = socket
        self.is_lxc = is_lxc
        self.found = []  # type: List[str]
        self._calls = 0

    def directories(self) -> List[str]:
        """The last that were known, also when the daemon is gone: its guests live on. None known: empty."""
        if not any(map(os.path.isdir, self.found)):
            if self._calls % LOOK_AGAIN_EVERY == 0:
                self.found = self._look() or self.found
            self._calls += 1
        return self.found

    def _look(self) -> List[str]:
        wanted = self._listening()
        for name in filter(str.isdigit, os.listdir(self.root + "/proc")) if wanted else ():
            with contextlib.suppress(OSError):  # it ended meanwhile, or is not ours to look at
                process = f"{self.root}/proc/{name}"
                if slurp(process + "/comm").strip() in DAEMONS:
                    files = {os.readlink(f"{process}/fd/{fd}") for fd in os.listdir(process + "/fd")}
                    if files & wanted:
                        return self._states(process, files)
        return []

    def _listening(self) -> Set[str]:
        """What a descriptor of the socket is called in /proc/PID/fd."""
        names = {self.socket, os.path.realpath(self.root + self.socket)[len(self.root) :]}
        found = set()  # type: Set[str]
        for line in slurp(self.root + "/proc/net/unix").splitlines()[1:]:
            words = line.split(None, 7)
            if len(words) == 8 and words[7] in names and int(words[3], 16) & LISTENS:
                found.add(f"socket:[{words[6]}]")
        return found

    def _states(self, process: str, files: Set[str]) -> List[str]:
        """The state directories of the driver that is meant, as they are seen from here."""
        is_here = os.readlink(process + "/ns/mnt") == os.readlink(self.root + "/proc/self/ns/mnt")
        before = self.root if is_here else process + "/root"
        states = [os.path.dirname(file) for file in files if file.endswith("/driver.pid")]
        wanted = ("/lxc",) if self.is_lxc else ("/qemu", "/qemu/run")
        return sorted(before + state for state in states if state.endswith(wanted))
