# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's guests, cgroups and daemons: what of a `LabHost` does not concern the machine itself."""

import re
import shlex
import subprocess

from tests.lab.vmlab import agent as guest_agent
from tests.lab.vmlab.errors import LabError
from tests.lab.vmlab.faults import Daemon, DaemonState
from tests.lab.vmlab.processes import wait_until

from . import bootsector
from .hostpath import HostPath
from .seed import GUEST, OFF_GUEST

CGROUPS = "/sys/fs/cgroup"
UNITS = {"libvirtd": "libvirtd", "sshd": "ssh", "virtlogd": "virtlogd"}
DAEMONS: tuple[Daemon, ...] = ("sshd", "virtlogd", "libvirtd")
STATE = 'p=$(systemctl show -p MainPID --value "$1"); [ "$p" = 0 ] || sed "s/.*) \\(.\\).*/\\1/" /proc/$p/stat'

# A socket cannot be opened while its service runs: it goes first.
START = """
sockets=
[ "$1" != libvirtd.service ] || sockets="libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket"
systemctl reset-failed "$1" $sockets 2>/dev/null || true
systemctl start $sockets "$1"
"""
END_FAULTS = f"""
start() {{ {START}
}}
for unit in ssh virtlogd libvirtd; do
    pid=$(systemctl show -p MainPID --value $unit.service)
    if [ "$pid" != 0 ]; then kill -CONT "$pid"; else start $unit.service; fi
done
"""


class Nested:
    """Needs `exec` and `virsh` of the class that it is a part of."""

    name: str

    def exec(
        self, *words: str, timeout_s: float = 60, stdin: str = "", check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        raise NotImplementedError

    def virsh(self, *words: str, timeout_s: float = 90) -> str:
        raise NotImplementedError

    @property
    def guests(self) -> list[str]:
        """The guests that run once the host is up."""
        return [GUEST]

    @property
    def off_guest(self) -> str:
        """The guest that was defined and never started."""
        return OFF_GUEST

    def domains(self, *, timeout_s: float = 60) -> dict[str, str]:
        """All domains and their state in virsh's words ("running", "shut off", …)."""
        lines = [line.split(None, 2) for line in self.virsh("list", "--all", timeout_s=timeout_s).splitlines()]
        return {name: state for _, name, state in lines}

    def wait_for_agent(self, domain: str, *, timeout_s: float = 600) -> None:
        """Return when the guest has booted so far that its agent answers: minutes, by emulation in an emulation."""
        guest_agent.wait_for_agent(self, domain, timeout_s=timeout_s)  # type: ignore[arg-type]  # virsh is all it uses

    def guest(self, domain: str, command: str, *, timeout_s: float = 120) -> str:
        """The output of a shell command in a guest; LabError when it fails."""
        answer = guest_agent.guest_shell(self, domain, command, timeout_s=timeout_s)  # type: ignore[arg-type]  # as above
        if answer.status != 0:
            raise LabError(f"{domain}: {command}: exit status {answer.status}: {answer.errors.strip()}")
        return answer.output

    def load(self, domain: str, kind: str, amount: int) -> None:
        """Make a guest busy: cpu (percent of one), mem (MiB), disk or net (KiB/s); 0 ends it.

        The guest that runs from the start knows only cpu and disk, one at a time, as much as it can.
        """
        if domain == GUEST:
            self.virsh("send-key", domain, bootsector.KEYS[kind] if amount else bootsector.IDLE_KEY)
            return
        self.guest(domain, shlex.join(["load", kind, str(amount)]))

    # ---- cgroups
    def cgroup(self, controller: str, *below: str) -> HostPath:
        """A directory of the one cgroup tree, whatever the controller."""
        return HostPath(self, CGROUPS).joinpath(*below)  # type: ignore[arg-type]  # exec and name are all it uses

    def guest_scope(self, domain: str) -> HostPath:
        """A running guest's systemd scope: weights (cpu.weight, io.weight) are its."""
        number = self.virsh("domid", domain)
        found = [each for each in self.cgroup("", "machine.slice").glob("machine-qemu*.scope")
                 if re.match(rf"machine-qemu\\x2d{number}\\x2d", each.name)]  # fmt: skip
        if len(found) != 1:
            raise LabError(f"{domain} has {len(found)} scopes on {self.name}")
        return found[0]

    def guest_cgroup(self, domain: str, controller: str) -> HostPath:
        """A running guest's own group below its scope, the same for every controller; vcpu0, emulator… are in it."""
        return self.guest_scope(domain) / "libvirt"

    # ---- faults
    def daemons(self) -> dict[Daemon, DaemonState]:
        """Whether each daemon runs, hangs (SIGSTOP) or is dead (or sleeps until its socket is asked)."""
        states: dict[Daemon, DaemonState] = {}
        for daemon in DAEMONS:
            letter = self.exec("sh", "-c", STATE, "state", f"{UNITS[daemon]}.service", check=False).stdout.strip()
            states[daemon] = "frozen" if letter == "T" else "stopped" if letter in ("", "Z", "X") else "running"
        return states

    def freeze(self) -> None:
        """Let libvirtd hang: connections are accepted, calls get no answer. It is started first if it sleeps."""
        self._systemctl("start", "libvirtd")
        self._signal("STOP")

    def thaw(self) -> None:
        if self.daemons()["libvirtd"] == "frozen":
            self._signal("CONT")

    def stop(self, daemon: Daemon = "libvirtd") -> None:
        """End a daemon for good: its sockets are closed too, else systemd would start it again."""
        sockets = [f"libvirtd{kind}.socket" for kind in ("", "-ro", "-admin")] if daemon == "libvirtd" else []
        self.exec("systemctl", "kill", "--kill-who=main", "-s", "KILL", f"{UNITS[daemon]}.service", check=False)
        self._systemctl("stop", *sockets, UNITS[daemon])

    def start(self, daemon: Daemon | None = None) -> None:
        """Start a dead daemon, or all that are dead."""
        states = self.daemons()
        for each in DAEMONS if daemon is None else (daemon,):
            if states[each] == "stopped":
                self.exec("sh", "-c", START, "start", f"{UNITS[each]}.service", timeout_s=120)

    def end_faults(self) -> None:
        """All daemons and the guest run again. In one go: each command takes a good part of a second there."""
        script = f"{END_FAULTS}virsh -q list --name | grep -qx {GUEST} || virsh -q start {GUEST}\n"
        self.exec("sh", "-e", "-c", script, timeout_s=240)

    def _signal(self, signal: str) -> None:
        wanted = "frozen" if signal == "STOP" else "running"
        self.exec("systemctl", "kill", "--kill-who=main", "-s", signal, "libvirtd.service")
        wait_until(lambda: self.daemons()["libvirtd"] == wanted, timeout_s=20, what=f"libvirtd is not {wanted}")

    def _systemctl(self, *words: str) -> None:
        self.exec("systemctl", *words, timeout_s=120)
