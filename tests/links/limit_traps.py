# SPDX-License-Identifier: GPL-3.0-or-later
"""One trap on a real host: stored behind the console's back it keeps a guest from starting, in words that the catalogue
of errors knows; through the console it cannot be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.quotas.traps import NIC, Trap
from vmconsole.domainxml.limit_edits import with_limits
from vmconsole.inventory.errors import ConsoleError, OutOfRange
from vmconsole.inventory.limits import LimitRef
from vmconsole.links.libvirt_link import Connection

if TYPE_CHECKING:
    from tests.links.limits_bench import Bench


def applies(trap: Trap, bench: Bench) -> bool:
    """Whether this host has the trap."""
    resources, layout = bench.facts.resources, "v2" if bench.facts.cgroup_layout == "v2" else "v1"
    known = {"": True, "locked": resources.lockable_kib is not None, "unshaped": bool(resources.shaper_missing)}
    return known.get(trap.where, trap.where == layout)


def starts_without_one(bench: Bench) -> None:
    """Else every trap would seem to hold it."""
    bench.host.virsh("start", bench.name)
    bench.host.virsh("destroy", bench.name)


def is_a_trap_and_cannot_be_stored(bench: Bench, trap: Trap) -> None:
    """``bench`` is of a guest that is off."""
    mac = bench.guest().interfaces[0].mac
    wanted = {LimitRef(ref.key, mac if ref.target == NIC else ref.target): value for ref, value in trap.wanted.items()}
    before = bench.definition()
    with pytest.raises(OutOfRange):
        bench.change(stored=wanted)
    assert bench.definition() == before
    connection = Connection.open(bench.host.uri, where="kvm1")
    try:
        with pytest.raises(ConsoleError) as caught:
            _start(connection, bench.uuid, with_limits(before, wanted), at_define=trap.at_define)
        assert caught.value.explanation.entry, caught.value.explanation.text()
    finally:
        connection.define(before)
        connection.close()
    assert bench.definition() == before


def _start(connection: Connection, uuid: str, text: str, *, at_define: bool) -> None:
    connection.define(text)
    assert not at_define, "libvirt takes such a definition"
    connection.create(uuid)
    connection.destroy(uuid)  # it was none, and must not hold the next one
