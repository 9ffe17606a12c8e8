# SPDX-License-Identifier: GPL-3.0-or-later
"""«Edit Connection» of a host that is in the list: the form of «Add Connection», filled. GUI thread.

Another name, colour or group leaves the connection as it is. With another address it is a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from vmconsole.inventory.errors import Explanation
from vmconsole.inventory.ids import HostId
from vmconsole.links.address import address_of, form_of, try_parse
from vmconsole.settings.connections import SavedConnection
from vmconsole.ui.add_host.address_field import AddressField
from vmconsole.ui.add_host.form import MoreForm
from vmconsole.ui.theme import fade

if TYPE_CHECKING:
    from vmconsole.ui.context import Context
    from vmconsole.ui.error_help import ErrorHelp

WIDTH = 620


class EditHostDialog(QDialog):
    """Not modal. ``edited`` carries the SavedConnection as it shall be, if it differs at all."""

    edited = Signal(object)

    def __init__(
        self,
        context: Context,
        saved: SavedConnection,
        parent: QWidget | None = None,
        *,
        helped_by: ErrorHelp | None = None,
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._saved = saved
        self.setObjectName("edit-connection")
        known = context.store.hosts.get(HostId(saved.uri))
        name = saved.name or (known.name if known is not None else saved.uri)
        self.setWindowTitle(self.tr("Edit Connection: {name}").format(name=name))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(WIDTH)
        self.field = AddressField(context.theme, self, helped_by=helped_by)
        self.form = MoreForm(context.profile.connections.groups, self)
        self.form.show_saved(saved)
        self._anew = QLabel(self.tr("The address is another one: the console disconnects and connects anew."), self)
        self._anew.setWordWrap(True)
        fade(self._anew, context.theme)
        self._buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel, self
        )
        for button in self._buttons.buttons():
            button.setIcon(QIcon())
        self._buttons.accepted.connect(self._on_accepted)
        self._buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setSpacing(10)
        for part in (self.field, self.form, self._anew, self._buttons):
            column.addWidget(part)
        column.insertStretch(3, 1)
        self._fitting = QTimer(self)
        self._fitting.setSingleShot(True)
        self._fitting.timeout.connect(self._fit)
        self.field.typed.connect(self._on_text)
        self.field.fitted.connect(self._fitting.start)
        self.form.address_changed.connect(self._on_form)
        self.field.show_text(saved.uri)
        self._on_text("")
        self.form.name.setFocus()

    @Slot(str)
    def _on_text(self, _text: str) -> None:
        uri = try_parse(self.field.address)
        if uri is not None:
            self.form.show_address(form_of(uri))
        self._tell()

    @Slot()
    def _on_form(self) -> None:
        self.field.show_text(address_of(self.form.address()))
        self._tell()

    def _tell(self) -> None:
        self._anew.setVisible(self.field.address != self._saved.uri)
        self._fitting.start()

    @Slot()
    def _on_accepted(self) -> None:
        address = self._saved.uri
        if self.field.address != self._saved.uri:  # a wrong one that is left alone does not keep the rest from change
            uri = self.field.uri()
            if uri is None:
                return
            address = uri.text
            if self._context.fleet.link(uri.host_id) is not None:
                self.field.refuse(_listed_already(address))
                return
        wanted = self.form.decorate(SavedConnection(address))
        if wanted != self._saved:
            self.edited.emit(wanted)
        self.accept()

    @Slot()
    def _fit(self) -> None:
        """As high as the wrapped texts need at this width."""
        layout = self.layout()
        if layout is not None:
            self.resize(self.width(), max(layout.totalHeightForWidth(self.width()), layout.totalMinimumSize().height()))


def _listed_already(address: str) -> Explanation:
    return Explanation(
        what="This address is in the list already.",
        advice="Give another address, or remove one of the two connections.",
        where=address,
    )
