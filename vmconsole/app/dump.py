# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console knows, as plain JSON data: for ``--dump``, bug reports, and tests. GUI thread (reads the Store)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from vmconsole import __version__
from vmconsole.inventory import units
from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.inventory.limits import CpuCap
from vmconsole.metrics.figures import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.inventory.facts import Guest, Host
    from vmconsole.inventory.limits import Limits, Value
    from vmconsole.store.figures import HostFigures
    from vmconsole.store.store import Store

Json = dict[str, object]


def dump_of(store: Store) -> Json:
    """``hosts[]`` with ``guests[]``; see ``host_json`` and ``guest_json``. Times are seconds of ``time.time()``."""
    return {
        "program": "vmconsole",
        "version": __version__,
        "at": time.time(),
        "hosts": [
            host_json(host) | {"guests": [guest_json(g, host, store.figures(host.id)) for g in _guests(store, host)]}
            for host in store.hosts.values()
        ],
    }


def write(store: Store, path: Path) -> None:
    """Raises OSError when the file cannot be written."""
    path.write_text(json.dumps(dump_of(store), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def host_json(host: Host) -> Json:
    return {
        "uri": host.id,
        "name": host.name,
        "state": host.state.value,
        "reason": host.reason.text() if host.reason else None,
        "figures_reason": host.figures_reason.text() if host.figures_reason else None,
        "since": host.since,
        "retry_at": host.retry_at,
        "demo": host.is_demo,
        "versions": dict(host.versions),
        "cpus": host.cpus,
        "memory_bytes": host.memory_bytes,
        "cgroup_layout": host.cgroup_layout,
    }


def guest_json(guest: Guest, host: Host, figures: HostFigures) -> Json:
    return {
        "name": guest.name,
        "uuid": guest.id.uuid,
        "state": guest.state.value,
        "vcpus": guest.vcpus,
        "memory_max_kib": guest.memory_max_kib,
        "limits": {"live": limits_json(guest.live), "stored": limits_json(guest.stored)},
        "disks": [
            {"target": d.target, "source": d.source, "format": d.format, "device": d.device} for d in guest.disks
        ],
        "figures": {figure.json_name: _figure_json(figure, guest, host, figures) for figure in Figure},
    }


def limits_json(limits: Limits | None) -> Json | None:
    if limits is None:
        return None
    return {
        "guest_cap": _cap_json(limits.guest_cap),
        "vcpu_cap": _cap_json(limits.vcpu_cap),
        "cpu_weight": limits.number("cpu_weight"),
        "memory_hard_kib": limits.number("memory_hard"),
        "memory_soft_kib": limits.number("memory_soft"),
        "memory_swap_hard_kib": limits.number("memory_swap_hard"),
        "all": {str(ref): _value_json(value) for ref, value in sorted(limits.values.items())},
    }


def _value_json(value: Value) -> Json | int | str | None:
    return _cap_json(value) if isinstance(value, CpuCap) else value


def _cap_json(cap: CpuCap) -> Json:
    return {"quota_us": cap.quota_us, "period_us": cap.period_us, "cores": cap.cores}


def _figure_json(figure: Figure, guest: Guest, host: Host, figures: HostFigures) -> Json:
    if not guest.state.has_process:
        return {"value": None, "at": None, "reason": f"the guest is {guest.state.value}"}
    reading = figures.reading(guest.id.uuid, figure)
    found: Json = {"value": reading.value, "at": reading.at}
    if reading.value is None:
        found["reason"] = _why_unknown(figure, guest, host, figures)
    elif host.state is not HostState.CONNECTED and host.reason:
        found["reason"] = host.reason.what
    return found


def _why_unknown(figure: Figure, guest: Guest, host: Host, figures: HostFigures) -> str:
    if host.state is not HostState.CONNECTED and host.reason:
        return host.reason.what
    if not figures.has(guest.id.uuid):
        return host.figures_reason.what if host.figures_reason else "no sample has come yet"
    if figure in {Figure.CPU_CAP_CORES, Figure.MEMORY_LIMIT_BYTES}:
        return "no limit is set"
    return "the host's cgroup files do not tell it"


def _guests(store: Store, host: Host) -> list[Guest]:
    return sorted(store.guests_of(host.id).values(), key=lambda guest: guest.name)


def summary_of(store: Store) -> str:
    """Hosts, guests and current figures as a few lines of text for a terminal."""
    lines: list[str] = []
    for host in store.hosts.values():
        guests = _guests(store, host)
        running = sum(guest.state is GuestState.RUNNING for guest in guests)
        lines.append(f"{host.name}: {host.state.value}, {len(guests)} guests, {running} running")
        if host.reason:
            lines.append(f"  {host.reason.summary()}")
        figures = store.figures(host.id)
        for guest in guests[:20]:
            reading = {f: figures.reading(guest.id.uuid, f).value if guest.state.has_process else None for f in Figure}
            lines.append(
                f"  {guest.name:<20} {guest.state.value:<10}"
                f" cpu {units.cores(reading[Figure.CPU_CORES]):>6} cores"
                f"  memory {units.binary(reading[Figure.MEMORY_BYTES]):>9}"
                f"  disk {units.binary(reading[Figure.DISK_READ_BYTES_PER_S], per_second=True):>11} read"
                f" {units.binary(reading[Figure.DISK_WRITE_BYTES_PER_S], per_second=True):>11} written"
                f"  net {units.binary(reading[Figure.NET_RX_BYTES_PER_S], per_second=True):>11} in"
                f" {units.binary(reading[Figure.NET_TX_BYTES_PER_S], per_second=True):>11} out"
            )
        if len(guests) > 20:
            lines.append(f"  … and {len(guests) - 20} more")
    return "\n".join(lines) or "no hosts"
