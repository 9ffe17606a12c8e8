# SPDX-License-Identifier: GPL-3.0-or-later
"""Small disks of every kind, made by their own tools, and ways to damage them. Nothing of vmconsole's is used here.

Run as a program (``python damage.py lvm IMAGE EXT4``) for the one kind that only a kernel can make.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from typing import BinaryIO

KEY = "öffne dich"
MIB = 1 << 20
_BLOCK = 512
KINDS = (
    "ext4", "ext2", "xfs", "xfs-2", "btrfs", "btrfs-2", "ntfs", "vfat", "iso9660", "squashfs", "ufs", "lvm", "luks",
    "gpt", "mbr", "qcow2",
)  # fmt: skip


def run(*command: object, feed: str = "") -> None:
    done = subprocess.run([str(c) for c in command], input=feed.encode(), capture_output=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')}"


def make_tree(folder: Path) -> Path:
    tree = folder / "tree"
    (tree / "folder/deeper/deepest").mkdir(parents=True)
    (tree / "hello.txt").write_text("hello\n")
    (tree / "folder/blob.bin").write_bytes(bytes(range(256)) * 80)
    (tree / "link").symlink_to("folder/deeper")
    for number in range(60):
        (tree / f"folder/deeper/a file with a name that takes place {number}").write_text(f"{number}\n" * number)
    return tree


def make_all(folder: Path) -> dict[str, Path]:
    """One image of each kind, whole; raw but for ``qcow2``."""
    tree = make_tree(folder)
    made = {kind: folder / kind for kind in KINDS}
    ext4 = made["ext4"]
    blank(ext4, 12)
    run("mkfs.ext4", "-q", "-d", tree, ext4)
    blank(made["ext2"], 8)
    run("mke2fs", "-q", "-t", "ext2", "-b", "1024", "-d", tree, made["ext2"])
    for kind in ("xfs", "xfs-2"):
        blank(made[kind], 300)
        run("mkfs.xfs", "-q", "-m", f"uuid={uuid.uuid4()}", "-p", prototype(folder, tree), made[kind])
    for kind in ("btrfs", "btrfs-2"):
        blank(made[kind], 110)
        run("mkfs.btrfs", "-q", "-U", uuid.uuid4(), "--rootdir", tree, made[kind])
    blank(made["ntfs"], 12)
    run("mkntfs", "-q", "-F", "-f", made["ntfs"])
    for name in ("hello.txt", "folder/blob.bin"):
        run("ntfscp", "-q", made["ntfs"], tree / name, Path(name).name)
    blank(made["vfat"], 8)
    run("mkfs.vfat", made["vfat"])
    run("mcopy", "-s", "-i", made["vfat"], tree / "hello.txt", tree / "folder", "::")
    run("genisoimage", "-quiet", "-J", "-R", "-o", made["iso9660"], tree)
    run("mksquashfs", tree, made["squashfs"], "-quiet", "-no-progress")
    run("makefs", "-t", "ffs", "-o", "version=2", "-s", "8m", made["ufs"], tree)
    partitioned(made["gpt"], "label: gpt\nsize=12M\nsize=8M\n", {1: ext4, 13: made["vfat"]})
    # An extended partition from the 14th MiB, its one logical partition a MiB later.
    layout = "label: dos\nstart=1M, size=12M\nstart=14M, size=10M, type=5\nstart=15M, size=8M, type=c\n"
    partitioned(made["mbr"], layout, {1: ext4, 15: made["vfat"]})
    encrypt(ext4, made["luks"])
    run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", ext4, made["qcow2"])
    run(sys.executable, __file__, "lvm", made["lvm"], ext4)
    return made


def blank(image: Path, mib: int) -> None:
    with image.open("wb") as file:
        file.truncate(mib * MIB)


def prototype(folder: Path, tree: Path) -> Path:
    """What mkfs.xfs(8) fills a filesystem by; its names have no spaces."""
    text = f"/\n0 0\nd--755 0 0\nhello.txt ---644 0 0 {tree}/hello.txt\nfolder d--755 0 0\n"
    text += f"blob.bin ---644 0 0 {tree}/folder/blob.bin\nmany d--755 0 0\n"
    text += "".join(f"file{number} ---644 0 0 {tree}/hello.txt\n" for number in range(200))
    file = folder / "prototype"
    file.write_text(text + "$\n$\nlink l--777 0 0 folder\n$\n")
    return file


def partitioned(image: Path, layout: str, parts: dict[int, Path]) -> None:
    blank(image, 26)
    run("sfdisk", "-q", image, feed=layout)
    for at, part in parts.items():
        run("dd", f"if={part}", f"of={image}", "bs=1M", f"seek={at}", "conv=notrunc,sparse", "status=none")


def run_measured(*command: str | Path) -> None:
    """For a qemu-img that makes LUKS: it measures the processor for it, and one time in six fails to. Then again."""
    words = [str(word) for word in command]
    for _ in range(50):
        tried = subprocess.run(words, capture_output=True, check=False)
        if b"accurate CPU usage" not in tried.stderr:
            break
    assert tried.returncode == 0, tried.stderr


def encrypt(raw: Path, image: Path) -> None:
    """LUKS1, opened by ``KEY``."""
    run_measured(
        "qemu-img", "convert", "-q", "-f", "raw", "-O", "luks", "--object", f"secret,id=s,data={KEY}", "-o",
        "key-secret=s,iter-time=10", raw, image,
    )  # fmt: skip


def make_lvm(image: Path, ext4: Path) -> None:
    import guestfs  # only in the program of its own

    blank(image, 32)
    g = guestfs.GuestFS(python_return_dict=True)
    g.set_backend_setting("force_tcg", "1")
    for path in (image, ext4):
        g.add_drive(str(path), format="raw", readonly=path == ext4)
    g.launch()
    g.pvcreate("/dev/sda")
    g.vgcreate("damaged", ["/dev/sda"])
    g.lvcreate("one", "damaged", 16)
    g.copy_device_to_device("/dev/sdb", "/dev/damaged/one")
    g.lvcreate("two", "damaged", 4)
    g.shutdown()
    g.close()


def damaged_copy(whole: Path, copy: Path, rng: random.Random) -> str:
    """A copy of which something is wrong. Returns in words what."""
    run("cp", "--sparse=always", whole, copy)
    with copy.open("r+b") as file:
        used = blocks_in_use(whole)
        done = []
        for _ in range(rng.choice((1, 1, 2, 3, 8, 30))):
            # The first blocks say where all else is.
            at = rng.choice(used[: max(1, len(used) // 20)] if rng.random() < 0.5 else used) * _BLOCK
            done.append(f"{damage(file, at, used, rng)}@{at:#x}")
        if rng.random() < 0.08:
            cut = rng.randrange(1, copy.stat().st_size)
            file.truncate(cut)
            done.append(f"cut at {cut}")
            file.truncate(-(-cut // _BLOCK) * _BLOCK)
    return ", ".join(done)


def damage(file: BinaryIO, at: int, used: list[int], rng: random.Random) -> str:
    file.seek(at)
    block = bytearray(file.read(_BLOCK))
    if not block:
        return "nothing"
    kind = rng.choice(("bit", "bit", "number", "noise", "zero", "copy"))
    place = rng.randrange(len(block))
    if kind == "bit":
        block[place] ^= 1 << rng.randrange(8)
    elif kind == "number":
        new = rng.choice((b"\xff" * 4, bytes(4), b"\xff\xff\xff\x7f", b"\1\0\0\0", b"\0\0\0\x80"))
        block[place : place + 4] = new[: len(block) - place]
    elif kind == "noise":
        block[:] = rng.randbytes(len(block))
    elif kind == "zero":
        block[:] = bytes(len(block))
    else:
        # What one place says, another says too: loops, and blocks that belong to two files.
        file.seek(rng.choice(used) * _BLOCK)
        other = file.read(_BLOCK)
        block[: len(other)] = other
    file.seek(at)
    file.write(bytes(block))
    return kind


def blocks_in_use(image: Path) -> list[int]:
    found = []
    with image.open("rb") as file:
        number = 0
        while part := file.read(_BLOCK * 2048):
            if part.count(0) != len(part):
                found += [
                    number + n for n in range(-(-len(part) // _BLOCK)) if any(part[n * _BLOCK : (n + 1) * _BLOCK])
                ]
            number += 2048
    return found


if __name__ == "__main__":
    assert sys.argv[1] == "lvm"
    assert shutil.which("qemu-img")
    make_lvm(Path(sys.argv[2]), Path(sys.argv[3]))
