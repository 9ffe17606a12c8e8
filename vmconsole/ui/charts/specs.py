# SPDX-License-Identifier: GPL-3.0-or-later
"""Which charts a guest has and which curves are in each. Plain data."""

from __future__ import annotations

from dataclasses import dataclass

from vmconsole.metrics.figures import DeviceFigure, Figure
from vmconsole.ui.charts.units import Unit


def QT_TRANSLATE_NOOP(context: str, text: str) -> str:
    """Marks a text that is translated where it is shown. Qt's own has no types."""
    return text


@dataclass(frozen=True, slots=True)
class CurveSpec:
    key: str
    label: str
    figure: Figure
    colour: str
    """Name for ``look.Look.curve``."""
    is_main: bool = True
    device_figure: DeviceFigure | None = None
    """The same for one device, where the chart can show one."""
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class ChartSpec:
    key: str
    title: str
    unit: Unit
    curves: tuple[CurveSpec, ...]
    device_kind: str = ""
    """``disk`` or ``net`` where one device can be picked."""

    @property
    def has_devices(self) -> bool:
        return bool(self.device_kind)


CPU = ChartSpec(
    "cpu",
    QT_TRANSLATE_NOOP("charts", "CPU"),
    Unit.CORES,
    (
        CurveSpec("total", QT_TRANSLATE_NOOP("charts", "total"), Figure.CPU_CORES, "cpu"),
        CurveSpec("user", QT_TRANSLATE_NOOP("charts", "user"), Figure.CPU_USER_CORES, "cpu_user", is_main=False),
        CurveSpec(
            "system", QT_TRANSLATE_NOOP("charts", "system"), Figure.CPU_SYSTEM_CORES, "cpu_system", is_main=False
        ),
    ),
)
MEMORY = ChartSpec(
    "memory",
    QT_TRANSLATE_NOOP("charts", "Memory"),
    Unit.BYTES,
    (
        CurveSpec("used", QT_TRANSLATE_NOOP("charts", "used"), Figure.MEMORY_BYTES, "memory"),
        CurveSpec("anon", QT_TRANSLATE_NOOP("charts", "guest"), Figure.MEMORY_ANON_BYTES, "memory_anon", is_main=False),
        CurveSpec(
            "cache", QT_TRANSLATE_NOOP("charts", "cache"), Figure.MEMORY_CACHE_BYTES, "memory_cache", is_main=False
        ),
    ),
)
NETWORK = ChartSpec(
    "network",
    QT_TRANSLATE_NOOP("charts", "Network"),
    Unit.BYTES_PER_S,
    (
        CurveSpec(
            "rx",
            QT_TRANSLATE_NOOP("charts", "receive"),
            Figure.NET_RX_BYTES_PER_S,
            "receive",
            device_figure=DeviceFigure.READ_BYTES_PER_S,
        ),
        CurveSpec(
            "tx",
            QT_TRANSLATE_NOOP("charts", "send"),
            Figure.NET_TX_BYTES_PER_S,
            "send",
            device_figure=DeviceFigure.WRITE_BYTES_PER_S,
        ),
    ),
    device_kind="net",
)
DISK = ChartSpec(
    "disk",
    QT_TRANSLATE_NOOP("charts", "Disk"),
    Unit.BYTES_PER_S,
    (
        CurveSpec(
            "read",
            QT_TRANSLATE_NOOP("charts", "read"),
            Figure.DISK_READ_BYTES_PER_S,
            "read",
            device_figure=DeviceFigure.READ_BYTES_PER_S,
        ),
        CurveSpec(
            "write",
            QT_TRANSLATE_NOOP("charts", "write"),
            Figure.DISK_WRITE_BYTES_PER_S,
            "write",
            device_figure=DeviceFigure.WRITE_BYTES_PER_S,
        ),
    ),
    device_kind="disk",
)
IOPS = ChartSpec(
    "iops",
    QT_TRANSLATE_NOOP("charts", "Disk operations"),
    Unit.IOPS,
    (
        CurveSpec(
            "read",
            QT_TRANSLATE_NOOP("charts", "read"),
            Figure.DISK_READ_IOPS,
            "read",
            device_figure=DeviceFigure.READ_IOPS,
        ),
        CurveSpec(
            "write",
            QT_TRANSLATE_NOOP("charts", "write"),
            Figure.DISK_WRITE_IOPS,
            "write",
            device_figure=DeviceFigure.WRITE_IOPS,
        ),
    ),
    device_kind="disk",
)


def is_interface(device: str) -> bool:
    """Whether a device of the figures is a network interface (a tap's name or a MAC) and not a disk."""
    return device.startswith(("vnet", "tap", "macvtap", "veth")) or device.count(":") == 5
