# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounting what is in the image as one tree. Child process.

With an operating system: its root at ``/`` and the rest where its fstab says, so that absolute links work.
Without: each filesystem is a top folder of its own.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child import support
from vmconsole.images.child.blocks import disk_name
from vmconsole.images.child.fstab import Mount, mounts_of, os_name_of
from vmconsole.images.child.handle import CHUNK_BYTES, is_file
from vmconsole.images.child.volume import ENCRYPTED, Volume
from vmconsole.images.child.volumes import find_volumes
from vmconsole.images.messages import Filesystem
from vmconsole.images.requests import Contents
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Handle, Work
    from vmconsole.images.messages import Device

_OS_RELEASES = ("/etc/os-release", "/usr/lib/os-release")


def look(work: Work, only_device: str, targets: tuple[str, ...] = ()) -> Contents:
    """Find and mount. ``only_device`` shows one filesystem alone, at ``/``; ``targets`` are as in ``requests.Look``."""
    work.targets = targets or work.targets
    if work.contents is not None:
        unmount(work, work.contents)
    volumes = find_again(work)
    assert work.found is not None
    devices = work.found[0]
    filesystems = {v.device: _filesystem(work.handle, v) for v in volumes}
    if only_device:
        if only_device not in filesystems:
            raise ImageError("There is no such filesystem in the image.", where=only_device)
        _show(work, filesystems, Mount(only_device, "/"))
        return _remember(work, devices, filesystems, os_name="", has_os_tree=False)
    return _whole_tree(work, devices, volumes, filesystems)


def find_again(work: Work) -> tuple[Volume, ...]:
    """The volumes that are known, or found now."""
    if work.found is None:
        work.found = _found(work)
    return work.found[1]


def _found(work: Work) -> tuple[tuple[Device, ...], tuple[Volume, ...]]:
    try:
        return find_volumes(work.handle)
    except RuntimeError as error:
        raise work.failed("The image's partitions cannot be listed.", error) from error


def _whole_tree(
    work: Work, devices: tuple[Device, ...], volumes: tuple[Volume, ...], filesystems: dict[str, Filesystem]
) -> Contents:
    root = _mount_os_root(work, volumes, filesystems)
    if root is None:
        for volume in volumes:
            if volume.is_mountable:
                _show(work, filesystems, Mount(volume.device, top_folder(volume.device)))
        return _remember(work, devices, filesystems, os_name="", has_os_tree=False)
    fstab, crypttab = (_text(work.handle, path) for path in ("/etc/fstab", "/etc/crypttab"))
    for mount in mounts_of(fstab, volumes, targets=work.targets, crypttab=crypttab):
        if mount.folder != "/" and not filesystems[mount.device].mounted_at:
            _show(work, filesystems, mount)
    return _remember(work, devices, filesystems, os_name=_os_name(work.handle), has_os_tree=True)


def _remember(
    work: Work, devices: tuple[Device, ...], filesystems: dict[str, Filesystem], *, os_name: str, has_os_tree: bool
) -> Contents:
    work.contents = Contents(devices, tuple(filesystems.values()), os_name, has_os_tree)
    return work.contents


def _mount_os_root(work: Work, volumes: tuple[Volume, ...], filesystems: dict[str, Filesystem]) -> Volume | None:
    """Leave the first filesystem that looks like an operating system's root mounted at ``/``: the biggest goes
    first."""
    for volume in sorted((v for v in volumes if v.is_mountable), key=lambda v: -(v.size_bytes or 0)):
        work.check_cancelled()
        _show(work, filesystems, Mount(volume.device, "/"))
        if filesystems[volume.device].mounted_at:
            if _is_os_root(work.handle):
                return volume
            work.handle.umount_all()
        filesystems[volume.device] = dataclasses.replace(filesystems[volume.device], mounted_at="", is_writable=False)
    return None


def _is_os_root(handle: Handle) -> bool:
    marks = (*_OS_RELEASES, "/etc/fstab", "/Windows/System32/config", "/WINDOWS/system32/config")
    return any(handle.exists(mark) for mark in marks)


def _os_name(handle: Handle) -> str:
    for path in _OS_RELEASES:
        name = os_name_of(_text(handle, path))
        if name:
            return name
    is_windows = handle.exists("/Windows/System32") or handle.exists("/WINDOWS/system32")
    return "Windows" if is_windows else "Linux" if handle.exists("/etc/fstab") else ""


def _text(handle: Handle, path: str) -> str:
    """A small text file, or empty: what cannot be read says nothing."""
    try:
        if not handle.exists(path) or not is_file(handle.statns(path)):
            return ""
        return handle.pread(path, CHUNK_BYTES, 0).decode("utf-8", errors="replace")
    except RuntimeError:
        return ""


def _show(work: Work, filesystems: dict[str, Filesystem], mount: Mount) -> None:
    """Mount, and write the outcome into ``filesystems``. A filesystem that fails is a note, not an error."""
    filesystem = filesystems[mount.device]
    if mount.folder != "/" and mount.folder == top_folder(mount.device):
        work.handle.mkmountpoint(mount.folder)
    never_written = support.why_read_only(filesystem.type)
    is_writable = not work.is_look_only and not never_written
    problem = _mounted(work.handle, filesystem, mount.folder, is_writable=is_writable)
    if problem and is_writable and not _mounted(work.handle, filesystem, mount.folder, is_writable=False):
        filesystems[mount.device] = dataclasses.replace(filesystem, mounted_at=mount.folder, problem=problem)
        return
    shown_at = "" if problem else mount.folder
    if is_writable and not problem:
        never_written = support.why_made_read_only(work.handle, filesystem.type, mount.folder)
        is_writable = not never_written
    filesystems[mount.device] = dataclasses.replace(
        filesystem, mounted_at=shown_at, is_writable=is_writable and not problem, problem=problem or never_written
    )


def _mounted(handle: Handle, filesystem: Filesystem, folder: str, *, is_writable: bool) -> str:
    """Mount; empty, or why not."""
    said = ""
    for option in support.options_for(filesystem.type):
        options = ",".join(o for o in ("" if is_writable else "ro", option) if o)
        try:
            # The type is said, so that a crafted filesystem cannot choose which kernel driver reads it.
            handle.mount_vfs(options, filesystem.type, filesystem.device, folder)
        except RuntimeError as error:
            said = str(error).strip()
        else:
            return ""
    return support.why_not(handle, filesystem.type, said)


def unmount(work: Work, contents: Contents) -> None:
    """Of everything that ``look`` mounted."""
    work.handle.umount_all()
    for filesystem in contents.filesystems:
        folder = top_folder(filesystem.device)
        if filesystem.mounted_at == folder:
            work.handle.rmmountpoint(folder)
    work.contents = None


def top_folder(device: str) -> str:
    """The top folder of a filesystem where there is no operating system: «/sda1», «/vg-root», «/sda2-@home»."""
    name = device.removeprefix("btrfsvol:").removeprefix("/dev/")
    return names.guest_path("/" + (name.removeprefix("mapper/").replace("/", "-") or disk_name(0)))


def _filesystem(handle: Handle, volume: Volume) -> Filesystem:
    return Filesystem(
        volume.device, volume.type, volume.label, volume.uuid, volume.size_bytes,
        problem=support.problem_of_type(handle, volume.type), is_locked=volume.type in ENCRYPTED, disks=volume.disks,
    )  # fmt: skip
