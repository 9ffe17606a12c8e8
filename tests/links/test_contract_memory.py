# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract on scripted hosts, and what only they promise: same seed same fleet, plausible figures, valid XML."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from lxml import etree

from tests.links.contract import LinkContract, LinkWorld, cap_write
from tests.links.recording import Recorder
from tests.waiting import no_thread_left, wait_until
from vmconsole.inventory import errors
from vmconsole.inventory.deltas import EventSeen, GuestsListed, HostSeen
from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.inventory.ids import HostId
from vmconsole.inventory.limits import CpuCap, Limits
from vmconsole.links.memory import MemoryLink, demo_links
from vmconsole.links.memory_guests import ScriptedGuest, make_guests, xml_of
from vmconsole.links.memory_host import ScriptedHost
from vmconsole.metrics.figures import Figure
from vmconsole.metrics.frame import Frame, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
TICK_S = 0.02


def free_guest(guests: list[ScriptedGuest]) -> ScriptedGuest:
    """One that runs and has no limits."""
    return next(g for g in guests if g.state is GuestState.RUNNING and g.live == Limits() and g.vcpus > 1)


class TestOnScriptedHost(LinkContract):
    @pytest.fixture
    def world(self) -> Iterator[LinkWorld]:
        posted = Recorder()
        link = MemoryLink(0, 40, 7, posted, interval_s=TICK_S)
        yield LinkWorld(link, posted, guest_name=free_guest(make_guests(40, seed=7, host=0, first_number=1)).name)
        link.close()

    def test_it_says_that_it_is_a_demo_and_has_no_shell(self, world: LinkWorld) -> None:
        host, _ = world.connect()
        assert host.is_demo
        assert not host.has_shell
        assert world.link.shell() is None

    def test_a_guest_that_is_asked_to_shut_down_does_so_a_little_later(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        world.ask(lambda verbs: verbs.shut_down_guest(guest.id.uuid))
        world.posted.guest(guest.id.uuid, lambda g: g.state is GuestState.SHUT_OFF)
        event = world.posted.wait_for(lambda d: d if isinstance(d, EventSeen) else None)
        assert guest.name in event.text

    def test_watched_guests_have_devices_in_the_frames_and_a_description(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        uuid = guest.id.uuid
        world.link.watch(frozenset({uuid}))
        described = world.posted.guest(uuid, lambda g: g.described)
        frame = world.posted.wait_for(lambda d: d if isinstance(d, Frame) and d.devices else None)
        names = {disk.target for disk in described.disks} | {net.tap for net in described.interfaces}
        assert set(frame.devices) == {uuid}
        assert set(frame.devices[uuid]) == names
        reads = sum(sample[0] for name, sample in frame.devices[uuid].items() if name.startswith("vd"))
        row = frame.values[frame.uuids.index(uuid)]
        assert reads == pytest.approx(row[Figure.DISK_READ_BYTES_PER_S])

    def test_frames_name_the_guests_with_a_process_and_stop_with_the_connection(self, world: LinkWorld) -> None:
        world.connect()
        active = {g.id.uuid for g in world.posted.listing() if g.state.has_process}
        frame = world.posted.frame()
        assert set(frame.uuids) == active
        assert frame.source is Source.SCRIPT
        world.link.disconnect()
        world.posted.host(HostState.DISCONNECTED)
        mark = world.posted.mark()
        threading.Event().wait(5 * TICK_S)  # time in which frames would come
        assert world.posted.mark() == mark


@pytest.fixture
def fleet() -> Iterator[tuple[list[MemoryLink], Recorder]]:
    posted = Recorder()
    links = demo_links(4, 100, 3, posted, interval_s=TICK_S)
    yield links, posted
    for link in links:
        link.close()


def test_a_fleet_has_the_asked_guests_and_one_host_that_does_not_answer(
    fleet: tuple[list[MemoryLink], Recorder],
) -> None:
    links, posted = fleet
    with no_thread_left():
        for link in links:
            link.start()
        failed = posted.host(HostState.FAILED)
        assert failed.reason is not None
        assert failed.reason.advice
        wait_until(lambda: sum(isinstance(d, GuestsListed) for d in posted.deltas) == 3, what="three listings")
        guests = [g for d in posted.deltas if isinstance(d, GuestsListed) for g in d.guests]
        assert len(guests) == len({g.id for g in guests}) == len({g.name for g in guests}) == 100
        states = {g.state for g in guests}
        assert states >= {GuestState.RUNNING, GuestState.PAUSED, GuestState.SHUT_OFF}
        with pytest.raises(errors.LinkError):
            links[-1].submit(lambda verbs: verbs.image_users("/x"), deadline_s=1).result(1)
        for link in links:
            link.close()


def test_every_host_is_marked_as_demo_even_the_failed_one(fleet: tuple[list[MemoryLink], Recorder]) -> None:
    links, posted = fleet
    for link in links:
        link.start()
    posted.host(HostState.FAILED)
    assert all(d.host.is_demo for d in posted.deltas if isinstance(d, HostSeen))


def test_one_host_alone_works() -> None:
    posted = Recorder()
    (link,) = demo_links(1, 5, 1, posted)
    link.start()
    assert len(posted.listing()) == 5
    link.close()


def host_of(count: int, *, seed: int = 7, layout: str = "v1") -> tuple[ScriptedHost, list[ScriptedGuest]]:
    guests = make_guests(count, seed=seed, host=0, first_number=1)
    changes = lambda uuid, word: None  # noqa: E731 - nobody listens here
    return ScriptedHost(HostId("demo://x"), guests, seed=seed, cgroup_layout=layout, on_change=changes), guests


def test_the_same_seed_gives_the_same_guests_and_the_same_figures() -> None:
    (one, guests), (two, again), (other, others) = host_of(30), host_of(30), host_of(30, seed=8)
    assert guests == again
    assert guests != others
    for _ in range(5):
        (names, values), (same_names, same_values), (_, other_values) = one.advance(), two.advance(), other.advance()
    assert names == same_names
    np.testing.assert_array_equal(values, same_values)
    assert not np.array_equal(values[: len(other_values)], other_values[: len(values)])


def test_figures_are_plausible_and_lively() -> None:
    host, guests = host_of(300)
    frames = [host.advance()[1] for _ in range(120)]
    uuids, _ = host.advance()
    by_uuid = {g.uuid: g for g in guests}
    vcpus = np.array([by_uuid[u].vcpus for u in uuids])
    paused = np.array([by_uuid[u].state is GuestState.PAUSED for u in uuids])
    memory = np.array([by_uuid[u].memory_kib * 1024 for u in uuids])
    cpu = np.array([f[:, Figure.CPU_CORES] for f in frames])
    assert (cpu >= 0).all()
    assert (cpu <= vcpus).all()
    assert (cpu[:, paused] == 0).all()
    assert paused.any()
    assert np.median(cpu[:, ~paused].std(axis=0) / cpu[:, ~paused].mean(axis=0)) > 0.1
    for values in frames:
        assert (values[:, Figure.MEMORY_BYTES] <= 1.6 * memory + 2**28).all()
        assert (values[:, Figure.MEMORY_ANON_BYTES] <= values[:, Figure.MEMORY_BYTES]).all()
        assert not (values[:, Figure.MEMORY_BYTES] > values[:, Figure.MEMORY_LIMIT_BYTES]).any()
        share = values[:, Figure.CPU_THROTTLED_SHARE]
        assert ((share >= 0) & (share <= 1)).all()
        assert (share[paused] == 0).all()
        assert not np.isnan(values[:, Figure.DISK_READ_BYTES_PER_S : Figure.NET_TX_BYTES_PER_S + 1]).any()


def test_a_cap_holds_the_load_and_shows_as_throttling_and_as_the_cap_in_force() -> None:
    host, guests = host_of(40)
    guest = free_guest(guests)
    free = [host.advance() for _ in range(30)][-1]
    row = free[0].index(guest.uuid)
    assert free[1][row, Figure.CPU_CORES] > 0.02
    assert np.isnan(free[1][row, Figure.CPU_CAP_CORES])
    host.write_limits(guest.uuid, cap_write(CpuCap(100_000, 2_000)), stored=False)
    held = [host.advance()[1][row] for _ in range(10)]
    assert max(values[Figure.CPU_CORES] for values in held) <= 0.02 + 1e-9
    assert min(values[Figure.CPU_THROTTLED_SHARE] for values in held) > 0
    assert {values[Figure.CPU_CAP_CORES] for values in held} == {0.02}


def test_on_v1_the_guest_may_not_have_less_than_one_of_its_vcpus_and_on_v2_it_may() -> None:
    for layout in ("v1", "v2"):
        host, guests = host_of(60, layout=layout)
        guest = next(g for g in guests if g.state is GuestState.RUNNING and g.live.vcpu_cap.quota_us)
        lower = CpuCap(100_000, 10_000)
        if layout == "v1":
            with pytest.raises(errors.OutOfRange):
                host.write_limits(guest.uuid, cap_write(lower), stored=False)
        else:
            host.write_limits(guest.uuid, cap_write(lower), stored=False)
        live = host.describe_guest(guest.uuid).live
        assert live is not None
        assert (live.guest_cap == lower) is (layout == "v2")


def test_a_base_image_is_used_by_all_guests_that_are_built_on_it() -> None:
    host, guests = host_of(60)
    based = {g.name for g in guests if g.disks[0].base and g.state.has_process}
    assert len(based) > 3
    assert (
        set(host.image_users(guests[0].disks[0].base or next(g.disks[0].base for g in guests if g.disks[0].base)))
        == based
    )


@pytest.mark.parametrize("stored", [False, True])
def test_the_xml_is_valid_for_libvirts_own_schema(stored: bool) -> None:
    schema = etree.RelaxNG(etree.parse(str(SCHEMA)))
    host, guests = host_of(80)
    del host  # it has given the running ones their numbers and taps
    for guest in guests:
        schema.assertValid(etree.fromstring(xml_of(guest, stored=stored)))
