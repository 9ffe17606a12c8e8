# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's charts, once a second, with its limits as lines in them. GUI thread.

One chart is drawn per turn of the event loop, so that no turn is long. What is not seen is not drawn.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtWidgets import QFileDialog, QFrame, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from vmconsole.inventory.errors import ConsoleError
from vmconsole.inventory.tasks import Task, TaskState
from vmconsole.ui.charts import export
from vmconsole.ui.charts.cpu_card import CpuCard
from vmconsole.ui.charts.limit_scale import same
from vmconsole.ui.charts.limited_card import LimitedCard
from vmconsole.ui.charts.look import look_of
from vmconsole.ui.charts.memory_card import MemoryCard
from vmconsole.ui.charts.page_bar import PageBar
from vmconsole.ui.charts.reasons import why_no_figures
from vmconsole.ui.charts.specs import DISK, IOPS, NETWORK
from vmconsole.ui.charts.time_window import TimeWindow
from vmconsole.ui.charts.toast import Toast
from vmconsole.ui.formats import Formats

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent

    from vmconsole.inventory.facts import Guest
    from vmconsole.inventory.ids import GuestId
    from vmconsole.store.changes import ChangeSet
    from vmconsole.ui.charts.limit_editor import LimitEditor
    from vmconsole.ui.context import Context

TWO_COLUMNS_PX = 540
NARROW_CARD_PX = 460
TICK_MS = 1000


