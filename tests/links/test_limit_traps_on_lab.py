# SPDX-License-Identifier: GPL-3.0-or-later
"""The traps are real: stored behind the console's back, each keeps a guest of the lab from starting, in words that the
catalogue of errors knows. Through the console none of them can be stored."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.links.limits_bench import Bench
from tests.quotas.traps import NIC, TRAPS, Trap
from vmconsole.domainxml.limit_edits import with_limits
from vmconsole.inventory.errors import ConsoleError, OutOfRange
from vmconsole.inventory.limits import LimitRef
from vmconsole.links.libvirt_link import Connection

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
    yield made
    made.close()
    host.virsh("undefine", "trap")


def applies(trap: Trap, bench: Bench) -> bool:
    resources = bench.facts.resources
    return {"": True, "locked": resources.lockable_kib is not None, "unshaped": bool(resources.shaper_missing)}[
        trap.where
    ]


def start(connection: Connection, uuid: str, text: str, *, at_define: bool) -> None:
    connection.define(text)
    assert not at_define, "libvirt takes such a definition"
    connection.create(uuid)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_it_keeps_a_guest_from_starting_and_cannot_be_stored_here(bench: Bench, trap: Trap) -> None:
    if not applies(trap, bench):
        return
    mac = bench.guest().interfaces[0].mac
    wanted = {LimitRef(ref.key, mac if ref.target == NIC else ref.target): value for ref, value in trap.wanted.items()}
    before = bench.definition()
    with pytest.raises(OutOfRange):
        bench.change(stored=wanted)
    assert bench.definition() == before
    connection = Connection.open(bench.host.uri, where="kvm1")
    try:
        with pytest.raises(ConsoleError) as caught:
            start(connection, bench.uuid, with_limits(before, wanted), at_define=trap.at_define)
        assert caught.value.explanation.entry, caught.value.explanation.text()
    finally:
        connection.define(before)
        connection.close()
    assert bench.definition() == before
