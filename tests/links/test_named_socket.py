# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon behind ``socket=``: the one that was named is reached. And one of this machine that hangs leaves nothing."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from tests.lab.vmlab.inside import in_host_groups
from tests.lab.vmlab.processes import run
from tests.links.fault_engine import link_maker
from tests.links.recording import Recorder
from tests.waiting import wait_until
from vmconsole.inventory.facts import HostState
from vmconsole.metrics.frame import Frame, Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.vmlab import LabHost
    from tests.links.fault_engine import MakeLink
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = pytest.mark.lab

OWN = "/run/other"
START = f"""
mkdir -p {OWN} && for place in /run/libvirt /etc/libvirt/qemu /var/lib/libvirt /var/cache/libvirt; do
    mount -t tmpfs other $place || exit 1
done
sed 's/^host_uuid.*//' /etc/libvirt/libvirtd.conf > {OWN}/conf; echo 'unix_sock_dir = "{OWN}"' >> {OWN}/conf
sed 's/"logd"/"file"/' /etc/libvirt/qemu.conf > {OWN}/qemu.conf  # virtlogd's socket is hidden
mount --bind {OWN}/qemu.conf /etc/libvirt/qemu.conf || exit 1
exec /usr/sbin/libvirtd -d --config {OWN}/conf --pid-file {OWN}/pid
"""
# A daemon that ends takes its pid file away, and would take that of the next one if it were not waited for.
END = f"""
p=$(cat {OWN}/pid 2>/dev/null) && kill "$p" && while kill -0 "$p" 2>/dev/null; do sleep 0.1; done
rm -rf {OWN}
"""
GUEST = "<domain type='qemu'><name>elsewhere</name><memory>65536</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
def make(event_loop: LibvirtLoop, run_dir: Path) -> MakeLink:
    return link_maker(event_loop, run_dir)


@pytest.fixture
def other_daemon(lab_host: LabHost) -> Iterator[str]:
    """A second libvirtd of the host, with a guest of its own; its socket."""
    run(in_host_groups(lab_host, ["unshare", "-m", "sh", "-c", START]), timeout_s=30, keep_lock=False)
    uri = f"qemu+unix:///system?socket={OWN}/libvirt-sock"
    try:
        lab_host.exec("virsh", "-c", uri, "define", "/dev/stdin", stdin=GUEST)
        yield f"{OWN}/libvirt-sock"
    finally:
        lab_host.exec("sh", "-c", END)


@pytest.mark.parametrize("more", ["", "&proxy=native", "&proxy=netcat", "&mode=legacy"])
def test_the_daemon_that_was_named_is_reached(lab_host: LabHost, other_daemon: str, make: MakeLink, more: str) -> None:
    posted = Recorder()
    link = make(f"{lab_host.uri}&socket={other_daemon}{more}", posted)
    try:
        link.start()
        posted.host(HostState.CONNECTED, within_s=30)
        assert {guest.name for guest in posted.listing()} == {"elsewhere"}
    finally:
        link.close()


def test_the_charts_are_of_the_named_daemons_guests_also_while_it_is_dead(
    lab_host: LabHost, other_daemon: str, make: MakeLink
) -> None:
    """It lives in a mount namespace of its own, with the usual names of files."""
    lab_host.exec("virsh", "-c", f"qemu+unix:///system?socket={other_daemon}", "start", "elsewhere")
    posted = Recorder()
    link = make(f"{lab_host.uri}&socket={other_daemon}", posted)

    def uuids(since: int) -> set[str]:
        frames = [delta for _, delta in posted.timed(since) if isinstance(delta, Frame)]
        return {uuid for frame in frames if frame.source is Source.CGROUP for uuid in frame.uuids}

    try:
        link.start()
        wait_until(lambda: bool(uuids(0)), within_s=30, what="figures")
        wanted = {next(guest.id.uuid for guest in posted.listing())}
        assert uuids(0) == wanted
        mark = posted.mark()
        lab_host.exec("sh", "-c", f"kill $(cat {OWN}/pid)")
        posted.host_that(lambda host: host.state is not HostState.CONNECTED, within_s=20, since=mark)
        mark = posted.mark()
        wait_until(lambda: uuids(mark) == wanted, within_s=10, what="figures without the daemon")
    finally:
        link.close()
        lab_host.exec("sh", "-c", "kill $(pgrep -f 'guest=elsewher[e],')")


def test_a_named_socket_that_is_not_there_is_said(lab_host: LabHost, make: MakeLink) -> None:
    posted = Recorder()
    link = make(f"{lab_host.uri}&socket=/run/nobody-listens", posted)
    try:
        link.start()
        reason = posted.host(HostState.FAILED, within_s=30).reason
    finally:
        link.close()
    assert reason is not None
    assert "daemon does not run there" in reason.what
    assert "/run/nobody-listens" in reason.said


@pytest.fixture
def local_uri(lab_host: LabHost) -> str:
    """The host's daemon as one of this machine: its socket, seen from outside."""
    process = lab_host.pid()
    assert process is not None
    return f"qemu+unix:///system?socket=/proc/{process.pid}/root/run/libvirt/libvirt-sock"


def test_a_local_daemon_that_hangs_at_open_leaves_no_thread(lab_host: LabHost, local_uri: str, make: MakeLink) -> None:
    threads, files = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    posted = Recorder()
    link = make(local_uri, posted)
    lab_host.freeze()
    try:
        link.start()
        failed = posted.host(HostState.FAILED, within_s=15)
        assert failed.reason is not None
        assert "did not answer" in failed.reason.what or "does not answer" in failed.reason.what
        wait_until(lambda: not any(lane.abandoned for lane in link.debug().lanes), within_s=3, what="freed calls")
        posted.host_that(lambda h: h.state is HostState.FAILED and h is not failed, within_s=20)  # a second try
        wait_until(lambda: not any(lane.abandoned for lane in link.debug().lanes), within_s=3, what="freed calls")
        mark = posted.mark()
        lab_host.thaw()
        posted.host(HostState.CONNECTED, within_s=15, since=mark)
        assert lab_host.guests[0] in {guest.name for guest in posted.listing(since=mark)}
    finally:
        with contextlib.suppress(Exception):  # it runs, unless the test failed before
            lab_host.thaw()
        link.close()
    wait_until(lambda: set(threading.enumerate()) <= threads, within_s=3, what="threads")
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= files, within_s=3, what="files")
