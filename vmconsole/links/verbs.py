# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be asked of a connected host, by libvirt (``links.base.HostVerbs``). Blocks; on a lane's thread."""

from __future__ import annotations

import contextlib
import dataclasses
import posixpath
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from vmconsole.domainxml.limits import cap_of, limits_from_parameters
from vmconsole.domainxml.reading import DomainDescription
from vmconsole.inventory.errors import (
    BadDescription,
    ConsoleError,
    NoSuchDomain,
    OperationRefused,
    OutOfRange,
)
from vmconsole.inventory.limits import CpuCap
from vmconsole.links.domain_rows import guest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import HostId
    from vmconsole.inventory.limits import Limits
    from vmconsole.links.libvirt_link import Connection

NO_QUOTA = -1
"""The one «unlimited» that libvirt takes on cgroup v1 and v2."""
PERIOD_US = (1_000, 1_000_000)
QUOTA_US = (1_000, 17_592_186_044_415)
_XML_AT_ONCE = 8


class LibvirtVerbs:
    """``HostVerbs`` of one connection."""

    def __init__(self, connection: Connection, host: HostId, *, cap_parameter: str = "global") -> None:
        """``cap_parameter`` as in ``inventory.facts.Host``."""
        self._connection = connection
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

    def set_guest_cap(self, uuid: str, cap: CpuCap, *, live: bool, stored: bool) -> None:
        """As ``HostVerbs.set_guest_cap``: checked first, as libvirt stores nearly anything; read back afterwards."""
        _check_cap(cap, where=self._connection.where)
        values = self._cap_parameters(cap)
        before = self._cap_in(self._connection.scheduler(uuid, stored=False)) if live and stored else None
        if live:
            self._set_and_check(uuid, values, stored=False)
        if not stored:
            return
        try:
            self._set_and_check(uuid, values, stored=True)
        except OperationRefused:
            if before is not None:
                self._put_back(uuid, before)
            raise

    def _set_and_check(self, uuid: str, values: dict[str, int], *, stored: bool) -> None:
        self._connection.set_scheduler(uuid, values, stored=stored)
        asked, found = self._cap_in(values), self._cap_in(self._connection.scheduler(uuid, stored=stored))
        if asked.quota_us != found.quota_us or (asked.quota_us is not None and asked.period_us != found.period_us):
            raise OperationRefused(
                f"The host was asked for the CPU cap {_words(asked)} and has {_words(found)}.",
                cause="Somebody else changed it at the same moment, or the kernel rounded it.",
                advice="Look at the value now shown before setting it again.", where=self._connection.where,
            )  # fmt: skip

    def _put_back(self, uuid: str, before: CpuCap) -> None:
        # The first error is the one to tell; a second one here changes nothing about it.
        with contextlib.suppress(ConsoleError):
            self._connection.set_scheduler(uuid, self._cap_parameters(before), stored=False)

    def _cap_parameters(self, cap: CpuCap) -> dict[str, int]:
        name, quota_us = self._cap_parameter, NO_QUOTA if cap.quota_us is None else cap.quota_us
        return {f"{name}_period": cap.period_us, f"{name}_quota": quota_us}

    def _cap_in(self, values: dict[str, int]) -> CpuCap:
        return cap_of(values.get(f"{self._cap_parameter}_period"), values.get(f"{self._cap_parameter}_quota"))

    def _whole(self, limits: Limits) -> Limits:
        """Where a guest is capped as one, libvirt calls that its vCPUs' cap."""
        if self._cap_parameter != "vcpu":
            return limits
        return dataclasses.replace(limits, guest_cap=limits.vcpu_cap, vcpu_cap=CpuCap())

    def describe_guest(self, uuid: str) -> Guest:
        """As ``HostVerbs.describe_guest``. Limits of a running guest are those of its cgroup, not of its XML."""
        row = self._connection.domain_row(uuid)
        if row is None:
            raise NoSuchDomain("The guest is not there any more.", where=self._connection.where)
        guest = guest_of(row, self._host)
        now = DomainDescription(self._connection.xml(uuid, stored=False))
        stored: Limits | None = None
        if guest.persistent:
            stored = (
                DomainDescription(self._connection.xml(uuid, stored=True)) if guest.state.has_process else now
            ).limits()
            stored = self._whole(stored)
        return dataclasses.replace(
            guest, described=True, title=now.title, disks=now.disks(), interfaces=now.interfaces(),
            live=self._whole(self._live_limits(uuid, now.limits())) if guest.state.has_process else None, stored=stored,
        )  # fmt: skip

    def _live_limits(self, uuid: str, base: Limits) -> Limits:
        scheduler = self._or_nothing(lambda: self._connection.scheduler(uuid, stored=False))
        memory = self._or_nothing(lambda: self._connection.memory(uuid, stored=False))
        return limits_from_parameters(scheduler, memory, base=base)

    @staticmethod
    def _or_nothing(read: Callable[[], dict[str, int]]) -> dict[str, int]:
        """Nothing where the driver cannot tell, or the guest has just stopped; the XML stands in then."""
        try:
            return read()
        except OperationRefused:
            return {}

    def guest_xml(self, uuid: str, *, stored: bool) -> str:
        return self._connection.xml(uuid, stored=stored)

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


def _check_cap(cap: CpuCap, *, where: str) -> None:
    low, high = PERIOD_US
    if not low <= cap.period_us <= high:
        raise OutOfRange(f"The period is {cap.period_us} µs; it goes from {low} to {high} µs.", where=where)
    low, high = QUOTA_US
    if cap.quota_us is not None and not low <= cap.quota_us < high:
        raise OutOfRange(
            f"The quota is {cap.quota_us} µs a period; it must be at least {low} µs.",
            advice="Choose a higher cap, or take the cap away.", where=where,
        )  # fmt: skip


def _words(cap: CpuCap) -> str:
    return "none" if cap.quota_us is None else f"{cap.quota_us}/{cap.period_us} µs"
