# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk tools that fail on real images, without an appliance: entry of the catalogue → how to provoke it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.errors.bench import IMAGES as FOLDER
from vmconsole.images.hints import explained
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.vmlab import LabHost
    from vmconsole.inventory.errors import Explanation


def failure(said: str) -> Explanation:
    return explained("It did not work.", said, where="here").explanation


def on_host(script: str) -> Callable[[LabHost, Path], Explanation]:
    """A shell script on the host, as the console runs the host's disk tools there."""

    def act(host: LabHost, _folder: Path) -> Explanation:
        done = host.exec("sh", "-c", script.replace("GUEST", host.guests[0]), check=False)
        assert done.returncode, "it worked"
        return failure(done.stderr)

    return act


def here(*scripts: str) -> Callable[[LabHost, Path], Explanation]:
    """Shell scripts in an empty folder of this machine; the last one fails."""

    def act(_host: LabHost, folder: Path) -> Explanation:
        shell = LocalShell()
        try:
            for script in scripts[:-1]:
                done = shell.run(f"cd {folder}; {script}", deadline_s=20)
                assert done.status == 0, done.err
            done = shell.run(f"cd {folder}; {scripts[-1]}", deadline_s=20)
        finally:
            shell.close()
        assert done.status, "it worked"
        return failure(done.err.decode())

    return act


def served_under_another_name(_host: LabHost, folder: Path) -> Explanation:
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", str(folder / "a"), "1M"], check=True)
    socket = folder / "s"
    pid_file = folder / "pid"
    serve = ["qemu-nbd", "-f", "raw", "-k", str(socket), "-x", "disk", f"--pid-file={pid_file}", "--fork"]
    subprocess.run([*serve, str(folder / "a")], check=True)
    done = subprocess.run(
        ["qemu-img", "info", f"nbd+unix:///other?socket={socket}"], capture_output=True, text=True, check=False
    )
    # A client that asked for what is not there does not count as one, so the server waits on: end it.
    if pid_file.exists():
        subprocess.run(["kill", pid_file.read_text(encoding="ascii").strip()], check=False)
    return failure(done.stderr)


ENCRYPTED = (
    "printf abc > key; qemu-img create -q -f qcow2 --object secret,id=s,file=key "
    "-o encrypt.format=aes,encrypt.key-secret=s a.qcow2 1M"
)

IMAGES: tuple[tuple[str, Callable[[LabHost, Path], Explanation]], ...] = (
    ("image-in-use", on_host(f"qemu-img check {FOLDER}/GUEST.qcow2")),
    ("image-no-space", on_host(
        "mkdir -p /run/tiny && mount -t tmpfs -o size=64k none /run/tiny && "
        "{ qemu-img create -q -f raw -o preallocation=full /run/tiny/a 1M; e=$?; umount /run/tiny; exit $e; }")),
    ("image-read-only", on_host(
        "mkdir -p /run/tiny && mount -t tmpfs -o ro none /run/tiny && "
        "{ touch /run/tiny/a; e=$?; umount /run/tiny; exit $e; }")),
    ("image-not-mountable", on_host(
        "mkdir -p /run/tiny && dd if=/dev/zero of=/run/zeros bs=1M count=1 2>/dev/null && "
        "mount -t ext4 /run/zeros /run/tiny")),
    ("image-filesystem-unsupported", on_host("mkdir -p /run/tiny && mount -t zfs_member none /run/tiny")),
    ("image-permission", here(
        "qemu-img create -q -f qcow2 a 1M; chmod 600 a; chmod 755 .",
        "exec setpriv --reuid=65534 --clear-groups qemu-img info /root/.profile")),
    ("image-tools-missing", here("PATH=/nowhere; qemu-nbd --version")),
    ("image-backing-missing", here(
        "qemu-img create -q -f qcow2 base 1M; qemu-img create -q -f qcow2 -b base -F qcow2 top; rm base",
        "qemu-img check top")),
    ("image-encrypted", here(ENCRYPTED, "qemu-img check a.qcow2")),
    ("image-unknown-format", here("touch a", "qemu-img info -f nonsense a")),
    ("image-shrink", here("qemu-img create -q -f raw a 2M", "qemu-img resize -f raw a 1M")),
    ("image-damaged", here("printf nonsense > a", "qemu-img info -f qcow2 a")),
    ("image-missing", here("qemu-img info nothing")),
    ("image-name-taken", here("mkdir a", "mkdir a")),
    ("image-is-a-folder", here("mkdir a", "cat a")),
    ("image-not-a-folder", here("touch a", "mkdir a/b")),
    ("image-folder-not-empty", here("mkdir -p a/b", "rmdir a")),
    ("image-name-too-long", here(f"mkdir {'a' * 300}")),
    ("image-nbd-socket-missing", here("qemu-img info nbd:unix:/nowhere/s")),
    ("image-nbd-refused", served_under_another_name),
)  # fmt: skip
