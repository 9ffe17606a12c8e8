# SPDX-License-Identifier: GPL-3.0-or-later
"""Two disks of one guest with everything on them, made by the real tools in one appliance; and looked at again.

Run as a program (``python zoo.py make|read FOLDER``), so that libguestfs is used without any of vmconsole's code:
``make`` prints nothing, ``read`` prints what it finds as JSON.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PASSPHRASE = "correct horse «€» battery"
PASSWORD = "of the BitLocker volume"
MIB = 1 << 20
DISK_A = {
    "root": 120, "efi": 40, "win": 40, "sub": 130, "luks": 64, "md": 40, "pv": 60, "swap": 16, "noise": 8, "xfs": 310,
    "ufs": 16, "broken": 16, "bit": 16,
}  # fmt: skip
DISK_B = {"pv": 60, "md": 40, "data": 40}
OS_RELEASE = 'PRETTY_NAME="Zoo Linux 1"\n'
FSTAB = """\
LABEL=root / ext4 defaults 0 1
/dev/vda2 /boot/efi vfat umask=0077 0 1
LABEL=win /win ntfs defaults 0 0
LABEL=sub /home btrfs subvol=@home 0 0
LABEL=sub /srv btrfs subvol=/@srv 0 0
/dev/mapper/vault /secret ext4 defaults 0 0
/dev/md0 /raid ext4 defaults 0 0
/dev/mapper/pool-span /span ext4 defaults 0 0
LABEL=xfs /xfs xfs defaults 0 0
/dev/vdb3 /data ext4 defaults 0 0
LABEL=broken /broken ext4 defaults 0 0
LABEL=bit /bit ntfs defaults 0 0
/dev/vdc1 /gone ext4 defaults 0 0
"""
FOLDERS = ("boot/efi", "win", "home", "srv", "secret", "raid", "span", "xfs", "data", "broken", "bit", "etc")
PLACES = {
    "/dev/sda1": "/", "/dev/sda2": "/boot/efi", "/dev/sda3": "/win", "btrfsvol:/dev/sda4/@home": "/home",
    "btrfsvol:/dev/sda4/@srv": "/srv", "/dev/mapper/unlocked_sda5": "/secret", "/dev/md127": "/raid",
    "/dev/pool/span": "/span", "/dev/sda10": "/xfs", "/dev/sdb3": "/data", "/dev/mapper/unlocked_sda13": "/bit",
}  # fmt: skip

BITLOCKER = "/dev/mapper/unlocked_sda13"


def blob(name: str) -> bytes:
    """300 KB that nobody else has."""
    return b"".join(hashlib.sha256(f"{name} {n}".encode()).digest() for n in range(9600))


def run(*command: str | Path, feed: str = "") -> None:
    subprocess.run([str(c) for c in command], input=feed.encode(), check=True, stdout=subprocess.DEVNULL)


def make(folder: Path) -> None:
    """``a.raw`` and ``b.raw``, then qcow2. ``bit.raw``, a BitLocker volume, and ``ufs.raw`` are there already."""
    tree = folder / "tree"
    for name in FOLDERS:
        (tree / name).mkdir(parents=True, exist_ok=True)
    (tree / "etc/os-release").write_text(OS_RELEASE)
    (tree / "etc/fstab").write_text(FSTAB)
    starts = {"a": partition(folder / "a.raw", DISK_A), "b": partition(folder / "b.raw", DISK_B)}
    parts = folder / "parts"
    parts.mkdir()
    for disk, name, command in (
        ("a", "root", ["mkfs.ext4", "-q", "-L", "root", "-d", tree]),
        ("a", "xfs", ["mkfs.xfs", "-q", "-L", "xfs"]),
        ("a", "broken", ["mkfs.ext4", "-q", "-L", "broken"]),
        ("a", "swap", ["mkswap", "-q", "-L", "swap"]),
        ("b", "data", ["mkfs.ext4", "-q", "-L", "data"]),
    ):
        part = parts / name
        run("truncate", "-s", f"{(DISK_A if disk == 'a' else DISK_B)[name]}M", part)
        run(*command, part)  # type: ignore[arg-type]  # texts and paths
        place(part, folder / f"{disk}.raw", starts[disk][name])
    place(folder / "bit.raw", folder / "a.raw", starts["a"]["bit"])
    place(folder / "ufs.raw", folder / "a.raw", starts["a"]["ufs"])
    with (folder / "a.raw").open("r+b") as file:
        file.seek(starts["a"]["broken"] * MIB + 2048)  # the group descriptors, but not the superblock
        file.write(b"\xff" * 65536)
        file.seek(starts["a"]["noise"] * MIB)
        file.write(blob("noise"))
    in_appliance(folder)
    for disk in "ab":
        run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", folder / f"{disk}.raw", folder / f"{disk}.qcow2")
        (folder / f"{disk}.raw").unlink()


def partition(image: Path, sizes: dict[str, int]) -> dict[str, int]:
    """A GPT with these partitions (MiB). Returns where each begins, in MiB."""
    run("truncate", "-s", f"{sum(sizes.values()) + 3}M", image)
    run("sfdisk", "-q", image, feed="label: gpt\n" + "".join(f"size={s}M, name={n}\n" for n, s in sizes.items()))
    found, at = {}, 1
    for name, size in sizes.items():
        found[name] = at
        at += size
    return found


def place(part: Path, image: Path, at_mib: int) -> None:
    run("dd", f"if={part}", f"of={image}", "bs=1M", f"seek={at_mib}", "conv=notrunc,sparse", "status=none")


def in_appliance(folder: Path) -> None:
    """What needs a kernel: LUKS, LVM and RAID over two disks, subvolumes, and the files."""
    g = launched([folder / "a.raw", folder / "b.raw"], image_format="raw", readonly=False)
    g.mkfs("vfat", "/dev/sda2", label="EFI")
    g.mkfs("ntfs", "/dev/sda3", label="win")
    g.mkfs("btrfs", "/dev/sda4", label="sub")
    g.luks_format("/dev/sda5", PASSPHRASE, 0)
    g.cryptsetup_open("/dev/sda5", PASSPHRASE, "made")
    g.mkfs("ext4", "/dev/mapper/made", label="vault")
    g.md_create("zoo", ["/dev/sda6", "/dev/sdb2"], level="raid1")
    (array,) = g.list_md_devices()
    g.mkfs("ext4", array, label="raid")
    g.pvcreate("/dev/sda7")
    g.pvcreate("/dev/sdb1")
    g.vgcreate("pool", ["/dev/sda7", "/dev/sdb1"])
    g.lvcreate("span", "pool", 96)
    g.mkfs("ext4", "/dev/pool/span", label="span")
    g.mount("/dev/sda4", "/")
    for name in ("@home", "@srv"):
        g.btrfs_subvolume_create(f"/{name}")
    g.umount_all()
    uuid = g.vfs_uuid("/dev/sda5")
    for device, where in PLACES.items():
        if device == BITLOCKER:
            continue  # it has its files
        real = {"/dev/mapper/unlocked_sda5": "/dev/mapper/made", "/dev/md127": array}.get(device, device)
        g.mount(real, "/")
        g.write("/proof.txt", f"this is {where}\n".encode())
        g.write("/blob.bin", blob(where))
        if where == "/":
            g.write("/etc/crypttab", f"vault UUID={uuid} none luks\n".encode())
        g.umount_all()
    g.shutdown()
    g.close()


def launched(images: list[Path], *, image_format: str, readonly: bool) -> Any:
    """With KVM, or without where that does not work: that /dev/kvm is there proves nothing."""
    try:
        return _launched(images, image_format=image_format, readonly=readonly, settings=())
    except RuntimeError:
        return _launched(images, image_format=image_format, readonly=readonly, settings=("force_tcg",))


def _launched(images: list[Path], *, image_format: str, readonly: bool, settings: tuple[str, ...]) -> Any:
    import guestfs  # only where it is needed: pytest imports this file too

    g = guestfs.GuestFS(python_return_dict=True)
    for setting in settings:
        g.set_backend_setting(setting, "1")
    for image in images:
        g.add_drive(str(image), format=image_format, readonly=readonly)
    g.launch()
    return g


def read(folder: Path) -> None:
    """Every file of every filesystem, by its SHA-256."""
    g = launched([folder / "a.qcow2", folder / "b.qcow2"], image_format="qcow2", readonly=True)
    g.cryptsetup_open("/dev/sda5", PASSPHRASE, "unlocked_sda5")
    g.cryptsetup_open("/dev/sda13", PASSWORD, "unlocked_sda13", crypttype="bitlk")
    (array,) = g.list_md_devices()
    found: dict[str, dict[str, str]] = {}
    for device, where in PLACES.items():
        g.mount_ro(array if device == "/dev/md127" else device, "/")
        names = [n for n in g.find("/") if g.is_file(f"/{n}", followsymlinks=False)]
        found[where] = {n: g.checksum("sha256", f"/{n}") for n in names}
        g.umount_all()
    g.close()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    {"make": make, "read": read}[sys.argv[1]](Path(sys.argv[2]))
