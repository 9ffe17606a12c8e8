# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules of limits depend on beside the values: the host, the guest's parts, what it uses now. Any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.facts import HostState
from vmconsole.inventory.limits import LimitRef, Limits
from vmconsole.quotas.rows import Call, LimitRow, Place, Scope
from vmconsole.quotas.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.inventory.facts import Guest, Host
    from vmconsole.inventory.topology import HostResources

_MACHINES_ONLY = frozenset({Call.VCPUS_MAX, Call.PIN_IOTHREAD, Call.IOTHREAD, Call.BLOCK_IO_TUNE})
"""What containers have not."""


@dataclass(frozen=True, slots=True)
class Situation:
    """One guest on its host at one moment."""

    host: Host
    guest: Guest
    memory_used_kib: int | None = None
    """What the guest's cgroup holds now (``memory.current``); None while unknown."""

    @property
    def resources(self) -> HostResources:
        return self.host.resources

    @property
    def layout(self) -> str:
        return self.host.cgroup_layout

    @property
    def where(self) -> str:
        return f"{self.guest.name} on {self.host.name}"

    def limits(self, place: Place) -> Limits | None:
        """None where the guest has no such definition: it is off, or transient."""
        return self.guest.live if place is Place.LIVE else self.guest.stored

    def targets(self, scope: Scope) -> tuple[str, ...]:
        """The parts of the guest that a scope speaks of."""
        guest = self.guest
        if scope is Scope.VCPU:
            return tuple(map(str, range(self.vcpus_max)))
        if scope is Scope.IOTHREAD:
            return tuple(map(str, guest.iothreads))
        if scope is Scope.DISK:
            return tuple(disk.target for disk in guest.disks if disk.source)
        if scope is Scope.NIC:
            return tuple(interface.mac for interface in guest.interfaces)
        if scope is Scope.HOST_DEVICE:
            return tuple(device.path for device in self.resources.block_devices)
        return ("",)

    @property
    def vcpus_max(self) -> int:
        stored, live = self.guest.stored or Limits(), self.guest.live or Limits()
        found = live.number("vcpu_max") or stored.number("vcpu_max") or self.guest.vcpus
        return found or 1

    def refs(self) -> Iterator[tuple[LimitRow, LimitRef]]:
        """All limits of this guest in the table's order, target by target within a row."""
        for row in TABLE:
            for target in self.targets(row.scope):
                yield row, LimitRef(row.key, target)


def unavailable(row: LimitRow, situation: Situation, place: Place) -> str:
    """Why this limit cannot be changed there, in words; empty where it can."""
    host, guest = situation.host, situation.guest
    if host.state is not HostState.CONNECTED:
        return f"{host.name} is not connected."
    if host.is_read_only:
        return f"{host.name} is opened for looking only."
    if situation.limits(place) is None:
        if place is Place.STORED:
            return f"{guest.name} is transient: it has no stored definition."
        return f"{guest.name} is {guest.state.value}."
    if place is Place.LIVE and not row.live:
        return "It can be changed for the next boot only."
    if place is Place.STORED and not row.stored:
        return "libvirt does not store it: it holds until the guest is shut off."
    if row.key.replace("_", "-") in host.lacks:
        return host.lacks[row.key.replace("_", "-")]
    if host.cap_parameter == "vcpu" and (row.call in _MACHINES_ONLY or row.key in _NOT_OF_CONTAINERS):
        return "A container has no such limit."
    if row.key == "device_weight" and place is Place.LIVE and ends_the_daemon(situation):
        return DEVICE_WEIGHT_ENDS_DAEMON
    return _of_host(row, situation)


DEVICE_WEIGHT_ENDS_DAEMON = "libvirt's daemon crashes when it hands a weight for one device to systemd."


def ends_the_daemon(situation: Situation) -> bool:
    """Whether a device's weight makes libvirtd end itself, live or when the guest starts: on cgroup v2 it asks systemd,
    and builds the question wrongly (virCgroupV2SetBlkioDeviceWeight, «can not parse as value of type 't'»); seen with
    libvirt 9.0, and the same in later source. Where that is not known, it is not risked."""
    return situation.layout not in {"v1", "hybrid"} and situation.resources.has_systemd is not False


_NOT_OF_CONTAINERS = frozenset({"vcpu_cap", "emulator_cap", "iothread_cap", "vcpu_pin", "emulator_pin"})


def _of_host(row: LimitRow, situation: Situation) -> str:
    resources = situation.resources
    if row.needs_cgroup and resources.controllers is not None and row.needs_cgroup not in resources.controllers:
        return f"{situation.host.name} has no cgroup controller «{row.needs_cgroup}» for its guests."
    if row.call is Call.INTERFACE and resources.shaper_missing:
        return f"{situation.host.name} cannot shape traffic: {resources.shaper_missing}."
    return ""
