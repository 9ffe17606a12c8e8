# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a lab and of each of its hosts, written before the host starts: keys, sshd, libvirt, guests' disks."""

import shutil
import uuid
from pathlib import Path

from .guestimage import GuestImage
from .guests import guest_names, off_guest_name, write_definitions
from .network import Wiring
from .processes import run
from .state import LabDirectory, Settings, write_whole

HIGHEST_HOST = 99

LIBVIRTD_CONF = """\
host_uuid = "{uuid}"
listen_tls = 0
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
QEMU_CONF = """\
stdio_handler = "logd"
vnc_listen = "127.0.0.1"
migration_host = "{name}"
security_driver = "none"
"""
SSHD_CONFIG = """\
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
"""
PEER_CONFIG = "StrictHostKeyChecking accept-new\nBatchMode yes\n"
CLIENT_CONFIG = """\
Host *
  User root
  IdentityFile {directory}/key
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile {directory}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 10
"""


def prepare_lab(directory: LabDirectory, settings: Settings) -> None:
    """What all hosts of a lab share: the client's ssh, the keys, the shared storage. Repeatable."""
    root = directory.path
    for name, mode in (("bin", 0o755), ("shared", 0o777), ("hosts", 0o755)):
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode)
    for name in ("key", "peer"):  # key: clients to hosts; peer: hosts to each other, for migration
        _make_key(root / name, comment=f"{settings.name} {name}")
    write_whole(directory.ssh_program, f'#!/bin/sh\nexec /usr/bin/ssh -F {directory.ssh_config} "$@"\n', mode=0o755)
    wiring = settings.wiring
    hosts = [_client_host(wiring, number) for number in range(1, HIGHEST_HOST + 1)]
    write_whole(directory.ssh_config, "".join(hosts) + CLIENT_CONFIG.format(directory=root))


def write_known_hosts(directory: LabDirectory, settings: Settings) -> None:
    """The hosts' keys, for the lab's clients and, since each host has the file too, for its peers."""
    lines = []
    for number in settings.hosts:
        kind, key, *_ = (directory.host(number) / "etc-ssh" / "host_key.pub").read_text().split()
        lines.append(f"kvm{number},{settings.wiring.address(number)} {kind} {key}\n")
    write_whole(directory.path / "known_hosts", "".join(lines))


def _client_host(wiring: Wiring, number: int) -> str:
    return f"Host kvm{number}\n  HostName {wiring.address(number)}\n  HostKeyAlias kvm{number}\n"


def _make_key(path: Path, *, comment: str) -> None:
    if not path.with_name(f"{path.name}.pub").exists():  # ssh-keygen writes it last
        path.unlink(missing_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])


def prepare_host(directory: LabDirectory, settings: Settings, number: int, *, image: GuestImage) -> None:
    """Write the files of host `number` anew, which must not run; whatever an interrupted `up` left is removed first."""
    home = directory.host(number)
    shutil.rmtree(home, ignore_errors=True)
    for name in ("etc-libvirt/nwfilter", "etc-ssh", "root/.ssh", "log", "cache/qemu", "lib/images", "lib/boot"):
        (home / name).mkdir(parents=True)
    _write_identity(home, settings, number)
    _write_ssh(home, directory)
    _write_libvirt(home, settings, number)
    _write_guests(home, settings, number, image=image)


def _host_uuid(settings: Settings, number: int) -> uuid.UUID:
    """Different in every lab: a client may know hosts by their UUID."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, f"kvm{number}.{settings.name}.{settings.subnet}")


def _write_identity(home: Path, settings: Settings, number: int) -> None:
    (home / "hostname").write_text(f"kvm{number}\n")
    (home / "machine-id").write_text(f"{_host_uuid(settings, number).hex}\n")
    everyone = [f"{settings.wiring.address(n)} kvm{n}\n" for n in range(1, HIGHEST_HOST + 1)]
    (home / "hosts").write_text("127.0.0.1 localhost\n" + "".join(everyone))


def _write_ssh(home: Path, directory: LabDirectory) -> None:
    _make_key(home / "etc-ssh" / "host_key", comment=home.name)
    keys = [(directory.path / f"{name}.pub").read_text() for name in ("key", "peer")]
    (home / "etc-ssh" / "authorized_keys").write_text("".join(keys))
    (home / "etc-ssh" / "sshd_config").write_text(SSHD_CONFIG)
    (home / "root").chmod(0o700)
    (home / "root" / ".ssh" / "config").write_text(PEER_CONFIG)
    shutil.copy(directory.path / "peer", home / "root" / ".ssh" / "id_ed25519")


def _write_libvirt(home: Path, settings: Settings, number: int) -> None:
    """Only what the lab says and the stock network filters; nothing of the machine's own libvirt gets in."""
    etc = home / "etc-libvirt"
    (etc / "libvirtd.conf").write_text(LIBVIRTD_CONF.format(uuid=_host_uuid(settings, number)))
    (etc / "qemu.conf").write_text(QEMU_CONF.format(name=f"kvm{number}"))
    for rule in Path("/etc/libvirt/nwfilter").glob("*.xml"):
        shutil.copy(rule, etc / "nwfilter")


def _write_guests(home: Path, settings: Settings, number: int, *, image: GuestImage) -> None:
    shutil.copy(image.kernel, home / "lib" / "boot" / "vmlinuz")
    shutil.copy(image.initrd, home / "lib" / "boot" / "initrd")
    for name in [*guest_names(number, settings.guests), off_guest_name(number)]:
        shutil.copy(image.disk, home / "lib" / "images" / f"{name}.qcow2")
    write_definitions(
        home / "lib" / "boot", number, guests=settings.guests, memory_mib=settings.memory_mib, load=settings.load
    )
