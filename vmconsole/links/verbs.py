# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of a connected host, by libvirt (``links.base.HostVerbs``). Blocks; on a lane's thread."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import posixpath
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from vmconsole.domainxml.capabilities import resources_of
from vmconsole.domainxml.limits import limits_from_parameters, polling_of
from vmconsole.domainxml.networks import network_rate
from vmconsole.domainxml.reading import DomainDescription
from vmconsole.domainxml.storage import pool_folder, volume_of
from vmconsole.inventory.errors import (
    AuthenticationFailed,
    BadDescription,
    DaemonMissing,
    NoSuchDomain,
    OperationRefused,
    OutOfRange,
)
from vmconsole.inventory.limits import LimitRef
from vmconsole.links.domain_rows import guest_of
from vmconsole.links.host_resources import with_shell_facts
from vmconsole.links.limit_calls import LimitSetter, setter_of
from vmconsole.links.limit_proofs import from_qemu, from_shell
from vmconsole.quotas.behind import BY_KEY as BEHIND_ACTS
from vmconsole.quotas.behind import command_of
from vmconsole.quotas.rows import Call, Kind
from vmconsole.quotas.sets import parse_set
from vmconsole.quotas.table import row_of
from vmconsole.quotas.weights import behind_systemd, for_systemd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from vmconsole.inventory.facts import Guest, Volume
    from vmconsole.inventory.ids import HostId
    from vmconsole.inventory.limits import Limits, LimitWrite, Value
    from vmconsole.inventory.topology import HostResources
    from vmconsole.links.base import Shell
    from vmconsole.links.libvirt_link import Connection

_XML_AT_ONCE = 8
_NO_NETWORKS = (OperationRefused, BadDescription, DaemonMissing, AuthenticationFailed)
"""The driver has none, one went meanwhile, or the daemon that has them (virtnetworkd) does not run or let us in."""


