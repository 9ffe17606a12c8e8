# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarting libvirt's daemon where root is a sudo away, and where it has a modular daemon's name."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.links.fault_engine import link_maker
from tests.links.other_drivers import MODULAR, modular_daemon, sudo_user
from tests.links.recording import Recorder
from vmconsole.inventory.errors import NotPermitted
from vmconsole.inventory.facts import HostState
from vmconsole.links.transport import make_transport
from vmconsole.links.uri import parse_uri
from vmconsole.operations.daemon import RestartDaemon, find_daemon, read_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.vmlab import LabHost
    from vmconsole.links.base import Shell
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = pytest.mark.lab


@contextlib.contextmanager
def shell_of(text: str, run_dir: Path) -> Iterator[Shell]:
    transport = make_transport(parse_uri(text), run_dir=run_dir, on_exit=lambda _: None)
    try:
        transport.open(deadline_s=15)
        assert transport.shell is not None
        yield transport.shell
    finally:
        transport.close()


def test_a_user_with_sudo_reads_the_log_and_restarts_a_frozen_daemon(lab_host: LabHost, run_dir: Path) -> None:
    rule = "plain ALL=(root) NOPASSWD: ALL"
    with sudo_user(lab_host, rule=rule) as uri, shell_of(uri, run_dir) as shell:
        host = parse_uri(uri).host_id
        lab_host.freeze()
        daemon = find_daemon(shell, host)
        assert (daemon.name, daemon.state, daemon.needs_sudo) == ("libvirtd", "T", True)
        assert read_log(shell, host).source == "/var/log/libvirt/libvirtd.log"
        done = RestartDaemon(host, "kvm1", daemon).run_on(shell)
        assert "runs again" in done.note
        assert find_daemon(shell, host).pid != daemon.pid
        assert lab_host.daemons()["libvirtd"] == "running"
        assert lab_host.guests[0] in lab_host.domains()


def test_a_user_whom_sudo_asks_for_a_password_is_told(lab_host: LabHost, run_dir: Path) -> None:
    with sudo_user(lab_host, rule="plain ALL=(root) ALL") as uri, shell_of(uri, run_dir) as shell:
        daemon = find_daemon(shell, parse_uri(uri).host_id)
        with pytest.raises(NotPermitted) as refused:
            RestartDaemon(parse_uri(uri).host_id, "kvm1", daemon).run_on(shell)
        assert "sudo without a password" in refused.value.explanation.advice
        assert "password is required" in refused.value.explanation.said
        assert lab_host.daemons()["libvirtd"] == "running"


def test_a_daemon_with_a_modular_name_is_connected_to_found_and_restarted(
    lab_host: LabHost, event_loop: LibvirtLoop, run_dir: Path
) -> None:
    with modular_daemon(lab_host):
        posted = Recorder()
        link = link_maker(event_loop, run_dir)(f"{lab_host.uri}&socket=/run/libvirt/{MODULAR}-sock", posted)
        try:
            link.start()
            posted.host(HostState.CONNECTED, within_s=30)
            assert lab_host.guests[0] in {guest.name for guest in posted.listing()}
            lab_host.exec("sh", "-c", f"kill -STOP $(cat /run/{MODULAR}.pid)")
            said = posted.host(HostState.NOT_ANSWERING, within_s=15).reason
            assert said is not None
            assert said.what == "libvirtd does not answer; SSH does."
            mark = posted.mark()
            daemon = link.submit_shell(lambda shell: find_daemon(shell, link.host_id), deadline_s=15).result(15)
            assert (daemon.name, daemon.state) == (MODULAR, "T")
            again = RestartDaemon(link.host_id, "kvm1", daemon)
            done = link.submit_shell(again.run_on, deadline_s=40).result(40)
            assert done.note.startswith(f"{MODULAR} runs again")
            posted.host(HostState.CONNECTED, within_s=15, since=mark)
        finally:
            link.close()
