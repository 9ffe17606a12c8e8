# SPDX-License-Identifier: GPL-3.0-or-later
"""The main paths of the editing tools by hand, in a real window on a real disk: keys and buttons here, a real appliance
behind them, and at the end an independent guestfish that looks at the applied image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialogButtonBox

from tests.images import disks
from tests.images.test_tools import HIVE, HOSTS, make_tree
from tests.ui_images.test_tool_windows import ok, opened
from vmconsole.images.messages import ImageSource, SessionState
from vmconsole.images.session import ImageSession
from vmconsole.links.ssh import LocalShell
from vmconsole.ui.image_editor.compare_window import CompareWindow
from vmconsole.ui.image_editor.config_window import ConfigWindow, NewEntryDialog
from vmconsole.ui.image_editor.properties import PropertiesDialog
from vmconsole.ui.image_editor.questions import NameDialog
from vmconsole.ui.image_editor.registry_value_dialog import RegistryValueDialog
from vmconsole.ui.image_editor.registry_window import RegistryWindow
from vmconsole.ui.image_editor.search_dialog import SearchDialog
from vmconsole.ui.image_editor.window import ImageEditorWindow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QTreeWidget, QTreeWidgetItem
    from pytestqt.qtbot import QtBot

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(600)]
LAUNCH_MS = 280_000
SOON_MS = 60_000


@pytest.fixture
def window(tmp_path: Path, context: Any, qtbot: QtBot) -> Iterator[ImageEditorWindow]:
    image = disks.ext4(make_tree(tmp_path / "tree"), tmp_path / "guest.qcow2", size="100M")
    disks.run("qemu-img", "snapshot", "-c", "before", image)
    shell = LocalShell()
    source = ImageSource(str(image), "qcow2")

    def session(which: ImageSource, on_event: Any) -> ImageSession:
        return ImageSession(which, shell, work_dir=tmp_path / "drafts", image_users=tuple, on_event=on_event)

    window = ImageEditorWindow(context, source, lambda on_event: session(source, on_event), open_side=session)
    window.show()
    window.open()
    qtbot.waitUntil(lambda: window.browser.model.total > 0 and window.desk.is_idle, timeout=LAUNCH_MS)
    yield window
    side = window.desk.session
    window.close_keeping_draft()
    assert side.wait_closed(20)
    shell.close()


def select(window: ImageEditorWindow, qtbot: QtBot, path: str) -> None:
    window.browser.reveal(path)
    folder, _, name = path.rpartition("/")
    qtbot.waitUntil(
        lambda: (
            window.browser.folder == (folder or "/")
            and [e.name for e in window.browser.view.selected()] == [name]
            and window.desk.is_idle
        ),
        timeout=SOON_MS,
    )


def item(tree: QTreeWidget, text: str, column: int = 0) -> QTreeWidgetItem:
    return tree.findItems(text, Qt.MatchFlag.MatchExactly | Qt.MatchFlag.MatchRecursive, column)[0]


def test_settings_registry_permissions_search_and_comparing_by_hand(
    window: ImageEditorWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    _change_an_address(window, qtbot)
    _add_a_key_and_a_value(window, qtbot)
    _change_the_owner(window, qtbot)
    _search_the_content(window, qtbot)
    _bring_a_file_back_from_the_snapshot(window, qtbot)
    window.draft_actions._apply()
    qtbot.waitUntil(lambda: window.desk.session.state is SessionState.APPLIED, timeout=LAUNCH_MS)
    image, hive = tmp_path / "guest.qcow2", tmp_path / "hive"
    seen = disks.guestfish(image, "cat /etc/hosts", "stat /srv/plain/note", f"download {HIVE} {hive}")
    assert HOSTS.replace(b"10.0.0.7", b"10.0.0.9").replace(b"web1.lan", b"web1.lan www").decode() in seen
    assert "uid: 33" in seen
    assert "mode: 33184" in seen  # 0100640
    assert b"V\0e\0n\0d\0o\0r\0" in hive.read_bytes() or b"Vendor" in hive.read_bytes()


def _change_an_address(window: ImageEditorWindow, qtbot: QtBot) -> None:
    select(window, qtbot, "/etc/hosts")
    window.tools.settings.trigger()
    dialog = opened(window, qtbot, ConfigWindow)
    qtbot.waitUntil(lambda: dialog.tree.topLevelItemCount() == 3, timeout=SOON_MS)
    assert item(dialog.tree, "10.0.0.7", 1).text(2) == "address"
    assert item(dialog.tree, "kept comment", 1).text(0) == "comment"
    item(dialog.tree, "10.0.0.7", 1).setText(1, "not an address #")
    qtbot.waitUntil(lambda: "does not fit" in dialog.note.headline.text(), timeout=SOON_MS)
    qtbot.waitUntil(lambda: dialog.status.text() == "9 entries" and window.desk.is_idle, timeout=SOON_MS)
    item(dialog.tree, "10.0.0.7", 1).setText(1, "10.0.0.9")
    qtbot.waitUntil(lambda: bool(dialog.tree.findItems("10.0.0.9", Qt.MatchFlag.MatchRecursive, 1)), timeout=SOON_MS)
    qtbot.waitUntil(lambda: window.desk.is_idle, timeout=SOON_MS)
    dialog.tree.setCurrentItem(item(dialog.tree, "web1.lan", 1))
    dialog.add_after.click()
    new = opened(dialog, qtbot, NewEntryDialog)
    assert new.label.text() == "alias"
    new.value.setText("www")
    new.accept()
    qtbot.waitUntil(lambda: dialog.status.text() == "10 entries" and window.desk.is_idle, timeout=SOON_MS)
    dialog.close()


def _add_a_key_and_a_value(window: ImageEditorWindow, qtbot: QtBot) -> None:
    select(window, qtbot, HIVE)
    assert window.tools.fits(window.tools.registry)
    window.tools.registry.trigger()
    dialog = opened(window, qtbot, RegistryWindow)
    qtbot.waitUntil(dialog.add_key.isEnabled, timeout=SOON_MS)
    dialog.add_key.click()
    name = opened(dialog, qtbot, NameDialog)
    name.line.setText("Vendor")
    ok(name)
    qtbot.waitUntil(lambda: bool(dialog.keys.findItems("Vendor", Qt.MatchFlag.MatchRecursive)), timeout=SOON_MS)
    dialog.keys.setCurrentItem(item(dialog.keys, "Vendor"))
    qtbot.waitUntil(lambda: dialog._key is not None and dialog._key.path == ("Vendor",), timeout=SOON_MS)
    dialog.add_value.click()
    value = opened(dialog, qtbot, RegistryValueDialog)
    value.name.setText("count")
    value.kind.setCurrentText("REG_DWORD")
    value.text.setPlainText("4294967296")
    assert not value.buttons.button(QDialogButtonBox.StandardButton.Ok).isEnabled()
    value.text.setPlainText("0x2a")
    ok(value)
    qtbot.waitUntil(lambda: dialog.values.topLevelItemCount() == 1 and window.desk.is_idle, timeout=SOON_MS)
    row = dialog.values.topLevelItem(0)
    assert [row.text(column) for column in range(3)] == ["count", "REG_DWORD", "42"]
    dialog.close()


def _change_the_owner(window: ImageEditorWindow, qtbot: QtBot) -> None:
    select(window, qtbot, "/srv/plain/note")
    window.tools.properties.trigger()
    dialog = opened(window, qtbot, PropertiesDialog)
    dialog.owner.setCurrentIndex(dialog.owner.findText("web (33)"))
    dialog.grid.octal.clear()
    qtbot.keyClicks(dialog.grid.octal, "640")
    ok(dialog)
    qtbot.waitUntil(lambda: not window.findChildren(PropertiesDialog) and window.desk.is_idle, timeout=SOON_MS)


def _search_the_content(window: ImageEditorWindow, qtbot: QtBot) -> None:
    window.tools.search.trigger()
    dialog = opened(window, qtbot, SearchDialog)
    dialog.folder.setText("/")
    dialog.where.setCurrentIndex(1)
    qtbot.keyClicks(dialog.words, "needle")
    qtbot.keyClick(dialog.words, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dialog.status.text().startswith("2 found."), timeout=SOON_MS)
    dialog.close()


def _bring_a_file_back_from_the_snapshot(window: ImageEditorWindow, qtbot: QtBot) -> None:
    select(window, qtbot, "/srv/www/page5.html")
    window.desk.ask(window.desk.session.delete(["/srv/www/page5.html"]))
    qtbot.waitUntil(lambda: window.desk.is_idle, timeout=SOON_MS)
    window.tools.compare.trigger()
    dialog = opened(window, qtbot, CompareWindow)
    dialog.first.setCurrentText("Snapshot “before”")
    dialog.go.click()
    qtbot.waitUntil(lambda: "differences in" in dialog.status.text(), timeout=LAUNCH_MS)
    found = {d.path: d.verdict.value for d in dialog.list.differences()}
    assert found == {
        "/etc/hosts": "changed", HIVE: "changed", "/srv/plain/note": "changed", "/srv/www/page5.html": "removed",
    }  # fmt: skip
    dialog.list.setCurrentItem(item(dialog.list, "/etc/hosts"))
    qtbot.waitUntil(lambda: "+ 10.0.0.9  web1 web1.lan www" in dialog.diff.toPlainText(), timeout=SOON_MS)
    dialog.list.setCurrentItem(item(dialog.list, "/srv/www/page5.html"))
    qtbot.waitUntil(lambda: dialog.back[0].isEnabled() and window.desk.is_idle, timeout=SOON_MS)
    dialog.back[0].click()
    qtbot.waitUntil(lambda: "is in the draft now" in dialog.status.text(), timeout=SOON_MS)
    side = dialog._sides[0].desk.session
    dialog.reject()
    assert side.wait_closed(20)
    assert "/srv/www/page5.html" in [change.path for change in window.desk.session.changes()][-1]
