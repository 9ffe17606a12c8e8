# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes one host out of the image: its keys and its guests, on a second disk that is nothing but a tar archive."""

import shutil
import tarfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from tests.lab.vmlab.guestimage import GuestImage
from tests.lab.vmlab.guests import BOOT_DIRECTORY, DISK_DIRECTORY, guest_xml
from tests.lab.vmlab.processes import run
from tests.lab.vmlab.state import write_whole

from . import bootsector
from .recipe import OPERATOR

GUEST = "nest1"
OFF_GUEST = "nestoff"
MEMORY_MIB = {GUEST: 128, OFF_GUEST: 96}

CLIENT_CONFIG = """\
Host {name}
  HostName 127.0.0.1
  Port {port}
  HostKeyAlias {name}
Host *
  User root
  IdentityFile {directory}/key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {directory}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 20
"""


def nested_xml(name: str) -> str:
    """A guest's definition: that of the lab's guests, with the firmware and the first sector instead of a Linux."""
    domain = ElementTree.fromstring(guest_xml(name, memory_mib=MEMORY_MIB[name]))
    system = domain.find("os")
    assert system is not None
    if name == GUEST:  # else it boots a Linux, which takes long
        for each in system.findall("kernel") + system.findall("initrd") + system.findall("cmdline"):
            system.remove(each)
        ElementTree.SubElement(system, "boot", dev="hd")
    return ElementTree.tostring(domain, encoding="unicode")


def write_client(directory: Path, *, name: str, port: int) -> None:
    """The client's side: an ssh that reaches the host by name and knows its key."""
    (directory / "bin").mkdir(exist_ok=True)
    for key in ("key", "host_key"):
        if not (directory / f"{key}.pub").exists():
            (directory / key).unlink(missing_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} {key}", "-f", directory / key])
    kind, key, *_ = (directory / "host_key.pub").read_text().split()
    write_whole(directory / "known_hosts", f"{name} {kind} {key}\n")
    write_whole(directory / "ssh_config", CLIENT_CONFIG.format(name=name, port=port, directory=directory))
    program = f'#!/bin/sh\nexec /usr/bin/ssh -F {directory}/ssh_config "$@"\n'
    write_whole(directory / "bin" / "ssh", program, mode=0o755)


def write_seed(directory: Path, *, guests: GuestImage) -> None:
    """The second disk, to be unpacked at the host's root at its first boot."""
    tree = directory / "seed"
    shutil.rmtree(tree, ignore_errors=True)
    for home in ("root", f"home/{OPERATOR}"):
        _put(tree / home / ".ssh" / "authorized_keys", directory / "key.pub")
    for suffix in ("", ".pub"):
        _put(tree / "etc/ssh" / f"host_key{suffix}", directory / f"host_key{suffix}")
    _put(tree / BOOT_DIRECTORY.lstrip("/") / "vmlinuz", guests.kernel)
    _put(tree / BOOT_DIRECTORY.lstrip("/") / "initrd", guests.initrd)
    for name in (GUEST, OFF_GUEST):
        _put(tree / DISK_DIRECTORY.lstrip("/") / f"{name}.qcow2", guests.disk)
        (tree / BOOT_DIRECTORY.lstrip("/") / f"{name}.xml").write_text(nested_xml(name))
    bootsector.install(tree / DISK_DIRECTORY.lstrip("/") / f"{GUEST}.qcow2", directory)
    with tarfile.open(directory / "seed.tar", "w") as archive:
        for path in sorted(each for each in tree.rglob("*") if each.is_file()):
            archive.add(path, path.relative_to(tree), filter=_owned)
    shutil.rmtree(tree)


def _put(target: Path, source: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Only files are in the archive: directories stay as the image has them."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""  # else tar goes by the names
    info.mode = 0o600 if info.name.endswith(("host_key", "authorized_keys")) else 0o644
    if info.name.startswith(f"home/{OPERATOR}/"):
        info.uid = info.gid = 1000
    return info


def furnishing_script() -> str:
    """virsh commands that give the fresh host its pool, its network and its guests."""
    lines = [f"pool-define-as default dir --target {DISK_DIRECTORY}", "pool-autostart default", "pool-start default"]
    lines += ["net-autostart default", "net-start default"]  # Debian defines it
    lines += [f"define {BOOT_DIRECTORY}/{name}.xml" for name in (GUEST, OFF_GUEST)]
    return "\n".join([*lines, f"start {GUEST}"]) + "\n"
