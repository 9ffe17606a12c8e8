# SPDX-License-Identifier: GPL-3.0-or-later
"""The dump tells what the Store knows, and why it does not know the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from vmconsole.app import dump
from vmconsole.inventory.deltas import GuestsListed, HostSeen
from vmconsole.inventory.errors import Explanation
from vmconsole.inventory.facts import Guest, GuestState, Host, HostState
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.inventory.limits import CpuCap, Limits
from vmconsole.metrics.figures import FIGURE_COUNT, Figure
from vmconsole.metrics.frame import Frame, Source
from vmconsole.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

KVM1 = HostId("qemu+ssh://root@kvm1/system")


def a_store() -> Store:
    store = Store()
    running = Guest(
        GuestId(KVM1, "u1"),
        "web",
        GuestState.RUNNING,
        described=True,
        live=Limits.of(guest_cap=CpuCap(100_000, 150_000)),
    )
    off = Guest(GuestId(KVM1, "u2"), "old", GuestState.SHUT_OFF)
    values = np.full((1, FIGURE_COUNT), np.nan)
    values[0, Figure.CPU_CORES] = 0.5
    store.apply(
        [
            HostSeen(Host(KVM1, "kvm1", HostState.CONNECTED, versions={"libvirt": "9.0.0"})),
            GuestsListed(KVM1, (running, off)),
            Frame(KVM1, 1000.0, 1.0, Source.CGROUP, ("u1",), values),
        ]
    )
    return store


def the_guest(store: Store, name: str) -> dict[str, Any]:
    found: Any = json.loads(json.dumps(dump.dump_of(store)))
    return next(guest for guest in found["hosts"][0]["guests"] if guest["name"] == name)


def test_a_known_figure_has_its_value_and_its_time() -> None:
    assert the_guest(a_store(), "web")["figures"]["cpu_cores"] == {"value": 0.5, "at": 1000.0}


def test_an_unknown_figure_says_why() -> None:
    figures = the_guest(a_store(), "web")["figures"]
    assert figures["net_rx_bytes_per_s"]["value"] is None
    assert "cgroup" in figures["net_rx_bytes_per_s"]["reason"]
    assert figures["cpu_cap_cores"]["reason"] == "no limit is set"
    assert the_guest(a_store(), "old")["figures"]["cpu_cores"]["reason"] == "the guest is shut off"


def test_limits_are_told_live_and_stored() -> None:
    limits = the_guest(a_store(), "web")["limits"]
    assert limits["live"]["guest_cap"] == {"quota_us": 150_000, "period_us": 100_000, "cores": 1.5}
    assert limits["stored"] is None


def test_a_host_that_fails_says_why_and_keeps_its_guests() -> None:
    store = a_store()
    reason = Explanation("The host does not answer.", advice="Look at its network.")
    store.apply([HostSeen(Host(KVM1, "kvm1", HostState.NOT_ANSWERING, reason=reason))])
    host: Any = dump.dump_of(store)["hosts"]
    assert host[0]["state"] == "not-answering"
    assert "does not answer" in host[0]["reason"]
    assert the_guest(store, "web")["figures"]["cpu_cores"]["value"] == 0.5
    assert the_guest(store, "web")["figures"]["cpu_cores"]["reason"] == "The host does not answer."


def test_the_summary_names_hosts_guests_and_figures() -> None:
    text = dump.summary_of(a_store())
    assert "kvm1: connected, 2 guests, 1 running" in text
    assert "0.50 cores" in text


def test_it_is_written_as_json(tmp_path: Path) -> None:
    dump.write(a_store(), tmp_path / "dump.json")
    assert json.loads((tmp_path / "dump.json").read_text())["hosts"][0]["versions"] == {"libvirt": "9.0.0"}
