# SPDX-License-Identifier: GPL-3.0-or-later
"""Links as the saved connections want them: not connected at the start, under another name, for looking only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.recording import QuietSampler, Recorder
from vmconsole.inventory.deltas import HostSeen
from vmconsole.inventory.errors import NotPermitted
from vmconsole.inventory.facts import GuestState, HostLook, HostState
from vmconsole.links.check_steps import Step, StepState
from vmconsole.links.diagnosis import Diagnosis
from vmconsole.links.fleet import Fleet
from vmconsole.links.host_link import HostLink
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.vmlab import Lab, LabHost
    from vmconsole.links.libvirt_link import LibvirtLoop

    Make = Callable[..., tuple[HostLink, Recorder]]


@pytest.fixture
def make(event_loop: LibvirtLoop, run_dir: Path) -> Iterator[Make]:
    """A link that is not started; all are closed at the end."""
    links: list[HostLink] = []

    def make_link(uri: str, look: HostLook | None = None) -> tuple[HostLink, Recorder]:
        posted = Recorder()
        links.append(
            HostLink(
                parse_uri(uri),
                post=posted,
                event_loop=event_loop,
                run_dir=run_dir,
                look=look or HostLook(),
                make_sampler=lambda _shell, _host, _post, on_state: QuietSampler(on_state),
            )
        )
        return links[-1], posted

    yield make_link
    for link in links:
        link.close()


def test_a_host_can_be_listed_without_being_connected(make: Make) -> None:
    link, posted = make("test:///default")
    fleet = Fleet(lambda _uri: link, posted)
    fleet.add("test:///default", connect=False)
    assert posted.host_that(lambda _host: True).state is HostState.DISCONNECTED
    link.connect()
    posted.host_that(lambda host: host.state is HostState.CONNECTED)
    states = [delta.host.state for delta in posted.deltas if isinstance(delta, HostSeen)]
    assert states[:2] == [HostState.DISCONNECTED, HostState.CONNECTING], "nothing was tried before it was wished"


def test_the_users_name_colour_and_group_stay_over_the_hosts_own(make: Make) -> None:
    look = HostLook("Big one", "#d0342c", "production")
    link, posted = make("test:///default", look)
    link.start()
    facts = posted.host_that(lambda host: host.cpus is not None)
    assert (facts.name, facts.look) == ("Big one", look)


@pytest.mark.lab
def test_a_connection_for_looking_changes_nothing(lab_host: LabHost, make: Make) -> None:
    link, posted = make(f"{lab_host.uri}&vmconsole_readonly=1")
    link.start()
    guests = posted.listing()
    assert posted.host_that(lambda host: host.state is HostState.CONNECTED).is_read_only
    off = next(guest for guest in guests if guest.name == lab_host.off_guest)
    with pytest.raises(NotPermitted):
        link.submit(lambda verbs: verbs.start_guest(off.id.uuid), deadline_s=20).result(30)
    assert lab_host.domains()[lab_host.off_guest] == "shut off"
    assert off.state is GuestState.SHUT_OFF


@pytest.mark.lab
def test_a_jump_host_is_gone_through(lab: Lab, make: Make) -> None:
    bastion, behind = lab.host("kvm1"), lab.host("kvm2")
    for host in (bastion, behind):
        host.repair()
    link, posted = make(f"{behind.uri}&vmconsole_jump=root@{bastion.name}")
    link.start()
    assert {guest.name for guest in posted.listing(within_s=30)} == {*behind.guests, behind.off_guest}
    peers = behind.exec("ss", "-tnH", "state", "established", "sport = :22").stdout
    assert bastion.address in peers, "the host is reached from the jump host"
    steps: list[Step] = []
    check = Diagnosis(
        parse_uri(f"{behind.uri}&vmconsole_jump=root@{bastion.name}"), post=steps.append, ended=lambda: None
    )
    check.start()
    assert check.join(timeout_s=60)
    last = {step.key: step.state for step in steps}
    assert (last["name"], last["tcp"], last["libvirt"]) == (StepState.SKIPPED, StepState.SKIPPED, StepState.PASSED)