class LibvirtVerbs:
    """``HostVerbs`` of one connection."""

    def __init__(
        self, connection: Connection, host: HostId, *, cap_parameter: str = "global", shell: Shell | None = None
    ) -> None:
        """``cap_parameter`` as in ``inventory.facts.Host``; ``shell`` of the same host, where there is one."""
        self._connection = connection
        self._shell = shell
        self._online: tuple[bool, ...] | None = None
        self._cap_parameter = cap_parameter
        self._host = host

    def start_guest(self, uuid: str) -> None:
        self._connection.create(uuid)

    def shut_down_guest(self, uuid: str) -> None:
        self._connection.shutdown(uuid)

    def reboot_guest(self, uuid: str) -> None:
        self._connection.reboot(uuid)

    def pause_guest(self, uuid: str) -> None:
        self._connection.suspend(uuid)

    def resume_guest(self, uuid: str) -> None:
        self._connection.resume(uuid)

    def force_off_guest(self, uuid: str) -> None:
        self._connection.destroy(uuid)

    def write_limits(self, uuid: str, write: LimitWrite, *, stored: bool) -> None:
        """As ``HostVerbs.write_limits``."""
        setter = setter_of(write, host_cpus=self._host_cpus, cap_parameter=self._cap_parameter)
        self._connection.set_limits(uuid, setter, stored=stored)
        for ref, value in write.values if not stored else ():
            if ref.key == "block_weight" and isinstance(value, int):
                self._widen_weight(uuid, value)

    def _widen_weight(self, uuid: str, weight: int) -> None:
        """Where systemd has squeezed a running guest's disk weight, it is given so that bfq has what was asked for."""
        there = self._connection.blkio(uuid, stored=False).get("weight")
        if there != weight and there == behind_systemd(weight):
            wide = LimitSetter("setBlkioParameters", ({"weight": for_systemd(weight)},))
            self._connection.set_limits(uuid, wide, stored=False)

    def _host_cpus(self) -> tuple[bool, ...]:
        """Which CPUs are online; where the driver does not tell, as many as it counts."""
        if self._online is None:
            try:
                self._online = self._connection.cpu_map()
            except OperationRefused:
                self._online = (True,) * (self._connection.node().cpus or 1)
        return self._online

    def memory_used_kib(self, uuid: str) -> int | None:
        """As ``HostVerbs.memory_used_kib``: what the guest's process holds, which is most of its cgroup."""
        try:
            return self._connection.memory_stats(uuid).get("rss")
        except OperationRefused:  # it is off, or the driver cannot tell
            return None

    def limit_proofs(self, uuid: str, refs: Sequence[LimitRef]) -> Mapping[LimitRef, str]:
        """As ``HostVerbs.limit_proofs``."""
        found = from_qemu(self._connection, uuid, refs)
        row = self._connection.domain_row(uuid) if self._shell is not None else None
        if self._shell is None or row is None:
            return found
        taps: dict[str, str] = {}
        if any(row_of(ref).call is Call.INTERFACE for ref in refs):
            now = DomainDescription(self._connection.xml(uuid, stored=False))
            taps = {nic.mac: nic.tap for nic in now.interfaces()}
        driver = "lxc" if self._cap_parameter == "vcpu" else "qemu"
        return found | from_shell(self._shell, refs, driver=driver, uuid=uuid, name=row.name, taps=taps)

    def known_behind(self, uuid: str) -> Mapping[tuple[str, str], str]:
        return DomainDescription(self._connection.xml(uuid, stored=False)).known_behind()

    def change_behind(self, uuid: str, act: str, part: str, value: str) -> None:
        """As ``HostVerbs.change_behind``."""
        now = DomainDescription(self._connection.xml(uuid, stored=False))
        device = now.device(part)
        if part and not device:
            raise OperationRefused(f"The guest has no {part} now.", advice="Look again.", where=self._connection.where)
        command, arguments = command_of(BEHIND_ACTS[act], value, device)
        self._connection.qmp(uuid, command, arguments)

    def agent(self, uuid: str, command: str, arguments: Mapping[str, object]) -> object:
        """As ``HostVerbs.agent``."""
        return self._connection.agent(uuid, command, arguments)

    def stored_xml(self, uuid: str) -> str:
        return self._connection.stored_xml(uuid)

    def define(self, uuid: str, xml: str) -> None:
        self._connection.define(xml)

    def host_resources(self) -> HostResources:
        found = resources_of(self._connection.capabilities())
        with contextlib.suppress(*_NO_NETWORKS):
            rates = tuple(map(network_rate, self._connection.network_xml()))
            found = dataclasses.replace(found, network_rates=rates)
        return found if self._shell is None else with_shell_facts(found, self._shell)

    def _whole(self, limits: Limits) -> Limits:
        """Where a guest is capped as one, libvirt calls that its vCPUs' cap; and a pinning to all CPUs is none."""
        if self._cap_parameter == "vcpu":
            limits = limits.changed({LimitRef("guest_cap"): limits.vcpu_cap, LimitRef("vcpu_cap"): None})
        pins = [ref for ref in limits.values if row_of(ref).kind is Kind.CPUS]
        return limits.changed(dict.fromkeys(ref for ref in pins if self._is_every(limits[ref])))

    def _is_every(self, chosen: Value) -> bool:
        try:
            return isinstance(chosen, str) and parse_set(chosen).issuperset(
                number for number, there in enumerate(self._host_cpus()) if there
            )
        except OutOfRange:
            return False

    def describe_guest(self, uuid: str) -> Guest:
        """As ``HostVerbs.describe_guest``. Limits of a running guest are those of its cgroup, not of its XML."""
        row = self._connection.domain_row(uuid)
        if row is None:
            raise NoSuchDomain("The guest is not there any more.", where=self._connection.where)
        guest = guest_of(row, self._host)
        now = DomainDescription(self._connection.xml(uuid, stored=False))
        is_on, live, stored = guest.state.has_process, None, None
        if is_on:
            live = self._whole(self._live_limits(uuid, now.limits(), now.iothreads()))
        if guest.persistent:
            kept = DomainDescription(self._connection.xml(uuid, stored=True)) if is_on else now
            stored = self._whole(kept.limits())
        return dataclasses.replace(
            guest, described=True, title=now.title, disks=now.disks(), interfaces=now.interfaces(),
            iothreads=now.iothreads(), live=live, stored=stored, taints=self._taints(uuid) if is_on else (),
        )  # fmt: skip

    def _taints(self, uuid: str) -> tuple[str, ...]:
        try:
            return self._connection.taints(uuid)
        except OperationRefused:  # a daemon before 7.1, or a driver that keeps none
            return ()

    def _live_limits(self, uuid: str, base: Limits, iothreads: tuple[int, ...]) -> Limits:
        """What the cgroups say goes before what the XML says."""
        getters: tuple[tuple[Call, Callable[..., Mapping[str, int | str]]], ...] = (
            (Call.SCHEDULER, self._connection.scheduler),
            (Call.MEMORY, self._connection.memory),
            (Call.BLKIO, self._connection.blkio),
        )
        for call, read in getters:
            found = self._or_nothing(functools.partial(read, uuid, stored=False))
            base = limits_from_parameters(call, "", found, base=base)
        return self._live_devices(uuid, base, iothreads)

    def _live_devices(self, uuid: str, base: Limits, iothreads: tuple[int, ...]) -> Limits:
        """What the running guest's XML does not tell: the polling of I/O threads, and rates that disks share."""
        for disk in [ref.target for ref in base.values if ref.key == "disk_group"]:
            tune = self._or_nothing(functools.partial(self._connection.block_io_tune, uuid, disk, stored=False))
            base = limits_from_parameters(Call.BLOCK_IO_TUNE, disk, tune, base=base)
        if iothreads:
            stats = self._or_nothing(functools.partial(self._connection.iothread_stats, uuid))
            base = base.changed(polling_of(stats, iothreads))
        return base

    @staticmethod
    def _or_nothing(read: Callable[[], Mapping[str, int | str]]) -> Mapping[str, int | str]:
        """Nothing where the driver cannot tell, or the guest has just stopped; the XML stands in then."""
        try:
            return read()
        except OperationRefused:
            return {}

    def guest_xml(self, uuid: str, *, stored: bool) -> str:
        return self._connection.xml(uuid, stored=stored)

    def volume_path(self, pool: str, volume: str) -> str:
        """As ``HostVerbs.volume_path``."""
        return self._connection.volume_path(pool, volume)

    def pool_folders(self) -> tuple[str, ...]:
        """As ``HostVerbs.pool_folders``."""
        try:
            found = [pool_folder(text) for text in self._connection.pool_xml()]
        except OperationRefused:
            return ()  # the driver has no pools
        return tuple(folder for folder in found if folder)

    def pool_volumes(self) -> tuple[Volume, ...]:
        """As ``HostVerbs.pool_volumes``."""
        return tuple(volume_of(pool, text) for pool, text in self._connection.volume_xml())

    def image_users(self, path: str) -> tuple[str, ...]:
        """As ``HostVerbs.image_users``. Backing files are known as far as libvirt put them into the running XML."""
        wanted = posixpath.normpath(path)
        guests = self._connection.active_xml()
        with ThreadPoolExecutor(_XML_AT_ONCE, thread_name_prefix="domain xml") as pool:
            found = list(pool.map(lambda guest: self._files(guest[1]), guests))
        return tuple(sorted(name for (name, _), files in zip(guests, found, strict=True) if wanted in files))

    def _files(self, read: Callable[[], str]) -> frozenset[str]:
        try:
            description = DomainDescription(read())
        except (NoSuchDomain, BadDescription):
            return frozenset()  # it has ended meanwhile, so it uses nothing
        paths = set(description.image_files())
        for pool, volume in description.image_volumes():
            with contextlib.suppress(OperationRefused):  # the pool was taken away under the running guest
                paths.add(self._connection.volume_path(pool, volume))
        return frozenset(posixpath.normpath(path) for path in paths)
