# SPDX-License-Identifier: GPL-3.0-or-later
"""Three real hosts, one of which is hurt: right words in time, the others undisturbed, back by itself, states right.

Each fault prints one JSON line (shown by ``-rP``) and adds it to ``faults.jsonl`` in the session's temporary folder.
"""

from __future__ import annotations

import pytest

from tests.links.fault_engine import RECOVERY_S, Fault, Measured, Report, Wired, measure
from tests.links.fault_list import FAULTS

pytestmark = pytest.mark.lab

GAP_S = 2.5
"""Figures come each second; the machine of the tests has more to do than this."""


def check(found: Measured) -> None:
    assert found.words_s <= found.words_limit_s
    assert found.recovery_s <= RECOVERY_S
    assert found.others_gap_ours_s <= max(GAP_S, 2 * found.calm_gap_s)
    if found.own_gap_s is not None:
        assert found.own_gap_s <= max(GAP_S, 2 * found.calm_gap_s)
    assert found.guests == found.truth


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_of_one_host(fault: Fault, well: list[Wired], report: Report) -> None:
    found = measure(fault, well[0], well[1:])
    report(found.line())
    check(found)
