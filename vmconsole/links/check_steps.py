# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a connection's check as plain data. Pure; any thread."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.inventory.catalogue import catalogue

if TYPE_CHECKING:
    from vmconsole.inventory.errors import Explanation
    from vmconsole.links.uri import ConnectionUri

HERE = "this computer"


class StepState(enum.Enum):
    """The value is the word for a person."""

    WAITING = "waiting"
    RUNNING = "running"
    PASSED = "passed"
    WARNING = "warning"
    """It works, and something that one may miss does not."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not looked at; the finding says why."""

    @property
    def is_over(self) -> bool:
        return self not in {StepState.WAITING, StepState.RUNNING}


@dataclass(frozen=True, slots=True)
class Cure:
    """What to type, and on which machine."""

    machine: str
    """A host's name, or ``HERE``."""
    command: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step with what came out of it."""

    key: str
    state: StepState = StepState.WAITING
    finding: str = ""
    """What is so and why, in full sentences."""
    cures: tuple[Cure, ...] = ()
    """In the order in which they should be tried."""
    said: str = ""
    """The other side's own words."""
    took_s: float | None = None
    problem: Explanation | None = None
    """What the catalogue knows of a step that warns or failed: what the console could do about it, too."""

    @property
    def title(self) -> str:
        return TITLES[self.key]

    def text(self) -> str:
        """For a report or the clipboard."""
        entry = f" [{self.problem.entry}]" if self.problem is not None and self.problem.entry else ""
        lines = [f"{self.title}: {self.state.value}. {self.finding}{entry}".rstrip()]
        lines += [f"  on {cure.machine}: {cure.command}" for cure in self.cures]
        return "\n".join([*lines, *(f"  | {line}" for line in self.said.splitlines())])


TITLES = {
    "name": "Name",
    "tcp": "Network (TCP)",
    "host_key": "Host key",
    "login": "Login",
    "socket": "libvirt's socket",
    "permissions": "Permissions",
    "libvirt": "libvirt answers",
    "cgroups": "Control groups",
    "kvm": "KVM",
    "python": "python3 and perl",
    "qemu_nbd": "qemu-nbd",
    "qemu_img": "qemu-img",
    "space": "Disk space",
}
"""Key → title, in the order of the check."""
NETWORK_STEPS = ("name", "tcp")
LOGIN_STEPS = ("host_key", "login")
HOST_STEPS = ("socket", "permissions", "cgroups", "kvm", "python", "qemu_nbd", "qemu_img", "space")
"""Those that the script on the host answers, «login» aside, in its order."""


def step_keys(uri: ConnectionUri) -> tuple[str, ...]:
    """Which steps make sense for an address, in order."""
    wanted = {"libvirt"}
    if uri.host:
        wanted |= set(NETWORK_STEPS)
    if uri.uses_ssh:
        wanted |= {*LOGIN_STEPS, *HOST_STEPS}
    if uri.is_local_daemon:
        wanted |= {"login", *HOST_STEPS}
    return tuple(key for key in TITLES if key in wanted)


def passed(key: str, finding: str) -> Step:
    return Step(key, StepState.PASSED, finding)


def warning(key: str, entry: str, *cures: Cure, said: str = "", **names: str) -> Step:
    """By an entry of the catalogue: it works, and something that one may miss does not."""
    return _known(StepState.WARNING, key, catalogue().own(entry, said=said, **names), cures)


def failed(key: str, entry: str, *cures: Cure, said: str = "", **names: str) -> Step:
    """By an entry of the catalogue."""
    return _known(StepState.FAILED, key, catalogue().own(entry, said=said, **names), cures)


def skipped(key: str, finding: str) -> Step:
    return Step(key, StepState.SKIPPED, finding)


def explained(key: str, explanation: Explanation, *cures: Cure) -> Step:
    """A failed step out of an error's explanation."""
    return _known(StepState.FAILED, key, explanation, cures)


def _known(state: StepState, key: str, problem: Explanation, cures: tuple[Cure, ...]) -> Step:
    finding = " ".join(part for part in (problem.what, problem.cause, problem.advice) if part)
    return Step(key, state, finding, cures, problem.said, problem=problem)
