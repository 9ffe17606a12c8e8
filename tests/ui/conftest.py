# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ui.fakes import Rig
from vmconsole.inventory.facts import GuestState
from vmconsole.ui.main_window import MainWindow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The screenless platform says that it has no size hints, for every window."""
    for item in items:
        if "tests/ui/" in str(item.path):
            item.add_marker(pytest.mark.qt_log_ignore("propagateSizeHints", extend=True))


@pytest.fixture
def rig(qapp: object, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path / "profile")
    yield rig
    rig.close()


@pytest.fixture
def window(rig: Rig, qtbot: QtBot) -> Iterator[MainWindow]:
    """Two hosts: kvm1 with web1 (running), web2 (off), db (paused); kvm2 with mail (running)."""
    window = MainWindow(rig.context)
    qtbot.addWidget(window)
    with qtbot.waitExposed(window):
        window.show()
    rig.add_host("kvm1", {"web1": GuestState.RUNNING, "web2": GuestState.SHUT_OFF, "db": GuestState.PAUSED})
    rig.add_host("kvm2", {"mail": GuestState.RUNNING})
    yield window
    window.close()
