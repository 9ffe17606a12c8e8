# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of hosts and networks that the console must bear, each with its cure and the words for it."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.links.fault_engine import Fault

if TYPE_CHECKING:
    from tests.links.fault_engine import Wired

NO_ANSWER = r"does not answer\.$|did not answer|stopped answering|There is no way to"


def _nothing(_: Wired) -> None:
    pass


def _freeze(one: Wired) -> None:
    one.host.freeze()


def _thaw(one: Wired) -> None:
    one.host.thaw()


def _end_a_guest(one: Wired) -> None:
    """While libvirtd cannot see it."""
    one.host.exec("sh", "-c", f"kill -9 $(cat /run/libvirt/qemu/{one.host.guests[0]}.pid)")


def _kill_all_sshd(one: Wired) -> None:
    """The one that listens and those that serve: with the first alone a connection lives on."""
    one.host.exec("sh", "-c", "kill -9 $(pidof sshd)")


def _restart(one: Wired) -> None:
    one.host.stop()
    one.host.start()


def _kill_master(one: Wired) -> None:
    os.kill(master_pid(one), signal.SIGKILL)


def master_pid(one: Wired) -> int:
    """The ssh of this link that holds the connection: the one of our children with -M and this host's folder."""
    shell = one.link.shell()
    assert shell is not None
    master = shell._master  # type: ignore[attr-defined]  # a test looks inside
    return int(master._process.pid)


def _boot(one: Wired) -> None:
    one.host.boot()


FAULTS = (
    Fault("libvirtd frozen", _freeze, _thaw, r"^libvirtd does not answer; SSH does\.$", is_silent=True,
          charts_go_on=True, meanwhile=_end_a_guest),
    Fault("libvirtd killed", lambda one: one.host.stop(), lambda one: one.host.start(),
          r"libvirt's daemon does not run there", is_silent=False, charts_go_on=True),
    Fault("libvirtd restarted", _restart, _nothing, r"connection to libvirt's daemon ended", is_silent=False,
          charts_go_on=True, words_come_and_go=True),
    Fault("ssh master killed", _kill_master, _nothing, r"SSH connection to kvm\d ended", is_silent=False,
          words_come_and_go=True),
    Fault("sshd killed", _kill_all_sshd, lambda one: one.host.start("sshd"), r"refuses SSH connections",
          is_silent=False),
    Fault("link refused", lambda one: one.host.cut("reject"), lambda one: one.host.mend(),
          r"refuses SSH connections", is_silent=False),
    Fault("link silent", lambda one: one.host.cut("drop"), lambda one: one.host.mend(), NO_ANSWER, is_silent=True),
    Fault("link down", lambda one: one.host.cut("down"), lambda one: one.host.mend(), NO_ANSWER, is_silent=True),
    Fault("host crashed", lambda one: one.host.crash(), _boot, NO_ANSWER, is_silent=True),
)  # fmt: skip
"""Those without a cure of their own get well by themselves."""
