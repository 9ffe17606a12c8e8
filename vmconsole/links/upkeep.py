# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done while a host is connected: its guests are looked at again after events, libvirt's statistics are read,
its pulse is felt, and the host's own facts are read once. The link's actor; what blocks runs on lanes.

One object for each opened connection. It ends with the try that it belongs to (``steps``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory.ids import GuestId
from vmconsole.links.domain_events import has_stopped, is_problem
from vmconsole.links.drivers import held_by, marked, not_encrypted

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.topology import HostResources
    from vmconsole.links.domain_events import EventWords
    from vmconsole.links.domain_rows import DomainEvent, NodeFacts
    from vmconsole.links.host_facts import HostFacts
    from vmconsole.links.host_figures import HostFigures
    from vmconsole.links.lanes import Lanes
    from vmconsole.links.libvirt_half import LibvirtHalf
    from vmconsole.links.steps import Steps
    from vmconsole.links.uri import ConnectionUri

READ_DEADLINE_S = 15.0
STATS_EVERY_S = 10.0
STATS_EVERY_WITHOUT_SAMPLER_S = 3.0
PING_EVERY_S = 2.0
PING_DEADLINE_S = 8.0
"""With the look at SSH that follows (4 s at most), a silent daemon or link is told apart and said within 14 s."""


class Upkeep:
    """``begin`` once the host is listed."""

    def __init__(
        self, half: LibvirtHalf, *, uri: ConnectionUri, facts: HostFacts, steps: Steps, lanes: Lanes,
        figures: HostFigures, words: EventWords, watched: frozenset[str],
    ) -> None:  # fmt: skip
        self._half = half
        self._uri = uri
        self._facts = facts
        self._steps = steps
        self._lanes = lanes
        self._figures = figures
        self._words = words
        self._watched = watched
        self._dirty: set[str] = set()
        self._refreshing = False
        self.event_sink: Callable[[DomainEvent], None] = steps.still(self._on_event)
        """Takes libvirt's events, on its thread."""

    def begin(self) -> None:
        half = self._half
        self._steps.run(
            self._lanes.slow, lambda: half.complete(self.event_sink), deadline_s=READ_DEADLINE_S, then=self._on_node
        )
        self._see_again(self._watched)
        self._read_stats()
        self._feel_pulse()

    def watch(self, uuids: frozenset[str]) -> None:
        """These guests are looked at now: they are kept described."""
        new = uuids - self._watched
        self._watched = uuids
        self._see_again(new)

    # -- facts of the host, once -------------------------------------------------------------------------------

    def _on_node(self, facts: NodeFacts) -> None:
        if facts.name:
            self._facts.call_itself(marked(facts.name, self._uri))
        self._facts.change(
            cpus=facts.cpus, memory_bytes=facts.memory_bytes,
            versions={**self._facts.host.versions, **facts.versions},
            caution=None if facts.is_secure else not_encrypted(),
        )  # fmt: skip
        self._steps.run(self._lanes.slow, self._half.resources, deadline_s=READ_DEADLINE_S, then=self._on_resources)

    def _on_resources(self, found: HostResources) -> None:
        self._facts.change(resources=held_by(found, self._uri))

    # -- guests ------------------------------------------------------------------------------------------------

    def _on_event(self, event: DomainEvent) -> None:
        text = self._words.text(event)
        if text:
            self._facts.tell(text, guest=GuestId(self._facts.host.id, event.uuid), is_problem=is_problem(event))
        if has_stopped(event):
            self._lanes.agents.retire(event.uuid)
        self._see_again(frozenset({event.uuid}))

    def _see_again(self, uuids: frozenset[str]) -> None:
        """One refresh at a time: what changes meanwhile is the next one."""
        self._dirty |= uuids
        if self._refreshing or not self._dirty:
            return
        self._refreshing = True
        batch, self._dirty = self._dirty, set()
        half, watched = self._half, self._watched
        self._steps.run(
            self._lanes.observe, lambda: half.refresh(batch, watched=watched), deadline_s=READ_DEADLINE_S,
            then=self._on_refreshed,
        )  # fmt: skip

    def _on_refreshed(self, _: object) -> None:
        self._refreshing = False
        self._see_again(frozenset())

    # -- statistics and pulse ----------------------------------------------------------------------------------

    def _read_stats(self) -> None:
        half, watched, has_sampler = self._half, self._watched, self._figures.flow
        self._steps.run(
            self._lanes.slow, lambda: half.read_stats(watched=watched, has_sampler=has_sampler),
            deadline_s=READ_DEADLINE_S, then=self._on_stats_read,
        )  # fmt: skip

    def _on_stats_read(self, _: object) -> None:
        every_s = STATS_EVERY_S if self._figures.flow else STATS_EVERY_WITHOUT_SAMPLER_S
        self._steps.later(every_s, self._read_stats)

    def _feel_pulse(self) -> None:
        """Does libvirt live? Its own keep-alive would tell, if its client could stand that (``libvirt_link``)."""
        self._steps.run(
            self._lanes.pulse, self._half.ping, deadline_s=PING_DEADLINE_S,
            then=lambda _: self._steps.later(PING_EVERY_S, self._feel_pulse),
        )  # fmt: skip
