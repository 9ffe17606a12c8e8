# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from vmconsole.inventory.facts import Guest, GuestState, Host, HostState
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.store.filter import parse_filter, searchable

HOST = Host(id=HostId("qemu+ssh://root@10.0.0.7/system"), name="KVM-Berlin", state=HostState.CONNECTED)


def guest(name: str, state: GuestState = GuestState.RUNNING, title: str = "") -> Guest:
    return Guest(id=GuestId(HOST.id, "0bad-cafe"), name=name, state=state, title=title)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", True),
        ("   ", True),
        ("web", True),
        ("WEB", True),
        ("eb-1", True),
        ("web db", False),
        ("web berlin", True),
        ("10.0.0.7", True),
        ("name:web", True),
        ("name:berlin", False),
        ("host:berlin", True),
        ("host:web", False),
        ("state:running", True),
        ("state:run", True),
        ("state:", True),
        ("state:off", False),
        ("state:nonsense", False),
        ("-web", False),
        ("-db", True),
        ("-state:paused web", True),
        ("-", True),
        ("system", False),
        ("root", False),
        ("uuid:0bad", True),
        ("0bad", False),
        ("shop", True),
        ("tag:x", False),
    ],
)
def test_a_line_finds_what_it_says(line: str, found: bool) -> None:
    of = searchable(guest("web-1", title="Shop front"), HOST)
    assert parse_filter(line).matches(of) is found


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("shut-off", GuestState.SHUT_OFF),
        ("shutoff", GuestState.SHUT_OFF),
        ("shut_off", GuestState.SHUT_OFF),
        ("off", GuestState.SHUT_OFF),
        ("shutting", GuestState.SHUTTING_DOWN),
        ("paused", GuestState.PAUSED),
        ("crashed", GuestState.CRASHED),
    ],
)
def test_states_are_found_as_people_write_them(word: str, state: GuestState) -> None:
    asked = parse_filter(f"state:{word}")
    assert asked.matches(searchable(guest("x", state), HOST))
    assert not asked.matches(searchable(guest("x", GuestState.RUNNING), HOST))


def test_a_host_without_guests_is_found_by_its_name_but_not_by_a_state() -> None:
    assert parse_filter("berlin").matches_host(HOST)
    assert parse_filter("host:berlin").matches_host(HOST)
    assert not parse_filter("host:paris").matches_host(HOST)
    assert not parse_filter("berlin state:running").matches_host(HOST)
    assert not parse_filter("name:berlin").matches_host(HOST)
