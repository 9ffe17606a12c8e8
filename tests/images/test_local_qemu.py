# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers on this machine's own files, when the console is killed at a bad moment."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.images import disks
from vmconsole.images import local_qemu

if TYPE_CHECKING:
    from pathlib import Path

BEGINS = "echo begun; sleep 1; trap exit TERM; while :; do sleep 0.1; done"
"""As qemu-nbd does: it has no handler for the signal at first."""


def test_a_server_that_only_begins_ends_with_its_console(tmp_path: Path) -> None:
    """The kernel drops a signal for the first process behind walls as long as that has no handler."""
    image, number = disks.qcow2(tmp_path / "layer.qcow2"), tmp_path / "number"
    number.touch()
    server = local_qemu.Server(image, is_read_only=False)
    walls = server._walls(number)
    assert walls, "bubblewrap does not work here"
    command = ["/bin/sh", "-c", local_qemu._GUARDED, "sh", str(number), *walls, "sh", "-c", BEGINS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.stdin.close()
        try:
            process.wait(10)
        finally:
            server._end()
