# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs as pid 1 of a host: isolates it, starts its daemons, reaps its orphans.

Started by host.py as a program of its own: `python3 -c "…; main()" PLAN`. It speaks with its starter by two pipes: it
writes `pid N T` (its pid outside, and start time), reads `go` when its eth0 is there, and writes `ready`. When the
starter dies before `go`, it ends. All modules are imported before the first mount, which may hide where they lie.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from . import kernel
from .processes import SYSTEM_PATH, ProcessId

NAMESPACES = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWCGROUP
)
# What a host has for its own; the left side lies in the host's directory.
OWN_DIRECTORIES = {
    "etc-libvirt": "/etc/libvirt",
    "lib": "/var/lib/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
    "etc-ssh": "/etc/ssh",
    "root": "/root",
}
OWN_FILES = {"hostname": "/etc/hostname", "hosts": "/etc/hosts", "machine-id": "/etc/machine-id"}
DAEMONS = {
    "sshd": ["/usr/sbin/sshd", "-f", "/etc/ssh/sshd_config"],
    "virtlogd": ["/usr/sbin/virtlogd", "-d"],
    "libvirtd": ["/usr/sbin/libvirtd", "-d"],
}
ENVIRONMENT = {"PATH": SYSTEM_PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class HostPlan:
    """All that pid 1 must know; travels as JSON on its command line."""

    name: str
    directory: str
    shared: str
    address: str  # with prefix length
    gateway: str
    groups: list[str]
    hierarchies: list[tuple[str, list[str]]]  # (name of the mount point's last part, v1 controllers or [] for cgroup2)

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    """Become a host. Never returns in pid 1; a failure is written to standard error and ends the host."""
    plan = HostPlan(**json.loads(sys.argv[1]))
    for group in plan.groups:
        Path(group, "cgroup.procs").write_text("0")
    kernel.unshare(NAMESPACES)
    if os.fork():
        os._exit(0)  # the first child is pid 1 of the new pid namespace; its starter must have nobody to wait for
    _tell(f"pid {_own_outer_id()}")
    if sys.stdin.readline() != "go\n":
        os._exit(1)
    with open(Path(plan.directory, "ready.new"), "w") as ready:  # opened now: a mount may hide the directory
        _isolate(plan)
        _connect(plan)
        for daemon in DAEMONS.values():
            subprocess.run(daemon, check=True, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        ready.write("ready\n")
    _tell("ready")
    _let_go_of_the_starter()
    _reap_for_ever()


def _own_outer_id() -> ProcessId:
    """This process as the machine sees it: /proc is still the machine's."""
    pid = int(os.readlink("/proc/self"))
    start_ticks = Path("/proc/self/stat").read_text().rpartition(") ")[2].split()[19]
    return ProcessId(pid, int(start_ticks))


def _tell(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # the starter was killed: the host goes on, `lab down` will find it
        print(line, flush=True)


def _isolate(plan: HostPlan) -> None:
    """Give the host its own view of everything it may write to. Any failure ends the host: half isolated is not."""
    socket.sethostname(plan.name)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    for own, place in OWN_DIRECTORIES.items():
        os.makedirs(place, exist_ok=True)
        kernel.bind(f"{plan.directory}/{own}", place)
    for own, place in OWN_FILES.items():
        if os.path.exists(place):
            kernel.bind(f"{plan.directory}/{own}", place)
    kernel.bind(plan.shared, "/mnt")
    kernel.mount("run", "/run", "tmpfs", options="mode=755")
    for name in ("sshd", "lock", "libvirt", "user/0"):
        os.makedirs(f"/run/{name}")
    kernel.mount("proc", "/proc", "proc")
    kernel.mount("devpts", "/dev/pts", "devpts", options="newinstance,ptmxmode=0666,gid=5,mode=620")
    kernel.bind("/dev/pts/ptmx", "/dev/ptmx")
    kernel.mount("sysfs", "/sys", "sysfs")
    _mount_cgroups(plan)
    os.chdir("/")
    kernel.mount("tmp", "/tmp", "tmpfs", options="mode=1777")  # last: it may hide the lab


def _mount_cgroups(plan: HostPlan) -> None:
    """The host's groups as its whole cgroup tree, laid out as on the machine."""
    if len(plan.hierarchies) == 1:
        kernel.mount("cgroup2", "/sys/fs/cgroup", "cgroup2")
        os.mkdir("/sys/fs/cgroup/init.scope")  # processes and children with controllers cannot share a group
        Path("/sys/fs/cgroup/init.scope/cgroup.procs").write_text("0")
        return
    kernel.mount("cgroup", "/sys/fs/cgroup", "tmpfs", options="mode=755")
    for name, controllers in plan.hierarchies:
        place = f"/sys/fs/cgroup/{name}"
        os.mkdir(place)
        if controllers:
            kernel.mount("cgroup", place, "cgroup", options=",".join(controllers))
        else:
            kernel.mount("cgroup2", place, "cgroup2")
        for alias in set(controllers) - {name}:
            os.symlink(name, f"/sys/fs/cgroup/{alias}")


def _connect(plan: HostPlan) -> None:
    lines = [
        "link set lo up",
        f"address add {plan.address} dev eth0",
        "link set eth0 up",
        f"route add default via {plan.gateway}",
    ]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True, env=ENVIRONMENT)


def _let_go_of_the_starter() -> None:
    """Close the pipes, so that the starter's end-of-file does not wait for the host's."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)


def _reap_for_ever() -> None:
    """The duty of pid 1: wait for every orphan, else the host fills with zombies."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        signal.sigwait({signal.SIGCHLD})
