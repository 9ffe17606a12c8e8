# SPDX-License-Identifier: GPL-3.0-or-later
"""What every link keeps to, real or scripted. Subclass ``LinkContract`` with a ``world`` fixture; see LinkWorld."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pytest

from vmconsole.inventory import deltas, errors
from vmconsole.inventory.facts import Guest, GuestState, Host, HostState
from vmconsole.inventory.limits import CpuCap, LimitRef, LimitWrite

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.links.recording import Recorder
    from vmconsole.links.base import HostVerbs, Link

T = TypeVar("T")
NOBODY = "0e0e0e0e-dead-4000-8000-000000000000"


@dataclass(slots=True)
class LinkWorld:
    """A link that is not started, what it posts, and what may be done to its host."""

    link: Link
    posted: Recorder
    guest_name: str
    """A guest that runs when the test begins; the fixture puts it back."""
    has_caps: bool = True
    """Whether the driver can cap a guest."""

    def connect(self) -> tuple[Host, Guest]:
        self.link.start()
        host = self.posted.host(HostState.CONNECTED, within_s=40)
        return host, next(guest for guest in self.posted.listing() if guest.name == self.guest_name)

    def ask(self, job: Callable[[HostVerbs], T], *, deadline_s: float = 40.0) -> T:
        return self.link.submit(job, deadline_s=deadline_s).result(deadline_s + 5)


def cap_write(cap: CpuCap) -> LimitWrite:
    """What gives a whole guest this cap."""
    return LimitWrite("SCHEDULER", "", ((LimitRef("guest_cap"), cap),))


class LinkContract:
    @pytest.fixture
    def world(self) -> LinkWorld:
        raise NotImplementedError

    # -- connecting ----------------------------------------------------------------------------------------------------

    def test_it_says_connecting_then_connected_then_lists(self, world: LinkWorld) -> None:
        host, guest = world.connect()
        kinds = [
            d.host.state.value if isinstance(d, deltas.HostSeen) else "listed"
            for d in world.posted.deltas
            if isinstance(d, deltas.HostSeen | deltas.GuestsListed)
        ]
        assert kinds[0] == "connecting"
        assert kinds.index("connecting") < kinds.index("connected") < kinds.index("listed")
        assert host.id == world.link.host_id == guest.id.host
        assert host.reason is None
        assert guest.state is GuestState.RUNNING
        assert guest.libvirt_id is not None
        assert guest.vcpus
        assert guest.memory_max_kib

    def test_what_is_asked_before_it_is_connected_is_refused_at_once(self, world: LinkWorld) -> None:
        before = time.monotonic()
        with pytest.raises(errors.LinkError) as caught:
            world.ask(lambda verbs: verbs.start_guest(NOBODY))
        assert time.monotonic() - before < 0.5
        assert caught.value.explanation.what

    def test_letting_go_and_coming_back(self, world: LinkWorld) -> None:
        world.connect()
        world.link.disconnect()
        host = world.posted.host(HostState.DISCONNECTED)
        assert host.retry_at is None
        with pytest.raises(errors.LinkError):
            world.ask(lambda verbs: verbs.start_guest(NOBODY))
        mark = world.posted.mark()
        world.link.connect()
        world.posted.host(HostState.CONNECTED, since=mark)
        world.posted.listing(since=mark)

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def test_off_and_on_again(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        uuid = guest.id.uuid
        mark = world.posted.mark()
        world.ask(lambda verbs: verbs.force_off_guest(uuid))
        off = world.posted.guest(uuid, lambda g: g.state is GuestState.SHUT_OFF, since=mark)
        assert off.libvirt_id is None
        assert off.live is None
        mark = world.posted.mark()
        world.ask(lambda verbs: verbs.start_guest(uuid))
        on = world.posted.guest(uuid, lambda g: g.state is GuestState.RUNNING, since=mark)
        assert on.libvirt_id is not None

    def test_pause_and_resume(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        uuid = guest.id.uuid
        world.ask(lambda verbs: verbs.pause_guest(uuid))
        world.posted.guest(uuid, lambda g: g.state is GuestState.PAUSED)
        mark = world.posted.mark()
        world.ask(lambda verbs: verbs.resume_guest(uuid))
        world.posted.guest(uuid, lambda g: g.state is GuestState.RUNNING, since=mark)

    @pytest.mark.parametrize(
        "verb", ["start_guest", "shut_down_guest", "reboot_guest", "pause_guest", "resume_guest", "force_off_guest",
                 "describe_guest"],
    )  # fmt: skip
    def test_a_guest_that_is_not_there(self, world: LinkWorld, verb: str) -> None:
        world.connect()
        with pytest.raises(errors.NoSuchDomain) as caught:
            world.ask(lambda verbs: getattr(verbs, verb)(NOBODY))
        assert caught.value.explanation.where

    def test_a_guest_in_the_wrong_state(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        with pytest.raises(errors.DomainBusy):
            world.ask(lambda verbs: verbs.start_guest(guest.id.uuid))

    def test_a_description_has_what_a_listing_has_and_more(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        described = world.ask(lambda verbs: verbs.describe_guest(guest.id.uuid))
        assert described.described
        assert (described.id, described.name, described.state) == (guest.id, guest.name, GuestState.RUNNING)
        assert described.live is not None
        assert described.stored is not None
        for stored in (False, True):
            text = world.ask(lambda verbs, stored=stored: verbs.guest_xml(guest.id.uuid, stored=stored))
            assert f"<name>{guest.name}</name>" in text
            assert guest.id.uuid in text

    def test_who_uses_an_image(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        disks = world.ask(lambda verbs: verbs.describe_guest(guest.id.uuid)).disks
        for disk in disks:
            if disk.source.startswith("/"):
                assert guest.name in world.ask(lambda verbs, path=disk.source: verbs.image_users(path))
        assert world.ask(lambda verbs: verbs.image_users("/nowhere/none.img")) == ()

    def test_a_cap_is_set_in_both_places_and_taken_away(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        uuid, cap = guest.id.uuid, CpuCap(100_000, 60_000)
        if not world.has_caps:
            with pytest.raises(errors.Unsupported):
                world.ask(lambda verbs: verbs.write_limits(uuid, cap_write(cap), stored=False))
            return
        for wanted in (cap, CpuCap(50_000, 25_000), CpuCap()):
            write = cap_write(wanted)
            for stored in (False, True):
                world.ask(lambda verbs, write=write, stored=stored: verbs.write_limits(uuid, write, stored=stored))
            found = world.ask(lambda verbs: verbs.describe_guest(uuid))
            assert found.live is not None
            assert found.stored is not None
            assert found.live.guest_cap.cores == wanted.cores
            assert found.stored.guest_cap.cores == wanted.cores

    def test_a_cap_for_now_leaves_the_next_boot_alone(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        if not world.has_caps:
            return
        uuid = guest.id.uuid
        world.ask(lambda verbs: verbs.write_limits(uuid, cap_write(CpuCap(100_000, 70_000)), stored=False))
        found = world.ask(lambda verbs: verbs.describe_guest(uuid))
        world.ask(lambda verbs: verbs.write_limits(uuid, cap_write(CpuCap()), stored=False))
        assert found.live is not None
        assert found.stored is not None
        assert (found.live.guest_cap.cores, found.stored.guest_cap.cores) == (0.7, None)

    @pytest.mark.parametrize("cap", [CpuCap(100_000, 999), CpuCap(999, 5_000), CpuCap(1_000_001, 5_000)])
    def test_a_cap_that_the_kernel_would_refuse_is_refused_in_both_places(self, world: LinkWorld, cap: CpuCap) -> None:
        _, guest = world.connect()
        before = world.ask(lambda verbs: verbs.describe_guest(guest.id.uuid))
        refusal = errors.OutOfRange if world.has_caps else errors.OperationRefused
        for stored in (False, True):
            with pytest.raises(refusal):
                world.ask(lambda verbs, s=stored: verbs.write_limits(guest.id.uuid, cap_write(cap), stored=s))
        after = world.ask(lambda verbs: verbs.describe_guest(guest.id.uuid))
        assert (after.live, after.stored) == (before.live, before.stored)

    # -- deadlines and ends --------------------------------------------------------------------------------------------

    def test_a_job_past_its_deadline_fails_at_once_and_the_next_one_runs(self, world: LinkWorld) -> None:
        world.connect()
        release = threading.Event()
        stuck = world.link.submit(lambda _: release.wait(30), deadline_s=0.2)
        with pytest.raises(errors.HostNotAnswering):
            stuck.result(2)
        assert world.ask(lambda _: "next") == "next"
        release.set()

    def test_an_agent_that_hangs_holds_up_nothing_but_its_guest(self, world: LinkWorld) -> None:
        _, guest = world.connect()
        begun, release = threading.Event(), threading.Event()

        def hang(_: HostVerbs) -> str:
            begun.set()
            return "hung" if release.wait(30) else ""

        hanging = world.link.submit_agent(guest.id.uuid, hang, deadline_s=20)
        assert begun.wait(5)
        same = world.link.submit_agent(guest.id.uuid, lambda _: "later", deadline_s=20)
        assert world.ask(lambda _: "next") == "next"
        assert world.link.submit_agent(NOBODY, lambda _: "of another", deadline_s=20).result(5) == "of another"
        assert not hanging.done()
        assert not same.done()
        asked = {lane.guest: lane.queued for lane in world.link.debug().lanes if lane.guest}
        assert asked == {guest.id.uuid: 1, NOBODY: 0}
        release.set()
        assert hanging.result(5) == "hung"
        assert same.result(5) == "later"

    def test_a_job_that_fails_gives_its_error_to_whoever_asked(self, world: LinkWorld) -> None:
        world.connect()

        def fail(_: HostVerbs) -> None:
            raise errors.OutOfRange("no")

        with pytest.raises(errors.OutOfRange):
            world.ask(fail)

    def test_close_is_quick_with_a_stuck_job_and_nothing_is_posted_afterwards(self, world: LinkWorld) -> None:
        world.connect()
        release, begun = threading.Event(), threading.Event()

        def hang(_: HostVerbs) -> None:
            begun.set()
            release.wait(30)

        future = world.link.submit(hang, deadline_s=60)
        assert begun.wait(5)
        before = time.monotonic()
        world.link.close()
        assert time.monotonic() - before < 0.8
        mark = world.posted.mark()
        with pytest.raises(errors.LinkError):
            future.result(0.5)
        release.set()
        threading.Event().wait(0.2)  # time in which something could still be posted
        assert world.posted.mark() == mark
        world.link.close()  # a second time does no harm

    # -- for looking at it from inside ---------------------------------------------------------------------------------

    def test_what_runs_waits_and_was_left_behind_can_be_seen(self, world: LinkWorld) -> None:
        before = world.link.debug()
        assert before.host == world.link.host_id
        assert all((lane.queued, lane.abandoned) == (0, 0) for lane in before.lanes)
        _, guest = world.connect()
        world.ask(lambda verbs: verbs.describe_guest(guest.id.uuid))
        last = world.link.debug().last_call
        assert last is not None
        assert last.what
        assert 0 <= last.age_s < 5
        begun, release = threading.Event(), threading.Event()

        def hang(_: HostVerbs) -> None:
            begun.set()
            release.wait(30)

        stuck = world.link.submit(hang, deadline_s=2)
        assert begun.wait(5)
        waiting = world.link.submit(lambda _: "then", deadline_s=20)
        then = {lane.name: lane for lane in world.link.debug().lanes}
        with pytest.raises(errors.HostNotAnswering):
            stuck.result(5)
        assert waiting.result(5) == "then"
        (left_behind,) = (lane for lane in world.link.debug().lanes if lane.abandoned)
        assert left_behind.abandoned == 1
        was = then[left_behind.name]  # a real host's other lanes may just have been given something, too
        assert was.queued >= 1
        assert was.abandoned == 0
        assert was.busy_s is not None
        release.set()
