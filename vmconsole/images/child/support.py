# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a filesystem is not shown, and which package or kernel gives more. Child process.

The appliance boots a kernel of this computer: the newest in /boot, or the one that SUPERMIN_KERNEL names (supermin(1)).
What that kernel can mount is asked of it, never guessed. Which modules a distribution's other kernels have is looked
up in /lib/modules here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images.hints import explained
from vmconsole.inventory.errors import NOT_IN_CATALOGUE

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Handle

READ_ONLY = {"iso9660", "squashfs", "erofs", "romfs", "cramfs", "ufs", "sysv", "befs", "qnx4", "qnx6", "hpfs"}
"""Linux only reads these."""
_CAN_ONLY_BE_READ = "Filesystems of this kind can only be read."
_WHY_ONLY_READ = {
    "ufs": "Linux only reads UFS: its writing is experimental, and left out of Debian's and most other kernels. To "
    "change files, start the guest.",
}
_MADE_READ_ONLY = {
    "ntfs": "It is only read: Windows was not shut down fully (it is hibernated, or has Fast Startup), and still holds "
    "changes of its own. Start the guest and run `shutdown /s /t 0` in it.",
    "ntfs3": "It is only read: Windows was not shut down fully. Start the guest and run `shutdown /s /t 0` in it.",
    "hfsplus": "It is only read: it has a journal, which Linux does not write, or it is locked.",
}
_CHOSE_READ_ONLY = (
    "The appliance's kernel mounted it to be read only: perhaps it is damaged, or its kind cannot be written."
)
_ST_RDONLY = 1
"""``f_flag`` of statvfs(3)."""
_UFS_KINDS = ("ufs2", "44bsd")
"""UFS2 of FreeBSD 5 and later, UFS1 of before: ``ufstype=`` of the kernel's ufs.rst."""
_PLAIN = {
    "unknown": "No filesystem is known in it.",
    "swap": "It is swap space.",
    "LVM2_member": "It is a part of an LVM volume group that could not be started. Perhaps another disk of the guest "
    "is needed: open its disks together.",
    "linux_raid_member": "It is a part of a RAID that could not be started. Perhaps another disk of the guest is "
    "needed: open its disks together.",
    "ldm_member": "It is a part of a Windows dynamic disk that could not be started. Perhaps another disk of the guest "
    "is needed: open its disks together.",
    "zfs_member": "It is a part of a ZFS pool. The appliance has no ZFS: copy files out inside the guest.",
    "crypto_LUKS": "It is encrypted (LUKS). Unlock it with its passphrase.",
    "BitLocker": "It is encrypted (BitLocker). Unlock it with its password or recovery key.",
    "ReFS": "Linux cannot read ReFS: copy files out inside the guest.",
    "apfs": "Linux's kernel cannot read APFS: copy files out inside the guest.",
    "VMFS": "VMware's VMFS is not read here: open the guests' own images in it.",
}
_TABLES = {
    "bsd_disklabel": ("a BSD disk label (FreeBSD, OpenBSD or NetBSD)", "CONFIG_BSD_DISKLABEL"),
    "apple_map": ("an Apple partition map", "CONFIG_MAC_PARTITION"),
}
"""Tables of partitions that a kernel may know, by what it must have been built with."""
_USUAL = {"ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "ntfs", "iso9660"}
"""Every appliance has these: nothing needs to be asked."""
_TYPE = re.compile(r"[a-z0-9_]{1,32}")


def problem_of_type(handle: Handle, kind: str) -> str:
    """Why it is not to be mounted at all; empty if that may be tried."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _TABLES:
        return _table_words(handle, *_TABLES[kind])
    return (
        "" if kind in _USUAL or not _can_be_asked(kind) or _is_available(handle, kind) else _kernel_words(handle, kind)
    )


def options_for(kind: str) -> tuple[str, ...]:
    """Mount options to try, one after the other, after ``ro`` or ``rw``."""
    return tuple(f"ufstype={found}" for found in _UFS_KINDS) if kind == "ufs" else ("",)


def why_not(handle: Handle, kind: str, said: str) -> str:
    """A sentence or two for the error of a mount."""
    if _can_be_asked(kind) and not _is_available(handle, kind):
        return _kernel_words(handle, kind)
    if kind == "vmfs_volume_member" or kind.upper() in {"VMFS", "REFS"}:
        return _PLAIN["VMFS" if kind.upper().startswith("VMFS") else "ReFS"]
    found = explained("", said).explanation
    is_known = found.entry not in {"", NOT_IN_CATALOGUE}
    return f"{found.cause} {found.advice}".strip() if is_known else said


def why_read_only(kind: str) -> str:
    """Why a filesystem of this kind is never mounted to be written; empty if it may be."""
    return _WHY_ONLY_READ.get(kind, _CAN_ONLY_BE_READ) if kind in READ_ONLY else ""


def why_made_read_only(handle: Handle, kind: str, folder: str) -> str:
    """Some drivers mount to be read only although they were asked for more. Why this one did; empty if it did not."""
    try:
        is_read_only = handle.statvfs(folder)["flag"] & _ST_RDONLY
    except RuntimeError:
        return ""  # then a write says so
    return _MADE_READ_ONLY.get(kind, _CHOSE_READ_ONLY) if is_read_only else ""


def _can_be_asked(kind: str) -> bool:
    """NTFS is mounted by a program of its own, whatever the kernel has."""
    return _TYPE.fullmatch(kind) is not None and kind != "ntfs"


def _is_available(handle: Handle, kind: str) -> bool:
    try:
        return bool(handle.filesystem_available(kind))
    except RuntimeError:
        return True  # not known: then the mount's own words are told


def _kernel_words(handle: Handle, kind: str) -> str:
    kernel = _kernel_of(handle)
    others = [found for found in kernels_with(kind) if found != kernel]
    words = f"The appliance's kernel{' ' + kernel if kernel else ''} cannot read {kind}."
    if others:
        return f"{words} {_start_words(others[0])}"
    if "cloud" in kernel:
        return f"{words} It is a small kernel for clouds: `apt install linux-image-amd64` gives more."
    return f"{words} Look for a kernel with the module {kind} (`apt-file search /{kind}.ko`)."


def _table_words(handle: Handle, what: str, option: str) -> str:
    kernel = _kernel_of(handle)
    words = f"It is divided by {what}, which the appliance's kernel{' ' + kernel if kernel else ''} cannot read."
    others = [found for found in kernels_built_with(option) if found != kernel]
    if others:
        return f"{words} {_start_words(others[0])}"
    return f"{words} `apt install linux-image-amd64` gives a kernel that can."


def _start_words(kernel: str) -> str:
    return (
        f"This computer's kernel {kernel} can: start vmconsole with SUPERMIN_KERNEL=/boot/vmlinuz-{kernel} "
        f"SUPERMIN_MODULES=/lib/modules/{kernel}"
    )


def _kernel_of(handle: Handle) -> str:
    try:
        return handle.debug("sh", ["uname -r"]).strip()
    except RuntimeError:
        return ""


def kernels_with(kind: str, modules: Path = Path("/lib/modules")) -> tuple[str, ...]:
    """Kernels on this computer that have the module and can be booted by the appliance, the newest name last."""
    found = []
    for kernel in sorted(os.listdir(modules)) if modules.is_dir() else []:
        folder = modules / kernel / "kernel" / "fs" / kind
        if folder.is_dir() and any(name.startswith(f"{kind}.ko") for name in os.listdir(folder)):
            found.append(kernel)
    return tuple(found)


def kernels_built_with(option: str, boot: Path = Path("/boot")) -> tuple[str, ...]:
    """Kernels on this computer whose configuration has the option, the newest name last."""
    found = []
    for config in sorted(boot.glob("config-*")) if boot.is_dir() else []:
        try:
            has_it = f"\n{option}=y\n" in config.read_text("utf-8", "replace")
        except OSError:
            continue
        if has_it and (boot / f"vmlinuz-{config.name.removeprefix('config-')}").exists():
            found.append(config.name.removeprefix("config-"))
    return tuple(found)
