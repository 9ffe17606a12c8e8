# SPDX-License-Identifier: GPL-3.0-or-later
"""The host with systemd and cgroup2 alone for slow tests: brought up once per session, gone at its end.

The first time on a machine an image is built, which takes minutes. Without root or mirror the tests that ask for it
fail, with the reason: nothing is skipped.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.v2 import V2Host

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = Path("/var/tmp")
STEM = "vmconsole-v2-pytest-"


@pytest.fixture(scope="session")
def v2_machine() -> Iterator[V2Host]:
    """The host, up, with its guest started (not booted). `VMCONSOLE_TEST_V2=DIR` lends one that is up already."""
    for path in PLACE.glob(f"{STEM}*"):
        pid = path.name.removeprefix(STEM)
        if re.fullmatch(r"\d+", pid) and not Path("/proc", pid).exists():
            V2Host(path).down()
    lent = os.environ.get("VMCONSOLE_TEST_V2")
    host = V2Host(Path(lent) if lent else PLACE / f"{STEM}{os.getpid()}")
    try:
        host.up()
        host.repair()
        yield host
    finally:
        if not lent:  # whoever lent it takes it down
            host.down()


@pytest.fixture
def v2_host(v2_machine: V2Host) -> Iterator[V2Host]:
    """The host for a test that may break it: afterwards every fault is undone and its guest runs.

    To run a lab's tests on it, override their fixture: `lab_host` that returns this one.
    """
    yield v2_machine
    v2_machine.repair()
