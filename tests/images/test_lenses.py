# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lens is known for which path."""

from __future__ import annotations

import pytest

from vmconsole.images.lenses import known_lenses, lens_for


@pytest.mark.parametrize(
    ("path", "lens"),
    [
        ("/etc/fstab", "Fstab.lns"),
        ("/etc/hosts", "Hosts.lns"),
        ("/etc/ssh/sshd_config", "Sshd.lns"),
        ("/etc/passwd", "Passwd.lns"),
        ("/etc/sysctl.conf", "Sysctl.lns"),
        ("/etc/default/grub", "Shellvars.lns"),
        ("/etc/sysconfig/network-scripts/ifcfg-eth0", "Shellvars.lns"),
        ("/etc/hosts.old", ""),
        ("/etc/fstab~", ""),
        ("/home/me/notes", ""),
        ("/etc/ssh/sub/sshd_config", ""),
    ],
)
def test_the_lens_for_a_path(path: str, lens: str) -> None:
    assert lens_for(path) == lens


def test_the_known_kinds_are_listed_once() -> None:
    names = known_lenses()
    assert len(names) > 150
    assert list(names) == sorted(set(names))
