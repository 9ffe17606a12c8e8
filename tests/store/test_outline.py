# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree's order against a naive one, over random histories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vmconsole.inventory import deltas
from vmconsole.inventory.facts import Guest, GuestState, Host, HostLook, HostState
from vmconsole.inventory.ids import GroupId, GuestId, HostId
from vmconsole.metrics.figures import FIGURE_COUNT, Figure
from vmconsole.metrics.frame import Frame, Source
from vmconsole.store.filter import parse_filter, searchable
from vmconsole.store.outline import Outline, Sorting, name_key
from vmconsole.store.store import Store

if TYPE_CHECKING:
    from vmconsole.metrics.delta import Delta

HOSTS = [HostId(f"test://h{number}") for number in range(3)]
NAMES = ["web1", "web2", "web10", "DB", "db", "mail"]


def host(number: int, name: str = "", group: str = "") -> Host:
    look = HostLook(group=group)
    return Host(id=HOSTS[number], name=name or f"h{number}", state=HostState.CONNECTED, look=look)


def guest(number: int, uuid: int, name: str, state: GuestState = GuestState.RUNNING) -> Guest:
    return Guest(id=GuestId(HOSTS[number], f"u{uuid}"), name=name, state=state)


def naive(store: Store, line: str) -> list[tuple[HostId, list[GuestId]]]:
    """The same by the plainest means: everything again from nothing."""
    wanted = parse_filter(line)
    rows = []
    for facts in sorted(store.hosts.values(), key=lambda h: name_key(h.name)):
        of_host = sorted(store.guests_of(facts.id).values(), key=lambda g: (name_key(g.name), g.id.uuid))
        found = [g.id for g in of_host if wanted.matches(searchable(g, facts))]
        if not wanted or found or wanted.matches_host(facts):
            rows.append((facts.id, found))
    return rows


def naive_groups(store: Store, hosts: list[HostId], *, is_grouped: bool) -> dict[GroupId | None, list[HostId]]:
    """Which of the listed hosts stand under which heading, in order."""
    of_host = {facts.id: facts.look.group for facts in store.hosts.values()}
    if not is_grouped or not any(of_host.values()):
        return {None: hosts}
    names = sorted({of_host[h] for h in hosts} - {""}) + [""] * ("" in {of_host[h] for h in hosts})
    return {GroupId(name): [h for h in hosts if of_host[h] == name] for name in names}


def rows_of(outline: Outline) -> list[tuple[HostId, list[GuestId]]]:
    return [(h, list(outline.guests_of(h))) for h in outline.hosts]


a_host = st.integers(0, 2)
a_delta = st.one_of(
    st.builds(
        lambda n, name, group: deltas.HostSeen(host(n, name, group)),
        a_host, st.sampled_from(["h1", "h2", "zoo", "10", "9"]), st.sampled_from(["", "", "east", "west"]),
    ),
    st.builds(lambda n: deltas.HostForgotten(HOSTS[n]), a_host),
    st.builds(
        lambda n, uuid, name, state: deltas.GuestSeen(guest(n, uuid, name, state)),
        a_host, st.integers(0, 4), st.sampled_from(NAMES), st.sampled_from(list(GuestState)),
    ),
    st.builds(lambda n, uuid: deltas.GuestGone(GuestId(HOSTS[n], f"u{uuid}")), a_host, st.integers(0, 4)),
)  # fmt: skip
a_filter = st.sampled_from(
    ["", "web", "1", "state:running", "-web", "host:h1", "zoo", "state:off db", "nothing", "group:east"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.lists(a_delta, max_size=4), a_filter, st.booleans()), max_size=12))
def test_any_history_gives_the_rows_that_a_fresh_look_gives(steps: list[list[Delta] | str | bool]) -> None:
    store, line, is_grouped = Store(), "", False
    outline = Outline(store)
    for step in steps:
        if isinstance(step, bool):
            is_grouped = step
            outline.adopt(outline.plan_grouping(is_grouped=step))
        elif isinstance(step, str):
            line = step
            outline.adopt(outline.plan_filter(parse_filter(line)))
        else:
            outline.adopt(outline.plan_changes(store.apply(step)))
        wanted = naive(store, line)
        assert dict(rows_of(outline)) == dict(wanted)
        groups = naive_groups(store, [h for h, _ in wanted], is_grouped=is_grouped)
        assert [group for group in groups if group is not None] == outline.groups
        assert [h for hosts in groups.values() for h in hosts] == outline.hosts
        for place, listed in enumerate(outline.hosts):
            assert outline.host_place(listed) == place
            row = outline.host_row(listed)
            assert row is not None
            assert groups[outline.group_of(listed)][row] == listed
            assert [outline.guest_row(g) for g in outline.guests_of(listed)] == list(
                range(len(outline.guests_of(listed)))
            )


def test_numbers_in_names_count_as_numbers() -> None:
    assert sorted(["web10", "Web2", "web1", "a"], key=name_key) == ["a", "web1", "Web2", "web10"]


def with_figures(values: list[float | None]) -> tuple[Store, Outline]:
    store = Store()
    outline = Outline(store)
    batch: list[Delta] = [deltas.HostSeen(host(0))]
    batch += [deltas.GuestSeen(guest(0, number, f"g{number}")) for number in range(len(values))]
    known = [number for number, value in enumerate(values) if value is not None]
    table = np.full((len(known), FIGURE_COUNT), np.nan)
    table[:, Figure.CPU_CORES] = [values[number] for number in known]
    batch.append(Frame(HOSTS[0], 1.0, 1.0, Source.SCRIPT, tuple(f"u{n}" for n in known), table))
    outline.adopt(outline.plan_changes(store.apply(batch)))
    return store, outline


def test_sorting_by_a_figure_puts_the_unknown_last_in_both_directions() -> None:
    _, outline = with_figures([0.5, None, 3.0, float("nan"), 1.0])
    outline.adopt(outline.plan_sorting(Sorting((Figure.CPU_CORES,), descending=True)))
    assert [g.uuid for g in outline.guests_of(HOSTS[0])] == ["u2", "u4", "u0", "u1", "u3"]
    outline.adopt(outline.plan_sorting(Sorting((Figure.CPU_CORES,))))
    assert [g.uuid for g in outline.guests_of(HOSTS[0])] == ["u0", "u4", "u2", "u1", "u3"]


def test_a_tick_moves_no_row_until_the_order_is_asked_for_again() -> None:
    store, outline = with_figures([0.5, 3.0])
    outline.adopt(outline.plan_sorting(Sorting((Figure.CPU_CORES,), descending=True)))
    table = np.full((2, FIGURE_COUNT), np.nan)
    table[:, Figure.CPU_CORES] = [9.0, 3.0]
    changes = store.apply([Frame(HOSTS[0], 2.0, 1.0, Source.SCRIPT, ("u0", "u1"), table)])
    assert not outline.plan_changes(changes)
    plan = outline.plan_order()
    assert plan
    outline.adopt(plan)
    assert [g.uuid for g in outline.guests_of(HOSTS[0])] == ["u0", "u1"]
