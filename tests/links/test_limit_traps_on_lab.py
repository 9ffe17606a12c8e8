# SPDX-License-Identifier: GPL-3.0-or-later
"""The traps are real: stored behind the console's back, each keeps a guest of the lab from starting, in words that the
catalogue of errors knows. Through the console none of them can be stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.links.limit_traps import applies, is_a_trap_and_cannot_be_stored, starts_without_one
from tests.links.limits_bench import Bench
from tests.quotas.traps import TRAPS, Trap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import Lab
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture(scope="module")
def bench(lab: Lab, event_loop: LibvirtLoop) -> Iterator[Bench]:
    """A guest «trap» that is off, and the lab's own definition of it."""
    host = lab.host("kvm1")
    host.repair()
    text = host.virsh("dumpxml", "--inactive", host.off_guest)
    text = re.sub(r"<uuid>.*?</uuid>", "", text).replace(f"<name>{host.off_guest}</name>", "<name>trap</name>")
    host.exec("virsh", "define", "/dev/stdin", stdin=text)
    made = Bench(host, event_loop, "trap")
    made.start()
    starts_without_one(made)
    yield made
    made.close()
    host.virsh("undefine", "trap")


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_it_keeps_a_guest_from_starting_and_cannot_be_stored_here(bench: Bench, trap: Trap) -> None:
    if applies(trap, bench):
        is_a_trap_and_cannot_be_stored(bench, trap)
