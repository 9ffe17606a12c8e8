# SPDX-License-Identifier: GPL-3.0-or-later
"""One sample of all guests of a host: what the sampler hands to the Store every second."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from vmconsole.inventory.ids import HostId

DeviceSample = tuple[float, float, float, float]
"""In the order of ``DeviceFigure``; NaN where unknown."""


class Source(enum.Enum):
    CGROUP = "cgroup"
    """Read from the host's cgroup files once a second."""
    LIBVIRT = "libvirt"
    """libvirt's bulk statistics, every ten seconds or so: fills what the cgroup does not know."""
    SCRIPT = "script"
    """Made up: demo data."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Figures of one host's running guests at one moment.

    ``values`` has one row per entry of ``uuids`` and the columns of ``Figure``; NaN means «this source does not know».
    The first frame after a (re)start of the sampler carries gauges only, as rates need two readings.
    A CGROUP frame names every running guest: one that is missing has no figures now. A LIBVIRT frame may name
    fewer, and
    its known values only fill columns that the cgroup left unknown.
    """

    host: HostId
    at: float
    """When it was taken, in seconds of this machine's ``time.time()``."""
    interval_s: float
    """Length of time that its rates cover."""
    source: Source
    uuids: tuple[str, ...]
    values: NDArray[np.float64]
    devices: Mapping[str, Mapping[str, DeviceSample]] = field(default_factory=lambda: MappingProxyType({}))
    """uuid → device name (``vda``, ``8:0 sda``, ``vnet3``) → rates."""
