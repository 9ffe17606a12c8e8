# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the disk of a lab guest: a small Debian as far as libguestfs' inspection looks, on one ext4 file system."""

import shutil
from pathlib import Path

from .initrd import BUSYBOX
from .processes import run

SIZE_MIB = 64
LABEL = "lab-root"
DIRECTORIES = (
    *("bin", "boot", "dev", "etc/ssh", "home/alice", "lib", "mnt", "opt", "proc", "root", "run", "sbin", "srv", "sys"),
    *("tmp", "usr/bin", "usr/lib", "usr/share", "var/lib/dpkg/info", "var/log", "var/tmp"),
)
FILES = {
    "etc/hostname": "lab-guest\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 lab-guest\n",
    "etc/fstab": f"LABEL={LABEL} / ext4 errors=remount-ro 0 1\ntmpfs /tmp tmpfs nosuid 0 0\n",
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:Alice,,,:/home/alice:/bin/sh\n",
    "etc/group": "root:x:0:\nalice:x:1000:\n",
    "etc/shadow": "root:*:19700:0:99999:7:::\nalice:*:19700:0:99999:7:::\n",
    "etc/timezone": "Etc/UTC\n",
    "etc/machine-id": "0123456789abcdef0123456789abcdef\n",
    "etc/ssh/sshd_config": "PermitRootLogin no\n",
    "home/alice/notes.txt": "hello from the guest's disk\n",
    "home/alice/Grüße an alle.txt": "a name with blanks and umlauts\n",
    "var/log/syslog": "Jan  1 00:00:00 lab-guest syslogd: started\n",
}
PACKAGES = {"base-files": "12.4+deb12u11", "busybox-static": "1:1.35.0-4", "openssh-server": "1:9.2p1-2"}
PACKAGE_ENTRY = """\
Package: {name}
Status: install ok installed
Priority: optional
Section: admin
Installed-Size: 100
Maintainer: The lab <root@localhost>
Architecture: amd64
Version: {version}
Description: {name} of the lab's guest
 Only the entry is there, the package is not.

"""


def build_os_disk(scratch: Path, target: Path) -> None:
    """Write the disk (qcow2) to `target`; `scratch` is an empty directory."""
    tree = scratch / "tree"
    for name in DIRECTORIES:
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (tree / name).write_text(text)
    _add_system(tree)
    raw = scratch / "disk.raw"
    with raw.open("wb") as image:
        image.truncate(SIZE_MIB << 20)
    run(["mkfs.ext4", "-q", "-F", "-L", LABEL, "-d", tree, raw])
    run(["qemu-img", "convert", "-O", "qcow2", raw, target])


def _add_system(tree: Path) -> None:
    shutil.copy(BUSYBOX, tree / "bin" / "busybox")
    (tree / "bin" / "sh").symlink_to("busybox")
    shutil.copy("/etc/os-release", tree / "usr" / "lib" / "os-release")
    (tree / "etc" / "os-release").symlink_to("../usr/lib/os-release")
    if Path("/etc/debian_version").exists():
        shutil.copy("/etc/debian_version", tree / "etc" / "debian_version")
    entries = [PACKAGE_ENTRY.format(name=name, version=version) for name, version in PACKAGES.items()]
    (tree / "var/lib/dpkg/status").write_text("".join(entries))
    for name in ("tmp", "var/tmp"):
        (tree / name).chmod(0o1777)
    (tree / "etc" / "shadow").chmod(0o640)
    for path in [tree / "home" / "alice", *(tree / "home" / "alice").iterdir()]:
        shutil.chown(path, 1000, 1000)
