# SPDX-License-Identifier: GPL-3.0-or-later
"""What else a disk can be compared with: disks of all connected hosts' guests and the snapshots in them, or a path."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QDialogButtonBox, QTreeWidgetItem

from tests.images.disks import run
from tests.ui_images.editor_fakes import FakeSession
from tests.ui_images.fake_files import file, folder
from tests.ui_images.test_disks_tab import GUEST, HOST, FakeLink, see
from tests.ui_images.test_tool_windows import opened
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import HostNotAnswering
from vmconsole.inventory.facts import Disk, GuestState, HostState
from vmconsole.inventory.ids import GuestId
from vmconsole.links.ssh import LocalShell
from vmconsole.ui.image_editor.compare_window import CompareWindow
from vmconsole.ui.image_editor.editors import ImageEditors
from vmconsole.ui.image_editor.other_image_dialog import OtherImageDialog
from vmconsole.ui.image_editor.window import ImageEditorWindow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot


class Link(FakeLink):
    """The host is this machine."""

    def __init__(self, image: Path) -> None:
        super().__init__()
        self._shell = LocalShell()
        self._disk = Disk("vda", str(image), "qcow2")

    def shell(self) -> Any:
        return self._shell if self.has_shell else None

    def describe_guest(self, uuid: str) -> Any:
        return dataclasses.replace(undescribed(uuid), described=True, disks=(self._disk, *GUEST.disks[2:4]))

    def close(self) -> None:
        self._shell.close()


def undescribed(uuid: str) -> Any:
    return dataclasses.replace(
        GUEST, id=GuestId(HOST, uuid), name=f"<b>{uuid}", described=False, disks=(), state=GuestState.RUNNING
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "other.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M")
    for name in ("first", "second"):
        run("qemu-img", "snapshot", "-c", name, str(path))
    return path


@pytest.fixture
def link(context: Any, image: Path) -> Iterator[Link]:
    found = Link(image)
    context.fleet.adopt(found)
    yield found
    found.close()


@pytest.fixture
def window(
    context: Any, qtbot: QtBot, link: Link, tmp_path: Path
) -> Iterator[tuple[ImageEditorWindow, list[ImageSource]]]:
    see(context, qtbot, undescribed("u2"))
    sources: list[ImageSource] = []

    def make_session(source: ImageSource, _shell: Any, *, on_event: Any, **_: Any) -> Any:
        sources.append(source)
        tree = folder(same=file("x"), mine=file("1")) if len(sources) == 1 else folder(same=file("x"), theirs=file("2"))
        return FakeSession(on_event, source=source, tree=tree)

    editors = ImageEditors(context, session_maker=make_session)
    found = editors.open(ImageSource("/mine.qcow2", "qcow2"), LocalShell(), users=lambda: ())
    qtbot.waitUntil(lambda: found.browser.model.total > 0 and found.desk.is_idle)
    yield found, sources
    editors.close_all()


def asked(window: ImageEditorWindow, qtbot: QtBot) -> tuple[CompareWindow, OtherImageDialog]:
    window.tools.compare.trigger()
    compare = opened(window, qtbot, CompareWindow)
    compare.more.click()
    qtbot.waitUntil(lambda: any(d.isVisible() for d in compare.findChildren(OtherImageDialog)))
    return compare, next(d for d in compare.findChildren(OtherImageDialog) if d.isVisible())


def child(row: QTreeWidgetItem, text: str) -> QTreeWidgetItem:
    return next(row.child(n) for n in range(row.childCount()) if text in row.child(n).text(0))


def shown_disk(dialog: OtherImageDialog, qtbot: QtBot) -> QTreeWidgetItem:
    host = dialog.tree.topLevelItem(0)
    assert host.text(0) == "kvm3"
    assert host.isExpanded(), "the only host there is"
    guest = child(host, "<b>u2")
    guest.setExpanded(True)
    qtbot.waitUntil(lambda: guest.childCount() > 0 and guest.child(0).text(0) == "vda")
    assert guest.childCount() == 1, "no CD, no network storage"
    disk = guest.child(0)
    disk.setExpanded(True)
    qtbot.waitUntil(lambda: disk.childCount() > 1)
    return disk


def ok(dialog: OtherImageDialog) -> Any:
    return dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)


def test_a_snapshot_of_another_hosts_guest_is_compared_with(
    window: tuple[ImageEditorWindow, list[ImageSource]], qtbot: QtBot, image: Path
) -> None:
    editor, sources = window
    compare, dialog = asked(editor, qtbot)
    disk = shown_disk(dialog, qtbot)
    assert [disk.child(n).text(0) for n in range(3)] == ["As it is now", "Snapshot “first”", "Snapshot “second”"]
    assert not ok(dialog).isEnabled()
    dialog.tree.setCurrentItem(disk)
    assert not ok(dialog).isEnabled(), "which state of it, is not said yet"
    dialog.tree.setCurrentItem(child(disk, "second"))
    ok(dialog).click()
    assert compare.first.currentText() == "vda of <b>u2 on kvm3: Snapshot “second”"
    compare.go.click()
    qtbot.waitUntil(lambda: "2 differences" in compare.status.text())
    found = {d.path: d.verdict.value for d in compare.list.differences()}
    assert found == {"/theirs": "removed", "/mine": "added"}
    other = sources[-1]
    assert (other.path, other.snapshot, other.host_uri, other.is_read_only) == (str(image), "2", str(HOST), True)
    assert other.backing_folders == ("/srv/images",)
    assert other.guest_is_running


def test_a_host_that_went_meanwhile_is_told(
    window: tuple[ImageEditorWindow, list[ImageSource]], qtbot: QtBot, link: Link
) -> None:
    editor, sources = window
    compare, dialog = asked(editor, qtbot)
    disk = shown_disk(dialog, qtbot)
    dialog.tree.setCurrentItem(child(disk, "now"))
    qtbot.keyClick(dialog.tree, Qt.Key.Key_Return)
    if dialog.isVisible():
        ok(dialog).click()
    link.has_shell = False
    compare.go.click()
    assert "cannot be reached by SSH" in compare.note.headline.text()
    assert len(sources) == 1
    assert compare.go.isEnabled()


def test_a_guest_that_cannot_be_read_is_told(
    window: tuple[ImageEditorWindow, list[ImageSource]], qtbot: QtBot, link: Link
) -> None:
    link.problem = HostNotAnswering("kvm3 does not answer.", where="kvm3")
    _, dialog = asked(window[0], qtbot)
    guest = child(dialog.tree.topLevelItem(0), "<b>u2")
    guest.setExpanded(True)
    qtbot.waitUntil(dialog.problem.isVisible)
    assert dialog.problem.headline.text() == "kvm3 does not answer."
    link.problem = None
    guest.setExpanded(True)
    qtbot.waitUntil(lambda: guest.childCount() == 1 and guest.child(0).text(0) == "vda")
    assert not dialog.problem.isVisible()


def test_without_hosts_there_is_the_path(make_editor: Any, qtbot: QtBot) -> None:
    window, _ = make_editor(other_tree=folder(a=file("1")))
    compare, dialog = asked(window, qtbot)
    assert not dialog.tree.isVisible()
    qtbot.keyClicks(dialog.path, "relative")
    assert not ok(dialog).isEnabled()
    dialog.path.clear()
    qtbot.keyClicks(dialog.path, "/srv/x.qcow2")
    ok(dialog).click()
    assert compare.first.currentText() == "/srv/x.qcow2"
    compare.go.click()
    qtbot.waitUntil(lambda: "differences" in compare.status.text())


def test_hosts_that_are_away_are_not_offered(
    window: tuple[ImageEditorWindow, list[ImageSource]], context: Any, qtbot: QtBot
) -> None:
    see(context, qtbot, undescribed("u2"), state=HostState.FAILED)
    qtbot.waitUntil(lambda: context.store.hosts[HOST].state is HostState.FAILED)
    _, dialog = asked(window[0], qtbot)
    assert dialog.tree.topLevelItemCount() == 0


def test_what_looks_at_the_disk_lets_go_before_an_apply(
    window: tuple[ImageEditorWindow, list[ImageSource]], qtbot: QtBot
) -> None:
    """A window on a snapshot and a comparison hold the image, and the Apply would be refused."""
    editor, _ = window
    editor.desk.ask(editor.desk.session.write_file("/new", b"1"))
    compare, dialog = asked(editor, qtbot)
    dialog.reject()
    compare.go.click()
    qtbot.waitUntil(lambda: "differences" in compare.status.text())
    side = compare._sides[0].desk.session
    editor._on_snapshot_wanted("1")
    (look,) = (w for w in QApplication.topLevelWidgets() if isinstance(w, ImageEditorWindow) and w.source.snapshot)
    session = look.desk.session
    editor.draft_actions._apply()
    qtbot.waitUntil(lambda: "on the disk" in editor.opening.headline.text())
    assert (side.closed_with, session.closed_with) == (True, True)
    assert "compare again" in compare.status.text()
