# SPDX-License-Identifier: GPL-3.0-or-later
"""The window's own work (its thread's processor time) when one row of 4,000 open ones appears, goes or changes."""

from __future__ import annotations

import gc
import os
import statistics
import time
from typing import TYPE_CHECKING

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtWidgets import QApplication

from vmconsole.inventory import deltas
from vmconsole.inventory.facts import Guest, GuestState, Host, HostLook, HostState
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.store.store import Store
from vmconsole.ui.fleet_model import FleetModel
from vmconsole.ui.fleet_view import FleetView
from vmconsole.ui.formats import Formats
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from vmconsole.metrics.delta import Delta

HOSTS, GUESTS, TIMES = 200, 20, 25


def measure() -> dict[str, object]:
    app = QApplication.instance() or QApplication([])
    store, theme = Store(), Theme()
    tree = FleetView(FleetModel(store, theme, Formats(now=lambda: 1.0)), store, theme)
    tree.resize(700, 600)
    tree.set_grouping(is_grouped=True)
    hosts = [
        Host(HostId(f"test://h{n:03}"), name=f"h{n:03}", state=HostState.CONNECTED, look=HostLook(group=f"g{n % 10}"))
        for n in range(HOSTS)
    ]
    lists = [deltas.GuestsListed(h.id, tuple(_guest(h, n, GuestState.RUNNING) for n in range(GUESTS))) for h in hosts]
    tree.apply_changes(store.apply([*map(deltas.HostSeen, hosts), *lists]))
    tree.show()
    app.processEvents()

    def took_ms(told: Delta) -> float:
        gc.collect()
        began = time.thread_time()
        tree.apply_changes(store.apply([told]))
        app.processEvents()
        return (time.thread_time() - began) * 1000

    host = hosts[HOSTS // 2]
    places = range(100, 100 + TIMES)
    found = {
        "appears": [took_ms(deltas.GuestSeen(_guest(host, n, GuestState.RUNNING))) for n in places],
        "state": [took_ms(deltas.GuestSeen(_guest(host, n, GuestState.PAUSED))) for n in places],
        "goes": [took_ms(deltas.GuestGone(_guest(host, n, GuestState.PAUSED).id)) for n in places],
    }
    tree.close()
    return {"open_rows": HOSTS * GUESTS} | {
        f"{what}_ms_{kind}": round(of(values), 1)
        for what, values in found.items() for kind, of in (("median", statistics.median), ("worst", max))
    }  # fmt: skip


def _guest(host: Host, number: int, state: GuestState) -> Guest:
    return Guest(id=GuestId(host.id, f"u{number}"), name=f"g{number}", state=state)
