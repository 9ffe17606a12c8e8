# SPDX-License-Identifier: GPL-3.0-or-later
"""What is run to restart libvirt's daemon, by what the host manages its daemons with."""

from __future__ import annotations

import shlex

import pytest

from vmconsole.operations.daemon import Daemon

END = "kill -TERM 12; kill -CONT 12; "


@pytest.mark.parametrize(
    ("managed_by", "begins", "ends"),
    [
        ("systemd", "timeout 20 systemctl restart virtqemud.service || ", "systemctl restart virtqemud.service; }"),
        ("openrc", END, "/sbin rc-service virtqemud restart"),
        ("sysv", END, "/sbin service virtqemud restart"),
        ("none", END, "/sbin /usr/sbin/virtqemud --timeout 120 -d"),
    ],
)
def test_the_restart_is_the_hosts_own_way(managed_by: str, begins: str, ends: str) -> None:
    daemon = Daemon("virtqemud", 12, "T", managed_by, ("/usr/sbin/virtqemud", "--timeout", "120"))
    assert daemon.restart_line.startswith(begins)
    assert daemon.restart_line.endswith(ends)
    by_sudo = Daemon("virtqemud", 12, "T", managed_by, ("/usr/sbin/virtqemud", "--timeout", "120"), needs_sudo=True)
    assert shlex.split(by_sudo.restart_line) == ["sudo", "-n", "sh", "-c", daemon.restart_line]


def test_a_dead_daemon_is_not_killed() -> None:
    line = Daemon("libvirtd", None, "", "none", ()).restart_line
    assert "kill" not in line
    assert line.endswith("/sbin libvirtd -d")
