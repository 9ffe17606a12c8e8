# SPDX-License-Identifier: GPL-3.0-or-later
"""«Check Connection» of a host that is in the list: over its own connection where that is open. GUI thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget

from vmconsole.ui.add_host.check_panel import CheckPanel

if TYPE_CHECKING:
    from vmconsole.inventory.ids import HostId
    from vmconsole.links.uri import ConnectionUri
    from vmconsole.ui.context import Context
    from vmconsole.ui.error_help import ErrorHelp

SIZE = (760, 560)


class CheckDialog(QDialog):
    """Not modal: a login may be asked for meanwhile, and the cure is often in another window."""

    def __init__(
        self,
        context: Context,
        host: HostId,
        uri: ConnectionUri,
        parent: QWidget | None = None,
        *,
        helped_by: ErrorHelp | None = None,
    ) -> None:
        super().__init__(parent)
        self._context = context
        self._host = host
        self._uri = uri
        known = context.store.hosts.get(host)
        name = known.name if known is not None else uri.display_name
        self.setWindowTitle(self.tr("Check Connection: {name}").format(name=name))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(*SIZE)
        self.panel = CheckPanel(context, self, helped_by=helped_by)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close, self)
        self._again = self._buttons.addButton(self.tr("Check Again"), QDialogButtonBox.ButtonRole.ActionRole)
        for button in self._buttons.buttons():
            button.setIcon(QIcon())
        self._again.clicked.connect(self.check)
        self._buttons.rejected.connect(self.reject)
        self.panel.running_changed.connect(self._on_running)
        column = QVBoxLayout(self)
        column.addWidget(self.panel, 1)
        column.addWidget(self._buttons)
        self.check()

    @Slot()
    def check(self) -> None:
        """Begin, or end what runs."""
        if self.panel.is_running:
            self.panel.stop()
            return
        link = self._context.fleet.link(self._host)
        self.panel.check(self._uri, None if link is None else link.shell())

    @Slot()
    def _on_running(self) -> None:
        self._again.setText(self.tr("Stop") if self.panel.is_running else self.tr("Check Again"))

    def done(self, result: int) -> None:
        self.panel.stop()
        super().done(result)
