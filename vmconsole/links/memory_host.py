# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up hypervisor: guests whose states and limits change as libvirt's would. Implements ``links.base.HostVerbs``.

Called from a lane's thread (verbs) and the link's own thread (ticks); a lock keeps them apart. ``on_change`` is called
without the lock, on the thread of whoever made the change.
"""

from __future__ import annotations

import dataclasses
import posixpath
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from vmconsole.domainxml.reading import DomainDescription
from vmconsole.inventory.errors import DomainBusy, NoSuchDomain, OutOfRange, Unsupported
from vmconsole.inventory.facts import Guest, GuestState, Host, Volume
from vmconsole.inventory.ids import GuestId
from vmconsole.inventory.limits import CpuCap
from vmconsole.inventory.topology import NO_RESOURCES, HostResources
from vmconsole.links.memory_guests import xml_of
from vmconsole.links.memory_load import Bounds, Load
from vmconsole.quotas.proofs import as_text
from vmconsole.quotas.situation import Situation
from vmconsole.quotas.table import row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from vmconsole.inventory.ids import HostId
    from vmconsole.inventory.limits import LimitRef, Limits, LimitWrite
    from vmconsole.links.memory_guests import ScriptedGuest

    OnChange = Callable[[str, str], None]
    """uuid of the guest, and a word for the events list."""

SHUTDOWN_TICKS = 2
LOWEST_US, LONGEST_PERIOD_US = 1_000, 1_000_000


class ScriptedHost:
    """The guests of one made-up host."""

    def __init__(
        self,
        host: HostId,
        guests: Sequence[ScriptedGuest],
        *,
        seed: int,
        cgroup_layout: str,
        on_change: OnChange,
        resources: HostResources = NO_RESOURCES,
    ) -> None:
        self._id = host
        self._guests = {guest.uuid: guest for guest in guests}
        self._is_v1 = cgroup_layout == "v1"
        self._resources = resources
        self._on_change = on_change
        self._lock = threading.Lock()
        self._tick = 0
        self._next_number = 1
        self._next_tap = 0
        self._going_down: dict[str, int] = {}
        self._starts = np.zeros(len(guests))
        self._bounds: tuple[tuple[str, ...], NDArray[np.intp], Bounds] | None = None
        for guest in guests:
            if guest.state.has_process:
                self._begin_process(guest, at_tick=-1000)
        self._load = Load(
            (seed, *map(ord, host)),
            np.array([float(guest.vcpus) for guest in guests]),
            np.array([guest.memory_kib * 1024.0 for guest in guests]),
        )

    # -- verbs (a lane's thread) ---------------------------------------------------------------------------------------

    def start_guest(self, uuid: str) -> None:
        with self._changing(uuid, "started") as guest:
            if guest.state.has_process:
                raise self._refusal(guest, "is already running")
            guest.state = GuestState.RUNNING
            guest.live = guest.stored
            self._begin_process(guest, at_tick=self._tick)

    def shut_down_guest(self, uuid: str) -> None:
        with self._lock:
            guest = self._active(uuid)
            if guest.state is GuestState.RUNNING:  # a paused guest does not see the button
                self._going_down.setdefault(uuid, self._tick + SHUTDOWN_TICKS)

    def reboot_guest(self, uuid: str) -> None:
        with self._changing(uuid, "rebooted"):
            self._active(uuid).started_at_tick = self._tick

    def pause_guest(self, uuid: str) -> None:
        with self._changing(uuid, "paused"):
            self._active(uuid).state = GuestState.PAUSED

    def resume_guest(self, uuid: str) -> None:
        with self._changing(uuid, "resumed"):
            guest = self._active(uuid)
            if guest.state is not GuestState.PAUSED:
                raise self._refusal(guest, "is not paused")
            guest.state = GuestState.RUNNING

    def force_off_guest(self, uuid: str) -> None:
        with self._changing(uuid, "was forced off"):
            self._end_process(self._active(uuid))

    def write_limits(self, uuid: str, write: LimitWrite, *, stored: bool) -> None:
        """As a host does it: the running guest's are checked, the stored ones hardly."""
        changes = dict(write.values)
        with self._changing(uuid, "has other limits"):
            guest = self._known(uuid) if stored else self._active(uuid)
            for value in changes.values():
                if isinstance(value, CpuCap):
                    self._check_cap(value)
            if stored:
                guest.stored = guest.stored.changed(changes)
                return
            after = guest.live.changed(changes)
            self._check_parts(after)
            guest.live = after

    def memory_used_kib(self, uuid: str) -> int | None:
        with self._lock:
            guest = self._known(uuid)
            return guest.memory_kib // 2 if guest.state.has_process else None

    def limit_proofs(self, uuid: str, refs: Sequence[LimitRef]) -> Mapping[LimitRef, str]:
        """As the files of such a host would be."""
        with self._lock:
            guest = self._active(uuid)
            layout = "v1" if self._is_v1 else "v2"
            host = Host(self._id, self._id, cgroup_layout=layout, resources=self._resources)
            live = DomainDescription(xml_of(guest, stored=False)).limits().changed(guest.live.values)
            situation = Situation(host, self._facts(guest))
        return {ref: as_text(row_of(ref), live[ref], situation) for ref in refs}

    def known_behind(self, uuid: str) -> Mapping[tuple[str, str], str]:
        return DomainDescription(self.guest_xml(uuid, stored=False)).known_behind()

    def change_behind(self, uuid: str, act: str, part: str, value: str) -> None:
        raise Unsupported("A made-up guest has no QEMU that could be asked.", where=self._id)

    def agent(self, uuid: str, command: str, arguments: Mapping[str, object]) -> object:
        raise Unsupported("A made-up guest has no agent that could be asked.", where=self._id)

    def stored_xml(self, uuid: str) -> str:
        return self.guest_xml(uuid, stored=True)

    def define(self, uuid: str, xml: str) -> None:
        with self._changing(uuid, "was defined anew"):
            self._known(uuid).stored = DomainDescription(xml).limits()

    def host_resources(self) -> HostResources:
        return self._resources

    def describe_guest(self, uuid: str) -> Guest:
        """Read from the same XML that ``guest_xml`` gives, as with a real host."""
        with self._lock:
            guest = self._known(uuid)
            running, facts = guest.state.has_process, self._facts(guest)
            now, next_boot = xml_of(guest, stored=False), xml_of(guest, stored=True)
        description = DomainDescription(now)
        polling = {ref: value for ref, value in guest.live.values.items() if not row_of(ref).stored}
        return dataclasses.replace(
            facts,
            described=True,
            title=description.title,
            disks=description.disks(),
            interfaces=description.interfaces(),
            iothreads=description.iothreads(),
            live=description.limits().changed(polling) if running else None,
            stored=DomainDescription(next_boot).limits(),
        )

    def guest_xml(self, uuid: str, *, stored: bool) -> str:
        with self._lock:
            return xml_of(self._known(uuid), stored=stored)

    def volume_path(self, pool: str, volume: str) -> str:
        raise Unsupported(f"A demo host has no volume {pool}/{volume}.")

    def pool_folders(self) -> tuple[str, ...]:
        return ()

    def pool_volumes(self) -> tuple[Volume, ...]:
        return ()

    def image_users(self, path: str) -> tuple[str, ...]:
        wanted = posixpath.normpath(path)
        with self._lock:
            active = [guest for guest in self._guests.values() if guest.state.has_process]
            return tuple(sorted(g.name for g in active if any(wanted in (d.path, d.base) for d in g.disks)))

    # -- what the link asks (its own thread) ---------------------------------------------------------------------------

    def listed(self) -> tuple[Guest, ...]:
        with self._lock:
            return tuple(self._facts(guest) for guest in self._guests.values())

    def disks_and_taps(self, uuid: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the devices that have figures now; none for a guest that is off or unknown."""
        with self._lock:
            guest = self._guests.get(uuid)
            if guest is None or not guest.state.has_process:
                return (), ()
            return tuple(disk.target for disk in guest.disks), guest.taps

    def advance(self) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """One tick: uuids of guests that have a process, and their figures, one row each."""
        with self._lock:
            self._tick += 1
            due = [uuid for uuid, tick in self._going_down.items() if tick <= self._tick]
            for uuid in due:
                self._end_process(self._guests[uuid])
            uuids, rows, bounds = self._current_bounds()
            bounds.age[:] = self._tick - self._starts
            values = self._load.tick(self._tick, bounds)[rows]
        for uuid in due:
            self._on_change(uuid, "has shut down")
        return uuids, values

    # -- inside, under the lock ----------------------------------------------------------------------------------------

    @contextmanager
    def _changing(self, uuid: str, word: str) -> Iterator[ScriptedGuest]:
        with self._lock:
            yield self._known(uuid)
            self._bounds = None
        self._on_change(uuid, word)

    def _known(self, uuid: str) -> ScriptedGuest:
        guest = self._guests.get(uuid)
        if guest is None:
            raise NoSuchDomain(
                "The guest is not there any more.",
                where=self._id,
                said=f"Domain not found: no domain with matching uuid '{uuid}'",
            )
        return guest

    def _active(self, uuid: str) -> ScriptedGuest:
        guest = self._known(uuid)
        if not guest.state.has_process:
            raise self._refusal(guest, "is not running")
        return guest

    def _refusal(self, guest: ScriptedGuest, why: str) -> DomainBusy:
        return DomainBusy(
            f"The guest {guest.name} {why}.",
            advice="Look at its state: somebody else may have changed it.",
            where=self._id,
            said=f"Requested operation is not valid: domain {why}",
        )

    def _begin_process(self, guest: ScriptedGuest, *, at_tick: int) -> None:
        guest.number, guest.started_at_tick = self._next_number, at_tick
        self._next_number += 1
        guest.taps = tuple(f"vnet{self._next_tap + place}" for place in range(len(guest.macs)))
        self._next_tap += len(guest.macs)

    def _end_process(self, guest: ScriptedGuest) -> None:
        guest.state, guest.number, guest.taps = GuestState.SHUT_OFF, None, ()
        self._going_down.pop(guest.uuid, None)
        self._bounds = None

    def _check_cap(self, cap: CpuCap) -> None:
        """The kernel's ranges."""
        if not LOWEST_US <= cap.period_us <= LONGEST_PERIOD_US or (cap.quota_us or LOWEST_US) < LOWEST_US:
            raise OutOfRange(
                f"A quota of {cap.quota_us} µs in {cap.period_us} µs is out of range.",
                advice="The quota is 1000 µs or more, the period 1000 to 1000000 µs.",
                where=self._id,
                said="numerical overflow: value of 'quota' or 'period' is out of range",
            )

    def _check_parts(self, limits: Limits) -> None:
        """cgroup v1's rule that no vCPU may have more than the whole guest."""
        whole, each = limits.guest_cap, limits.vcpu_cap.cores
        if self._is_v1 and whole.cores is not None and each is not None and each > whole.cores:
            raise OutOfRange(
                "The cap of the whole guest is below what each of its vCPUs is allowed.",
                advice="Lower the cap per vCPU first, or choose a higher one for the guest.",
                where=self._id,
                said=f"Invalid value '{whole.quota_us}' for 'cpu.cfs_quota_us': Invalid argument",
            )

    def _facts(self, guest: ScriptedGuest) -> Guest:
        return Guest(
            id=GuestId(self._id, guest.uuid),
            name=guest.name,
            state=guest.state,
            libvirt_id=guest.number,
            vcpus=guest.vcpus,
            memory_max_kib=guest.memory_kib,
        )

    def _current_bounds(self) -> tuple[tuple[str, ...], NDArray[np.intp], Bounds]:
        """Made anew only after a change: with thousands of guests it costs more than the figures themselves."""
        if self._bounds is None:
            guests = list(self._guests.values())
            active = [guest for guest in guests if guest.state.has_process]
            self._starts = np.array([float(guest.started_at_tick) for guest in guests])
            bounds = Bounds(
                runs=np.array([guest.state is not GuestState.PAUSED for guest in guests], dtype=bool),
                age=np.zeros(len(guests)),
                cap_cores=_numbers(guests, lambda g: g.live.tightest_cap_cores(g.vcpus)),
                shown_cap_cores=_numbers(guests, lambda g: g.live.guest_cap.cores),
                memory_limit=_numbers(guests, lambda g: _bytes(g.live)),
            )
            self._bounds = tuple(g.uuid for g in active), np.array([g.row for g in active], dtype=np.intp), bounds
        return self._bounds


def _bytes(limits: Limits) -> float | None:
    hard = limits.number("memory_hard")
    return None if hard is None else hard * 1024.0


def _numbers(guests: Sequence[ScriptedGuest], of: Callable[[ScriptedGuest], float | None]) -> NDArray[np.float64]:
    """One number per guest, NaN for None."""
    return np.array([np.nan if (value := of(guest)) is None else value for guest in guests])
