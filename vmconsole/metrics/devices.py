# SPDX-License-Identifier: GPL-3.0-or-later
"""Per-device series (block devices, disks, interfaces) of the guests that are looked at. GUI thread (the Store's)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from vmconsole.metrics.history import FINE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from vmconsole.metrics.figures import DeviceFigure
    from vmconsole.metrics.frame import DeviceSample


class DeviceHistory:
    """uuid → device → the last ten minutes. Devices come and go, so each series has times of its own."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, deque[tuple[float, DeviceSample]]]] = {}

    def append(self, at: float, devices: Mapping[str, Mapping[str, DeviceSample]]) -> None:
        for uuid, samples in devices.items():
            of_guest = self._rows.setdefault(uuid, {})
            for device, sample in samples.items():
                of_guest.setdefault(device, deque(maxlen=FINE_LENGTH)).append((at, sample))

    def forget(self, uuid: str) -> None:
        self._rows.pop(uuid, None)

    def retain(self, uuids: Collection[str]) -> None:
        """Forget all guests but these."""
        self._rows = {uuid: found for uuid, found in self._rows.items() if uuid in uuids}

    def names(self, uuid: str) -> tuple[str, ...]:
        return tuple(sorted(self._rows.get(uuid, ())))

    def series(self, uuid: str, device: str, figure: DeviceFigure) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Times (``time.time()`` seconds) and values, oldest first; empty when the device is not known."""
        rows = self._rows.get(uuid, {}).get(device, ())
        return np.array([at for at, _ in rows]), np.array([sample[figure] for _, sample in rows])
