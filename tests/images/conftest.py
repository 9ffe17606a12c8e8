# SPDX-License-Identifier: GPL-3.0-or-later
"""Real images, a real shell on this machine, real QEMU processes. Nothing is simulated."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def shell() -> Iterator[LocalShell]:
    shell = LocalShell()
    yield shell
    shell.close()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A small qcow2 disk with a recognisable first megabyte."""
    return disks.qcow2(tmp_path / "disk.qcow2")


@pytest.fixture
def running_qemu(image: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A QEMU that holds ``image`` as a running guest does."""
    process = disks.start_qemu(image)
    yield process
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
