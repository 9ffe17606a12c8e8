# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images and processes for the tests."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def run(*command: str | Path) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')}"
    return done.stdout.decode(errors="replace")


def qcow2(path: Path, *, size: str = "16M") -> Path:
    run("qemu-img", "create", "-q", "-f", "qcow2", path, size)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 0x41 0 1M", path)
    return path


def start_qemu(image: Path, image_format: str = "qcow2") -> subprocess.Popen[bytes]:
    """A QEMU with the image as a writable disk; returns when the lock is held."""
    command = [
        "qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "accel=tcg", "-m", "16", "-S",
        "-qmp", "stdio", "-drive", f"file={image},format={image_format},if=virtio",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert b"QMP" in process.stdout.readline(), "QEMU did not start"
    # The greeting comes before the disks are open; an answer comes after.
    process.stdin.write(b'{"execute":"qmp_capabilities"}\n')
    process.stdin.flush()
    assert b"return" in process.stdout.readline()
    return process


@contextlib.contextmanager
def in_use(image: Path) -> Iterator[None]:
    """As ``start_qemu``, for a while."""
    process = start_qemu(image)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def ext4(folder: Path, image: Path, *, size: str = "400M", label: str = "root") -> Path:
    """A qcow2 with an ext4 filesystem over the whole disk, made of what is in ``folder``."""
    raw = image.with_suffix(".raw")
    run("truncate", "-s", size, raw)
    run("mkfs.ext4", "-q", "-L", label, "-N", "20000", "-d", folder, raw)
    run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, image)
    raw.unlink()
    return image


def fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content_hash(image: Path, image_format: str = "qcow2") -> str:
    """Of what a guest would see on the disk, whatever the file looks like."""
    raw = image.with_suffix(".hashed")
    run("qemu-img", "convert", "-q", "-U", "-f", image_format, "-O", "raw", image, raw)
    try:
        return fingerprint(raw)
    finally:
        raw.unlink()


def until(condition: Callable[[], bool], *, what: str, deadline_s: float = 20.0) -> None:
    ends_at = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < ends_at, f"not in {deadline_s} s: {what}"
        time.sleep(0.02)


def family(pid: int) -> list[int]:
    """A process, its children, and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(word) for word in children.read_text().split()] if children.exists() else []
    return [pid, *(one for child in found for one in family(child))]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):  # the second, if it ends between open and read
        return False


def command_lines(word: str) -> list[str]:
    """Command lines of running processes that contain ``word``."""
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if word in line and int(pid) != os.getpid():
            found.append(line)
    return found


def guestfish(image: Path, *commands: str, mount: str = "/dev/sda") -> str:
    """What an independent guestfish sees, read-only."""
    assert shutil.which("guestfish"), "guestfish is missing: apt install guestfish"
    script = "\n".join(["run", f"mount-ro {mount} /", *commands])
    env = {**os.environ, "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"}
    done = subprocess.run(
        ["guestfish", "--ro", "--format=qcow2", "-a", str(image)], input=script.encode(), capture_output=True,
        check=False, env=env,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(errors="surrogateescape")


def nbd_pid(image: Path) -> int:
    """Of the server of an image of this machine."""
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except FileNotFoundError:
            continue
        if words[0].endswith(b"qemu-nbd") and os.fsencode(image) in words:
            return int(name)
    raise AssertionError("no qemu-nbd serves it")
