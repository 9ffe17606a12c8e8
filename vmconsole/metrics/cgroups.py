# SPDX-License-Identifier: GPL-3.0-or-later
"""The sampler's text frames, decoded into tables of counters. No I/O; used on the sampler's thread.

The format is described in ``links/sampler_remote.py``, which writes it.
"""

from __future__ import annotations

import enum
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


class GuestField(enum.IntEnum):
    """Columns of ``Sample.guests``: what the host reads for each guest."""

    CPU_US = 0
    USER_US = 1
    SYSTEM_US = 2
    PERIODS = 3
    """CFS periods of the whole guest's group that had work, and those that ended held back."""
    THROTTLED = 4
    THROTTLED_US = 5
    VCPU_PERIODS = 6
    """The same, summed over the groups of the vCPUs: only there does a vCPU's own cap show."""
    VCPU_THROTTLED = 7
    VCPU_THROTTLED_US = 8
    QUOTA_US = 9
    """-1 where there is no cap."""
    PERIOD_US = 10
    MEMORY = 11
    ANON = 12
    CACHE = 13
    LIMIT = 14
    """-1 where there is no limit."""


GUEST_FIELDS = len(GuestField)
DEVICE_FIELDS = 4
"""Counters of a device: bytes read, bytes written, reads, writes. Of an interface, as the guest sees it: bytes
received, bytes sent, packets received, packets sent."""


class GarbledFrame(ValueError):
    """A frame that does not follow the format. The decoder waits for the next keyframe."""


@dataclass(frozen=True, slots=True)
class Device:
    """A block device or a network interface of one guest."""

    key: int
    guest: int
    """Key of the guest."""
    is_network: bool
    name: str
    number: str = ""
    """``8:0``; empty for an interface."""
    under: frozenset[str] = frozenset()
    """Numbers of the whole disks on which a stacked block device lies."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """All counters of one moment. NaN: could not be read."""

    microseconds: int
    """The host's monotonic clock."""
    keys: tuple[int, ...]
    """One per guest, never used again for another one (a guest that was restarted has a new key)."""
    uuids: tuple[str, ...]
    guests: NDArray[np.float64]
    """Shape (len(keys), GUEST_FIELDS)."""
    devices: tuple[Device, ...]
    counters: NDArray[np.float64]
    """Shape (len(devices), DEVICE_FIELDS)."""


@dataclass(slots=True)
class _Table:
    """Rows by key, in order of arrival. Plain lists: a line changes a few numbers, the array is made once a frame."""

    width: int
    rows: dict[int, list[float]] = field(default_factory=dict)

    def array(self) -> NDArray[np.float64]:
        return np.array(list(self.rows.values()), dtype=np.float64).reshape(len(self.rows), self.width)


class FrameDecoder:
    """Lines in, samples out. It keeps the last values, to which the next lines are differences."""

    def __init__(self) -> None:
        self._blank()
        self._needs_key = True
        self._frame: tuple[int, int] | None = None
        self.status: Mapping[str, Any] = {}
        """The last status line: ``cpu_us``, ``memory_kib``, ``guests``, ``unmapped``, ``denied``."""

    def _blank(self) -> None:
        self._guests = _Table(GUEST_FIELDS)
        self._devices = _Table(DEVICE_FIELDS)
        self._uuid_of: dict[int, str] = {}
        self._device_of: dict[int, Device] = {}
        self._members_changed()

    def _members_changed(self) -> None:
        self._members: tuple[tuple[int, ...], tuple[str, ...], tuple[Device, ...]] | None = None

    @property
    def needs_key(self) -> bool:
        """Whether nothing can be made of the stream until a keyframe comes."""
        return self._needs_key

    def take(self, line: str) -> Sample | None:
        """A sample when the line completes a frame. Raises GarbledFrame, once for each frame that is lost."""
        try:
            return self._take(line)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            was_lost, self._needs_key, self._frame = self._needs_key, True, None
            if was_lost:
                return None
            raise GarbledFrame(f"{line[:80]!r}: {error}") from error

    def _take(self, line: str) -> Sample | None:
        kind, _, rest = line.partition(" ")
        if kind == "F":
            self._begin(rest)
        elif self._frame is None:
            if not self._needs_key:
                raise GarbledFrame("a line outside of any frame")
        elif kind == "E":
            return self._end(rest)
        elif kind == "+":
            self._add(*rest.split(" ", 1))
        elif kind == "-":
            self._remove(int(rest))
        elif kind == "S":
            self.status = json.loads(rest)
        else:
            self._change(int(kind), rest)
        return None

    def _begin(self, rest: str) -> None:
        number, microseconds, kind = rest.split(" ")
        if kind == "K":
            self._blank()
            self._needs_key = False
        elif self._frame is not None:
            raise GarbledFrame("the frame before it has no end")
        self._frame = None if self._needs_key else (int(number), int(microseconds))

    def _end(self, rest: str) -> Sample:
        number, microseconds = self._frame or (-1, 0)
        if int(rest) != number:
            raise GarbledFrame(f"the end of frame {rest} in frame {number}")
        self._frame = None
        if self._members is None:
            self._members = tuple(self._uuid_of), tuple(self._uuid_of.values()), tuple(self._device_of.values())
        keys, uuids, devices = self._members
        return Sample(microseconds, keys, uuids, self._guests.array(), devices, self._devices.array())

    def _add(self, index: str, text: str) -> None:
        key, about = int(index), json.loads(text)
        self._members_changed()
        if about["kind"] == "g":
            self._uuid_of[key] = about["uuid"]
            self._guests.rows[key] = [math.nan] * GUEST_FIELDS
        else:
            self._device_of[key] = Device(
                key,
                about["of"],
                is_network=about["kind"] == "n",
                name=about["name"],
                number=about.get("id", ""),
                under=frozenset(about.get("under", ())),
            )
            self._devices.rows[key] = [math.nan] * DEVICE_FIELDS

    def _remove(self, key: int) -> None:
        self._members_changed()
        if self._guests.rows.pop(key, None) is not None:
            del self._uuid_of[key]
        else:
            del self._devices.rows[key]
            del self._device_of[key]

    def _change(self, key: int, text: str) -> None:
        row = self._guests.rows.get(key)
        if row is None:
            row = self._devices.rows[key]
        for column, difference in enumerate(text.split(",")):
            if not difference:
                row[column] = math.nan
            elif difference != "0" or row[column] != row[column]:
                base = row[column]
                row[column] = int(difference) + (0 if base != base else base)
