# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts and guests are listed, and in what order: the tree's rows as plain lists. GUI thread (the Store's).

The lists are worked out here, on values, and not by a proxy model: over ten thousand rows a key press in the
filter costs milliseconds. A new order comes as a ``Plan`` first, as Qt must hear of a change of rows before it happens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from vmconsole.inventory.facts import GuestState
from vmconsole.inventory.ids import GroupId, HostId
from vmconsole.store.filter import Filter, Searchable, searchable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vmconsole.inventory.ids import GuestId
    from vmconsole.metrics.figures import Figure
    from vmconsole.store.changes import ChangeSet
    from vmconsole.store.store import Store

NameKey = tuple[tuple[int, int, str], ...]
STATES = tuple(GuestState)
_NUMBERS = re.compile(r"(\d+)")


@lru_cache(maxsize=1 << 16)
def name_key(name: str) -> NameKey:
    """Order as people expect it: case does not matter, and web2 comes before web10."""
    parts = _NUMBERS.split(name.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


@dataclass(frozen=True, slots=True)
class Sorting:
    """By the sum of ``figures``; where there are none by state, or by name. Equal ones stand by name."""

    figures: tuple[Figure, ...] = ()
    by_state: bool = False
    descending: bool = False


Sections = list[tuple[GroupId | None, list[HostId]]]
"""Headings and the hosts below each; without headings it is one section of None."""


@dataclass(slots=True)
class Plan:
    """Rows that differ from the present ones. ``guests`` holds the lists that change, one for each host."""

    sections: Sections | None = None
    guests: dict[HostId, list[GuestId]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.sections is not None or bool(self.guests)


class Outline:
    """Rows of hosts, under headings of their groups if wanted, and of guests below each host, filtered and sorted.

    Headings show only where a host has a group at all.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._filter = Filter()
        self._sorting = Sorting()
        self._is_grouped = False
        self._sections: Sections = [(None, [])]
        self._hosts: list[HostId] = []
        self._host_place: dict[HostId, int] = {}
        self._host_row: dict[HostId, int] = {}
        self._group_of: dict[HostId, GroupId | None] = {}
        self._guests: dict[HostId, list[GuestId]] = {}
        self._guest_row: dict[HostId, dict[GuestId, int]] = {}
        self._sorted: dict[HostId, list[GuestId]] = {}
        self._words: dict[HostId, list[Searchable]] = {}

    # -- the rows ----------------------------------------------------------------------------------------------

    @property
    def hosts(self) -> Sequence[HostId]:
        """All that are listed, from top to bottom."""
        return self._hosts

    @property
    def groups(self) -> Sequence[GroupId]:
        """The headings; none where hosts stand at the top."""
        return [group for group, _ in self._sections if group is not None]

    def hosts_in(self, group: GroupId) -> Sequence[HostId]:
        return next((hosts for known, hosts in self._sections if known == group), ())

    def group_of(self, host: HostId) -> GroupId | None:
        """The heading above a listed host."""
        return self._group_of.get(host)

    def group_row(self, group: GroupId) -> int | None:
        return next((row for row, (known, _) in enumerate(self._sections) if known == group), None)

    def host_place(self, host: HostId) -> int | None:
        """Among all listed hosts."""
        return self._host_place.get(host)

    def guests_of(self, host: HostId) -> Sequence[GuestId]:
        return self._guests.get(host, ())

    def host_row(self, host: HostId) -> int | None:
        """Below its heading, where there are headings."""
        return self._host_row.get(host)

    def guest_row(self, guest: GuestId) -> int | None:
        rows = self._guest_row.get(guest.host)
        if rows is None:
            rows = {known: row for row, known in enumerate(self.guests_of(guest.host))}
            self._guest_row[guest.host] = rows
        return rows.get(guest)

    @property
    def filter(self) -> Filter:
        return self._filter

    @property
    def sorting(self) -> Sorting:
        return self._sorting

    # -- what it should be -------------------------------------------------------------------------------------

    def plan_changes(self, changes: ChangeSet) -> Plan:
        """The rows after ``changes``, of which the Store knows already."""
        touched = {guest.host for guest in changes.guests_added | changes.guests_removed | changes.guests_changed}
        touched |= changes.hosts_changed | changes.hosts_added
        if not touched and not changes.hosts_removed:
            return Plan()
        return self._plan(touched | changes.hosts_removed, order_again=True)

    def plan_filter(self, wanted: Filter) -> Plan:
        self._filter = wanted
        return self._plan(self._store.hosts, order_again=False)

    def plan_sorting(self, wanted: Sorting) -> Plan:
        self._sorting = wanted
        return self._plan(self._store.hosts, order_again=True)

    def plan_grouping(self, *, is_grouped: bool) -> Plan:
        self._is_grouped = is_grouped
        return self._plan((), order_again=False)

    def plan_order(self) -> Plan:
        """The same rows in the order that their newest figures give."""
        return self._plan(self._store.hosts, order_again=True) if self._sorting.figures else Plan()

    def adopt(self, plan: Plan) -> None:
        """Make a plan the present. The plan must be the newest one made."""
        if plan.sections is not None:
            self._sections = plan.sections
            self._hosts = [host for _, hosts in plan.sections for host in hosts]
            self._host_place = {host: place for place, host in enumerate(self._hosts)}
            self._host_row = {host: row for _, hosts in plan.sections for row, host in enumerate(hosts)}
            self._group_of = {host: group for group, hosts in plan.sections for host in hosts}
        for host, guests in plan.guests.items():
            self._guest_row.pop(host, None)
            if guests or host in self._store.hosts:
                self._guests[host] = guests
            else:
                self._guests.pop(host, None)

    def _plan(self, touched: Iterable[HostId], *, order_again: bool) -> Plan:
        plan = Plan()
        for host in touched:
            if order_again or host not in self._sorted:
                self._sort_guests(host)
            guests = self._matching(host)
            if guests != self._guests.get(host, []):
                plan.guests[host] = guests
        sections = self._in_sections(self._listed_hosts(plan))
        if sections != self._sections:
            plan.sections = sections
        return plan

    def _in_sections(self, hosts: list[HostId]) -> Sections:
        """Groups by name, and last the hosts that have none."""
        known = self._store.hosts
        if not self._is_grouped or not any(facts.look.group for facts in known.values()):
            return [(None, hosts)]
        found: dict[str, list[HostId]] = {}
        for host in hosts:
            found.setdefault(known[host].look.group, []).append(host)
        return [(GroupId(name), found[name]) for name in sorted(found, key=lambda name: (not name, name_key(name)))]

    def _listed_hosts(self, plan: Plan) -> list[HostId]:
        known = self._store.hosts
        listed = [
            host for host, facts in known.items()
            if not self._filter or plan.guests.get(host, self._guests.get(host)) or self._filter.matches_host(facts)
        ]  # fmt: skip
        return sorted(listed, key=lambda host: name_key(known[host].name))

    def _matching(self, host: HostId) -> list[GuestId]:
        guests = self._sorted.get(host, [])
        if not self._filter or not guests:
            return guests
        return [guests[place] for place in self._filter.matching(self._words_of(host, guests))]

    def _words_of(self, host: HostId, guests: Sequence[GuestId]) -> Sequence[Searchable]:
        """The guests' words in their order; kept until order, guests or host change."""
        words = self._words.get(host)
        if words is None:
            facts, of_host = self._store.hosts[host], self._store.guests_of(host)
            words = self._words[host] = [searchable(of_host[guest.uuid], facts) for guest in guests]
        return words

    def _sort_guests(self, host: HostId) -> None:
        self._words.pop(host, None)
        if host not in self._store.hosts:
            self._sorted.pop(host, None)
            return
        facts = sorted(self._store.guests_of(host).values(), key=lambda guest: (name_key(guest.name), guest.id.uuid))
        if self._sorting.by_state:
            facts.sort(key=lambda guest: STATES.index(guest.state), reverse=self._sorting.descending)
        guests = [guest.id for guest in facts]
        if self._sorting.figures:
            guests = self._by_figures(host, guests)
        elif self._sorting.descending and not self._sorting.by_state:
            guests.reverse()
        self._sorted[host] = guests

    def _by_figures(self, host: HostId, guests: list[GuestId]) -> list[GuestId]:
        """Unknown values come last in either direction; equal ones stay in the order of their names."""
        import numpy as np  # late: the first window is painted before numpy is needed

        figures = self._store.figures(host)
        known = [place for place, guest in enumerate(guests) if figures.has(guest.uuid)]
        values = np.full(len(guests), np.nan)
        if known:
            uuids = [guests[place].uuid for place in known]
            columns = np.array([figures.tails(uuids, figure, 1)[:, -1] for figure in self._sorting.figures])
            found = np.where(np.isnan(columns).all(axis=0), np.nan, np.nansum(columns, axis=0))
            values[known] = -found if self._sorting.descending else found
        return [guests[place] for place in np.argsort(values, kind="stable")]
