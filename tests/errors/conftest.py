# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab host of this folder's own, as its tests define, start and break things on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import libvirt
import pytest

from tests.errors.bench import Bench
from tests.lab.vmlab import Lab, LabOptions
from vmconsole.links.libvirt_link import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import LabHost

PLACE = Path("/var/tmp")
STEM = "vmconsole-lab-errors-"


@pytest.fixture(scope="session")
def errors_host() -> Iterator[LabHost]:
    """kvm1 of a lab with one host and one running guest. VMCONSOLE_ERRORS_LAB lends a lab that is up already."""
    lent = os.environ.get("VMCONSOLE_ERRORS_LAB")
    for orphan in PLACE.glob(f"{STEM}*"):
        if not Path("/proc", orphan.name.removeprefix(STEM)).exists():
            Lab(orphan).down()
    lab = Lab(Path(lent) if lent else PLACE / f"{STEM}{os.getpid()}")
    try:
        lab.up(LabOptions(hosts=1, guests=1, load=False))
        yield lab.host("kvm1")
    finally:
        if not lent:
            lab.down()


@pytest.fixture(scope="session")
def bench(errors_host: LabHost) -> Iterator[Bench]:
    """The host with the console's own connection to it."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    connection = Connection.open(errors_host.uri, where="kvm1")
    yield Bench(errors_host, connection)
    connection.close(timeout_s=5)
