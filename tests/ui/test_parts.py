# SPDX-License-Identifier: GPL-3.0-or-later
"""Small parts: curves, formats, colours, icons, the watchdog, and what the first window may import."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
import weakref
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QLocale
from PySide6.QtGui import QColor, QIcon
from PySide6.QtTest import QTest

from vmconsole.inventory.resources import resource
from vmconsole.ui.curves import POINTS, curves_of
from vmconsole.ui.error_view import with_commands
from vmconsole.ui.formats import Formats
from vmconsole.ui.theme import DARK, GUEST_ICONS, HOST_ICONS, LIGHT, Colours, Theme
from vmconsole.ui.watchdog import Watchdog

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

SIZE = (59, 11)


def curve(values: list[float], top: float | None) -> list[list[tuple[float, float]]]:
    table = np.array([values], dtype=np.float32)
    return [[(p.x(), p.y()) for p in piece.toList()] for piece in curves_of(table, [top], SIZE)[0]]


def test_the_newest_value_stands_at_the_right_edge_and_the_top_is_full_scale() -> None:
    (points,) = curve([0.0, 2.0, 4.0], 4.0)
    assert points == [(57, 11), (57, 11), (58, 6), (59, 1), (59, 11)]


def test_a_gap_breaks_the_curve_and_is_no_zero() -> None:
    pieces = curve([1.0, 1.0, float("nan"), float("nan"), 1.0, 1.0], 2.0)
    assert [[x for x, _ in piece] for piece in pieces] == [[54, 54, 55, 55], [58, 58, 59, 59]]
    assert all(y in {6.0, 11.0} for piece in pieces for _, y in piece)


def test_nothing_known_draws_nothing() -> None:
    assert curve([float("nan")] * POINTS, 1.0) == []
    assert curve([1.0], 1.0) == []


def test_a_quiet_disk_does_not_fill_its_height() -> None:
    (points,) = curve([0.0, 1024.0], None)
    assert min(y for _, y in points) > 10.5


@pytest.mark.parametrize(("locale", "text"), [("en_US", "1.50"), ("de_DE", "1,50")])
def test_numbers_follow_the_users_locale(locale: str, text: str) -> None:
    formats = Formats(QLocale(locale))
    assert formats.cores(1.5) == text
    assert formats.size(1.5 * 2**30) == f"{text} GiB"
    point = text[1]
    assert formats.size_of(2**29, 16 * 2**30) == f"0{point}50 / 16{point}0 GiB"


def test_a_part_of_nothing_known_is_a_dash() -> None:
    assert Formats(QLocale("en_US")).size_of(None, 2**30) == "– / 1.00 GiB"


def test_a_time_of_another_day_has_its_date() -> None:
    now = time.mktime((2026, 5, 4, 12, 0, 0, 0, 0, -1))
    formats = Formats(QLocale("en_GB"), now=lambda: now)
    assert formats.clock(now - 60) == "11:59"
    assert formats.clock(now - 86400).endswith("12:00")
    assert "03" in formats.clock(now - 86400)


def contrast(first: str, second: str) -> float:
    """WCAG 2.1, relative luminance."""

    def luminance(name: str) -> float:
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in QColor(name).getRgbF()[:3]]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("colours", "grounds"), [(LIGHT, ("#ffffff", "#efefef")), (DARK, ("#1c1f22", "#33383d"))])
def test_all_colours_can_be_read_on_their_ground(colours: Colours, grounds: tuple[str, str]) -> None:
    for field in fields(Colours):
        if "demo" not in field.name:
            for ground in grounds:
                assert contrast(getattr(colours, field.name), ground) >= 4.5, (field.name, ground)
    assert contrast(colours.demo, colours.on_demo) >= 4.5


def test_every_state_has_an_icon_of_its_own_shape(qapp: object) -> None:
    """Drawn in one colour they must still differ: no meaning by colour alone."""
    theme = Theme()
    for names in (GUEST_ICONS, HOST_ICONS):
        drawn = {
            name: bytes(theme.icon(name).pixmap(32, 32, QIcon.Mode.Selected).toImage().bits())
            for name in names.values()
        }
        assert len(set(drawn.values())) == len(names)
        assert all(any(picture) for picture in drawn.values())


def test_every_icon_can_be_drawn(qapp: object) -> None:
    theme = Theme()
    for path in resource("icons").glob("*.svg"):
        assert not theme.icon(path.stem).isNull()


def test_commands_are_marked_and_markup_is_not_obeyed() -> None:
    assert with_commands("Run `ping <kvm1>` & <b>wait</b>.") == (
        "Run <code>ping &lt;kvm1&gt;</code> &amp; &lt;b&gt;wait&lt;/b&gt;."
    )


def sleep_in_the_window_thread() -> None:
    time.sleep(0.25)  # the stall itself is what is tested


def test_the_watchdog_names_what_holds_the_window_up(qtbot: QtBot, caplog: pytest.LogCaptureFixture) -> None:
    dog = Watchdog()
    dog.start()
    QTest.qWait(60)
    sleep_in_the_window_thread()
    qtbot.waitUntil(lambda: bool(dog.stalls))
    dog.close()
    assert "sleep_in_the_window_thread" in dog.stalls[-1].stack
    assert 0.1 < dog.stalls[-1].seconds < 2
    assert dog._thread is None


def test_the_watchdog_keeps_nothing_alive_of_what_it_saw(qtbot: QtBot) -> None:
    """A QPainter of a paint that was slow must end with the paint, in the window's thread."""

    class Painter:
        pass

    ended: list[bool] = []

    def paint_slowly() -> None:
        painter = Painter()
        weakref.finalize(painter, lambda: ended.append(threading.current_thread() is threading.main_thread()))
        time.sleep(0.2)

    dog = Watchdog()
    dog.start()
    QTest.qWait(60)
    paint_slowly()
    assert ended == [True]
    qtbot.waitUntil(lambda: bool(dog.stalls))
    dog.close()
    assert "paint_slowly" in dog.stalls[-1].stack.splitlines()[-1]


def test_the_first_window_needs_no_charts_no_xml_and_no_keyring() -> None:
    program = """
import sys, tempfile
from pathlib import Path
from PySide6.QtWidgets import QApplication
from tests.ui.lean import lean_context
from vmconsole.ui.main_window import MainWindow
app = QApplication(sys.argv)
window = MainWindow(lean_context(Path(tempfile.mkdtemp())))
window.show()
for _ in range(5):
    app.processEvents()
print(sorted({"numpy", "pyqtgraph", "lxml", "keyring", "libvirt", "guestfs"} & set(sys.modules)))
window.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr
