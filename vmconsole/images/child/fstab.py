# SPDX-License-Identifier: GPL-3.0-or-later
"""fstab(5), os-release(5), passwd(5) and group(5) of a guest: text in, facts out. Hostile input is only ever
ignored.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images.child.volumes import lvm_path
from vmconsole.images.names import guest_path
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from vmconsole.images.child.volumes import Volume

_OCTAL = re.compile(r"\\([0-7]{3})")
_NAMED = {
    "UUID": "uuid",
    "LABEL": "label",
    "PARTUUID": "part_uuid",
    "PARTLABEL": "part_label",
}
_BY = {f"/dev/disk/by-{name.lower()}/": field for name, field in _NAMED.items()}
_DISK_PARTITION = re.compile(r"/dev/(?:(?:[vshx]v?d)[a-z]+|nvme\d+n\d+p|mmcblk\d+p)(\d*)")


@dataclass(frozen=True, slots=True)
class Mount:
    device: str
    """As libguestfs names it."""
    folder: str


def mounts_of(fstab: str, volumes: tuple[Volume, ...]) -> tuple[Mount, ...]:
    """What fstab mounts of the volumes that are there, outer folders first; ``/`` is included if it names it."""
    found: dict[str, Mount] = {}
    for line in fstab.splitlines():
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith("#") or not fields[1].startswith("/"):
            continue
        spec, folder = (_unescaped(f) for f in fields[:2])
        volume = _volume_of(spec, volumes, options=fields[3] if len(fields) > 3 else "")
        if volume is not None and volume.is_mountable:
            try:
                found.setdefault(guest_path(folder), Mount(volume.device, guest_path(folder)))
            except ImageError:
                continue
    return tuple(found[folder] for folder in sorted(found, key=lambda f: (f.count("/"), f)))


def _unescaped(field: str) -> str:
    return _OCTAL.sub(lambda m: chr(int(m.group(1), 8)), field).strip("\"'")


def _volume_of(spec: str, volumes: tuple[Volume, ...], *, options: str) -> Volume | None:
    same = [v for v in volumes if _is_meant(spec, v)]
    if not same:
        return None
    subvolume = re.search(r"(?:^|,)subvol=/?([^,]+)", options)
    if subvolume is not None:
        return next((v for v in same if v.device.endswith("/" + subvolume.group(1))), None)
    return next((v for v in same if not v.device.startswith("btrfsvol:")), same[0])


def _is_meant(spec: str, volume: Volume) -> bool:
    key, equals, value = spec.partition("=")
    if equals and key.upper() in _NAMED:
        return _same(value.strip("\"'"), getattr(volume, _NAMED[key.upper()]))
    for prefix, field in _BY.items():
        if spec.startswith(prefix):
            return _same(_unhexed(spec[len(prefix) :]), getattr(volume, field))
    if spec.startswith("/dev/mapper/"):
        return lvm_path(spec) == volume.device
    disk = _DISK_PARTITION.fullmatch(spec)
    if disk is not None:
        # One disk is open, and guests name it sda, vda or nvme0n1 as they like: the partition's number is what counts.
        return volume.device == f"/dev/sda{disk.group(1)}"
    return spec == volume.device


def _unhexed(text: str) -> str:
    return re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m.group(1), 16)), text)


def _same(wanted: str, known: str) -> bool:
    return bool(known) and wanted.lower() == known.lower()


def os_name_of(os_release: str) -> str:
    """PRETTY_NAME, else NAME and VERSION, else empty."""
    values = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line and not line.startswith("#"))
    pretty = _unquoted(values.get("PRETTY_NAME", ""))
    return pretty or f"{_unquoted(values.get('NAME', ''))} {_unquoted(values.get('VERSION', ''))}".strip()


def _unquoted(value: str) -> str:
    try:
        return " ".join(shlex.split(value))
    except ValueError:
        return value.strip()


def names_of(passwd_or_group: str) -> dict[int, str]:
    """Number → name, the first one winning, of /etc/passwd or /etc/group (the number is the third field of both)."""
    found: dict[int, str] = {}
    for line in passwd_or_group.splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[2].isdecimal() and fields[0]:
            found.setdefault(int(fields[2]), fields[0])
    return found
