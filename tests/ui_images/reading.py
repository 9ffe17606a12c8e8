# SPDX-License-Identifier: GPL-3.0-or-later
"""Every text that is on the screen now or one gesture away, in every window: what a person or a screen reader gets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import shiboken6
from PySide6.QtCore import QAbstractListModel, QModelIndex, Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QGroupBox,
    QLabel,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPlainTextEdit,
    QProgressBar,
    QTabWidget,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROLES = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.AccessibleDescriptionRole)
_MOST_ROWS = 60
_TAG = re.compile(r"<[a-zA-Z/!?]")
"""Stricter than Qt, which looks at the first tag alone."""


@dataclass(frozen=True)
class Text:
    where: str
    text: str
    may_be_rich: bool = False
    """Qt draws it as HTML if it looks like that."""
    is_rich: bool = False
    """It is drawn as HTML."""

    @property
    def drawn_as_html(self) -> bool:
        return self.is_rich or (self.may_be_rich and _TAG.search(self.text) is not None)

    @property
    def drawn(self) -> str:
        """What a person sees."""
        if not self.drawn_as_html:
            return self.text
        document = QTextDocument()
        document.setHtml(self.text)
        return document.toPlainText()


def all_texts() -> list[Text]:
    found: list[Text] = []
    for top in QApplication.topLevelWidgets():
        if shiboken6.isValid(top):
            for widget in (top, *top.findChildren(QWidget)):
                found += _texts(widget)
    return [text for text in found if text.text]


def _texts(widget: QWidget) -> Iterator[Text]:
    kind = f"{type(widget).__name__} {widget.objectName()}"
    yield Text(f"{kind} window title", widget.windowTitle())
    yield Text(f"{kind} tooltip", widget.toolTip(), may_be_rich=True)
    yield Text(f"{kind} what's this", widget.whatsThis(), may_be_rich=True)
    yield Text(f"{kind} status tip", widget.statusTip())
    yield Text(f"{kind} accessible name", widget.accessibleName())
    yield Text(f"{kind} accessible description", widget.accessibleDescription())
    for action in widget.actions():
        yield Text(f"{kind} action", action.text())
        yield Text(f"{kind} action's tooltip", action.toolTip(), may_be_rich=True)
    yield from _of_its_kind(widget, kind)


def _of_its_kind(widget: QWidget, kind: str) -> Iterator[Text]:
    match widget:
        case QMessageBox():
            how = widget.textFormat()
            rich = {"may_be_rich": how is Qt.TextFormat.AutoText, "is_rich": how is Qt.TextFormat.RichText}
            yield Text(kind, widget.text(), **rich)
            yield Text(f"{kind} more", widget.informativeText(), **rich)
        case QLabel():
            how = widget.textFormat()
            yield Text(
                kind, widget.text(), may_be_rich=how is Qt.TextFormat.AutoText, is_rich=how is Qt.TextFormat.RichText
            )
        case QMenu():
            yield Text(kind, widget.title())
        case QAbstractButton():
            yield Text(kind, widget.text())
        case QLineEdit():
            yield Text(kind, widget.text())
            yield Text(f"{kind} placeholder", widget.placeholderText())
        case QGroupBox():
            yield Text(kind, widget.title())
        case QComboBox():
            yield Text(kind, widget.currentText())
            yield from (Text(kind, widget.itemText(n)) for n in range(widget.count()))
        case QTabWidget():
            yield from (Text(kind, widget.tabText(n)) for n in range(widget.count()))
        case QProgressBar():
            yield Text(kind, widget.text())
        case QPlainTextEdit():
            yield Text(kind, widget.toPlainText())
        case QAbstractItemView():
            yield from _of_model(widget.model(), QModelIndex(), kind)


def _columns(model: Any, parent: QModelIndex) -> int:
    """Models of lists keep theirs to themselves."""
    return 1 if isinstance(model, QAbstractListModel) else int(model.columnCount(parent))


def _of_model(model: Any, parent: QModelIndex, kind: str) -> Iterator[Text]:
    if model is None:
        return
    for row in range(min(model.rowCount(parent), _MOST_ROWS)):
        for column in range(_columns(model, parent)):
            index = model.index(row, column, parent)
            for role in _ROLES:
                yield Text(f"{kind} cell", str(index.data(role) or ""))
            yield Text(f"{kind} cell's tooltip", str(index.data(Qt.ItemDataRole.ToolTipRole) or ""), may_be_rich=True)
        yield from _of_model(model, model.index(row, 0, parent), kind)
