# SPDX-License-Identifier: GPL-3.0-or-later
"""The editing tools as actions with keys: Properties, New File, Link, Search, Settings, Registry, Compare.

GUI thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QWidget

from vmconsole.images.lenses import lens_for
from vmconsole.images.messages import EntryKind
from vmconsole.ui.image_editor import names, questions
from vmconsole.ui.image_editor.compare_sides import OpenSide, choices
from vmconsole.ui.image_editor.compare_window import CompareWindow
from vmconsole.ui.image_editor.config_window import ConfigWindow
from vmconsole.ui.image_editor.link_dialog import LinkDialog
from vmconsole.ui.image_editor.look import plain_tip
from vmconsole.ui.image_editor.properties import PropertiesDialog
from vmconsole.ui.image_editor.registry_window import RegistryWindow
from vmconsole.ui.image_editor.search_dialog import SearchDialog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.images.messages import Entry, ImageOverview
    from vmconsole.images.session import ImageSession
    from vmconsole.images.tool_values import Attributes
    from vmconsole.ui.bridge import Bridge
    from vmconsole.ui.image_editor.browser import Browser
    from vmconsole.ui.image_editor.desk import ImageDesk
    from vmconsole.ui.image_editor.look import Look
    from vmconsole.ui.image_editor.other_images import OtherImages

_HIVES = {"sam", "security", "software", "system", "default", "components", "ntuser.dat", "usrclass.dat", "drivers"}
"""Names of registry hives in Windows/System32/config and in a user's folder."""
MANY = 200
"""As many files as Properties shows together."""


