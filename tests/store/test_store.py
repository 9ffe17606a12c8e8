# SPDX-License-Identifier: GPL-3.0-or-later
"""The Store against a naive model: what a ChangeSet says is exactly the difference between before and after."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vmconsole.inventory import deltas
from vmconsole.inventory.facts import Disk, Guest, GuestState, Host, HostState
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.inventory.limits import CpuCap, Limits
from vmconsole.inventory.tasks import Task, TaskState
from vmconsole.metrics.figures import FIGURE_COUNT, Figure
from vmconsole.metrics.frame import Frame, Source
from vmconsole.store.changes import ChangeSet
from vmconsole.store.store import KEPT_EVENTS, KEPT_TASKS, Store

H = HostId("qemu+ssh://kvm1/system")


def host(name: HostId = H, state: HostState = HostState.CONNECTED) -> Host:
    return Host(id=name, name=str(name), state=state)


def guest(uuid: str, name: HostId = H, state: GuestState = GuestState.RUNNING, **more: object) -> Guest:
    return Guest(id=GuestId(name, uuid), name=uuid, state=state, **more)  # type: ignore[arg-type]  # any field by name


def frame(name: HostId = H, *uuids: str, at: float = 1.0) -> Frame:
    return Frame(name, at, 1.0, Source.CGROUP, uuids, np.ones((len(uuids), FIGURE_COUNT)))


HOSTS = [HostId(h) for h in ("h1", "h2")]
host_names, uuids = st.sampled_from(HOSTS), st.sampled_from("abc")
guests = st.builds(
    guest, uuids, host_names, st.sampled_from([GuestState.RUNNING, GuestState.SHUT_OFF]), described=st.booleans()
)


any_delta = st.one_of(
    st.builds(lambda n, s: deltas.HostSeen(host(n, s)), host_names, st.sampled_from(list(HostState)[:2])),
    st.builds(deltas.HostForgotten, host_names),
    st.builds(
        lambda n, found: deltas.GuestsListed(n, tuple(guest(u, n, s) for u, s in found.items())),
        host_names,
        st.dictionaries(uuids, st.sampled_from([GuestState.RUNNING, GuestState.SHUT_OFF])),
    ),
    st.builds(deltas.GuestSeen, guests),
    st.builds(lambda n, u: deltas.GuestGone(GuestId(n, u)), host_names, uuids),
    st.builds(lambda n, us: frame(n, *us), host_names, st.sets(uuids).map(sorted)),
)


def picture(store: Store) -> tuple[dict, dict]:
    known = {g.id: g for h in store.hosts for g in store.guests_of(h).values()}
    return dict(store.hosts), known


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(any_delta, max_size=8), max_size=6))
def test_a_change_set_is_the_difference_between_two_pictures(batches: list) -> None:
    store = Store()
    for batch in batches:
        hosts_before, guests_before = picture(store)
        changes = store.apply(batch)
        hosts_after, guests_after = picture(store)
        assert_difference(changes.hosts_added, changes.hosts_removed, changes.hosts_changed, hosts_before, hosts_after)
        assert_difference(
            changes.guests_added, changes.guests_removed, changes.guests_changed, guests_before, guests_after
        )
        assert changes.ticked <= set(hosts_after)
        assert all(g.id.host in hosts_after for g in guests_after.values())


def assert_difference(added: set, removed: set, changed: set, before: dict, after: dict) -> None:
    assert added == set(after) - set(before)
    assert removed == set(before) - set(after)
    both = set(before) & set(after)
    assert changed <= both
    assert {key for key in both if before[key] != after[key]} <= changed


def test_a_listing_is_the_whole_truth() -> None:
    store = Store()
    store.apply([deltas.HostSeen(host()), deltas.GuestsListed(H, (guest("a"), guest("b")))])
    changes = store.apply([deltas.GuestsListed(H, (guest("b"), guest("c")))])
    assert set(store.guests_of(H)) == {"b", "c"}
    assert changes.guests_added == {GuestId(H, "c")}
    assert changes.guests_removed == {GuestId(H, "a")}
    assert changes.guests_changed == set()


def test_nothing_new_changes_nothing() -> None:
    store = Store()
    store.apply([deltas.HostSeen(host()), deltas.GuestSeen(guest("a"))])
    assert not store.apply([deltas.HostSeen(host()), deltas.GuestSeen(guest("a"))])
    assert not ChangeSet()


def test_a_plain_listing_keeps_what_was_read_of_a_guest() -> None:
    limits = Limits.of(guest_cap=CpuCap(quota_us=50_000))
    known = guest("a", described=True, title="A", disks=(Disk("vda", "/x", "raw"),), live=limits, stored=limits)
    store = Store()
    store.apply([deltas.HostSeen(host()), deltas.GuestSeen(known)])
    assert not store.apply([deltas.GuestsListed(H, (guest("a"),))])
    assert store.guest(GuestId(H, "a")) == known
    changes = store.apply([deltas.GuestSeen(guest("a", state=GuestState.SHUT_OFF))])
    now = store.guest(GuestId(H, "a"))
    assert changes.guests_changed == {GuestId(H, "a")}
    assert now == dataclasses.replace(known, state=GuestState.SHUT_OFF, live=None)


def test_a_host_that_was_forgotten_takes_everything_along_and_late_news_of_it_is_ignored() -> None:
    store = Store()
    store.apply([deltas.HostSeen(host()), deltas.GuestSeen(guest("a")), frame(H, "a")])
    changes = store.apply([frame(H, "a"), deltas.HostForgotten(H)])
    assert changes.hosts_removed == {H}
    assert changes.guests_removed == {GuestId(H, "a")}
    assert changes.ticked == set()
    assert not store.apply(
        [deltas.GuestSeen(guest("a")), frame(H, "a"), deltas.GuestsListed(H, ()), deltas.HostForgotten(H)]
    )
    assert store.guest(GuestId(H, "a")) is None
    assert not store.figures(H).has("a")


def test_a_host_that_went_and_came_back_in_one_batch_has_changed() -> None:
    store = Store()
    store.apply([deltas.HostSeen(host()), deltas.GuestSeen(guest("a"))])
    changes = store.apply([deltas.HostForgotten(H), deltas.HostSeen(host())])
    assert (changes.hosts_added, changes.hosts_removed, changes.hosts_changed) == (set(), set(), {H})
    assert changes.guests_removed == {GuestId(H, "a")}


def test_a_frame_ticks_its_host_and_its_figures_are_there() -> None:
    store = Store()
    changes = store.apply([deltas.HostSeen(host()), frame(H, "a", at=5.0)])
    assert changes.ticked == {H}
    assert store.figures(H).reading("a", Figure.CPU_CORES).value == 1.0


def test_figures_of_guests_that_the_host_does_not_list_are_let_go() -> None:
    store = Store()
    store.apply([deltas.HostSeen(host()), frame(H, "a", "stranger"), deltas.GuestsListed(H, (guest("a"),))])
    assert store.figures(H).has("a")
    assert not store.figures(H).has("stranger")


def test_a_guest_that_is_gone_leaves_no_figures_to_its_successor() -> None:
    store = Store()
    store.apply([deltas.HostSeen(host()), deltas.GuestSeen(guest("a")), frame(H, "a")])
    store.apply([deltas.GuestGone(GuestId(H, "a"))])
    assert store.figures(H).row("a") is None


def test_events_and_tasks_are_kept_in_bounds_and_running_tasks_longest() -> None:
    store = Store()
    events = [deltas.EventSeen(float(n), H, f"event {n}") for n in range(KEPT_EVENTS + 10)]
    changes = store.apply(events)
    assert len(changes.events) == KEPT_EVENTS + 10
    assert store.events == tuple(events[10:])
    running = Task(0, "long", "kvm1", TaskState.RUNNING, 0.0)
    done = [Task(n, "short", "kvm1", TaskState.DONE, 0.0) for n in range(1, KEPT_TASKS + 20)]
    store.apply([deltas.TaskSeen(task) for task in [running, *done]])
    assert len(store.tasks) == KEPT_TASKS
    assert 0 in store.tasks
    assert 1 not in store.tasks


def test_queries_about_the_unknown_are_empty() -> None:
    store = Store()
    nobody = GuestId(HostId("nobody"), "x")
    assert store.guest(nobody) is None
    assert dict(store.guests_of(nobody.host)) == {}
    assert store.figures(nobody.host).last_at is None
