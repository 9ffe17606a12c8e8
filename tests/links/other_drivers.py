# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab host needs for drivers and transports beside QEMU over SSH: a container, a listening daemon, a plain user.

Each is a context manager that leaves the host as it was.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.vmlab.inside import in_host_groups
from tests.lab.vmlab.processes import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import LabHost

CONTAINER = "c1"
CONTAINER_UUID = "c0c0c0c0-0000-4000-8000-000000000001"
CONTAINER_XML = """\
<domain type='lxc'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64'>exe</type>
    <init>/bin/sh</init>
    <initarg>-c</initarg>
    <initarg>while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.2; done</initarg>
  </os>
  <devices>
    <filesystem type='mount'><source dir='/var/lib/libvirt/{name}'/><target dir='/'/></filesystem>
    <interface type='network'><source network='default'/></interface>
    <console type='pty'/>
  </devices>
</domain>
"""
NAMED_GROUP = """
grep -q :name=systemd: /proc/self/cgroup || exit 0
grep -q " /sys/fs/cgroup/systemd cgroup rw[^ ]*,name=systemd" /proc/mounts || exit 0
[ -e /sys/fs/cgroup/systemd/tasks ] && exit 0
mkdir -p /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
"""
"""libvirt's LXC driver moves the container within systemd's named hierarchy wherever the machine has it mounted, also
where the host's own view hides it."""


def lxc_uri(host: LabHost) -> str:
    return host.uri.replace("qemu+ssh", "lxc+ssh").replace("/system?", "/?")


@contextlib.contextmanager
def container(host: LabHost) -> Iterator[str]:
    """A running container with busybox as init, which uses some CPU; its uuid."""
    root = host.home / "lib" / CONTAINER
    for name in ("bin", "proc", "sys", "dev", "etc", "tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/busybox", root / "bin" / "busybox")
    for name in ("sh", "sleep"):
        (root / "bin" / name).unlink(missing_ok=True)
        (root / "bin" / name).symlink_to("busybox")
    host.exec("sh", "-c", NAMED_GROUP)
    lxc = ("virsh", "--quiet", "-c", "lxc:///")
    host.exec(*lxc, "define", "/dev/stdin", stdin=CONTAINER_XML.format(name=CONTAINER, uuid=CONTAINER_UUID))
    try:
        host.exec(*lxc, "start", CONTAINER, check=False)  # it may run already, of a test before
        yield CONTAINER_UUID
    finally:
        host.exec(*lxc, "destroy", CONTAINER, check=False)
        host.exec(*lxc, "undefine", CONTAINER)
        shutil.rmtree(root)


@contextlib.contextmanager
def listening_daemon(host: LabHost, *lines: str) -> Iterator[None]:
    """libvirtd with ``--listen`` and these lines of configuration in place of the usual one, which never listens."""
    usual = (host.home / "etc-libvirt" / "libvirtd.conf").read_text()
    (host.home / "etc-libvirt" / "listening.conf").write_text("\n".join([usual.replace("listen_tls", "#"), *lines, ""]))
    host.stop("libvirtd")
    words = ["/usr/sbin/libvirtd", "-d", "--listen", "--config", "/etc/libvirt/listening.conf"]
    try:
        run(in_host_groups(host, words), timeout_s=30, keep_lock=False)
        yield
    finally:
        host.stop("libvirtd")
        (host.home / "etc-libvirt" / "listening.conf").unlink()
        host.start("libvirtd")


PLAIN_USER = "plain"
ACCOUNT = f"{PLAIN_USER}:x:4242:100::/tmp/{PLAIN_USER}:/bin/sh\n"
MAKE_USER = f"""
mount --bind /root/passwd /etc/passwd && mkdir -p /tmp/{PLAIN_USER} && chown 4242:100 /tmp/{PLAIN_USER}
"""
END_USER = f"""
for process in /proc/[0-9]*; do
  [ "$(stat -c %u "$process" 2>/dev/null)" = 4242 ] && kill -9 "${{process#/proc/}}"
done
umount /etc/passwd; rm -rf /tmp/{PLAIN_USER}
"""


@contextlib.contextmanager
def plain_user(host: LabHost) -> Iterator[str]:
    """A user of the host who is not root, and so has a session daemon of his own; the URI of it."""
    (host.home / "root" / "passwd").write_text(Path("/etc/passwd").read_text() + ACCOUNT)
    host.exec("sh", "-c", MAKE_USER)
    try:
        yield host.uri.replace("root@", f"{PLAIN_USER}@").replace("/system?", "/session?")
    finally:
        host.exec("sh", "-c", END_USER, check=False)


SUDO_ACCOUNT = ACCOUNT.replace(":x:", ":*:")
"""Without a password and without an entry of shadow(5), which sudo's PAM would ask for."""
MAKE_SUDO = """
chmod 440 /root/sudoers && chown 0:0 /root/sudoers && mount --bind /root/sudoers /etc/sudoers
"""


@contextlib.contextmanager
def sudo_user(host: LabHost, *, rule: str) -> Iterator[str]:
    """A user of the host who may do with sudo what the rule of sudoers(5) says; the URI of the system's daemon."""
    with plain_user(host) as uri:
        (host.home / "root" / "passwd").write_text(Path("/etc/passwd").read_text() + SUDO_ACCOUNT)
        (host.home / "root" / "sudoers").write_text(f"root ALL=(ALL) ALL\n{rule}\n")
        host.exec("sh", "-c", MAKE_SUDO)
        try:
            yield uri.replace("/session?", "/system?")
        finally:
            host.exec("umount", "/etc/sudoers", check=False)


MODULAR = "virtqemud"
START_MODULAR = f"""
cp /usr/sbin/libvirtd /run/{MODULAR} && mkdir -p /run/modular &&
grep -v ^host_uuid /etc/libvirt/libvirtd.conf > /run/modular/conf &&
echo 'unix_sock_dir = "/run/modular"' >> /run/modular/conf
/run/{MODULAR} -d --config /run/modular/conf --pid-file /run/{MODULAR}.pid &&
ln -s /run/modular/libvirt-sock /run/libvirt/{MODULAR}-sock
"""
END_MODULAR = f"kill -KILL $(cat /run/{MODULAR}.pid); rm -rf /run/{MODULAR}* /run/modular /run/libvirt/{MODULAR}-sock"


@contextlib.contextmanager
def modular_daemon(host: LabHost) -> Iterator[None]:
    """The host with a daemon that has a modular one's name, pid file and socket, in place of libvirtd. It is libvirtd's
    program under another name: Debian 12 has no virtqemud, which is the same source built with fewer drivers."""
    host.stop("libvirtd")
    try:
        run(in_host_groups(host, ["sh", "-c", START_MODULAR]), timeout_s=30, keep_lock=False)
        yield
    finally:
        host.exec("sh", "-c", END_MODULAR, check=False)
        host.start("libvirtd")
