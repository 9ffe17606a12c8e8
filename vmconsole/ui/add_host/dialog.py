# SPDX-License-Identifier: GPL-3.0-or-later
"""«Add Connection»: one field, a host as one gives it to ssh or any libvirt URI; more where more is wanted. GUI thread.

The address is checked for sense at once, before anything is started. «Check» tries it step by step; «Connect» need not
wait for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGroupBox, QLabel, QToolButton, QVBoxLayout, QWidget

from vmconsole.inventory.errors import BadAddress
from vmconsole.links.address import address_of, form_of, try_parse
from vmconsole.settings.connections import SavedConnection
from vmconsole.ui.add_host.address_field import AddressField
from vmconsole.ui.add_host.check_panel import CheckPanel
from vmconsole.ui.add_host.form import MoreForm
from vmconsole.ui.add_host.found_view import FoundView
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from vmconsole.links.discovery import Places
    from vmconsole.ui.context import Context
    from vmconsole.ui.error_help import ErrorHelp
    from vmconsole.ui.theme import Theme

WIDTH = 680
CHECK_LINES = 22


class AddHostDialog(QDialog):
    """Not modal: a check may ask for a login. ``added`` carries the HostId of the new (or already known) connection."""

    added = Signal(object)

    def __init__(
        self,
        context: Context,
        parent: QWidget | None = None,
        *,
        places: Places | None = None,
        helped_by: ErrorHelp | None = None,
    ) -> None:
        """``places``: where hosts are looked for, if not where they are on this computer."""
        super().__init__(parent)
        self._context = context
        self.setWindowTitle(self.tr("Add Connection"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(WIDTH)
        self.field = AddressField(context.theme, self, helped_by=helped_by)
        self.field.typed.connect(self._on_text)
        self.field.fitted.connect(self._fit_soon)
        self._fitting = QTimer(self)
        self._fitting.setSingleShot(True)
        self._fitting.timeout.connect(self._fit)
        self.form = MoreForm(context.profile.connections.groups, self)
        self.form.address_changed.connect(self._on_form)
        self._more = self._make_more()
        self.found = FoundView(context, self, places=places)
        self.found.chosen_changed.connect(self._refresh)
        self.panel = CheckPanel(context, self, helped_by=helped_by)
        self.panel.area.setMinimumHeight(self.fontMetrics().height() * CHECK_LINES)
        self.panel.running_changed.connect(self._refresh)
        self.panel.hide()
        self._make_buttons()
        self._lay_out(context.theme)
        self._on_text("")
        self.found.look()

    def _make_more(self) -> QToolButton:
        more = QToolButton(self)
        more.setText(self.tr("More"))
        more.setToolTip(self.tr("The parts of the address one by one; name, group and colour"))
        more.setCheckable(True)
        more.setAutoRaise(True)
        more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        more.setArrowType(Qt.ArrowType.RightArrow)
        more.toggled.connect(self._on_more)
        self.form.hide()
        return more

    def _make_buttons(self) -> None:
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self
        )
        self._connect = self._buttons.button(QDialogButtonBox.StandardButton.Ok)
        self._check = self._buttons.addButton(self.tr("Check"), QDialogButtonBox.ButtonRole.ActionRole)
        self._check.setToolTip(self.tr("Try the address step by step; nothing is added and nothing is changed"))
        for button in self._buttons.buttons():
            button.setIcon(QIcon())
        self._check.clicked.connect(self._on_check)
        self._buttons.accepted.connect(self._on_accepted)
        self._buttons.rejected.connect(self.reject)

    def _lay_out(self, theme: Theme) -> None:
        help_text = QLabel(
            self.tr(
                "A host as you give it to ssh: your ssh config, keys, agent and jump hosts are used. "
                "Or any libvirt URI, such as qemu:///system for this computer."
            ),
            self,
        )
        help_text.setWordWrap(True)
        fade(help_text, theme)
        known = self._found_box = QGroupBox(self.tr("Found on This Computer"), self)
        QVBoxLayout(known).addWidget(self.found)
        column = QVBoxLayout(self)
        column.setSpacing(8)
        for widget in (self.field, help_text, self._more, self.form):
            column.addWidget(widget)
        column.addWidget(known, 1)
        column.addWidget(self.panel, 2)
        column.addWidget(self._buttons)

    # -- the address -------------------------------------------------------------------------------------------

    @Slot(str)
    def _on_text(self, _text: str) -> None:
        self._leave_check()
        uri = try_parse(self.field.address)
        if uri is not None:
            self.form.show_address(form_of(uri))
        self._refresh()

    @Slot()
    def _on_form(self) -> None:
        self.field.show_text(address_of(self.form.address()))
        self._leave_check()
        self._refresh()

    def _leave_check(self) -> None:
        """What a check found belongs to the address as it was."""
        self.panel.stop()
        self.panel.hide()
        self._found_box.show()

    @Slot(bool)
    def _on_more(self, is_open: bool) -> None:  # noqa: FBT001  # a slot: Qt calls it with the button's state
        self.form.setVisible(is_open)
        self._more.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._fit()

    @Slot()
    def _refresh(self) -> None:
        has_address = bool(self.field.text)
        count = len(self.found.chosen) + has_address
        self._connect.setEnabled(bool(count))
        self._connect.setText(self.tr("Connect {n} Hosts").format(n=count) if count > 1 else self.tr("Connect"))
        self._check.setEnabled(has_address or self.panel.is_running)
        self._check.setText(self.tr("Stop Check") if self.panel.is_running else self.tr("Check"))

    # -- what is done with it ----------------------------------------------------------------------------------

    @Slot()
    def _on_check(self) -> None:
        if self.panel.is_running:
            self.panel.stop()
            return
        uri = self.field.uri()
        if uri is None:
            return
        link = self._context.fleet.link(uri.host_id)
        self._found_box.hide()
        self.panel.show()
        self.panel.check(uri, None if link is None else link.shell())
        self._fit()

    @Slot()
    def _on_accepted(self) -> None:
        wanted = [SavedConnection(found.uri, connect_at_start=found.connect_at_start) for found in self.found.chosen]
        if self.field.text:
            uri = self.field.uri()
            if uri is None:
                return
            wanted.insert(0, self.form.decorate(SavedConnection(uri.text)))
        try:
            hosts = [self._add(saved) for saved in wanted]
        except BadAddress as error:
            self.field.refuse(error.explanation)
            return
        if hosts:
            self.added.emit(hosts[0])
            self.accept()

    def _add(self, saved: SavedConnection) -> object:
        """Remember first: the link takes its name and colour from there."""
        connections = self._context.profile.connections
        if connections.find(saved.uri) is None or saved.name or saved.group or saved.colour:
            connections.put(saved)
        return self._context.fleet.add(saved.uri)

    @Slot()
    def _fit_soon(self) -> None:
        self._fitting.start()

    @Slot()
    def _fit(self) -> None:
        """As high as the wrapped texts need at this width."""
        layout = self.layout()
        if layout is not None:
            self.resize(self.width(), max(layout.totalHeightForWidth(self.width()), layout.totalMinimumSize().height()))

    def done(self, result: int) -> None:
        self.panel.stop()
        self.found.stop()
        super().done(result)
