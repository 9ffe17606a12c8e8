# SPDX-License-Identifier: GPL-3.0-or-later
"""Three real hosts under a real window, two of them hurt: right words in time, the window never stands still, the
others undisturbed, back by itself, states right.

Each fault prints one JSON line (shown by ``-rP``) and adds it to ``faults.jsonl`` in the session's temporary folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.conftest import event_loop, report  # noqa: F401  # fixtures
from tests.links.fault_engine import RECOVERY_S, Fault, Measured, Report
from tests.links.fault_list import FAULTS
from tests.links.stuck import pool_on_a_mount
from tests.ui.window_on_lab import TOGETHER, WindowOnLab
from vmconsole.inventory.tasks import TaskState
from vmconsole.ui.watchdog import STALL_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtWidgets import QApplication

    from tests.lab.vmlab import Lab
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = pytest.mark.lab

SHARED = 1.5
"""Beside appliances of other tests the same work takes longer (11 to 43 ms alone, once 51); ``packaging/bench faults``
has the machine for itself, and tells what it is of the 50 ms."""
GAP_S = 2.5
"""Figures come each second; the machine of the tests has more to do than this."""


@pytest.fixture(scope="module")
def window(lab: Lab, event_loop: LibvirtLoop, qapp: QApplication) -> Iterator[WindowOnLab]:  # noqa: F811  # the fixture
    window = WindowOnLab(lab, event_loop)
    try:
        window.show()
        yield window
    finally:
        window.close()


def check(found: Measured) -> None:
    assert found.words_s <= found.words_limit_s
    assert found.recovery_s <= RECOVERY_S
    assert found.others_gap_ours_s <= max(GAP_S, 2 * found.calm_gap_s)
    if found.own_gap_s is not None:
        assert found.own_gap_s <= max(GAP_S, 2 * found.calm_gap_s)
    assert found.guests == found.truth


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_of_one_host(fault: Fault, window: WindowOnLab, report: Report) -> None:  # noqa: F811  # the fixture
    seen = window.of(fault.name)
    report(seen.line())
    check(seen.measured)
    if seen.stalls.ours_s > SHARED * STALL_S:
        seen = window.again(fault.name)
        report(seen.line())
    assert seen.stalls.ours_s <= SHARED * STALL_S, seen.stacks
    assert seen.rows or fault.words_come_and_go
    if fault.name == "libvirtd frozen":
        assert any(row.startswith("libvirtd does not answer; SSH does (since ") for row in seen.rows)


def test_every_fault_has_its_round() -> None:
    assert sorted(name for names in TOGETHER for name in names) == sorted(fault.name for fault in FAULTS)


@pytest.mark.slow
def test_an_agent_and_a_pool_that_never_answer_do_not_hold_the_window(
    window: WindowOnLab,
    lab: Lab,
    report: Report,  # noqa: F811  # the fixture
) -> None:
    host = lab.host("kvm1")
    asleep = host.guests[-1]
    host.wait_for_agent(asleep, timeout_s=240)
    with pool_on_a_mount(lab.host("kvm2")) as server:
        found = window.under_stuck_calls(asleep, server)
    host.exec("sh", "-c", f"virsh destroy {asleep}; virsh start {asleep}")  # its agent stays stopped otherwise
    report(
        {"fault": "an agent and a pool never answer", "states": [state.value for state in found.states]}
        | {"gaps_s": [round(gap, 2) for gap in found.gaps_s]} | found.stalls.line()
    )  # fmt: skip
    assert found.stalls.ours_s <= STALL_S, found.stalls.told
    assert found.states[0] in {TaskState.DONE, TaskState.FAILED}
    assert found.states[1] is TaskState.UNKNOWN
    assert max(found.gaps_s) <= GAP_S
