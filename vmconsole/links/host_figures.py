# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's sampler while there is a shell to run it in: begun, pointed at what is looked at, ended. The link's actor.

It belongs to the transport, not to libvirt: figures go on while libvirt's daemon hangs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.links.drivers import why_no_cgroups

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmconsole.inventory.errors import Explanation
    from vmconsole.links.actor import Actor
    from vmconsole.links.base import SamplerDebug, Shell
    from vmconsole.links.host_facts import HostFacts
    from vmconsole.links.sampler import MakeSampler, Sampler
    from vmconsole.links.uri import ConnectionUri


class HostFigures:
    """``begin`` and ``end`` by turns; ``debug`` from any thread."""

    def __init__(self, uri: ConnectionUri, *, make_sampler: MakeSampler, facts: HostFacts, actor: Actor) -> None:
        self._uri = uri
        self._make_sampler = make_sampler
        self._facts = facts
        self._actor = actor
        self._sampler: Sampler | None = None
        self._number = 0
        self._watched: frozenset[str] = frozenset()
        self.flow = False
        """Whether frames come."""

    def begin(self, shell: Shell | None) -> None:
        """Start the sampler, unless it runs or there is a reason against it, which is then told."""
        if self._sampler is not None:
            return
        reason = why_no_cgroups(self._uri, has_shell=shell is not None)
        if shell is None or reason is not None:
            self._facts.change(figures_reason=reason)
            return
        number = self._number

        def on_state(reason: Explanation | None, facts: Mapping[str, str]) -> None:
            self._actor.call(lambda: self._on_state(number, reason, facts))

        self._sampler = self._make_sampler(shell, self._facts.host.id, self._facts.post, on_state)
        self._sampler.start()
        self._sampler.watch(self._watched)

    def watch(self, uuids: frozenset[str]) -> None:
        self._watched = uuids
        if self._sampler is not None:
            self._sampler.watch(uuids)

    def end(self) -> None:
        sampler, self._sampler = self._sampler, None
        self._number += 1
        self.flow = False
        if sampler is not None:
            sampler.close()

    def debug(self) -> SamplerDebug | None:
        sampler = self._sampler
        return None if sampler is None else sampler.debug()

    def _on_state(self, number: int, reason: Explanation | None, facts: Mapping[str, str]) -> None:
        if number != self._number:
            return  # of a sampler that was ended
        host = self._facts.host
        self.flow = reason is None
        self._facts.change(
            figures_reason=reason,
            cgroup_layout=facts.get("cgroup_layout", host.cgroup_layout),
            versions={**host.versions, **{name: facts[name] for name in ("kernel", "python") if name in facts}},
        )
