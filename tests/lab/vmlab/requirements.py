# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab needs of the machine, checked before anything is made, with words that say what to install."""

import os
import shutil
from pathlib import Path

from .errors import LabError
from .guestimage import newest_kernel
from .processes import SYSTEM_PATH

PROGRAMS = {  # program -> Debian package
    "libvirtd": "libvirt-daemon-system",
    "virtlogd": "libvirt-daemon-system",
    "virsh": "libvirt-clients",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "busybox": "busybox-static",
    "qemu-ga": "qemu-guest-agent",
    "dnsmasq": "dnsmasq-base",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    "cpio": "cpio",
    "modprobe": "kmod",
}


def require_root() -> None:
    """LabError unless run by root."""
    if os.geteuid() != 0:
        raise LabError("the lab makes namespaces, cgroups and network interfaces: run it as root (sudo)")


def require_everything() -> None:
    """LabError that names all that is missing: root's rights, packages, devices."""
    require_root()
    if missing := missing_packages():
        raise LabError(f"not installed: {', '.join(missing)}. Install with: apt-get install {' '.join(missing)}")
    if not Path("/dev/net/tun").exists():
        raise LabError(
            "/dev/net/tun is missing, so guests get no network: load the module tun, or give the container that device"
        )


def missing_packages() -> list[str]:
    """Debian packages to install, in a fixed order, each once."""
    missing = {package: None for program, package in PROGRAMS.items() if not shutil.which(program, path=SYSTEM_PATH)}
    if "busybox-static" not in missing and b"/ld-linux" in Path("/bin/busybox").read_bytes():
        missing["busybox-static"] = None  # the package busybox is linked dynamically, and lacks udhcpc and acpid
    if newest_kernel() is None:
        missing["linux-image-cloud-amd64"] = None
    return list(missing)
