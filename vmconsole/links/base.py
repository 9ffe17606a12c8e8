# SPDX-License-Identifier: GPL-3.0-or-later
"""What every link to a host offers, real or scripted. The rest of the program knows links by these protocols only.

Threads: ``Link.start/close/submit/connect/disconnect`` may be called from any thread and never block. A job given to
``submit`` runs on a lane thread of that host with ``HostVerbs``, whose methods block and raise
errors of ``inventory.errors``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from vmconsole.inventory.facts import Guest, HostLook, Volume
    from vmconsole.inventory.ids import HostId
    from vmconsole.inventory.limits import LimitRef, LimitWrite
    from vmconsole.inventory.topology import HostResources

T = TypeVar("T")


class HostVerbs(Protocol):
    """What can be asked of a connected host. Every method blocks, and raises ``inventory.errors.ConsoleError``."""

    def start_guest(self, uuid: str) -> None: ...
    def shut_down_guest(self, uuid: str) -> None:
        """Ask the guest to shut down (ACPI or agent). Returning means «asked», not «off»."""

    def reboot_guest(self, uuid: str) -> None: ...
    def pause_guest(self, uuid: str) -> None: ...
    def resume_guest(self, uuid: str) -> None: ...
    def force_off_guest(self, uuid: str) -> None: ...

    def write_limits(self, uuid: str, write: LimitWrite, *, stored: bool) -> None:
        """One call that changes limits, of the running guest or of its stored definition. Nothing is checked here but
        what the host checks: ``operations.limits`` asks the rules first."""

    def memory_used_kib(self, uuid: str) -> int | None:
        """What a running guest's cgroup holds; None where that is not known."""

    def limit_proofs(self, uuid: str, refs: Sequence[LimitRef]) -> Mapping[LimitRef, str]:
        """What the host's own files, and QEMU, say of a running guest's limits, for ``quotas.proofs``. What cannot be
        asked there (no shell, no such file) is left out."""

    def stored_xml(self, uuid: str) -> str:
        """The stored definition whole, secrets included, for ``define``. Never shown, logged or kept on a disk."""

    def define(self, uuid: str, xml: str) -> None:
        """Replace the stored definition by one that ``stored_xml`` gave before."""

    def host_resources(self) -> HostResources:
        """CPUs, NUMA nodes, block devices and controllers, read afresh."""

    def describe_guest(self, uuid: str) -> Guest:
        """The guest's facts read afresh: state, disks, interfaces, live and stored limits."""

    def guest_xml(self, uuid: str, *, stored: bool) -> str:
        """The domain's XML: of the running guest, or as stored for the next boot."""

    def change_behind(self, uuid: str, act: str, part: str, value: str) -> None:
        """Ask QEMU itself (``quotas.behind``); nothing else than what is in that list can be asked."""

    def agent(self, uuid: str, command: str, arguments: Mapping[str, object]) -> object:
        """Ask the agent inside a running guest; only what ``inventory.agent_programs`` lists can be asked. Answers or
        fails within ``links.agent.AGENT_PATIENCE_S``, give or take libvirt's own handshake of 5 s."""

    def known_behind(self, uuid: str) -> Mapping[tuple[str, str], str]:
        """(act, part) → value, as libvirt's XML has it, of what can be changed behind its back."""

    def volume_path(self, pool: str, volume: str) -> str:
        """Where a storage volume lies on the host."""

    def pool_folders(self) -> tuple[str, ...]:
        """Folders of the host's active storage pools; none where the driver has no pools."""

    def pool_volumes(self) -> tuple[Volume, ...]:
        """The volumes of the host's active storage pools, as libvirt last saw them."""

    def image_users(self, path: str) -> tuple[str, ...]:
        """Names of active guests of this host that have the image, or an image based on it, as a disk."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A command's end."""

    status: int
    out: bytes
    err: bytes


@dataclass(frozen=True, slots=True)
class CallDebug:
    """One call to the host."""

    what: str
    """«list the guests»."""
    age_s: float
    """How long ago it began."""
    took_s: float | None
    """None while it has not returned."""


