# SPDX-License-Identifier: GPL-3.0-or-later
"""fstab(5), crypttab(5), os-release(5), passwd(5) and group(5) of a guest: text in, facts out.

Hostile input is only ever ignored.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmconsole.images.child.blocks import disk_name, lvm_path
from vmconsole.images.names import guest_path
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from vmconsole.images.child.volume import Volume

_OCTAL = re.compile(r"\\([0-7]{3})")
_NAMED = {
    "UUID": "uuid",
    "LABEL": "label",
    "PARTUUID": "part_uuid",
    "PARTLABEL": "part_label",
}
_BY = {f"/dev/disk/by-{name.lower()}/": field for name, field in _NAMED.items()}
_DISK_PARTITION = re.compile(r"/dev/(?:((?:[vsh]|xv)d([a-z]+))(\d*)|((?:nvme|mmcblk)(\d{1,3})(?:n\d+)?)(?:p(\d+))?)")


@dataclass(frozen=True, slots=True)
class Mount:
    device: str
    """As libguestfs names it."""
    folder: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the guest's own names for its disks are to be understood by."""

    volumes: tuple[Volume, ...]
    targets: tuple[str, ...] = ("",)
    """What its definition calls the disks (``vda``), in the order in which they are open; an entry may be empty."""
    opened: dict[str, str] = field(default_factory=dict)
    """Name under /dev/mapper → the encrypted volume it is the inside of, as crypttab says."""


def mounts_of(
    fstab: str, volumes: tuple[Volume, ...], *, targets: tuple[str, ...] = (), crypttab: str = ""
) -> tuple[Mount, ...]:
    """What fstab mounts of the volumes that are there, outer folders first; ``/`` is included if it names it."""
    known = Known(volumes, targets or ("",), _crypttab(crypttab))
    found: dict[str, Mount] = {}
    for line in fstab.splitlines():
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith("#") or not fields[1].startswith("/"):
            continue
        spec, folder = (_unescaped(f) for f in fields[:2])
        volume = _volume_of(spec, known, options=fields[3] if len(fields) > 3 else "")
        if volume is not None and volume.is_mountable:
            try:
                found.setdefault(guest_path(folder), Mount(volume.device, guest_path(folder)))
            except ImageError:
                continue
    return tuple(found[folder] for folder in sorted(found, key=lambda f: (f.count("/"), f)))


def _crypttab(text: str) -> dict[str, str]:
    lines = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {fields[0]: _unescaped(fields[1]) for fields in lines if len(fields) >= 2}


def _unescaped(field: str) -> str:
    return _OCTAL.sub(lambda m: chr(int(m.group(1), 8)), field).strip("\"'")


def _volume_of(spec: str, known: Known, *, options: str) -> Volume | None:
    same = [v for v in known.volumes if _is_meant(spec, v, known)]
    if not same:
        return None
    subvolume = re.search(r"(?:^|,)subvol=/?([^,]+)", options)
    if subvolume is not None:
        return next((v for v in same if v.device.endswith("/" + subvolume.group(1))), None)
    return next((v for v in same if not v.device.startswith("btrfsvol:")), same[0])


def _is_meant(spec: str, volume: Volume, known: Known) -> bool:
    key, equals, value = spec.partition("=")
    if equals and key.upper() in _NAMED:
        return _same(value.strip("\"'"), getattr(volume, _NAMED[key.upper()]))
    for prefix, attribute in _BY.items():
        if spec.startswith(prefix):
            return _same(_unhexed(spec[len(prefix) :]), getattr(volume, attribute))
    if spec.startswith("/dev/mapper/"):
        return lvm_path(spec) == volume.device or _is_opened_as(spec.removeprefix("/dev/mapper/"), volume, known)
    if spec.startswith("/dev/md"):
        # The appliance numbers arrays anew, so the name says nothing unless there is one array only.
        arrays = {v.device for v in known.volumes if v.device.startswith("/dev/md")}
        return volume.device in arrays and (len(arrays) == 1 or volume.device == spec)
    partition = _DISK_PARTITION.fullmatch(spec)
    return _partition(partition, known) == volume.device if partition is not None else spec == volume.device


def _is_opened_as(name: str, volume: Volume, known: Known) -> bool:
    """Whether the inside ``volume`` is what the guest calls /dev/mapper/``name``."""
    if volume.container is None or not volume.device.startswith("/dev/mapper/"):
        return False
    if name in known.opened:
        return _is_meant(known.opened[name], volume.container, known)
    return _same(name.removeprefix("luks-"), volume.container.uuid)


def _partition(found: re.Match[str], known: Known) -> str:
    """A partition under libguestfs' name. With one disk open, its guest may call it as it likes; with several, the
    definition's names count, then the order."""
    name, letters, number, other_name, place, other_number = found.groups()
    if len(known.targets) <= 1:
        disk = 0
    elif (name or other_name) in known.targets:
        disk = known.targets.index(name or other_name)
    else:
        disk = _place_of(letters) if letters else int(place)
    return f"{disk_name(disk)}{number or other_number or ''}"


def _place_of(letters: str) -> int:
    place = 0
    for letter in letters[:3]:
        place = place * 26 + ord(letter) - ord("a") + 1
    return place - 1


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
