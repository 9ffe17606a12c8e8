# SPDX-License-Identifier: GPL-3.0-or-later
import csv
import dataclasses
import time

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QPalette, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tests.operations.fakes import a_guest
from tests.ui_charts.rig import NOW, capped, frame
from vmconsole.inventory.deltas import GuestSeen, HostSeen
from vmconsole.inventory.errors import Explanation
from vmconsole.inventory.facts import GuestState, Host, HostState
from vmconsole.inventory.limits import CpuCap
from vmconsole.metrics.figures import DeviceFigure

pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", extend=True)  # the screenless platform has no size hints


@pytest.fixture
def page(open_page):
    return open_page(capped(a_guest(), live=CpuCap(100_000, 150_000)))


def card(page, key):
    return next(c for c in page.tab.cards if c.spec.key == key)


def colours_in(image, colour):
    """How many pixels are of a colour, or at least half of it: a thin line between two rows of pixels is in both."""
    near = 0
    for y in range(image.height()):
        for x in range(image.width()):
            found = image.pixelColor(x, y)
            parts = (found.red() - colour.red(), found.green() - colour.green(), found.blue() - colour.blue())
            near += max(map(abs, parts)) < 120
    return near


def test_each_chart_says_what_is_now(page):
    row = page.rig.store.figures(page.rig.host.id).row(page.rig.guest.id.uuid)
    assert page.tab.cpu._value.text().startswith(f"{row[0]:.2f} of 4 cores")
    assert "of 1.75 GiB" in card(page, "memory")._value.text()
    assert card(page, "disk")._legend._buttons["write"][0].text().startswith("write 3.00 MiB/s")


def test_a_curve_is_painted_where_its_values_are(open_page):
    page = open_page()
    page.rig.apply(*(frame(NOW + i, (page.rig.guest.id.uuid,), cpu_cores=3.0) for i in range(1, 100)))
    page.rig.clock = NOW + 99
    page.tab.refresh()
    page.drawn()
    plot = page.plot
    left = round(plot.area().right() - 150)
    image = plot.viewport().grab().toImage()
    colour = plot._curves["total"].pen.color()
    assert colours_in(image.copy(left, round(plot.y_of(3.0)) - 3, 100, 7), colour) > 50
    assert colours_in(image.copy(left, round(plot.y_of(2.5)) - 3, 100, 7), colour) == 0


def test_a_guest_that_does_nothing_at_all_has_axes_all_the_same(open_page):
    page = open_page()
    figures = dict.fromkeys(("cpu_cores", "memory_bytes", "disk_read_iops", "net_rx_bytes_per_s"), 0.0)
    page.rig.clock += 400
    page.rig.apply(frame(page.rig.clock, (page.rig.guest.id.uuid,), **figures))
    page.drawn()
    assert all(c.plot.top > 0 for c in page.tab.cards)


def test_an_empty_range_is_refused_before_anything_is_painted(page):
    with pytest.raises(ValueError, match="empty range"):
        page.plot.set_ranges(NOW, NOW, top=1.0)
    with pytest.raises(ValueError, match="empty range"):
        page.plot.set_ranges(NOW - 1, NOW, top=0.0)


def test_the_legend_hides_a_curve(page):
    button, _ = page.tab.cpu._legend._buttons["user"]
    button.click()
    assert not page.plot._curves["user"].isVisible()
    button.click()
    assert page.plot._curves["user"].isVisible()


def test_new_figures_are_drawn(page):
    before = page.tab.cpu.series["total"].times[-1]
    page.rig.tick()
    page.drawn()
    assert page.tab.cpu.series["total"].times[-1] == before + 1


def test_nothing_is_drawn_while_hidden(page, qtbot):
    page.tab.hide()
    before = page.tab.cpu.series["total"].times[-1]
    for _ in range(3):
        page.rig.tick()
    qtbot.wait(20)
    assert page.tab.cpu.series["total"].times[-1] == before
    assert not page.tab._clock.isActive()
    page.tab.show()
    qtbot.waitUntil(lambda: page.tab.cpu.series["total"].times[-1] == before + 3)


def test_spans(page):
    for button, span_s in zip(page.tab.bar._spans.buttons(), (300, 600, 3600), strict=True):
        button.click()
        page.drawn()
        assert page.plot._end - page.plot._start == span_s


def wheel(page, notches):
    view = page.plot.viewport()
    point = page.plot.area().center()
    event = QWheelEvent(
        point, view.mapToGlobal(point), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.ControlModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)
    page.drawn()


