# SPDX-License-Identifier: GPL-3.0-or-later
"""Setting a cap in two places when one of them does not go as wished; what a host's facts post."""

from __future__ import annotations

from typing import cast

import pytest

from vmconsole.inventory import deltas
from vmconsole.inventory.errors import NotPermitted, OperationRefused
from vmconsole.inventory.facts import Host, HostState
from vmconsole.inventory.ids import HostId
from vmconsole.inventory.limits import CpuCap
from vmconsole.links.host_facts import HostFacts
from vmconsole.links.libvirt_link import Connection
from vmconsole.links.verbs import LibvirtVerbs
from vmconsole.metrics.delta import Delta

HOST = HostId("qemu+ssh://kvm1/system")


class TwoPlaces:
    """The scheduler parameters of one guest, now and stored, with faults to order."""

    where = "kvm1"

    def __init__(self) -> None:
        self.values = {False: {"global_period": 100_000, "global_quota": 90_000}, True: {"global_quota": 0}}
        self.refuse_stored = False
        self.rounds_to: int | None = None
        self.written: list[bool] = []

    def scheduler(self, _uuid: str, *, stored: bool) -> dict[str, int]:
        return dict(self.values[stored])

    def set_scheduler(self, _uuid: str, values: dict[str, int], *, stored: bool) -> None:
        self.written.append(stored)
        if stored and self.refuse_stored:
            raise NotPermitted("no")
        kept = dict(values)
        if self.rounds_to is not None:
            kept["global_quota"] = self.rounds_to
        self.values[stored].update(kept)


def verbs_on(places: TwoPlaces) -> LibvirtVerbs:
    return LibvirtVerbs(cast(Connection, places), HOST)


def test_the_running_guest_comes_first_and_both_are_set() -> None:
    places = TwoPlaces()
    verbs_on(places).set_guest_cap("a", CpuCap(50_000, 20_000), live=True, stored=True)
    assert places.written == [False, True]
    assert places.values[False] == places.values[True] == {"global_period": 50_000, "global_quota": 20_000}


def test_no_cap_is_written_as_minus_one() -> None:
    places = TwoPlaces()
    verbs_on(places).set_guest_cap("a", CpuCap(), live=True, stored=True)
    assert places.values[False]["global_quota"] == places.values[True]["global_quota"] == -1


def test_if_the_next_boot_refuses_the_running_guest_gets_its_old_cap_back() -> None:
    places = TwoPlaces()
    places.refuse_stored = True
    with pytest.raises(NotPermitted):
        verbs_on(places).set_guest_cap("a", CpuCap(50_000, 20_000), live=True, stored=True)
    assert places.written == [False, True, False]
    assert places.values[False] == {"global_period": 100_000, "global_quota": 90_000}


def test_a_value_that_did_not_stay_is_told() -> None:
    places = TwoPlaces()
    places.rounds_to = 70_000
    with pytest.raises(OperationRefused, match="70000"):
        verbs_on(places).set_guest_cap("a", CpuCap(100_000, 20_000), live=True, stored=False)


def test_facts_are_posted_when_they_differ_and_never_once_silenced() -> None:
    posted: list[Delta] = []
    facts = HostFacts(Host(HOST, "kvm1", since=1.0), posted.append, clock=lambda: 7.0)
    facts.change(name="kvm1")
    assert posted == []
    facts.change(cpus=4)
    facts.change(state=HostState.CONNECTED)
    hosts = [delta.host for delta in posted if isinstance(delta, deltas.HostSeen)]
    assert [(h.cpus, h.state, h.since) for h in hosts] == [
        (4, HostState.CONNECTING, 1.0),
        (4, HostState.CONNECTED, 7.0),
    ]
    facts.silence()
    facts.change(state=HostState.FAILED)
    facts.tell("late")
    assert len(posted) == 2
