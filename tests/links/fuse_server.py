# SPDX-License-Identifier: GPL-3.0-or-later
"""A file system that can be hung: a FUSE server for one directory with one file, spoken to the kernel by hand.

``python3 fuse_server.py MOUNT_POINT`` as root, standard library only. Stop it (SIGSTOP) and whoever looks at the mount
waits for ever, as with a dead NFS server; continue it and all go on. It tells «ready» and ends with the mount.
Sources: the kernel's Documentation/filesystems/fuse.rst and include/uapi/linux/fuse.h (protocol 7.31).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys

INIT, GETATTR, LOOKUP, OPEN, READ, STATFS, RELEASE, OPENDIR, READDIR, RELEASEDIR, FORGET, ACCESS, BATCH_FORGET = (
    26, 3, 1, 14, 15, 17, 18, 27, 28, 29, 2, 34, 42,
)  # fmt: skip
FILE, SIZE = b"disk.img", 1 << 20
HEADER = struct.Struct("=IIQQIIII")
KEEP_S = 0
"""How long the kernel may remember: not at all, so that each look comes here."""


def attributes(node: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == 1 else stat.S_IFREG | 0o644
    size = 0 if node == 1 else SIZE
    return struct.pack("=QQQQQQIIIIIIIIII", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


def entry(node: int) -> bytes:
    return struct.pack("=QQQQII", node, 0, KEEP_S, KEEP_S, 0, 0) + attributes(node)


def answer(opcode: int, node: int, body: bytes) -> bytes | int:
    """The body of the reply, or an error number."""
    if opcode == INIT:
        return struct.pack("=IIIIHHIIHHI7I", 7, 31, 65536, 0, 12, 10, 65536, 1, 16, 0, 0, *(0,) * 7)
    if opcode == GETATTR:
        return struct.pack("=QII", KEEP_S, 0, 0) + attributes(node)
    if opcode == LOOKUP:
        return entry(2) if body.rstrip(b"\0") == FILE else errno.ENOENT
    if opcode in {OPEN, OPENDIR}:
        return struct.pack("=QII", 1, 0, 0)
    if opcode == READ:
        _, offset, size = struct.unpack_from("=QQI", body)
        return bytes(max(0, min(size, SIZE - offset)))
    if opcode == READDIR:
        _, offset, _ = struct.unpack_from("=QQI", body)
        return b"" if offset else struct.pack("=QQII", 2, 1, len(FILE), stat.S_IFREG >> 12) + FILE
    if opcode == STATFS:
        return struct.pack("=QQQQQIIII6I", 1 << 20, 1 << 20, 1 << 20, 1, 1, 4096, 255, 4096, 0, *(0,) * 6)
    if opcode in {RELEASE, RELEASEDIR, ACCESS}:
        return b""
    return errno.ENOSYS


def serve(device: int) -> None:
    while True:
        try:
            request = os.read(device, 1 << 17)
        except OSError:
            return  # unmounted
        _, opcode, unique, node, *_ = HEADER.unpack_from(request)
        if opcode in {FORGET, BATCH_FORGET}:
            continue
        found = answer(opcode, node, request[HEADER.size :])
        body, error = (b"", -found) if isinstance(found, int) else (found, 0)
        os.write(device, struct.pack("=IiQ", 16 + len(body), error, unique) + body)


def main() -> None:
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"vmctest", sys.argv[1].encode(), b"fuse", 6, options.encode()):
        sys.exit(os.strerror(ctypes.get_errno()))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    serve(device)


if __name__ == "__main__":
    main()
