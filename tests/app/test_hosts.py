# SPDX-License-Identifier: GPL-3.0-or-later
"""What is opened at the start: the command line's hosts, or those of the profile as they were saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from vmconsole.app.cli import parse
from vmconsole.app.hosts import LinkMaker, connect_all
from vmconsole.inventory.deltas import HostSeen
from vmconsole.inventory.facts import HostState
from vmconsole.links.fleet import Fleet
from vmconsole.settings.connections import SavedConnection
from vmconsole.settings.profile import Profile

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.metrics.delta import Delta


class Heard:
    def __init__(self) -> None:
        self.posted: list[Delta] = []

    def __call__(self, delta: Delta) -> None:
        self.posted.append(delta)


class Starts:
    """Links that only remember how they were started."""

    def __init__(self) -> None:
        self.started: dict[str, bool] = {}

    def make(self, uri: str) -> Starts.Link:
        return Starts.Link(self, uri)

    class Link:
        def __init__(self, starts: Starts, uri: str) -> None:
            self._starts = starts
            self.host_id = uri

        def start(self, *, connect: bool = True) -> None:
            self._starts.started[self.host_id] = connect


SAVED = (
    SavedConnection("test:///default"),
    SavedConnection("lxc:///system", connect_at_start=False),
)


def test_saved_hosts_are_connected_only_where_that_was_wished(tmp_path: Path) -> None:
    profile, starts, heard = Profile(tmp_path), Starts(), Heard()
    profile.connections.put(*SAVED)
    fleet = Fleet(starts.make, heard)  # type: ignore[arg-type]  # as much of a Link as is used here
    connect_all(parse([]), fleet, profile, heard)
    assert starts.started == {"test:///default": True, "lxc:///system": False}


@pytest.mark.parametrize("arguments", [["--connect", "xen:///system"], ["--demo", "hosts=1,domains=1"]])
def test_the_command_line_is_instead_of_the_saved_ones(tmp_path: Path, arguments: list[str]) -> None:
    profile, starts, heard = Profile(tmp_path), Starts(), Heard()
    profile.connections.put(*SAVED)
    fleet = Fleet(starts.make, heard)  # type: ignore[arg-type]  # same
    connect_all(parse(arguments), fleet, profile, heard)
    assert set(starts.started) == ({"xen:///system"} if "--connect" in arguments else set())
    for host in fleet.hosts:
        if host not in starts.started:
            link = fleet.link(host)
            assert link is not None
            link.close()


def test_a_saved_address_that_is_wrong_has_a_row_with_the_reason(tmp_path: Path) -> None:
    profile, heard = Profile(tmp_path), Heard()
    profile.connections.put(SavedConnection("qemu+ssh:///system"))
    maker = LinkMaker(heard, run_dir=tmp_path, profile=profile)
    connect_all(parse([]), Fleet(maker.make, heard), profile, heard)
    (seen,) = heard.posted
    assert isinstance(seen, HostSeen)
    assert seen.host.state is HostState.FAILED
    assert seen.host.reason is not None
    assert "host name" in seen.host.reason.what


def test_a_link_is_shown_as_it_was_saved(tmp_path: Path) -> None:
    profile, heard = Profile(tmp_path), Heard()
    profile.connections.put(SavedConnection("test:///default", "Big one", "#d0342c", "production"))
    maker = LinkMaker(heard, run_dir=tmp_path, profile=profile)
    fleet = Fleet(maker.make, heard)
    try:
        fleet.add("test:///default", connect=False)
        wait_until(lambda: bool(heard.posted), what="the host is shown")
        (seen,) = heard.posted
        assert isinstance(seen, HostSeen)
        assert (seen.host.name, seen.host.look.colour, seen.host.look.group) == ("Big one", "#d0342c", "production")
        assert seen.host.state is HostState.DISCONNECTED
    finally:
        fleet.close()
        maker.close()
