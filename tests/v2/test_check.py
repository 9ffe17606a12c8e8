# SPDX-License-Identifier: GPL-3.0-or-later
"""The staged check of a systemd host with cgroup2 alone, as root and as a user of the group libvirt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.v2.recipe import OPERATOR
from tests.links.test_diagnosis_on_lab import Check
from vmconsole.links.check_steps import TITLES, StepState

if TYPE_CHECKING:
    from tests.lab.v2 import V2Host
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]

PASSED, WARNING, FAILED, SKIPPED = StepState.PASSED, StepState.WARNING, StepState.FAILED, StepState.SKIPPED
CHECK_S = 240


@pytest.mark.parametrize("user", ["root", OPERATOR])
def test_all_is_well_but_for_kvm(v2_host: V2Host, event_loop: LibvirtLoop, user: str) -> None:
    check = Check(v2_host.uri_as(user)).run(within_s=CHECK_S)
    assert check.states == dict.fromkeys(TITLES, PASSED) | {"kvm": WARNING}, [step.text() for step in check.posted]
    assert "There is no /dev/kvm" in check["kvm"].finding, "an emulated host's CPU has none"
    assert user in check["login"].finding
    assert "monolithic" in check["socket"].finding
    assert check["cgroups"].finding.startswith("Layout v2, with cpu, cpuset, hugetlb, io, memory")


def test_a_daemon_that_sleeps_is_no_fault(v2_host: V2Host, event_loop: LibvirtLoop) -> None:
    v2_host.exec("systemctl", "stop", "libvirtd.service", timeout_s=120)
    check = Check(v2_host.uri).run(within_s=CHECK_S)
    assert check["socket"].state is PASSED
    assert check["socket"].finding.endswith("It is started when it is needed.")
    assert check["libvirt"].state is PASSED, check["libvirt"].text()


def test_a_stopped_daemon_and_how_to_start_it(v2_host: V2Host, event_loop: LibvirtLoop) -> None:
    v2_host.stop()
    check = Check(v2_host.uri).run(within_s=CHECK_S)
    assert check["socket"].state is FAILED
    v2_host.exec("sh", "-c", check["socket"].cures[0].command.replace("sudo ", ""), timeout_s=120)
    after = Check(v2_host.uri).run(within_s=CHECK_S)
    assert after["libvirt"].state is PASSED, "the advice works"


def test_a_frozen_daemon_and_how_to_restart_it(v2_host: V2Host, event_loop: LibvirtLoop) -> None:
    v2_host.freeze()
    check = Check(v2_host.uri).run(within_s=CHECK_S)
    assert check["socket"].state is FAILED
    assert "stopped by a signal" in check["socket"].finding
    v2_host.exec("sh", "-c", check["socket"].cures[0].command.replace("sudo ", ""), timeout_s=180)
    after = Check(v2_host.uri).run(within_s=CHECK_S)
    assert after["socket"].state is PASSED
    assert after["libvirt"].state is PASSED