def test_zooming_panning_and_back(page):
    wheel(page, 3)
    zoomed = page.plot._end - page.plot._start
    assert zoomed < 200
    assert all(c.plot._end - c.plot._start == zoomed for c in page.tab.cards), "all charts show the same time"
    start = page.plot._start
    middle = page.plot.viewport().mapTo(page.tab, page.plot.area().center().toPoint())
    page.drag(middle, middle + QPoint(80, 0))
    page.drawn()
    assert page.plot._start < start
    assert page.plot._end - page.plot._start == pytest.approx(zoomed)
    QTest.mouseDClick(page.tab.windowHandle(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    page.drawn()
    assert page.plot._end == NOW
    assert page.plot._end - page.plot._start == 300


def test_the_wheel_alone_is_the_pages(page):
    view, point = page.plot.viewport(), QPointF(100, 50)
    event = QWheelEvent(
        point, view.mapToGlobal(point), QPoint(), QPoint(0, 120), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(view, event)
    assert page.tab.window_of_time.is_live


def test_the_crosshair_reads_all_charts_at_one_moment(page):
    plot = page.plot
    at = NOW - 60
    x = plot._x_of(at)
    page.move(plot.viewport().mapTo(page.tab, QPoint(round(x), round(plot.area().bottom() - 4))))
    moment = plot._cursor
    assert moment == pytest.approx(at, abs=1.0)
    assert card(page, "memory").plot._cursor == moment
    total = page.tab.cpu.series["total"].at(moment)
    assert page.tab.cpu._legend._buttons["total"][0].text() == f"total {total:.2f}"
    assert page.tab.bar.status.startswith("at ")
    plot.hovered.emit(None)
    assert plot._cursor is None
    assert page.tab.bar.status == ""


def test_one_device_can_be_picked(page):
    uuid = page.rig.guest.id.uuid
    sample = {"8:0 sda": (1.0, 2.0, 3.0, 4.0), "8:16 sdb": (10.0, 20.0, 30.0, 40.0), "vnet0": (5.0, 6.0, 7.0, 8.0)}
    page.rig.clock += 1
    page.rig.apply(frame(page.rig.clock, (uuid,), devices={uuid: sample}, disk_read_bytes_per_s=11.0))
    page.drawn()
    disk = card(page, "disk")
    assert [disk._devices.itemData(i) for i in range(disk._devices.count())] == ["", "8:0 sda", "8:16 sdb"]
    disk._devices.setCurrentIndex(2)
    page.tab.refresh()
    page.drawn()
    figures = page.rig.store.figures(page.rig.host.id)
    _, expected = figures.device_series(uuid, "8:16 sdb", DeviceFigure.READ_BYTES_PER_S)
    assert disk.series["read"].values[-1] == expected[-1] == 10.0


def test_a_guest_that_is_off_says_so(page):
    page.rig.apply(GuestSeen(dataclasses.replace(page.rig.guest, state=GuestState.SHUT_OFF, live=None)))
    assert page.tab.bar.status == "web1 is shut off, so it uses nothing."


def test_a_host_that_does_not_answer_leaves_the_last_values_with_their_age(page):
    words = page.tab.cpu._value.text()
    page.rig.clock += 12
    reason = Explanation("It stopped answering.")
    page.rig.apply(HostSeen(Host(page.rig.host.id, "node1", HostState.NOT_ANSWERING, reason)))
    page.drawn()
    assert page.tab.bar.status == "node1 is not answering: It stopped answering. The last values are 12 s old."
    assert page.tab.cpu._is_stale
    assert page.plot._curves["total"].pen.color().alphaF() < 0.5
    assert page.tab.cpu._value.text() == words, "never zero"


def test_a_reason_for_no_figures(open_page):
    page = open_page()
    host = dataclasses.replace(page.rig.host, figures_reason=Explanation("There is no python3 on node1."))
    page.rig.clock += 100
    page.rig.apply(HostSeen(host))
    assert "No figures are coming from node1" in page.tab.bar.status


def test_time_goes_on_without_figures(page, qtbot):
    page.rig.clock += 30
    qtbot.waitUntil(lambda: page.plot._end == page.rig.clock, timeout=3000)


def test_being_held_back_is_shaded(page):
    page.rig.apply(*(frame(NOW + i, (page.rig.guest.id.uuid,), cpu_throttled_share=0.5) for i in range(1, 30)))
    page.rig.clock = NOW + 29
    page.tab.refresh()
    page.drawn()
    assert page.plot._stretches[-1].end == NOW + 29
    assert "held back by its limit in 50 % of the time" in page.tab.cpu._value.text()


def test_saved_as_picture_and_table(page, tmp_path):
    page.tab.save(str(tmp_path / "a.png"), kind="png")
    assert not QImage(str(tmp_path / "a.png")).isNull()
    page.tab.save(str(tmp_path / "a.csv"), kind="csv")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert len(rows) == 120
    assert float(rows[-1]["cpu total (cores)"]) == pytest.approx(page.tab.cpu.series["total"].values[-1], rel=1e-4)


@pytest.mark.parametrize("kind", ["png", "csv"])
def test_a_place_that_cannot_be_written_is_said(page, tmp_path, kind):
    page.tab.save(str(tmp_path / "no" / "such" / f"a.{kind}"), kind=kind)
    assert "could not be saved" in page.tab.toast.text


def test_dark(page):
    dark = QPalette(QColor("#202124"))
    dark.setColor(QPalette.ColorRole.Base, QColor("#1e1f22"))
    dark.setColor(QPalette.ColorRole.Text, QColor("#e6e6e6"))
    page.tab.setPalette(dark)
    page.drawn()
    corner = page.plot.viewport().grab().toImage().pixelColor(2, 2)
    assert corner.lightness() < 60
    assert page.plot._curves["total"].pen.color().lightness() > 120


def test_a_turn_of_the_loop_draws_one_chart(page):
    """No turn is long: five charts are five turns."""
    page.tab.refresh()
    page.tab._one_by_one.stop()
    drawn = []
    for c in page.tab.cards:
        c.plot.laid_out.connect(lambda key=c.spec.key: drawn.append(key))
    page.tab._draw_next()
    assert drawn == ["cpu"]


def test_nothing_runs_on_after_the_page_is_gone(open_page, qtbot):
    page = open_page()
    page.tab.hide()
    assert not page.tab._clock.isActive()
    assert not page.tab._one_by_one.isActive()
    began = time.monotonic()
    page.rig.tick()
    assert time.monotonic() - began < 1
