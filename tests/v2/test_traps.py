# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's traps on a host with systemd and cgroup2 alone, and those of its own: weights that systemd is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.limit_traps import applies, is_a_trap_and_cannot_be_stored, starts_without_one
from tests.links.limits_bench import Bench
from tests.quotas.traps import TRAPS, Trap
from tests.waiting import wait_until
from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import LimitRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.v2 import V2Host
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def bench(v2_machine: V2Host, event_loop: LibvirtLoop) -> Iterator[Bench]:
    """The guest that is off."""
    v2_machine.repair()
    made = Bench(v2_machine, event_loop, v2_machine.off_guest)
    made.start(within_s=180)
    starts_without_one(made)
    yield made
    made.close()


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_it_keeps_a_guest_from_starting_and_cannot_be_stored_here(bench: Bench, trap: Trap) -> None:
    if applies(trap, bench):
        is_a_trap_and_cannot_be_stored(bench, trap)


def disk_of(host: V2Host) -> str:
    """A disk of the host, in the console's words."""
    return host.exec("sh", "-c", "ls -d /sys/block/vd* | head -n 1").stdout.strip().replace("/sys/block", "/dev")


@pytest.fixture
def bfq(v2_machine: V2Host) -> Iterator[str]:
    """A disk of the host, with the scheduler that minds weights."""
    disk = disk_of(v2_machine)
    queue = f"/sys/block/{disk.removeprefix('/dev/')}/queue/scheduler"
    v2_machine.exec("sh", "-c", f"modprobe bfq && echo bfq > {queue}")
    yield disk
    v2_machine.exec("sh", "-c", f"echo none > {queue} && rmmod bfq")


@pytest.fixture
def running(v2_machine: V2Host, bfq: str, event_loop: LibvirtLoop) -> Iterator[Bench]:
    """The guest that runs, looked at after the scheduler was changed."""
    v2_machine.repair()
    made = Bench(v2_machine, event_loop, v2_machine.guests[0])
    made.start(within_s=180)
    yield made
    made.close()
    v2_machine.exec("systemctl", "reset-failed", "libvirtd.service")
    v2_machine.repair()


def test_a_disks_weight_is_what_bfq_has_and_is_taken_back(running: Bench) -> None:
    """systemd makes 118 of 300 on its way to bfq."""
    ref = LimitRef("block_weight")
    outcome = running.change(live={ref: 300})
    assert running.on_host(ref).splitlines()[0] == "default 300"
    assert outcome.note.endswith("; proved on the host"), outcome.note
    more = running.change(live={ref: 700})
    assert running.on_host(ref).splitlines()[0] == "default 700"
    for done, left in ((more, 300), (outcome, 100)):
        assert done.undo is not None
        running.run(done.undo)
        assert running.on_host(ref).splitlines()[0] == f"default {left}"


def test_a_weight_for_one_device_ends_the_daemon_and_is_refused_here(running: Bench, bfq: str) -> None:
    ref = LimitRef("device_weight", bfq)
    before = running.definition()
    for where in ("live", "stored"):
        with pytest.raises(OutOfRange) as caught:
            running.change(**{where: {ref: 500}})
        assert "libvirt's daemon crashes" in caught.value.explanation.text()
    assert running.definition() == before
    pid = running.host.exec("pidof", "libvirtd").stdout
    running.host.exec("virsh", "blkiotune", running.name, "--live", "--device-weights", f"{bfq},500", check=False)
    wait_until(
        lambda: running.host.exec("pidof", "libvirtd", check=False).stdout not in {"", pid},
        within_s=60,
        what="another daemon",
    )
