# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose CPU cap is edited, within which bounds, and why perhaps not. Facts and rules, no widgets. GUI thread.

A cap is a number of cores here; ``NO_CAP`` (infinity) is none, so that more is always more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.facts import Guest, Host, HostState
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits
from vmconsole.links.drivers import GUEST_CAP
from vmconsole.operations.limits import NOTHING, ChangeLimits
from vmconsole.quotas.cpucap import cap_of_cores
from vmconsole.quotas.situation import Situation

if TYPE_CHECKING:
    from vmconsole.inventory.ids import GuestId
    from vmconsole.store.store import Store

NO_CAP = math.inf
LEAST_CORES = 0.05
"""Below this a guest does not get anywhere; smaller caps are for the Limits tab."""
STEP_CORES = 0.05
BIG_STEP_CORES = 0.5
UNCAPPED = CpuCap()
GUEST_CAP_REF = LimitRef("guest_cap")
_STEPS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class CapSubject:
    """One guest's cap. ``live`` is None for a guest that is not running: then the next boot's cap is edited."""

    situation: Situation
    vcpus: int
    live: CpuCap | None
    stored: CpuCap | None
    vcpu_cap: CpuCap = UNCAPPED
    """Of each vCPU, in the definition that is edited."""
    blocked: str = ""
    """Why nothing can be changed; empty when it can."""
    notice: str = ""
    """What to know before changing it; may be empty."""

    @property
    def guest(self) -> GuestId:
        return self.situation.guest.id

    @property
    def is_live(self) -> bool:
        return self.live is not None

    @property
    def current(self) -> CpuCap:
        """The cap that is edited: of the running guest, else of the next boot."""
        return self.live or self.stored or CpuCap()

    @property
    def cores(self) -> float:
        return cores_of(self.current)

    @property
    def most(self) -> float:
        """Above this a cap is none: as many cores as there are vCPUs, or more where more is already set."""
        caps = [c.cores for c in (self.live, self.stored) if c is not None]
        return max([float(self.vcpus), *(c for c in caps if c is not None)])

    @property
    def least(self) -> float:
        """On cgroup v1 the guest must be allowed what each of its vCPUs is allowed alone."""
        each = self.vcpu_cap.cores
        return LEAST_CORES if each is None or self.situation.layout == "v2" else max(LEAST_CORES, each)

    def snapped(self, cores: float, *, step: float = STEP_CORES) -> float:
        """The nearest cap that can be chosen, in multiples of ``step``; NO_CAP above ``most``."""
        if cores > self.most + step / 2:
            return NO_CAP
        return min(self.most, max(self.least, round(round(cores / step) * step, 6)))

    def stepped(self, cores: float, by: float) -> float:
        """One key press from ``cores``; the step above ``most`` is no cap, and the one below that is ``most``."""
        if math.isinf(cores):
            return NO_CAP if by > 0 else self.most
        if by > 0 and cores >= self.most:
            return NO_CAP
        return min(self.most, max(self.least, round(cores + by, 6)))

    def cap(self, cores: float) -> CpuCap:
        """As quota and period, in the guest's own period where it can be kept."""
        return cap_of_cores(None if math.isinf(cores) else cores, period_us=self.current.period_us)

    def change(self, cores: float, *, also_stored: bool) -> ChangeLimits:
        """The operation that sets it. A guest that is off has only the next boot."""
        cap = self.cap(cores)
        to_stored = not self.is_live or (also_stored and self.stored is not None)
        return self.changes(cap if self.is_live else None, cap if to_stored else None)

    def changes(self, live: CpuCap | None, stored: CpuCap | None) -> ChangeLimits:
        """The operation that sets each; None leaves it alone."""
        return ChangeLimits(
            self.situation,
            live=NOTHING if live is None else {GUEST_CAP_REF: live},
            stored=NOTHING if stored is None else {GUEST_CAP_REF: stored},
        )


def cores_of(cap: CpuCap) -> float:
    return NO_CAP if cap.cores is None else cap.cores


def drag_step(cores_per_pixel: float) -> float:
    """The round step that a pixel can tell apart."""
    return next((step for step in _STEPS if step >= cores_per_pixel), _STEPS[-1])


def subject_of(store: Store, guest_id: GuestId) -> CapSubject | None:
    """What the Store knows; None for a guest that is gone."""
    guest, host = store.guest(guest_id), store.hosts.get(guest_id.host)
    if guest is None or host is None:
        return None
    limits = guest.live or guest.stored or Limits()
    return CapSubject(
        situation=Situation(host, guest),
        vcpus=guest.vcpus or 1,
        live=guest.live.guest_cap if guest.live is not None else None,
        stored=guest.stored.guest_cap if guest.stored is not None else None,
        vcpu_cap=limits.vcpu_cap,
        blocked=_blocked(guest, host),
        notice=_notice(guest),
    )


def _blocked(guest: Guest, host: Host) -> str:
    if host.state is not HostState.CONNECTED:
        reason = f" ({host.reason.what})" if host.reason is not None else ""
        return f"{host.name} is not connected, so limits cannot be changed{reason}."
    if host.is_read_only:
        return f"{host.name} is opened for looking only, so limits cannot be changed."
    if GUEST_CAP in host.lacks:
        return host.lacks[GUEST_CAP]
    if guest.live is None and guest.stored is None:
        return (
            f"The limits of {guest.name} are not read yet." if not guest.described else f"{guest.name} has no limits."
        )
    return ""


def _notice(guest: Guest) -> str:
    if guest.live is None and guest.stored is not None:
        return f"{guest.name} is {guest.state.value}: this is the cap of its next boot."
    return ""