class OverviewTab(QWidget):
    """``show_guest`` says whose charts; the Store gives the rest."""

    def __init__(self, context: Context, *, formats: Formats | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._formats = formats if formats is not None else Formats()
        self._guest: GuestId | None = None
        self._due: deque[LimitedCard] = deque()
        self.window_of_time = TimeWindow(self._formats.now, self)
        look = look_of(self.palette())
        self.cpu, self.memory = CpuCard(look, self._formats, context), MemoryCard(look, self._formats, context)
        others = [LimitedCard(spec, look, self._formats, context) for spec in (NETWORK, DISK, IOPS)]
        self.cards: list[LimitedCard] = [self.cpu, self.memory, *others]
        self.bar = PageBar(self.window_of_time)
        self._page, self._grid = QWidget(), QGridLayout()
        self._lay_out()
        self.toast = Toast(self)
        self._one_by_one = QTimer(self, interval=0)
        self._clock = QTimer(self, interval=TICK_MS)
        self._connect()

    def _lay_out(self) -> None:
        self._page.setLayout(self._grid)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(8)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setWidget(self._page)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 8)
        column.addWidget(self.bar)
        column.addWidget(scroll, 1)
        self._arrange(columns=2)

    def _arrange(self, *, columns: int) -> None:
        if self._grid.property("columns") == columns:
            return
        self._grid.setProperty("columns", columns)
        for card in self.cards:
            self._grid.removeWidget(card)
        self._grid.addWidget(self.cpu, 0, 0, 1, columns)
        for i, card in enumerate(self.cards[1:]):
            self._grid.addWidget(card, 1 + i // columns, i % columns)
        for row in range(self._grid.rowCount()):
            self._grid.setRowStretch(row, 3 if row == 0 else 2)
        self._grid.setColumnStretch(1, 1 if columns == 2 else 0)
        self._grid.setColumnStretch(0, 1)

    def _connect(self) -> None:
        self._context.bridge.store_changed.connect(self._on_store_changed)
        self._one_by_one.timeout.connect(self._draw_next)
        self._clock.timeout.connect(self._on_clock)
        self.window_of_time.changed.connect(self.refresh)
        self.bar.save_png_asked.connect(lambda: self._ask_file(self.tr("Save the charts"), "png"))
        self.bar.save_csv_asked.connect(lambda: self._ask_file(self.tr("Save the values"), "csv"))
        for card in self.cards:
            card.plot.hovered.connect(self._on_hovered)
            card.plot.range_asked.connect(self.window_of_time.hold)
            card.plot.reset_asked.connect(self.window_of_time.reset)
            card.device_chosen.connect(self.refresh)
            card.limits.ended.connect(self._on_limit_ended)

    # -- whose charts ------------------------------------------------------------------------------------------

    def show_guest(self, guest: GuestId | None) -> None:
        """Show a guest's charts; None empties the page."""
        if guest == self._guest:
            return
        self._guest = guest
        self.toast.hide()
        self.window_of_time.reset()
        for card in self.cards:
            card.clear()
        self._take_facts()
        self.refresh()

    def _take_facts(self) -> None:
        guest = self._known_guest()
        host = self._context.store.hosts.get(guest.id.host) if guest is not None else None
        for card in self.cards:
            card.take_facts(host, guest, self._context.store.figures(host.id) if host is not None else None)

    def _known_guest(self) -> Guest | None:
        return self._context.store.guest(self._guest) if self._guest is not None else None

    # -- once a second -----------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Draw all charts, one per turn of the event loop."""
        if self.isVisible():
            self._show_state()
            self._due = deque(self.cards)
            self._one_by_one.start()
            self._clock.start()

    def _draw_next(self) -> None:
        while self._due:
            card = self._due.popleft()
            if not card.visibleRegion().isEmpty():
                self._draw(card)
                return
        self._one_by_one.stop()

    def _draw(self, card: LimitedCard) -> None:
        guest = self._known_guest()
        if guest is None:
            card.clear()
            return
        figures = self._context.store.figures(guest.id.host)
        start, end = self.window_of_time.range()
        reach_s = self.window_of_time.reach_s
        host = self._context.store.hosts[guest.id.host]
        card.draw(figures, host, guest, start=start, end=end, reach_s=reach_s)
        is_empty = all(series.is_empty for series in card.series.values())
        card.set_nothing(self.tr("no figures") if is_empty else "")

    def _show_state(self) -> None:
        """The words above the charts: what is wrong, or nothing."""
        guest = self._known_guest()
        if guest is None:
            self.bar.set_status("")
            return
        host = self._context.store.hosts[guest.id.host]
        figures = self._context.store.figures(host.id)
        why = why_no_figures(guest, host, last_at=figures.last_at, now=self._formats.now())
        self.bar.set_status(why)
        for card in self.cards:
            card.set_stale(stale=bool(why))

    def _on_clock(self) -> None:
        """No frame for a second: time goes on all the same."""
        self.refresh()

    def _on_store_changed(self, changes: ChangeSet) -> None:
        guest = self._guest
        if guest is None:
            return
        is_about = guest in changes.guests_changed or guest in changes.guests_added or guest in changes.guests_removed
        if is_about or guest.host in changes.hosts_changed:
            self._take_facts()
            self.refresh()
        elif guest.host in changes.ticked:
            self.refresh()

    def _on_hovered(self, at: float | None) -> None:
        for card in self.cards:
            card.set_moment(at)
        words = "" if at is None else self.tr("at {time}").format(time=self._formats.clock_s(at))
        if words or self.bar.status.startswith(self.tr("at {time}").format(time="")):
            self.bar.set_status(words)

    # -- what came of a limit ----------------------------------------------------------------------------------

    def _on_limit_ended(self, editor: LimitEditor, task: Task) -> None:
        runner, subject = self._context.runner, editor.subject
        if task.state is not TaskState.DONE:
            words = task.problem.summary() if task.problem is not None else task.note
            self.toast.say(f"{task.title}: {words}", stays=True)
            return
        actions: list[tuple[str, Callable[[], object]]] = [(self.tr("Undo"), runner.undo)] if runner.can_undo else []
        if subject is not None and subject.is_live and subject.has_stored and not same(subject.stored, subject.live):
            actions.append((self.tr("Also at the next boot"), editor.store_too))
        name = subject.situation.guest.name if subject is not None else ""
        self.toast.say(f"{name}: {task.note}", actions=actions)

    # -- saving ------------------------------------------------------------------------------------------------

    def _ask_file(self, title: str, kind: str) -> None:
        dialog = QFileDialog(self, title)
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix(kind)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        guest = self._known_guest()
        dialog.selectFile(f"{guest.name if guest is not None else 'charts'}.{kind}")
        dialog.fileSelected.connect(lambda path: self.save(path, kind=kind))
        dialog.open()

    def save(self, path: str, *, kind: str) -> None:
        """``kind``: png or csv. What goes wrong is said on the page."""
        try:
            if kind == "png":
                export.save_png(self._page, path)
            else:
                export.save_csv(self.cards, path)
        except ConsoleError as error:
            self.toast.say(error.explanation.text(), stays=True)
        else:
            self.toast.say(self.tr("Saved as {path}.").format(path=path))

    # -- Qt ----------------------------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.refresh()

    def hideEvent(self, event: QHideEvent) -> None:
        self._one_by_one.stop()
        self._clock.stop()
        super().hideEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        columns = 2 if self.width() >= TWO_COLUMNS_PX else 1
        self._arrange(columns=columns)
        for card in self.cards[1:]:
            card.set_narrow(narrow=self.width() < NARROW_CARD_PX * columns)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange and hasattr(self, "cards"):
            look = look_of(self.palette())
            for card in self.cards:
                card.set_look(look)
            self.refresh()