class ToolActions(QObject):
    """Dialogs are children of the window; ``close_all`` ends those that hold something."""

    problem = Signal(object)

    def __init__(
        self,
        desk: ImageDesk,
        browser: Browser,
        bridge: Bridge,
        open_side: OpenSide | None,
        look: Look,
        window: QWidget,
        *,
        others: OtherImages | None = None,
    ) -> None:
        """``others``: what else there is to compare with."""
        super().__init__(window)
        self._desk, self._browser, self._bridge, self._window = desk, browser, bridge, window
        self._open_side, self._others = open_side, others
        self._look, self._formats, self._theme = look, look.formats, look.theme
        self._why_not = self.tr("The image is not open.")
        self._overview: ImageOverview | None = None
        self._changes_window: CompareWindow | None = None
        self._tips: dict[QAction, str] = {}
        self._make_actions()
        browser.view.selectionModel().selectionChanged.connect(self.update_enabled)
        browser.folder_shown.connect(self.update_enabled)
        self.update_enabled()

    def _make_actions(self) -> None:
        make = self._make
        tip = self.tr("Permissions, owner, sizes, attributes")
        self.properties = make(self.tr("P&roperties…"), self.ask_properties, tip, "Alt+Return", "properties")
        self.new_file = make(self.tr("New F&ile…"), self.ask_new_file, self.tr("Make an empty file here"), "Ctrl+N")
        tip = self.tr("Make a symbolic link, or another name of a file")
        self.link = make(self.tr("New &Link…"), self.ask_link, tip, "Ctrl+K")
        tip = self.tr("Search names or content in the image")
        self.search = make(self.tr("&Search…"), self.ask_search, tip, "Ctrl+Shift+F", "filter")
        tip = self.tr("Show a configuration file as a tree of entries")
        self.settings = make(self.tr("&Edit as Settings…"), self.ask_settings, tip, "Ctrl+T")
        tip = self.tr("Browse a hive of the Windows registry")
        self.registry = make(self.tr("Open &Registry Hive…"), self.ask_registry, tip, "")
        tip = self.tr("Compare the draft, the disk and its snapshots")
        self.compare = make(self.tr("C&ompare…"), self.ask_compare, tip, "Ctrl+D", "compare")

    def _make(self, text: str, run: Callable[[], object], tip: str, keys: str, icon: str = "") -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(keys))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        if icon:
            action.setProperty("icon-name", icon)
            action.setIcon(self._theme.icon(icon))
        action.triggered.connect(lambda _checked=False: run())
        self._tips[action] = tip
        self._browser.addAction(action)
        return action

    # -- what is possible --------------------------------------------------------------------------------------

    def set_image(self, overview: ImageOverview, why_not: str) -> None:
        """The image is open; ``why_not`` says why nothing can be changed."""
        self._overview, self._why_not = overview, why_not
        self.update_enabled()

    def update_enabled(self) -> None:
        chosen = self._chosen()
        for action, tip in self._tips.items():
            reason = self._reason(action, chosen)
            action.setEnabled(not reason)
            keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
            action.setToolTip(
                plain_tip("\n".join(part for part in (f"{tip} ({keys})" if keys else tip, reason) if part))
            )

    def _reason(self, action: QAction, chosen: list[Entry]) -> str:
        if self._overview is None:
            return self.tr("The image is not open.")
        if action in {self.new_file, self.link} and self._why_not:
            return self._why_not
        if action is self.properties and not chosen:
            return self.tr("Nothing is selected.")
        if action in {self.settings, self.registry}:
            kinds = {EntryKind.FILE, EntryKind.LINK}
            if len(chosen) != 1 or chosen[0].kind not in kinds:
                return self.tr("Select one file.")
        return ""

    def _chosen(self) -> list[Entry]:
        return [e for e in self._browser.view.selected() if e.is_addressable]

    def fits(self, action: QAction) -> bool:
        """Whether the context menu should offer it for what is selected."""
        chosen = self._chosen()
        if len(chosen) != 1:
            return False
        if action is self.registry:
            return looks_like_hive(self._browser.path_of(chosen[0]))
        return bool(lens_for(self._browser.path_of(chosen[0])))

    # -- the verbs ---------------------------------------------------------------------------------------------

    def ask_properties(self) -> None:
        """Read the attributes of all that is selected, then show them."""
        paths = [self._browser.path_of(e) for e in self._chosen()][:MANY]
        if paths:
            self._read_attributes(paths, [])

    def _read_attributes(self, waiting: list[str], found: list[Attributes]) -> None:
        if not waiting:
            dialog = PropertiesDialog(self._desk, self._formats, found, self._why_not, self._window)
            dialog.changed.connect(self._browser.reload)
            dialog.open()
            return
        self._desk.ask(
            self._desk.session.tools.attributes(waiting[0]),
            lambda one: self._read_attributes(waiting[1:], [*found, one]),
        )

    def ask_new_file(self) -> None:
        folder = self._browser.folder
        title = self.tr("New file in {folder}").format(folder=names.shown(folder))
        dialog = questions.NameDialog(self._window, title, self.tr("new file"), self._browser.model.names)
        dialog.accepted.connect(
            lambda: self._made(self._desk.session.tools.make_file(names.join(folder, dialog.name)), dialog.name)
        )
        dialog.open()

    def ask_link(self) -> None:
        folder, chosen = self._browser.folder, self._chosen()
        target = chosen[0] if len(chosen) == 1 else None
        dialog = LinkDialog(
            folder, self._browser.model.names, self._browser.path_of(target) if target is not None else "", self._window
        )

        def make() -> None:
            path = names.join(folder, dialog.name)
            making = self._desk.session.tools.make_link(path, dialog.target, is_hard=dialog.is_hard)
            self._made(making, dialog.name)

        dialog.accepted.connect(make)
        dialog.open()

    def _made(self, making: object, name: str) -> None:
        # Every maker gives a Future[None].
        self._desk.ask(making, lambda _none: self._browser.reload(select=frozenset({name})))  # type: ignore[arg-type]

    def ask_search(self) -> None:
        dialog = SearchDialog(self._desk, self._formats, self._browser.folder, self._window)
        dialog.path_wanted.connect(self._browser.reveal)
        dialog.show()
        dialog.words.setFocus()

    def ask_settings(self) -> None:
        chosen = self._chosen()
        if chosen:
            dialog = ConfigWindow(self._desk, self._browser.path_of(chosen[0]), self._why_not, self._window)
            dialog.changed.connect(lambda _path: self._browser.reload())
            dialog.show()
            dialog.load()

    def ask_registry(self) -> None:
        chosen = self._chosen()
        if chosen:
            dialog = RegistryWindow(self._desk, self._browser.path_of(chosen[0]), self._why_not, self._window)
            dialog.changed.connect(lambda _path: self._browser.reload())
            dialog.show()
            dialog.load()

    def ask_compare(self) -> None:
        dialog = self._compare_window()
        if dialog is not None:
            dialog.show()

    def _compare_window(self) -> CompareWindow | None:
        if self._overview is None or self._open_side is None:
            return None
        found = choices(self, self._overview, is_draft=not self._why_not)
        dialog = CompareWindow(
            self._desk, self._bridge, self._open_side, found, self._look, self._window,
            may_edit=not self._why_not, others=self._others,
        )  # fmt: skip
        dialog.changed.connect(lambda _path: self._browser.reload())
        return dialog

    def show_difference(self, paths: Sequence[str]) -> None:
        """What the draft changed there, in a window that is used again: what it has opened is open then."""
        found = self._changes_window
        if found is None:
            found = self._changes_window = self._compare_window()
            if found is None:
                return
            found.destroyed.connect(self._on_changes_window_gone)
        found.setWindowTitle(self.tr("Differences of the draft"))
        found.show()
        found.raise_()
        found.show_difference(paths)

    def _on_changes_window_gone(self) -> None:
        self._changes_window = None

    def let_go(self) -> list[ImageSession]:
        """As ``CompareWindow.let_go``."""
        dialogs = [d for d in self._window.findChildren(QDialog) if isinstance(d, CompareWindow)]
        return [session for dialog in dialogs for session in dialog.let_go()]

    def close_all(self) -> None:
        """The window closes: end what the dialogs hold."""
        for dialog in self._window.findChildren(QDialog):
            if isinstance(dialog, CompareWindow):
                dialog.close_all()


def looks_like_hive(path: str) -> bool:
    """Whether a path is where Windows keeps a registry hive."""
    name, folder = names.base_of(path).lower(), names.parent_of(path).lower()
    return name in _HIVES and (folder.endswith("/config") or name.endswith(".dat"))
