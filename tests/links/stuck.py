# SPDX-License-Identifier: GPL-3.0-or-later
"""What does not answer inside a host that does: a guest's agent, and a storage pool on a mount whose server stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.waiting import wait_until
from vmconsole.operations.lifecycle import StartGuest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import LabHost

POOL = "/run/deadpool"
GUEST = "dead1"


@dataclasses.dataclass(frozen=True, slots=True)
class Hasty(StartGuest):
    """As Run, but with less patience: the test need not wait a minute and a half."""

    @property
    def deadline_s(self) -> float:
        return 12.0


def freeze_agent(host: LabHost, name: str) -> None:
    """Returns when it does not answer any more."""
    host.guest(name, "(sleep 1; kill -STOP $(pidof qemu-ga)) >/dev/null 2>&1 &")
    wait_until(lambda: not _agent_answers(host, name), within_s=30, what="the agent is frozen")


def _agent_answers(host: LabHost, name: str) -> bool:
    ping = '{"execute":"guest-ping"}'
    done = host.exec("virsh", "qemu-agent-command", "--timeout", "2", name, ping, check=False)
    return done.returncode == 0


@contextlib.contextmanager
def pool_on_a_mount(host: LabHost) -> Iterator[int]:
    """A pool «dead» on a FUSE mount, and a guest «dead1» with its disk there; the server's process id on the host."""
    host.exec("mkdir", "-p", POOL)
    program = (Path(__file__).parent / "fuse_server.py").read_text("utf-8")
    server = subprocess.Popen(
        host.command(["sh", "-c", 'echo $$; exec python3 -c "$1" "$2"', "sh", program, POOL]),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    pid = int(server.stdout.readline())
    try:
        assert server.stdout.readline() == "ready\n"
        host.virsh("pool-create-as", "dead", "dir", "--target", POOL)
        edit = (
            f"/<uuid/d; /mac address/d; s/>{host.off_guest}</>{GUEST}</; s/type=.qcow2./type='raw'/;"
            f" s#<source file=.*#<source file='{POOL}/disk.img'/>#"
        )
        host.exec("sh", "-c", f'virsh dumpxml {host.off_guest} | sed "{edit}" > /run/{GUEST}.xml')
        host.virsh("define", f"/run/{GUEST}.xml")
        yield pid
    finally:
        host.exec("kill", "-CONT", str(pid), check=False)
        server.send_signal(signal.SIGCONT)  # nsenter stops with its child
        host.exec("virsh", "destroy", GUEST, check=False)
        host.exec("virsh", "undefine", GUEST, check=False)
        host.exec("virsh", "pool-destroy", "dead", check=False)
        host.exec("umount", "-l", POOL, check=False)
        host.exec("kill", "-KILL", str(pid), check=False)
        server.wait(10)
        server.stdout.close()
