# SPDX-License-Identifier: GPL-3.0-or-later
"""The console's machine is suspended: all its processes stand still and go on later. Hosts must be right soon after."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.links.console_child import ConsoleChild

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import Lab
    from tests.links.fault_engine import Report

pytestmark = pytest.mark.lab

RECOVERY_S = 10.0


@pytest.fixture
def child(lab: Lab) -> Iterator[ConsoleChild]:
    hosts = [lab.host(f"kvm{number}") for number in (1, 2, 3)]
    for host in hosts:
        host.repair()
    child = ConsoleChild([host.uri for host in hosts])
    yield child
    child.signal_all(signal.SIGCONT)
    child.close()
    hosts[0].repair()


@pytest.mark.parametrize("length_s", [8.0, pytest.param(60.0, marks=pytest.mark.slow)])
def test_after_a_suspend_all_hosts_are_right_again(
    child: ConsoleChild, lab: Lab, length_s: float, report: Report
) -> None:
    hosts = [lab.host(f"kvm{number}") for number in (1, 2, 3)]
    for host in hosts:
        child.wait_for(lambda line, uri=host.uri: line.get("figures") and line["host"] == uri, within_s=30)
    child.signal_all(signal.SIGSTOP)
    hosts[0].virsh("destroy", hosts[0].guests[0])  # the world goes on meanwhile
    threading.Event().wait(length_s)
    mark, woke_at = len(child.lines), time.monotonic()
    woke = time.time()
    child.signal_all(signal.SIGCONT)
    fresh_s = {
        host.name: child.wait_for(
            lambda line, uri=host.uri: line.get("figures") and line["host"] == uri and line["taken"] > woke,
            within_s=2 * RECOVERY_S, since=mark,
        )["read_at"] - woke_at
        for host in hosts
    }  # fmt: skip
    name = hosts[0].guests[0]
    right_s = (
        child.wait_for(
            lambda line: line.get("host") == hosts[0].uri and line.get("guests", {}).get(name) == "shut off",
            within_s=2 * RECOVERY_S,
            since=mark,
        )["read_at"]
        - woke_at
    )
    threading.Event().wait(max(0.0, woke_at + RECOVERY_S - time.monotonic()))  # what breaks only now counts, too
    facts = [line for line in child.lines[mark:] if line.get("kind") == "HostSeen"]
    states = {line["host"]: line["state"] for line in child.lines if line.get("kind") == "HostSeen"}
    settled_s = max([line["read_at"] - woke_at for line in facts if line["state"] == "connected"], default=0.0)
    report({
        "fault": f"console suspended for {length_s:.0f} s", "figures_again_s": round(max(fresh_s.values()), 2),
        "guests_right_s": round(right_s, 2),
        "connections_lost": len({line["host"] for line in facts if line["state"] != "connected"}),
        "connected_again_s": round(settled_s, 2),
    })  # fmt: skip
    assert max(fresh_s.values()) <= RECOVERY_S
    assert right_s <= RECOVERY_S
    assert set(states.values()) == {"connected"}
    assert all(line["read_at"] - woke_at <= RECOVERY_S for line in facts)
    for host in hosts:  # and figures flow from each now
        now = len(child.lines)
        child.wait_for(lambda line, uri=host.uri: line.get("figures") and line["host"] == uri, within_s=3, since=now)
