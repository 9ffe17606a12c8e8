# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, shut down, reboot, pause, resume and force off. Plain data, run in a lane thread of the guest's host.

Each reads the guest back afterwards, so that the list shows what became of it and not what was asked for.
``possible`` answers before anything is tried: empty, or the reason in words for a greyed action's tooltip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from vmconsole.inventory.deltas import GuestGone, GuestSeen
from vmconsole.inventory.errors import NoSuchDomain
from vmconsole.inventory.facts import Guest, GuestState
from vmconsole.operations.base import Confirmation, Operation, Outcome
from vmconsole.operations.lines import virsh_line

if TYPE_CHECKING:
    from vmconsole.inventory.ids import GuestId
    from vmconsole.links.base import HostVerbs

QUICK_S = 20.0
"""For what libvirtd or QEMU answers at once."""
SLOW_S = 90.0
"""For starting and killing: QEMU may need long to get its memory, or to let go of it."""


@dataclass(frozen=True, slots=True)
class _Lifecycle:
    guest: GuestId
    name: str
    verb: ClassVar[str]
    virsh_verb: ClassVar[str]

    @property
    def title(self) -> str:
        return f"{self.verb} {self.name}"

    @property
    def deadline_s(self) -> float:
        return QUICK_S

    @property
    def confirmation(self) -> Confirmation | None:
        return None

    def virsh(self) -> str:
        return virsh_line(self.virsh_verb, self.guest, self.name)

    def _outcome(self, verbs: HostVerbs, *, undo: Operation | None = None, note: str = "") -> Outcome:
        """Read the guest back. A transient guest that ended is gone, which is an answer too."""
        try:
            now = verbs.describe_guest(self.guest.uuid)
        except NoSuchDomain:
            return Outcome((GuestGone(self.guest),), note="ended; it was not stored, so it is gone")
        return Outcome((GuestSeen(now),), note=note or f"now {now.state.value}", undo=undo)


@dataclass(frozen=True, slots=True)
class StartGuest(_Lifecycle):
    """Boot a guest that is off (a managed save is restored by libvirt)."""

    verb = "Run"
    virsh_verb = "start"

    @staticmethod
    def possible(guest: Guest) -> str:
        if guest.state is GuestState.PAUSED:
            return f"{guest.name} is paused: use Resume."
        return f"{guest.name} is {guest.state.value} already." if guest.state.has_process else ""

    @property
    def deadline_s(self) -> float:
        return SLOW_S

    def run(self, verbs: HostVerbs) -> Outcome:
        verbs.start_guest(self.guest.uuid)
        return self._outcome(verbs)


@dataclass(frozen=True, slots=True)
class ShutDownGuest(_Lifecycle):
    """Ask the guest's system to shut down; it may take its time, or not listen."""

    verb = "Shut down"
    virsh_verb = "shutdown"

    @staticmethod
    def possible(guest: Guest) -> str:
        return _needs_a_listening_system(guest)

    def run(self, verbs: HostVerbs) -> Outcome:
        verbs.shut_down_guest(self.guest.uuid)
        return self._asked(verbs)

    def _asked(self, verbs: HostVerbs) -> Outcome:
        outcome = self._outcome(verbs)
        still_on = any(isinstance(d, GuestSeen) and d.guest.state.has_process for d in outcome.deltas)
        note = "asked; the guest shuts down when its system agrees" if still_on else outcome.note
        return Outcome(outcome.deltas, note=note)


@dataclass(frozen=True, slots=True)
class RebootGuest(_Lifecycle):
    """Ask the guest's system to reboot."""

    verb = "Reboot"
    virsh_verb = "reboot"

    @staticmethod
    def possible(guest: Guest) -> str:
        return _needs_a_listening_system(guest)

    def run(self, verbs: HostVerbs) -> Outcome:
        verbs.reboot_guest(self.guest.uuid)
        return self._outcome(verbs, note="asked; the guest reboots when its system agrees")


@dataclass(frozen=True, slots=True)
class PauseGuest(_Lifecycle):
    """Stop the guest's CPUs; its memory stays."""

    verb = "Pause"
    virsh_verb = "suspend"

    @staticmethod
    def possible(guest: Guest) -> str:
        if guest.state in {GuestState.RUNNING, GuestState.SHUTTING_DOWN}:
            return ""
        return _not_now(guest)

    def run(self, verbs: HostVerbs) -> Outcome:
        verbs.pause_guest(self.guest.uuid)
        return self._outcome(verbs, undo=ResumeGuest(self.guest, self.name))


@dataclass(frozen=True, slots=True)
class ResumeGuest(_Lifecycle):
    """Let a paused guest go on."""

    verb = "Resume"
    virsh_verb = "resume"

    @staticmethod
    def possible(guest: Guest) -> str:
        return "" if guest.state is GuestState.PAUSED else _not_now(guest)

    def run(self, verbs: HostVerbs) -> Outcome:
        verbs.resume_guest(self.guest.uuid)
        return self._outcome(verbs, undo=PauseGuest(self.guest, self.name))


@dataclass(frozen=True, slots=True)
class ForceOffGuest(_Lifecycle):
    """Pull the plug."""

    verb = "Force off"
    virsh_verb = "destroy"

    @staticmethod
    def possible(guest: Guest) -> str:
        return "" if guest.state.has_process or guest.state is GuestState.CRASHED else _not_now(guest)

    @property
    def deadline_s(self) -> float:
        return SLOW_S

    @property
    def confirmation(self) -> Confirmation | None:
        return Confirmation(
            key="force_off",
            question=f"Force {self.name} off?",
            loses="It stops at once, as if the power were cut: everything it has not yet written to disk is lost.",
        )

    def run(self, verbs: HostVerbs) -> Outcome:
        verbs.force_off_guest(self.guest.uuid)
        return self._outcome(verbs)


def _not_now(guest: Guest) -> str:
    return f"{guest.name} is {guest.state.value}."


def _needs_a_listening_system(guest: Guest) -> str:
    if guest.state is GuestState.RUNNING:
        return ""
    if guest.state in {GuestState.PAUSED, GuestState.SUSPENDED}:
        return f"{guest.name} is {guest.state.value}, so its system cannot hear the request: resume it first."
    return _not_now(guest)
