# SPDX-License-Identifier: GPL-3.0-or-later
"""Each limit of the table on a real host: changed for the running guest and for the next boot, found there by other
eyes, and undone without a trace. A test module gives the host (``bench``); this one is collected by none itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.limits_bench import Bench, shows, wishes
from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import LimitRef, Limits
from vmconsole.quotas.rows import Kind, LimitRow, Place
from vmconsole.quotas.rules import problems
from vmconsole.quotas.situation import unavailable
from vmconsole.quotas.table import TABLE

if TYPE_CHECKING:
    from vmconsole.inventory.limits import Value

ROWS = pytest.mark.parametrize("row", TABLE, ids=lambda row: row.key)


def cannot(bench: Bench, row: LimitRow, place: Place, wanted: dict[LimitRef, Value]) -> bool:
    """Whether the product says beforehand that it cannot be. Then it must refuse in words, and write nothing."""
    situation = bench.situation()
    known = unavailable(row, situation, place) or any(p.is_fatal for p in problems(situation, place, wanted))
    if not known:
        return False
    before = bench.definition()
    with pytest.raises(OutOfRange) as caught:
        bench.change(**{place.name.lower(): wanted})
    assert caught.value.explanation.what
    assert bench.definition() == before
    return True


class EveryLiveLimit:
    @ROWS
    def test_live_it_is_found_on_the_host_and_undone(self, bench: Bench, row: LimitRow) -> None:
        wanted = wishes(bench, row)
        if cannot(bench, row, Place.LIVE, wanted):
            assert row.key in self.not_live(bench), unavailable(row, bench.situation(), Place.LIVE)
            return
        assert row.key not in self.not_live(bench)
        ref, value = next(iter(wanted.items()))
        before, stored, host_before = bench.guest().live, bench.definition(), bench.on_host(ref)
        assert not shows(row, value, host_before, bench.facts.cgroup_layout)
        outcome = bench.change(live=wanted)
        live = bench.guest().live or Limits()
        if row.key in self.not_proved(bench):
            assert not shows(row, value, bench.on_host(ref), bench.facts.cgroup_layout)
            assert "proved on the host" not in outcome.note
            assert outcome.undo is not None
            bench.run(outcome.undo)
            return
        if row.key == "memory_balloon" and "the guest keeps" in outcome.note:
            assert not self.guest_helps
            return
        assert {one: live[one] for one in wanted} == wanted, outcome.note
        assert shows(row, value, bench.on_host(ref), bench.facts.cgroup_layout), bench.on_host(ref)
        assert bench.definition() == stored
        assert "says" not in outcome.note, outcome.note
        assert outcome.note.endswith("; proved on the host") or ref.key.startswith("nic_"), outcome.note
        assert outcome.undo is not None
        note = bench.run(outcome.undo).note
        if "the guest keeps" in note:  # the lab's guest does not give a vCPU back under emulation
            assert row.key == "vcpu_count"
            return
        assert bench.guest().live == before, note
        assert bench.on_host(ref) == host_before or (row.kind is Kind.CPUS and host_before == "")  # any, not said

    guest_helps = True
    """Whether there is a system in the guest that gives memory back."""

    def not_live(self, bench: Bench) -> frozenset[str]:
        """Rows that cannot be changed in this running guest."""
        raise NotImplementedError

    def not_proved(self, bench: Bench) -> frozenset[str]:
        """Rows that libvirt takes there, and the kernel knows nothing of."""
        return frozenset()


class EveryLimit(EveryLiveLimit):
    @ROWS
    def test_stored_it_is_read_back_and_undone_to_the_letter(self, bench: Bench, row: LimitRow) -> None:
        wanted = wishes(bench, row)
        if cannot(bench, row, Place.STORED, wanted):
            assert row.key in self.not_stored(bench), unavailable(row, bench.situation(), Place.STORED)
            return
        assert row.key not in self.not_stored(bench)
        live, text = bench.guest().live, bench.definition()
        outcome = bench.change(stored=wanted)
        stored = bench.guest().stored or Limits()
        assert {one: stored[one] for one in wanted} == wanted, outcome.note
        assert bench.guest().live == live
        assert outcome.undo is not None
        bench.run(outcome.undo)
        assert bench.definition() == text

    @ROWS
    def test_taken_away_from_the_stored_definition_nothing_is_left(self, bench: Bench, row: LimitRow) -> None:
        """Without the undo's exact text: as when a limit is taken away by hand."""
        wanted = wishes(bench, row)
        situation = bench.situation()
        if row.none_words == "unknown" or any(p.is_fatal for p in problems(situation, Place.STORED, wanted)):
            return
        away = dict.fromkeys(wanted)
        bench.change(stored=wanted)
        bench.change(stored=away)  # with it what others left behind: a quota of -1, a list of I/O threads
        text = bench.definition()
        bench.change(stored=wanted)
        assert bench.definition() != text
        bench.change(stored=away)
        assert bench.definition() == text

    def not_stored(self, bench: Bench) -> frozenset[str]:
        raise NotImplementedError


NEXT_BOOT_ONLY = frozenset({"vcpu_max", "numa_mode", "memory_max"})
NEVER_STORED = frozenset({"iothread_poll_max", "iothread_poll_grow", "iothread_poll_shrink"})
SHAPED = frozenset(row.key for row in TABLE if row.key.startswith("nic_"))
__all__ = ["NEVER_STORED", "NEXT_BOOT_ONLY", "ROWS", "SHAPED", "EveryLimit", "EveryLiveLimit"]