@dataclass(frozen=True, slots=True)
class LaneDebug:
    """One lane of a link: a thread, what waits for it, and the threads that were left behind in stuck calls."""

    name: str
    queued: int
    busy_s: float | None
    """How long its job has been running; None when it has none."""
    abandoned: int
    guest: str = ""
    """UUID of the guest whose agent is asked there; empty for the other lanes."""


@dataclass(frozen=True, slots=True)
class SamplerDebug:
    """What the program that reads the host's cgroups has cost and done so far."""

    cpu_s: float
    memory_kib: int
    frames: int
    garbled: int
    received_bytes: int


@dataclass(frozen=True, slots=True)
class LinkDebug:
    """The inside of a link at one moment, for looking only."""

    host: HostId
    lanes: tuple[LaneDebug, ...]
    last_call: CallDebug | None = None
    under_way: tuple[CallDebug, ...] = ()
    """Calls that have not returned, the oldest first; also those of connections that were given up."""
    sampler: SamplerDebug | None = None


class Shell(Protocol):
    """Commands on a host, over its SSH master, or on this machine. ``command`` is text for sh: quote with shlex."""

    @property
    def where(self) -> str:
        """Host name for messages."""

    @property
    def is_local(self) -> bool: ...

    def run(self, command: str, *, deadline_s: float, feed: bytes = b"") -> Completed:
        """Run to the end. Raises ConnectTimeout past the deadline (the command is ended), LinkLost if the link dies."""

    def popen(self, command: str) -> subprocess.Popen[bytes]:
        """A long-lived command with stdin, stdout and stderr as pipes, and a process group of its own. Closing its
        stdin must end it."""

    def forward_socket(self, local: Path, remote: str) -> None:
        """Make the host's UNIX socket ``remote`` reachable as ``local``. On a local shell: a symlink."""

    def cancel_forward(self, local: Path, remote: str) -> None: ...


class Link(Protocol):
    """One host: connects, keeps connected, posts what it learns, runs what is asked."""

    @property
    def host_id(self) -> HostId: ...

    def start(self, *, connect: bool = True) -> None:
        """Begin to connect, or only show the host as disconnected. Everything learnt goes to the
        ``metrics.delta.Post`` given at construction."""

    def close(self) -> None:
        """End everything, in well under a second, with any number of calls stuck. Nothing is posted afterwards."""

    def connect(self) -> None:
        """Try now (after ``disconnect``, FAILED, or while waiting for the next try)."""

    def disconnect(self) -> None:
        """Let go of the host by the user's wish."""

    def submit(self, job: Callable[[HostVerbs], T], *, deadline_s: float) -> Future[T]:
        """Run ``job`` in the host's command lane. The future ends with a ConsoleError when the host is not connected,
        when the deadline passes (HostNotAnswering) or the link dies under it (LinkLost)."""

    def submit_agent(self, uuid: str, job: Callable[[HostVerbs], T], *, deadline_s: float) -> Future[T]:
        """As ``submit``, for what asks the agent of the guest ``uuid``, in a lane of that guest's own: one that hangs
        holds up no other guest. Ends with DomainBusy where too many agents of the host are asked already."""

    def submit_shell(self, job: Callable[[Shell], T], *, deadline_s: float) -> Future[T]:
        """Run ``job`` with the host's shell, in a lane of its own: it works while libvirt's daemon hangs. The future
        ends with a LinkError when there is no shell, when the deadline passes or when the link dies under it."""

    def watch(self, uuids: frozenset[str]) -> None:
        """Which guests are looked at now: their per-device series and descriptions are kept fresh."""

    def set_look(self, look: HostLook) -> None:
        """The user wishes the host to be shown otherwise; the connection stays as it is."""

    def shell(self) -> Shell | None:
        """A shell on the host, or None where there is none (not connected, demo, TLS or TCP transport)."""

    def debug(self) -> LinkDebug:
        """How the link is inside, for ``--debug``. Cheap; waits for no host."""
