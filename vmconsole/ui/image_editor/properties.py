# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of files: facts and sizes, permissions and owner, extended attributes, ACLs. GUI thread.

OK puts what was changed into the draft, one request for each kind of change, and closes when all are done. An error
stays in the dialog with everything that was typed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPlainTextEdit,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from vmconsole.images.messages import EntryKind
from vmconsole.images.registry_values import BadValue
from vmconsole.images.tool_requests import MeasureFolders
from vmconsole.images.tool_values import SELINUX, Attributes, NewAttributes, Page, Size, Xattr
from vmconsole.ui.image_editor import names
from vmconsole.ui.image_editor.look import Tone, plain_label, time_text
from vmconsole.ui.image_editor.permissions import PermissionGrid
from vmconsole.ui.image_editor.strip import Strip
from vmconsole.ui.image_editor.task_run import TaskRun
from vmconsole.ui.image_editor.xattr_table import XattrTable

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from vmconsole.images.tool_values import Account
    from vmconsole.inventory.errors import Explanation
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.image_editor.desk import ImageDesk

_LETTERS = {EntryKind.FOLDER: "d", EntryKind.LINK: "l"}


class PropertiesDialog(QDialog):
    """For one file, or several with what they have in common. ``changed`` after something went into the draft."""

    changed = Signal()

    def __init__(
        self, desk: ImageDesk, formats: Formats, found: list[Attributes], why_not: str, window: QWidget
    ) -> None:
        """``found`` are the attributes of all files concerned; ``why_not`` says why nothing can be changed."""
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self._desk, self._formats, self._found = desk, formats, found
        self._may_edit = not why_not
        self._first = found[0]
        self._measuring: TaskRun | None = None
        name = names.shown(names.base_of(self._first.path))
        self.setWindowTitle(
            self.tr("Properties of {name}").format(name=name)
            if len(found) == 1
            else self.tr("Properties of {n} files").format(n=len(found))
        )
        self.note = Strip(self.tr("Note"), parent=self)
        self.tabs = QTabWidget(self)
        self.tabs.setAccessibleName(self.tr("Kinds of properties"))
        self.tabs.addTab(self._make_general(), self.tr("&General"))
        self.tabs.addTab(self._make_permissions(), self.tr("&Permissions"))
        if len(found) == 1 and self._first.can_have_xattrs:
            self.tabs.addTab(self._make_extended(), self.tr("&Extended Attributes"))
            if self._first.kind in {EntryKind.FILE, EntryKind.FOLDER}:
                self.tabs.addTab(self._make_acl(), self.tr("&ACL"))
        self.buttons = QDialogButtonBox(self)
        self.buttons.setStandardButtons(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self._on_ok)
        self.buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.note)
        column.addWidget(self.tabs, 1)
        column.addWidget(self.buttons)
        self.resize(560, 480)
        self.note.hide()
        if why_not:
            self.note.say(self.tr("Nothing can be changed here."), why_not, tone=Tone.LOOK_ONLY)
            self.buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(False)

    # -- what is shown -----------------------------------------------------------------------------------------

    def _make_general(self) -> QWidget:
        page = QWidget(self)
        form = QFormLayout(page)
        one = self._first
        self.size_fact = self._fact(form, self.tr("Size"), "")
        if len(self._found) == 1:
            self._fact(form, self.tr("Folder"), names.shown(names.parent_of(one.path)))
            self._fact(form, self.tr("Kind"), one.kind.value)
            if one.link_target:
                self._fact(form, self.tr("Points to"), names.shown(one.link_target))
            self._fact(form, self.tr("Changed"), time_text(one.modified_at))
            self._fact(form, self.tr("Attributes changed"), time_text(one.changed_at))
            self._fact(form, self.tr("Read"), time_text(one.accessed_at))
            self._fact(form, self.tr("Inode"), str(one.inode))
            self._fact(form, self.tr("Names (hard links)"), str(one.links))
            label = names.shown(one.selinux_label) or self.tr("none")
            self._fact(form, self.tr("SELinux label"), label)
        if any(a.kind is EntryKind.FOLDER for a in self._found):
            self._measure()
        else:
            size, disk = (sum(getattr(a, what) for a in self._found) for what in ("size_bytes", "disk_bytes"))
            self.size_fact.setText(self._size_words(size, disk))
        return page

    def _fact(self, form: QFormLayout, name: str, value: str) -> QLabel:
        label = plain_label(value, self, name=name)
        label.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        label.setWordWrap(True)
        form.addRow(self.tr("{name}:").format(name=name), label)
        return label

    def _size_words(self, size: int, disk: int) -> str:
        return self.tr("{size} ({bytes} bytes), {disk} on the disk").format(
            size=self._formats.size(size), bytes=size, disk=self._formats.size(disk)
        )

    def _measure(self) -> None:
        self.size_fact.setText(self.tr("counting…"))
        self._measuring = TaskRun(self._desk, MeasureFolders(tuple(a.path for a in self._found)), self)
        self._measuring.page.connect(self._on_size)
        self._measuring.failed.connect(lambda problem: self.size_fact.setText(problem.what))
        self._measuring.start()

    def _on_size(self, page: Page) -> None:
        found = next((item for item in reversed(page.items) if isinstance(item, Size)), None)
        if found is not None:
            words = self._size_words(found.size_bytes, found.disk_bytes)
            inside = self.tr("{files} files, {folders} folders").format(files=found.files, folders=found.folders)
            more = "" if page.is_over else self.tr("counting…")
            self.size_fact.setText("\n".join(part for part in (words, inside, more) if part))

    def _make_permissions(self) -> QWidget:
        page = QWidget(self)
        column = QVBoxLayout(page)
        self.grid = PermissionGrid(page)
        self.grid.show_modes([a.mode for a in self._found], _LETTERS.get(self._first.kind, "-"))
        is_link = all(a.kind is EntryKind.LINK for a in self._found)
        self.grid.set_editable(on=self._may_edit and not is_link)
        self.owner = self._account(self.tr("Owner"), self._first.users, {a.uid for a in self._found})
        self.group = self._account(self.tr("Group"), self._first.groups, {a.gid for a in self._found})
        form = QFormLayout()
        form.addRow(self.tr("&Owner:"), self.owner)
        form.addRow(self.tr("&Group:"), self.group)
        self.recursive = QCheckBox(self.tr("Also for &all that is in the folders"), page)
        self.execute_some = QCheckBox(self.tr("&Execute only for folders and what is executable already"), page)
        self.execute_some.setChecked(True)
        self.execute_some.setEnabled(False)
        self.recursive.toggled.connect(self.execute_some.setEnabled)
        has_folder = any(a.kind is EntryKind.FOLDER for a in self._found)
        for box in (self.recursive, self.execute_some):
            box.setVisible(has_folder)
        self.recursive.setEnabled(self._may_edit)
        if is_link:
            column.addWidget(plain_label(self.tr("A symbolic link has no permissions of its own."), page))
        column.addWidget(self.grid)
        column.addLayout(form)
        column.addWidget(self.recursive)
        column.addWidget(self.execute_some)
        column.addStretch(1)
        return page

    def _account(self, name: str, accounts: tuple[Account, ...], numbers: set[int]) -> QComboBox:
        """The guest's own names; a number can be typed as well. Empty while the files differ."""
        box = QComboBox(self)
        box.setAccessibleName(name)
        box.setEditable(True)
        box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        for account in accounts:
            box.addItem(f"{names.shown(account.name)} ({account.number})", account.number)
        number = next(iter(numbers)) if len(numbers) == 1 else None
        at = next((i for i, a in enumerate(accounts) if a.number == number), -1)
        box.setCurrentIndex(at)
        if at < 0:
            box.setEditText("" if number is None else str(number))
        box.setEnabled(self._may_edit)
        return box

    def _make_extended(self) -> QWidget:
        page = QWidget(self)
        column = QVBoxLayout(page)
        self.label = QComboBox(page)
        self.label.setEditable(True)
        self.label.setAccessibleName(self.tr("SELinux label"))
        self.label.setEditText(self._first.selinux_label)
        self.label.setEnabled(self._may_edit)
        form = QFormLayout()
        form.addRow(self.tr("&SELinux label:"), self.label)
        column.addLayout(form)
        self.xattrs = XattrTable(page)
        self.xattrs.show_xattrs(self._other_xattrs(), may_edit=self._may_edit)
        column.addWidget(self.xattrs, 1)
        return page

    def _other_xattrs(self) -> tuple[Xattr, ...]:
        return tuple(x for x in self._first.xattrs if x.name != SELINUX)

    def _make_acl(self) -> QWidget:
        page = QWidget(self)
        column = QVBoxLayout(page)
        self.acl = self._acl_text(column, self.tr("Access: who may what"), self._first.access_acl)
        self.default_acl: QPlainTextEdit | None = None
        if self._first.kind is EntryKind.FOLDER:
            self.default_acl = self._acl_text(
                column, self.tr("Default: for what is made in it"), self._first.default_acl
            )
        words = self.tr(
            "As getfacl writes it; empty for none: user::rw-, user:33:r--, group::r--, mask::rw-, other::---"
        )
        help_line = plain_label(words, page)
        help_line.setWordWrap(True)
        column.addWidget(help_line)
        return page

    def _acl_text(self, column: QVBoxLayout, name: str, text: str) -> QPlainTextEdit:
        view = QPlainTextEdit(text, self)
        view.setAccessibleName(name)
        view.setReadOnly(not self._may_edit)
        view.setTabChangesFocus(True)
        column.addWidget(plain_label(name, self))
        column.addWidget(view, 1)
        return view

    # -- OK ----------------------------------------------------------------------------------------------------

    def _on_ok(self) -> None:
        try:
            waiting = self._requests()
        except BadValue as error:
            self.note.say(str(error), tone=Tone.PROBLEM)
            return
        self._do(waiting)

    def _do(self, waiting: list[Callable[[], Future]]) -> None:
        """One after the other; the first that fails keeps the dialog open."""
        if not waiting:
            self.accept()
            return
        self.buttons.setEnabled(False)
        self.note.say(self.tr("Changing…"))
        self._desk.ask(
            waiting[0](),
            lambda _done: self._on_done(waiting[1:]),
            failed=self._on_failed,
            cancelled=lambda: self._on_failed(None),
        )

    def _on_done(self, waiting: list[Callable[[], Future]]) -> None:
        self.changed.emit()
        self._do(waiting)

    def _on_failed(self, problem: Explanation | None) -> None:
        self.buttons.setEnabled(True)
        if problem is None:
            self.note.say(self.tr("It was stopped; the draft says what was changed."), tone=Tone.LOOK_ONLY)
        else:
            text = " ".join(part for part in (problem.cause, problem.advice, names.shown(problem.said)) if part)
            self.note.say(problem.what, text, tone=Tone.PROBLEM)

    def _requests(self) -> list[Callable[[], Future]]:
        """What is to be asked of the image, in order: the owner first, for it takes set-user-ID away."""
        tools, path = self._desk.session.tools, self._first.path
        found: list[Callable[[], Future]] = []
        new = self._new_attributes()
        if new is not None:
            paths = [a.path for a in self._found]
            found.append(lambda: tools.set_attributes(paths, new))
        if hasattr(self, "xattrs"):
            wanted, remove = self.xattrs.wanted()
            label = self.label.currentText().strip()
            if label != self._first.selinux_label:
                wanted += [Xattr(SELINUX, label.encode() + b"\0")] if label else []
                remove += [] if label else [SELINUX]
            if wanted or remove:
                found.append(lambda: tools.set_xattrs(path, wanted, remove=remove))
        if hasattr(self, "acl"):
            acls = [(self.acl, self._first.access_acl, False), (self.default_acl, self._first.default_acl, True)]
            for view, before, is_default in acls:
                if view is not None and view.toPlainText().strip() != before:
                    found.append(partial(tools.set_acl, path, view.toPlainText().strip(), is_default=is_default))
        return found

    def _new_attributes(self) -> NewAttributes | None:
        uid, gid = self._number(self.owner), self._number(self.group)
        modes = {a.mode for a in self._found}
        is_new_mode = any((mode & self.grid.known_bits) != self.grid.mode for mode in modes)
        recursive = self.recursive.isChecked()
        is_new = is_new_mode or any((uid not in {None, a.uid}) or (gid not in {None, a.gid}) for a in self._found)
        if not is_new and not recursive:
            return None
        return NewAttributes(
            mode=self.grid.mode,
            mode_mask=self.grid.known_bits if is_new_mode or recursive else 0,
            uid=uid,
            gid=gid,
            is_recursive=recursive,
            execute_only_where_some=recursive and self.execute_some.isChecked(),
        )

    def _number(self, box: QComboBox) -> int | None:
        """The account's number; None to leave it. Raises BadValue."""
        text = box.currentText().strip()
        if not text:
            return None
        at = next((i for i in range(box.count()) if text in {box.itemText(i), box.itemText(i).rpartition(" ")[0]}), -1)
        if at >= 0:
            return int(box.itemData(at))
        if text.isascii() and text.isdecimal() and int(text) < 0xFFFFFFFF:
            return int(text)
        raise BadValue(
            self.tr("The guest has no account “{name}”. Choose one, or type its number.").format(name=names.shown(text))
        )

    def done(self, result: int) -> None:
        if self._measuring is not None:
            self._measuring.stop()
        super().done(result)
