# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of the lab, as tests use it."""

import shlex
from pathlib import Path

from . import agent, cgroups, faults
from .errors import LabError
from .faults import DAEMONS, Cut, Daemon, DaemonState
from .guests import guest_names, off_guest_name
from .inside import Inside
from .startup import StartingHost
from .state import LabDirectory, Settings


class LabHost(Inside):
    """A hypervisor host of a lab: `exec` and `virsh` (from Inside), its guests, its faults, its power switch."""

    def __init__(self, directory: LabDirectory, number: int) -> None:
        super().__init__(directory.host(number), number)
        self._directory = directory

    @property
    def uri(self) -> str:
        """The libvirt URI for a client on this machine."""
        return f"qemu+ssh://root@{self.name}/system?command={self._directory.ssh_program}"

    @property
    def address(self) -> str:
        return str(self._settings().wiring.address(self.number))

    @property
    def guests(self) -> list[str]:
        """The guests that ran when the lab came up."""
        return guest_names(self.number, self._settings().guests)

    @property
    def off_guest(self) -> str:
        """The guest that was defined and never started; its disk is `disk(off_guest)`."""
        return off_guest_name(self.number)

    def disk(self, domain: str) -> Path:
        """A guest's disk as the machine sees it (the host: /var/lib/libvirt/images/…)."""
        return self.home / "lib" / "images" / f"{domain}.qcow2"

    # ---- its guests
    def domains(self, *, timeout_s: float = 10) -> dict[str, str]:
        """All domains and their state in virsh's words ("running", "shut off", …)."""
        lines = [line.split(None, 2) for line in self.virsh("list", "--all", timeout_s=timeout_s).splitlines()]
        return {name: state for _, name, state in lines}

    def wait_for_agent(self, domain: str, *, timeout_s: float = 120) -> None:
        """Return when the guest has booted so far that its agent answers."""
        agent.wait_for_agent(self, domain, timeout_s=timeout_s)

    def guest(self, domain: str, command: str, *, timeout_s: float = 30) -> str:
        """The output of a shell command in a guest; LabError when it fails."""
        answer = agent.guest_shell(self, domain, command, timeout_s=timeout_s)
        if answer.status != 0:
            raise LabError(f"{domain}: {command}: exit status {answer.status}: {answer.errors.strip()}")
        return answer.output

    def load(self, domain: str, kind: str, amount: int) -> None:
        """Make a guest busy: cpu (percent of one), mem (MiB), disk or net (KiB/s); 0 ends it."""
        self.guest(domain, shlex.join(["load", kind, str(amount)]))

    def cgroup(self, controller: str, *below: str) -> Path:
        """The directory of the host's own group of a v1 controller (or "unified"), as the machine sees it."""
        for hierarchy in cgroups.hierarchies():
            if controller in hierarchy.controllers or (controller == "unified" and hierarchy.is_v2):
                found = [group for group in self.groups() if group.is_relative_to(hierarchy.mount_point)]
                return found[0].joinpath(*below)
        raise LabError(f"this machine has no cgroup controller {controller}")

    def guest_cgroup(self, domain: str, controller: str) -> Path:
        """A running guest's directory in one controller. What a dead run left behind has no processes: not that."""
        found = [
            group
            for group in self.cgroup(controller, "machine").glob(f"qemu-*-{domain}.libvirt-qemu")
            if any(procs.read_text().strip() for procs in group.rglob("cgroup.procs"))
        ]
        if len(found) != 1:
            raise LabError(f"{domain} has {len(found)} living groups in {controller} on {self.name}")
        return found[0]

    # ---- its faults
    def freeze(self) -> None:
        """Let libvirtd hang: connections are accepted, calls get no answer."""
        faults.signal_daemon(self, "libvirtd", "STOP")

    def thaw(self) -> None:
        faults.signal_daemon(self, "libvirtd", "CONT")

    def stop(self, daemon: Daemon = "libvirtd") -> None:
        """Kill a daemon; guests live on."""
        faults.stop_daemon(self, daemon)

    def start(self, daemon: Daemon | None = None) -> None:
        """Start a dead daemon, or all that are dead."""
        faults.start_daemons(self, DAEMONS if daemon is None else (daemon,))

    def daemons(self) -> dict[Daemon, DaemonState]:
        return faults.daemon_states(self)

    def cut(self, how: Cut = "drop") -> None:
        """Cut the network: silence (drop), TCP resets (reject), plug pulled (down)."""
        faults.cut(self, self._settings().wiring, how)

    def mend(self) -> None:
        """End the cut."""
        faults.mend(self, self._settings().wiring)

    # ---- its power switch
    def crash(self) -> None:
        """A power cut: all processes of the host die at once. Disks and definitions stay."""
        pid = self.pid()
        if pid is not None:
            pid.kill()
        cgroups.kill_members(self.groups())

    def boot(self) -> None:
        """Start a crashed host again, guests off; no error when it is up."""
        if not self.is_ready():
            with self._directory.locked():
                self.crash()
                with StartingHost(self._directory, self._settings(), self.number) as starting:
                    starting.wait_ready()

    def repair(self) -> None:
        """Undo every fault and start the guests that should run: the host as the next test wants it."""
        self.boot()
        self.mend()
        if self.daemons()["libvirtd"] == "frozen":
            self.thaw()
        self.start()
        states = self.domains(timeout_s=30)
        for name in self.guests:
            if states.get(name) == "shut off":
                self.virsh("start", name)

    def _settings(self) -> Settings:
        settings = self._directory.settings()
        if settings is None:
            raise LabError(f"the lab in {self._directory.path} is not up")
        return settings
