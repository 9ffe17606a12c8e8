# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures provoked for real on a host, by the calls that the console makes: each is recognised as what it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.errors.rows_host import HOST, STARTING
from tests.errors.rows_images import IMAGES
from tests.errors.rows_limits import LIMITS, STATES
from tests.errors.rows_ssh import SSH
from vmconsole.inventory.catalogue import catalogue
from vmconsole.inventory.errors import DaemonMissing, LinkLost
from vmconsole.links.libvirt_link import Connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.errors.bench import Bench
    from tests.lab.vmlab import LabHost
    from vmconsole.inventory.errors import Explanation

pytestmark = pytest.mark.lab

LIBVIRT = LIMITS + STATES + STARTING + HOST


def check(explanation: Explanation, entry: str) -> None:
    assert explanation.entry == entry, explanation
    assert explanation.said, "the original words are lost"
    assert not re.search(r"[{}]|  |\(\)|«»", explanation.what + explanation.advice), explanation


@pytest.mark.parametrize(("entry", "act"), LIBVIRT, ids=[row[0] for row in LIBVIRT])
def test_libvirt(bench: Bench, entry: str, act: Callable[[Bench], object]) -> None:
    check(bench.provoke(act), entry)


@pytest.mark.parametrize(("entry", "act"), SSH, ids=[row[0] for row in SSH])
def test_ssh(errors_host: LabHost, tmp_path: Path, entry: str, act: Callable[[LabHost, Path], Explanation]) -> None:
    check(act(errors_host, tmp_path), entry)


@pytest.mark.parametrize(("entry", "act"), IMAGES, ids=[row[0] for row in IMAGES])
def test_images(errors_host: LabHost, tmp_path: Path, entry: str, act: Callable[[LabHost, Path], Explanation]) -> None:
    check(act(errors_host, tmp_path), entry)


def test_enough_is_provoked_and_each_entry_once() -> None:
    provoked = [row[0] for table in (LIBVIRT, SSH, IMAGES) for row in table]
    assert len(set(provoked)) == len(provoked)
    assert set(provoked) <= set(catalogue().by_id)
    assert len(provoked) >= 45


def test_the_host_is_left_as_it_was(bench: Bench) -> None:
    """Provocations clean up behind them."""
    assert set(bench.host.domains()) == {*bench.host.guests, bench.host.off_guest}
    assert {pool.name() for pool in bench.raw.listAllStoragePools()} == {"default", "shared"}
    assert [network.name() for network in bench.raw.listAllNetworks()] == ["default"]


def test_a_daemon_that_dies_under_a_connection_and_is_not_there_for_the_next(errors_host: LabHost) -> None:
    connection = Connection.open(errors_host.uri, where="kvm1")
    errors_host.stop("libvirtd")
    try:
        with pytest.raises(LinkLost) as lost:
            connection.domain_rows()
        check(lost.value.explanation, "link-closed")
        with pytest.raises(DaemonMissing) as missing:
            Connection.open(errors_host.uri, where="kvm1")
        check(missing.value.explanation, "daemon-missing")
    finally:
        errors_host.start()
        connection.close(timeout_s=5)
