# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: UP006, UP035, UP045 - this file must run on Python 3.6, where the newer spellings do not exist
"""Where a host keeps its guests: pids, cgroup directories, interfaces, disks.

Runs on the host (see ``sampler_remote``): nothing but the standard library. ``root`` stands before every path; it is
empty outside of tests. Sources: proc(5), and libvirt's page «Control Groups Resource Management».
"""

import glob
import os
import re
from typing import Dict, List, Optional, Tuple

OWN_GROUP = re.compile(r"(^|/)(machine-)?(qemu|lxc)(-|\\x2d)[^/]*$|\.libvirt-(qemu|lxc)$|/libvirt/(qemu|lxc)/[^/]+$")
"""A cgroup path that belongs to one guest alone, in all of libvirt's namings."""


def slurp(path: str) -> str:
    with open(path, "rb") as file:
        return file.read().decode("utf-8", "surrogateescape")


class Mounts:
    """The mounted cgroup hierarchies: controller → (root of the mount, directory); the empty name is cgroup v2."""

    def __init__(self, root: str) -> None:
        self.of = {}  # type: Dict[str, Tuple[str, str]]
        for line in slurp(root + "/proc/self/mountinfo").splitlines():
            before, _, after = line.partition(" - ")
            fields, kind = before.split(), after.split()
            if len(fields) < 5 or len(kind) < 3 or not kind[0].startswith("cgroup"):
                continue
            at = (unescaped(fields[3]), root + unescaped(fields[4]))
            if not os.path.exists(at[1] + "/cgroup.procs"):
                continue  # hidden under a later mount, or not ours to see
            for name in [""] if kind[0] == "cgroup2" else kind[2].split(","):
                self.of[name] = at

    @property
    def layout(self) -> str:
        has_v1 = any(name in self.of for name in ("cpu", "cpuacct", "memory", "blkio"))
        return ("hybrid" if "" in self.of else "v1") if has_v1 else ("v2" if "" in self.of else "")

    def directories(self, controller: str, path: str) -> List[str]:
        """The guest's directory in this hierarchy, and the inner one that libvirt makes under systemd, if there."""
        if controller not in self.of:
            return []
        for level in ("/emulator", "/libvirt"):
            path = path[: -len(level)] if path.endswith(level) else path
        if not OWN_GROUP.search(path):
            return []  # the daemon's or the user's own group: this controller is not used for guests
        root, mounted_at = self.of[controller]
        below = path[len(root) :] if root != "/" and (path + "/").startswith(root + "/") else path
        outer = mounted_at + below
        return [d for d in (outer, outer + "/libvirt") if os.path.isdir(d)]


def unescaped(field: str) -> str:
    """Undo mountinfo's octal escapes (proc(5)); ``\\x2d`` in a path is systemd's and stays."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), field)


def groups_of(mounts: Mounts, root: str, pid: int) -> Dict[str, List[str]]:
    """controller → directories, outermost first, of the process's guest."""
    found = {}  # type: Dict[str, List[str]]
    for line in slurp(f"{root}/proc/{pid}/cgroup").splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            directories = mounts.directories(name, path)
            if directories:
                found[name] = directories
    return found


def identity(root: str, pid: int) -> Optional[Tuple[str, str]]:
    """(uuid, name) of a QEMU process that libvirt started, or None for any other process."""
    try:
        args = slurp(f"{root}/proc/{pid}/cmdline").split("\0")
        uuid = args[args.index("-uuid") + 1]
        name = args[args.index("-name") + 1] if "-name" in args else uuid
    except (OSError, ValueError, IndexError):
        return None
    name = re.split(r"(?<!,),(?!,)", name, maxsplit=1)[0].replace(",,", ",")
    return uuid.lower(), name[6:] if name.startswith("guest=") else name


def interfaces_of(root: str, pid: int) -> Dict[str, bool]:
    """The host's ends of a guest's interfaces: name → whether its counters are the guest's own view (macvtap) or the
    opposite one (tap: what the tap receives is what the guest has sent)."""
    found = {}  # type: Dict[str, bool]
    directory = f"{root}/proc/{pid}"
    for fd in os.listdir(directory + "/fd"):
        try:
            target = os.readlink(directory + "/fd/" + fd)
            if target.endswith("/net/tun"):
                for line in slurp(directory + "/fdinfo/" + fd).splitlines():
                    if line.startswith("iff:"):
                        found[line[4:].strip()] = False
            elif re.match(r"/dev/tap\d+$", target):
                found[interface_number(root, target[8:])] = True
        except OSError:
            continue  # closed meanwhile
    found.pop("", None)
    return found


def interface_number(root: str, number: str) -> str:
    for path in glob.glob(root + "/sys/class/net/*/ifindex"):
        if slurp(path).strip() == number:
            return path.split("/")[-2]
    return ""


def disk_name(root: str, device: str) -> str:
    """«8:0 sda»; a device-mapper disk by the name that its maker gave it."""
    at = f"{root}/sys/dev/block/{device}"
    try:
        return f"{device} {slurp(at + '/dm/name').strip()}"
    except OSError:
        pass
    try:
        return f"{device} {os.path.basename(os.readlink(at))}"
    except OSError:
        return device


def disks_under(root: str, device: str) -> List[str]:
    """Whole disks on which a stacked device (LVM, dm-crypt, md) lies: its requests are counted there once more."""
    found = []  # type: List[str]
    for slave in glob.glob(f"{root}/sys/dev/block/{glob.escape(device)}/slaves/*"):
        real = os.path.realpath(slave)
        whole = os.path.dirname(real) if os.path.exists(real + "/partition") else real
        try:
            below = slurp(whole + "/dev").strip()
        except OSError:
            continue
        found += [below, *disks_under(root, below)]
    return found
