# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are made to be too much: a million names, a petabyte in one file, thousands of folders in each other,
folders that contain themselves. By the filesystems' own tools, without a kernel.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from tests.images import disks

if TYPE_CHECKING:
    from pathlib import Path

MILLION = int(os.environ.get("VMCONSOLE_BOUNDS_NAMES") or 1_000_000)
"""Fewer for a machine that is busy; 200,000 are too many for one message of libguestfs too."""
PETABYTE = 1 << 50
TEXT_BYTES = 4 << 30
DEEP = 5000
STORED_BYTES = 40 << 20
ODD = (
    b"n" * 255, b"\xff\xfe\x80", b"new\nline", b"$(touch hacked)", b"`id`", b"-rf", b"--", b" ", b"a ", b"a.", b"..a",
    b"%s%n", b"<b>x", "\u202eexe.txt".encode(), b"\x1b[31m", b"\x01" * 255, "ü".encode() * 127, b"*", b"~", b"'\"\\",
)  # fmt: skip


def million(image: Path) -> Path:
    """XFS with a folder of a million files, and a file that says it has a petabyte."""
    proto = image.with_suffix(".proto")
    with proto.open("w", encoding="ascii") as file:
        file.write("/\n0 0\nd--755 0 0\nhuge ---644 0 0 /etc/passwd\nmany d--755 0 0\n")
        file.writelines(f"f{number:07} ---644 0 0 /dev/null\n" for number in range(MILLION))
        file.write("$\n$\n")
    with image.open("wb") as blank:
        blank.truncate(4 << 30)
    disks.run("mkfs.xfs", "-q", "-p", proto, image)
    disks.run("xfs_db", "-x", "-c", "path /huge", "-c", f"write core.size {PETABYTE}", image)
    proto.unlink()
    return image


def everything_else(folder: Path, image: Path) -> Path:
    tree = folder / "bounds-tree"
    (tree / "odd").mkdir(parents=True)
    for name in ODD:
        (tree / "odd" / os.fsdecode(name)).write_bytes(name)
    special = tree / "special"
    special.mkdir()
    (special / "plain").write_text("plain\n")
    os.mkfifo(special / "pipe")
    os.mknod(special / "memory", 0o20666, os.makedev(1, 1))
    os.mknod(special / "disk", 0o60666, os.makedev(8, 0))
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(special / "socket"))
    farm = tree / "farm"
    (farm / "real").mkdir(parents=True)
    (farm / "real" / "file").write_text("inside\n")
    targets = (
        "/etc/passwd",
        "../../../../../../etc/passwd",
        "..",
        "../..",
        "real/../../..",
        "self",
        "/",
        "real/../../x",
    )
    for number, target in enumerate(targets):
        os.symlink(target, farm / f"link{number}")
    os.symlink("self", farm / "self")
    os.symlink("real", farm / "good")
    os.symlink("/etc", farm / "passwd")
    with (tree / "text.txt").open("wb") as text:
        text.write(b"begin\n" * 1000)
        text.truncate(TEXT_BYTES)
    (tree / "full").mkdir()
    (tree / "full" / "data.bin").write_bytes(os.urandom(STORED_BYTES))
    with image.open("wb") as blank:
        blank.truncate(256 << 20)
    disks.run("mkfs.ext4", "-q", "-O", "large_file,huge_file,^metadata_csum", "-N", "20000", "-d", tree, image)
    deep = ["mkdir deep", "cd deep"] + ["mkdir d", "cd d"] * DEEP
    # Another name of a folder is a loop, which no kernel would make.
    loop = ["cd /", "mkdir loop", "cd loop", "write /etc/hostname proof", "mkdir in", "cd in", "ln /loop again"]
    script = folder / "debugfs"
    script.write_text("\n".join([*deep, *loop, "quit"]) + "\n")
    disks.run("debugfs", "-w", "-f", script, image)
    return image
