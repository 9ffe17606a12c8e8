# SPDX-License-Identifier: GPL-3.0-or-later
"""A systemd host's libvirt daemon, frozen and gone: found, restarted by the console over systemd, the guest runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.lab.v2.modular import disabling_script, enabling_script
from tests.lab.v2.recipe import OPERATOR
from vmconsole.inventory.facts import HostState
from vmconsole.metrics.frame import Frame, Source
from vmconsole.operations.daemon import Daemon, RestartDaemon, find_daemon, read_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.v2 import V2Host
    from tests.v2.conftest import Connect
    from vmconsole.links.base import Shell
    from vmconsole.links.host_link import HostLink

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]

CONNECT_S = 120
T = TypeVar("T")
GUEST_PID = "cat /run/libvirt/qemu/nest1.pid"


@pytest.fixture
def modular_host(v2_host: V2Host) -> Iterator[V2Host]:
    """The host with virtqemud instead of libvirtd."""
    v2_host.exec("sh", "-c", enabling_script(), timeout_s=240)
    yield v2_host
    v2_host.exec("sh", "-c", disabling_script(), timeout_s=240)


def in_shell(link: HostLink, job: Callable[[Shell], T]) -> T:
    return link.submit_shell(job, deadline_s=120).result(120)


def freeze(host: V2Host, name: str) -> None:
    host.exec("systemctl", "start", f"{name}.service", timeout_s=120)
    host.exec("systemctl", "kill", "--kill-who=main", "-s", "STOP", f"{name}.service")


def is_frozen_and_restarted(host: V2Host, connect: Connect, *, user: str, name: str) -> None:
    link, posted = connect(host.uri_as(user))
    posted.host(HostState.CONNECTED, within_s=CONNECT_S)
    guest_pid = host.exec("sh", "-c", GUEST_PID).stdout
    freeze(host, name)
    mark = posted.mark()
    posted.host(HostState.NOT_ANSWERING, within_s=60, since=mark)
    found = in_shell(link, lambda shell: find_daemon(shell, link.host_id))
    assert (found.name, found.state, found.managed_by) == (name, "T", "systemd")
    assert found.needs_sudo == (user != "root")
    assert found.words[0] == f"/usr/sbin/{name}"
    if user == "root":  # another user may not read who the guests are, so has no figures from the cgroups
        posted.wait_for(
            lambda d: d if isinstance(d, Frame) and d.source is Source.CGROUP else None,
            since=posted.mark(),
            within_s=30,
        )
    restart = RestartDaemon(link.host_id, "v2host", found)
    assert f"systemctl restart {name}.service" in found.restart_line
    mark = posted.mark()
    outcome = in_shell(link, restart.run_on)
    now = in_shell(link, lambda shell: find_daemon(shell, link.host_id))
    assert outcome.note == f"{name} runs again, as process {now.pid}"
    assert now.pid not in (None, found.pid)
    assert now.state != "T"
    posted.host(HostState.CONNECTED, within_s=CONNECT_S, since=mark)
    assert host.exec("sh", "-c", GUEST_PID).stdout == guest_pid, "the guest ran on"
    log = in_shell(link, lambda shell: read_log(shell, link.host_id))
    assert log.source == f"journalctl -u {name} -n 1000"
    assert f"{name}.service" in log.text


@pytest.mark.parametrize("user", ["root", OPERATOR])
def test_a_frozen_libvirtd_is_restarted_over_systemd(v2_host: V2Host, connect: Connect, user: str) -> None:
    is_frozen_and_restarted(v2_host, connect, user=user, name="libvirtd")


@pytest.mark.parametrize("user", ["root", OPERATOR])
def test_a_frozen_modular_daemon_is_restarted_over_systemd(modular_host: V2Host, connect: Connect, user: str) -> None:
    is_frozen_and_restarted(modular_host, connect, user=user, name="virtqemud")


def test_a_daemon_that_was_stopped_is_started(v2_host: V2Host, connect: Connect) -> None:
    link, posted = connect(v2_host.uri)
    posted.host(HostState.CONNECTED, within_s=CONNECT_S)
    mark = posted.mark()
    v2_host.stop()
    posted.host_that(lambda host: host.state is not HostState.CONNECTED, within_s=60, since=mark)
    found = in_shell(link, lambda shell: find_daemon(shell, link.host_id))
    assert found == Daemon("libvirtd", None, "", "systemd", ())
    mark = posted.mark()
    outcome = in_shell(link, RestartDaemon(link.host_id, "v2host", found).run_on)
    assert outcome.note.startswith("libvirtd runs again, as process ")
    posted.host(HostState.CONNECTED, within_s=CONNECT_S, since=mark)


def test_a_daemon_that_went_to_sleep_is_woken_by_connecting(v2_host: V2Host, connect: Connect) -> None:
    """systemd's sockets start it; libvirtd itself ends when nobody has asked it for two minutes and no guest runs."""
    v2_host.exec("systemctl", "stop", "libvirtd.service", timeout_s=120)
    _, posted = connect(v2_host.uri)
    assert {guest.name for guest in posted.listing(within_s=CONNECT_S)} == {"nest1", "nestoff"}
