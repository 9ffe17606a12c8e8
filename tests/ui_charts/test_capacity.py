# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's capacity page: sums, shares, warnings, layers."""

import dataclasses

import numpy as np
import pytest

from tests.operations.fakes import HOST, a_guest
from tests.ui_charts.rig import Rig
from vmconsole.inventory.deltas import GuestSeen, HostSeen
from vmconsole.inventory.limits import Limits
from vmconsole.metrics.figures import Figure
from vmconsole.ui.capacity.page import CapacityPage
from vmconsole.ui.capacity.stack_data import MOST_LAYERS, stack_of
from vmconsole.ui.capacity.table import SHARE
from vmconsole.ui.formats import Formats

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)  # the screenless platform has no size hints
GIB = 2**20


@pytest.fixture
def rig(tmp_path):
    limits = Limits.of(vcpu_count=4, memory_max=4 * GIB, memory_balloon=4 * GIB)
    made = Rig(tmp_path, dataclasses.replace(a_guest(), live=limits, stored=limits))
    made.apply(HostSeen(dataclasses.replace(made.host, cpus=8, memory_bytes=8 * 2**30)))
    made.fill(120)
    yield made
    made.close()


@pytest.fixture
def page(qtbot, rig):
    made = CapacityPage(rig.context, Formats(now=lambda: rig.clock))
    qtbot.addWidget(made)
    made.resize(800, 600)
    made.show()
    made.show_host(HOST)
    return made


def test_sums_and_shares(page):
    assert page.summary.text().startswith("4 vCPUs may use 4.00 of 8 cores · memory promised 4.00 GiB")
    assert page.model.index(0, SHARE).data() == "4.00"
    assert not page.warning.isVisible()


def test_what_is_promised_twice_is_warned_of(rig, page):
    limits = Limits.of(vcpu_count=40, memory_max=6 * GIB, memory_balloon=6 * GIB)
    rig.apply(GuestSeen(dataclasses.replace(a_guest("db"), live=limits, stored=limits)))
    page.refresh()
    assert "10.0 GiB" in page.warning.text()
    assert "44 vCPUs share 8 CPUs" in page.warning.text()


def test_guests_that_were_not_read_yet_are_read(qtbot, rig, page):
    rig.verbs.guests["uuid-db"] = a_guest("db")
    rig.apply(GuestSeen(dataclasses.replace(a_guest("db"), described=False, live=None, stored=None)))
    page.show_host(HOST)
    qtbot.waitUntil(lambda: ("describe", "uuid-db") in rig.verbs.calls)
    qtbot.waitUntil(lambda: page.reading.text() == "")


def test_layers_add_up_to_what_the_guests_take(rig):
    figures = rig.store.figures(HOST)
    names = {rig.guest.id.uuid: "web1", "nobody": "gone"}
    stack = stack_of(figures, names, Figure.CPU_CORES, span_s=60, others="others")
    assert [layer.name for layer in stack.layers] == ["web1"]
    times, values = figures.series(rig.guest.id.uuid, Figure.CPU_CORES, 60)
    assert stack.layers[0].values.mean() == pytest.approx(float(np.nanmean(values)), rel=0.05)
    assert stack.times[-1] == times[-1]


def test_beyond_seven_guests_the_others_are_one_layer(rig):
    from tests.ui_charts.rig import a_busy_second

    uuids = [f"g{n}" for n in range(12)]
    for second in range(30):
        for uuid in uuids:
            rig.store.apply([a_busy_second(rig.clock + 1 + second, second, uuid)])
    stack = stack_of(rig.store.figures(HOST), {u: u for u in uuids}, Figure.CPU_CORES, span_s=20, others="others")
    assert len(stack.layers) == MOST_LAYERS + 1
    assert (stack.layers[-1].name, stack.layers[-1].uuid) == ("others", "")


def test_it_paints_with_and_without_figures(rig, page):
    assert not page.stack.grab().isNull()
    page.stack.show_stack(
        stack_of(rig.store.figures(HOST), {}, Figure.CPU_CORES, span_s=60, others=""), words=str, whole=None
    )
    assert not page.stack.grab().isNull()


def test_a_layer_that_is_clicked_leads_to_its_guest(qtbot, rig, page):
    with qtbot.waitSignal(page.guest_wanted) as wanted:
        page.stack.chosen.emit(rig.guest.id.uuid)
    assert wanted.args == [rig.guest.id]
