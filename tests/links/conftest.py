# SPDX-License-Identifier: GPL-3.0-or-later
"""One libvirt event loop for a test session, as in the program."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vmconsole.links.libvirt_link import LibvirtLoop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def event_loop() -> Iterator[LibvirtLoop]:
    loop = LibvirtLoop()
    loop.start()
    yield loop
    loop.close()


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """Short, as sockets need it; must be empty in the end."""
    path = Path(tempfile.mkdtemp(prefix="vmc-"))
    yield path
    left = list(path.iterdir())
    shutil.rmtree(path)
    assert left == []
