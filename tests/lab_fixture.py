# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab for tests: three real hosts with three guests each, brought up once per session, gone at its end.

Without root or with a package missing the tests that ask for it fail, with the reason: nothing is skipped.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.vmlab import Lab, LabHost, LabOptions

PLACE = Path("/var/tmp")
STEM = "vmconsole-lab-pytest-"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """kvm1, kvm2, kvm3, all up; the guests are started and idle, and may still be booting (`wait_for_agent`).

    Whoever breaks a host mends it (`LabHost.repair`, or use `lab_host`, which does).
    """
    _remove_orphans()
    lent = os.environ.get("VMCONSOLE_TEST_LAB")
    lab = Lab(Path(lent) if lent else PLACE / f"{STEM}{os.getpid()}")
    try:
        lab.up(LabOptions(hosts=3, guests=3, load=False))
        yield lab
    finally:
        if not lent:  # whoever lent it takes it down
            lab.down()


@pytest.fixture
def lab_host(lab: Lab) -> Iterator[LabHost]:
    """kvm1, for a test that breaks it: afterwards every fault is undone and its guests run."""
    host = lab.host("kvm1")
    host.repair()
    yield host
    host.repair()


def _remove_orphans() -> None:
    """Take down the labs of sessions that were killed before they could."""
    for path in PLACE.glob(f"{STEM}*"):
        pid = path.name.removeprefix(STEM)
        if re.fullmatch(r"\d+", pid) and not Path("/proc", pid).exists():
            Lab(path).down()
