# SPDX-License-Identifier: GPL-3.0-or-later
"""«More»: the parts of the address as fields of their own, and what the console keeps for the host. GUI thread."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QSignalBlocker, Signal, Slot
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QWidget,
)

from vmconsole.links.address import AddressForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.settings.connections import SavedConnection

translate = QCoreApplication.translate
MOST_PORT = 65535
NO_HOST = frozenset({"", "unix"})
"""Transports that stay on this computer."""


def transports() -> Sequence[tuple[str, str]]:
    return (
        ("ssh", translate("AddHost", "SSH: your own ssh with its configuration")),
        ("", translate("AddHost", "This computer")),
        ("tls", translate("AddHost", "TLS: certificates of libvirt")),
        ("libssh2", translate("AddHost", "libssh2: ssh without your configuration")),
        ("ext", translate("AddHost", "A program of yours (ext)")),
        ("tcp", translate("AddHost", "TCP: not encrypted")),
    )


def daemons() -> Sequence[tuple[tuple[str, str], str]]:
    return (
        (("qemu", "/system"), translate("AddHost", "QEMU/KVM, the system's guests")),
        (("qemu", "/session"), translate("AddHost", "QEMU/KVM, the user's own guests")),
        (("lxc", "/system"), translate("AddHost", "LXC containers")),
        (("xen", "/system"), translate("AddHost", "Xen")),
    )


def colours() -> Sequence[tuple[str, str]]:
    return (
        ("", translate("AddHost", "None")),
        ("#d0342c", translate("AddHost", "Red")),
        ("#e07b00", translate("AddHost", "Orange")),
        ("#c9a400", translate("AddHost", "Yellow")),
        ("#2e9e4f", translate("AddHost", "Green")),
        ("#2a7fd4", translate("AddHost", "Blue")),
        ("#8a4fc7", translate("AddHost", "Purple")),
        ("#7a828a", translate("AddHost", "Grey")),
    )


class MoreForm(QWidget):
    """``address_changed`` when a person has changed a part of the address."""

    address_changed = Signal()

    def __init__(self, groups: Sequence[str], parent: QWidget | None = None) -> None:
        """``groups``: names that are in use."""
        super().__init__(parent)
        self._others = AddressForm()
        self.transport, self.daemon = QComboBox(self), QComboBox(self)
        for key, text in transports():
            self.transport.addItem(text, key)
        for pair, text in daemons():
            self.daemon.addItem(text, pair)
        self.host, self.user, self.key, self.jump, self.program, self.name = (QLineEdit(self) for _ in range(6))
        self._key_row = QWidget(self)
        self.port = QSpinBox(self)
        self.port.setRange(0, MOST_PORT)
        self.port.setSpecialValueText(self.tr("As usual"))
        self.read_only = QCheckBox(self.tr("Look only: change nothing on this host"), self)
        self.group, self.colour = QComboBox(self), QComboBox(self)
        self.group.setEditable(True)
        self.group.addItems(["", *groups])
        for colour, text in colours():
            self.colour.addItem(_swatch(colour), text, colour)
        self.at_start = QCheckBox(self.tr("Connect when the console starts"), self)
        self.at_start.setChecked(True)
        self.allows_behind = QCheckBox(self.tr("Offer changes behind libvirt's back (QMP)"), self)
        self.allows_behind.setToolTip(
            self.tr("A few safe things that QEMU can change on a running guest although libvirt refuses; never stored")
        )
        self._place_holders()
        self._lay_out()
        self._connect()

    def _place_holders(self) -> None:
        self.user.setPlaceholderText(self.tr("as ssh says"))
        self.key.setPlaceholderText(self.tr("as ssh says"))
        self.jump.setPlaceholderText(self.tr("as ssh says; else user@host:port"))
        self.program.setPlaceholderText(self.tr("/path/to/program"))
        self.name.setPlaceholderText(self.tr("the host's own name"))

    def _lay_out(self) -> None:
        form = self._rows = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        browse = QPushButton(self.tr("Browse…"), self)
        browse.clicked.connect(self._on_browse)
        row = QHBoxLayout(self._key_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.key, 1)
        row.addWidget(browse)
        for text, field, named in (
            (self.tr("&Transport"), self.transport, self.transport),
            (self.tr("&Hypervisor"), self.daemon, self.daemon),
            (self.tr("Host &name"), self.host, self.host),
            (self.tr("&User"), self.user, self.user),
            (self.tr("&Port"), self.port, self.port),
            (self.tr("Private &key"), self._key_row, self.key),
            (self.tr("&Jump host"), self.jump, self.jump),
            (self.tr("Progra&m"), self.program, self.program),
            ("", self.read_only, self.read_only),
            (self.tr("Shown a&s"), self.name, self.name),
            (self.tr("&Group"), self.group, self.group),
            (self.tr("C&olour"), self.colour, self.colour),
            ("", self.at_start, self.at_start),
            ("", self.allows_behind, self.allows_behind),
        ):
            form.addRow(text, field)
            label = form.labelForField(field)
            if text and label is not None:
                label.setBuddy(named)  # type: ignore[attr-defined]  # a form's label is a QLabel
                named.setAccessibleName(text.replace("&", ""))

    def _connect(self) -> None:
        for field in (self.host, self.user, self.key, self.jump, self.program):
            field.textEdited.connect(self._on_changed)
        self.transport.activated.connect(self._on_changed)
        self.daemon.activated.connect(self._on_changed)
        self.port.valueChanged.connect(self._on_changed)
        self.read_only.toggled.connect(self._on_changed)

    # -- the address -------------------------------------------------------------------------------------------

    def show_address(self, form: AddressForm) -> None:
        """What the one field says; nothing is told back."""
        self._others = form
        with QSignalBlocker(self.port), QSignalBlocker(self.read_only):
            self.port.setValue(form.port or 0)
            self.read_only.setChecked(form.read_only)
        for field, text in ((self.host, form.host), (self.user, form.user), (self.key, form.keyfile),
                            (self.jump, form.jump), (self.program, _program_of(form))):  # fmt: skip
            if field.text() != text:
                field.setText(text)
        _choose(self.transport, form.transport)
        _choose(self.daemon, (form.driver, form.path if form.driver == "qemu" else "/system"))
        self._refresh()

    def address(self) -> AddressForm:
        """What the fields say. A transport or driver that has no entry here stays as it was."""
        transport = self.transport.currentData() if self.transport.currentIndex() >= 0 else self._others.transport
        driver, path = self.daemon.currentData() or (self._others.driver, self._others.path)
        others = _with_program(self._others.others, self._program(transport))
        if transport in NO_HOST:
            return dataclasses.replace(
                self._others, others=others, transport=transport, driver=driver, path=path, host="", user="", port=None,
                keyfile="", jump="", read_only=self.read_only.isChecked(),
            )  # fmt: skip
        is_ssh = transport == "ssh"
        return dataclasses.replace(
            self._others, others=others, transport=transport, driver=driver, path=path, host=self.host.text().strip(),
            user=self.user.text().strip(), port=self.port.value() or None, keyfile=self.key.text().strip(),
            jump=self.jump.text().strip() if is_ssh else "", read_only=self.read_only.isChecked(),
        )  # fmt: skip

    def _program(self, transport: str) -> str | None:
        """What ``command`` shall be; None leaves it as it is, as with SSH it names the ssh program."""
        if transport == "ext":
            return self.program.text().strip()
        return "" if self._others.transport == "ext" else None

    def show_saved(self, saved: SavedConnection) -> None:
        """What the console keeps for a connection that is edited."""
        self.name.setText(saved.name)
        self.group.setCurrentText(saved.group)
        _choose(self.colour, saved.colour)
        if saved.colour and self.colour.currentIndex() < 0:  # of a newer version, or written by hand
            self.colour.addItem(_swatch(saved.colour), saved.colour, saved.colour)
            _choose(self.colour, saved.colour)
        self.at_start.setChecked(saved.connect_at_start)
        self.allows_behind.setChecked(saved.allows_behind)

    def decorate(self, saved: SavedConnection) -> SavedConnection:
        """With what the console keeps: name, colour, group, connect at start."""
        return dataclasses.replace(
            saved, name=self.name.text().strip(), colour=str(self.colour.currentData() or ""),
            group=self.group.currentText().strip(), connect_at_start=self.at_start.isChecked(),
            allows_behind=self.allows_behind.isChecked(),
        )  # fmt: skip

    def _refresh(self) -> None:
        transport = self.transport.currentData()
        is_remote = transport not in NO_HOST
        for field in (self.host, self.user, self.port):
            field.setEnabled(is_remote)
        self._key_row.setEnabled(transport in {"ssh", "libssh2"})
        self.jump.setEnabled(transport == "ssh")
        self._rows.setRowVisible(self.program, transport == "ext")
        self.jump.setToolTip("" if transport == "ssh" else self.tr("Only SSH goes through jump hosts."))

    @Slot()
    def _on_changed(self) -> None:
        self._refresh()
        self.address_changed.emit()

    @Slot()
    def _on_browse(self) -> None:
        picker = QFileDialog(self, self.tr("Private Key"))
        picker.fileSelected.connect(self._on_key_chosen)
        picker.open()

    @Slot(str)
    def _on_key_chosen(self, path: str) -> None:
        self.key.setText(path)
        self._on_changed()


def _program_of(form: AddressForm) -> str:
    return next((value for key, value in form.others if key == "command"), "") if form.transport == "ext" else ""


def _with_program(others: Sequence[tuple[str, str]], program: str | None) -> tuple[tuple[str, str], ...]:
    """The parameters with this ``command``; as they are for None, where it may name the ssh program."""
    if program is None:
        return tuple(others)
    return (*(pair for pair in others if pair[0] != "command"), *([("command", program)] if program else []))


def _choose(box: QComboBox, data: object) -> None:
    """By hand: Qt's own search does not find tuples."""
    places = [place for place in range(box.count()) if box.itemData(place) == data]
    box.setCurrentIndex(places[0] if places else -1)


def _swatch(colour: str) -> QIcon:
    if not colour:
        return QIcon()
    pixmap = QPixmap(12, 12)
    pixmap.fill(QColor(colour))
    return QIcon(pixmap)
