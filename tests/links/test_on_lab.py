# SPDX-License-Identifier: GPL-3.0-or-later
"""Links to real hosts over real SSH: what is shown, how fast, what each failure is called, and that nothing is left."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.links.contract import cap_write
from tests.links.recording import QuietSampler, Recorder
from tests.waiting import wait_until
from vmconsole.inventory import deltas, errors
from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.inventory.limits import CpuCap
from vmconsole.links.host_link import HostLink
from vmconsole.links.sampler import make_sampler
from vmconsole.links.uri import parse_uri
from vmconsole.metrics.frame import Frame, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import Lab, LabHost
    from vmconsole.inventory.facts import Guest
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = pytest.mark.lab


class Connect(Protocol):
    def __call__(self, uri: str, *, sampler: bool = False) -> tuple[HostLink, Recorder]: ...


@pytest.fixture
def connect(event_loop: LibvirtLoop, run_dir: Path) -> Iterator[Connect]:
    """Make and start a link; all are closed at the end."""
    links: list[HostLink] = []

    def begin(uri: str, *, sampler: bool = False) -> tuple[HostLink, Recorder]:
        posted = Recorder()
        quiet = lambda _shell, _host, _post, on_state: QuietSampler(on_state)  # noqa: E731  a sampler without a host
        link = HostLink(
            parse_uri(uri), post=posted, event_loop=event_loop, run_dir=run_dir,
            make_sampler=make_sampler if sampler else quiet,
        )  # fmt: skip
        links.append(link)
        link.start()
        return link, posted

    yield begin
    for link in links:
        link.close()


@pytest.fixture
def host(lab_host: LabHost) -> LabHost:
    """kvm1 with its guests uncapped, and with a libvirtd that has probed QEMU, which delays its first calls."""
    return warm(lab_host)


def warm(host: LabHost) -> LabHost:
    host.virsh("version", timeout_s=60)
    for name in host.guests:
        host.virsh("dumpxml", name, timeout_s=60)
        for where in ("--live", "--config"):
            for quota in ("vcpu_quota=-1", "global_quota=-1"):
                host.virsh("schedinfo", name, where, quota, timeout_s=60)
    return host


def promptly(host: LabHost) -> float:
    """One second; on a machine that is busy with other things, four times what virsh needs for a listing there."""
    began = time.monotonic()
    host.virsh("list", timeout_s=60)
    return max(1.0, 4 * (time.monotonic() - began))


def named(guests: tuple[Guest, ...], name: str) -> Guest:
    return next(guest for guest in guests if guest.name == name)


def ssh_connections(host: LabHost) -> int:
    """Established connections to the host's sshd, counted there."""
    return len(host.exec("ss", "-tnH", "state", "established", "sport = :22").stdout.splitlines())


# ---- connecting


def test_three_hosts_at_once_with_one_ssh_connection_each(lab: Lab, connect: Connect) -> None:
    hosts = [warm(lab.host(f"kvm{number}")) for number in (1, 2, 3)]
    wait_until(lambda: all(ssh_connections(host) == 0 for host in hosts), what="no connection of an earlier test")
    began = time.monotonic()
    links = [connect(host.uri, sampler=True) for host in hosts]
    for host, (_, posted) in zip(hosts, links, strict=True):
        rows = posted.listing()
        assert {guest.name for guest in rows} == {*host.guests, host.off_guest}
        assert named(rows, host.off_guest).state is GuestState.SHUT_OFF
        assert named(rows, host.guests[0]).state is GuestState.RUNNING
    assert time.monotonic() - began < 5 * promptly(hosts[0])
    for host, (link, posted) in zip(hosts, links, strict=True):
        facts = posted.host_that(lambda h: h.cpus is not None)
        assert (facts.name, facts.state, facts.has_shell) == (host.name, HostState.CONNECTED, True)
        assert {"libvirt", "qemu"} <= facts.versions.keys()
        posted.wait_for(lambda d: d if isinstance(d, Frame) and d.source is Source.CGROUP else None)
        shell = link.shell()
        assert shell is not None
        assert shell.run("hostname", deadline_s=5).out == f"{host.name}\n".encode()
        assert ssh_connections(host) == 1


@pytest.mark.parametrize("more", ["&proxy=netcat", "&proxy=native&mode=legacy"])
def test_libvirts_ways_at_the_host_can_be_chosen(host: LabHost, connect: Connect, more: str) -> None:
    _, posted = connect(f"{host.uri}{more}")
    assert named(posted.listing(), host.off_guest).state is GuestState.SHUT_OFF


def test_figures_of_libvirt_stand_in_where_there_is_no_sampler(host: LabHost, connect: Connect) -> None:
    link, posted = connect(host.uri)
    guest = named(posted.listing(), "g11")
    link.watch(frozenset({guest.id.uuid}))
    first = posted.frame()
    assert first.source is Source.LIBVIRT
    mark = 0
    for _ in range(2):
        later = posted.wait_for(
            lambda d: d if isinstance(d, Frame) and d.interval_s > 0 else None, within_s=15, since=mark
        )
        assert set(later.uuids) >= {guest.id.uuid}
        devices = later.devices[guest.id.uuid]
        assert any(name.startswith("vnet") for name in devices)
        if "vda" in devices:
            break
        # QEMU is asked for a disk's counters only while nobody else asks it: an answer may come without them.
        mark = posted.mark()
    assert "vda" in devices


# ---- what happens on the host is seen


def test_a_guest_forced_off_by_someone_else_is_seen_within_a_second(host: LabHost, connect: Connect) -> None:
    _, posted = connect(host.uri)
    guest = named(posted.listing(), "g11")
    promptly_s = promptly(host)
    mark = posted.mark()
    host.virsh("destroy", "g11")
    posted.guest(guest.id.uuid, lambda g: g.state is GuestState.SHUT_OFF, within_s=promptly_s, since=mark)
    line = posted.wait_for(lambda d: d if isinstance(d, deltas.EventSeen) and d.guest == guest.id else None, since=mark)
    assert line.text == "g11 is off: it was forced off"


def test_guests_defined_and_undefined_come_and_go(host: LabHost, connect: Connect) -> None:
    _, posted = connect(host.uri)
    posted.listing()
    mark = posted.mark()
    host.exec("sh", "-c", "virsh dumpxml off1 | sed '/uuid/d; s/>off1</>fresh1</; /mac address/d' > /run/fresh.xml")
    host.virsh("define", "/run/fresh.xml")
    try:
        seen = posted.wait_for(
            lambda d: d.guest if isinstance(d, deltas.GuestSeen) and d.guest.name == "fresh1" else None,
            within_s=2 * promptly(host), since=mark,
        )  # fmt: skip
    finally:
        host.virsh("undefine", "fresh1")
    posted.wait_for(lambda d: True if isinstance(d, deltas.GuestGone) and d.guest == seen.id else None)


def test_limits_changed_by_someone_else_reach_a_watched_guest(host: LabHost, connect: Connect) -> None:
    link, posted = connect(host.uri)
    guest = named(posted.listing(), "g12")
    link.watch(frozenset({guest.id.uuid}))
    posted.guest(guest.id.uuid, lambda g: g.described and g.disks != ())
    mark = posted.mark()
    try:
        host.virsh("schedinfo", "g12", "--live", "global_quota=80000")
        posted.guest(guest.id.uuid, lambda g: g.live is not None and g.live.guest_cap.quota_us == 80_000, since=mark)
    finally:
        host.virsh("schedinfo", "g12", "--live", "global_quota=-1")


def test_a_cap_is_found_in_the_hosts_cgroup_file(host: LabHost, connect: Connect) -> None:
    link, posted = connect(host.uri)
    guest = named(posted.listing(), "g13")
    uuid = guest.id.uuid
    group = host.cgroup("cpu", "machine", f"qemu-{guest.libvirt_id}-g13.libvirt-qemu")
    for cap, quota in ((CpuCap(50_000, 40_000), "40000"), (CpuCap(), "-1")):
        for stored in (False, True):
            link.submit(
                lambda v, cap=cap, stored=stored: v.write_limits(uuid, cap_write(cap), stored=stored), deadline_s=40
            ).result(45)
        assert (group / "cpu.cfs_quota_us").read_text().strip() == quota
        stored = host.virsh("schedinfo", "g13", "--config")
        assert f"global_quota   : {quota}" in stored


def test_a_cap_below_the_vcpus_caps_is_refused_and_nothing_stays(host: LabHost, connect: Connect) -> None:
    link, posted = connect(host.uri)
    guest = named(posted.listing(), "g13")
    uuid = guest.id.uuid
    host.virsh("schedinfo", "g13", "--live", "vcpu_quota=90000")
    try:
        with pytest.raises(errors.OutOfRange) as caught:
            link.submit(
                lambda v: v.write_limits(uuid, cap_write(CpuCap(100_000, 5_000)), stored=False), deadline_s=40
            ).result(45)
        assert "vCPU" in caught.value.explanation.text()
        found = link.submit(lambda v: v.describe_guest(uuid), deadline_s=40).result(45)
        assert found.live.guest_cap.quota_us is None
        assert found.stored.guest_cap.quota_us is None
    finally:
        host.virsh("schedinfo", "g13", "--live", "vcpu_quota=-1")


# ---- failures and their words


def failure(posted: Recorder, *, within_s: float = 20) -> tuple[str, str, float | None]:
    host = posted.host(HostState.FAILED, within_s=within_s)
    assert host.reason is not None
    return host.reason.what, host.reason.text(), host.retry_at


def test_a_name_that_does_not_exist(lab: Lab, connect: Connect) -> None:
    name = "a" * 70  # too long a label: no name server is asked
    _, posted = connect(f"qemu+ssh://root@{name}/system?command={lab.ssh_program}")
    what, text, retry_at = failure(posted)
    assert what == f"No host of the name {name} is known."
    assert "Could not resolve hostname" in text
    assert retry_at is None


def test_a_login_that_is_refused(host: LabHost, connect: Connect, tmp_path: Path) -> None:
    keyless = tmp_path / "ssh"
    keyless.write_text(
        f"#!/bin/sh\nexec ssh -F none -o HostName={host.address} -o IdentityFile=none -o IdentitiesOnly=yes "
        '-o IdentityAgent=none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no "$@"\n'
    )
    keyless.chmod(0o755)
    _, posted = connect(f"qemu+ssh://root@kvm1/system?command={keyless}")
    what, text, retry_at = failure(posted)
    assert what == "kvm1 refused the login (publickey)."
    assert "ssh-copy-id" in text
    assert retry_at is None


def test_an_account_that_may_not_run_commands(lab: Lab, connect: Connect) -> None:
    _, posted = connect(f"qemu+ssh://nobody@kvm1/system?command={lab.ssh_program}")
    what, text, _ = failure(posted)
    assert "The login on the host prints text of its own" in what
    assert "nologin" in text


def test_a_host_key_that_is_not_known_and_one_that_changed(lab: Lab, connect: Connect, tmp_path: Path) -> None:
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.touch()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    other.write_text("kvm1 " + " ".join((tmp_path / "key.pub").read_text().split()[:2]) + "\n")
    for known, words in (
        (empty, "The key of kvm1 is not known yet."),
        (other, "kvm1 shows another host key than the one"),
    ):
        _, posted = connect(f"qemu+ssh://root@kvm1/system?command={lab.ssh_program}&known_hosts={known}")
        what, _, retry_at = failure(posted)
        assert what.startswith(words)
        assert retry_at is None


def test_an_ssh_program_that_is_not_there(connect: Connect) -> None:
    _, posted = connect("qemu+ssh://root@kvm1/system?command=/nowhere/ssh")
    what, _, retry_at = failure(posted)
    assert what == "The ssh program «/nowhere/ssh» cannot be run."
    assert retry_at is None


def test_no_sshd_is_tried_again_and_then_works(host: LabHost, connect: Connect) -> None:
    host.stop("sshd")
    _, posted = connect(host.uri)
    what, _, retry_at = failure(posted)
    assert what == "kvm1 refuses SSH connections."
    assert retry_at is not None
    assert 0.5 < retry_at - time.time() < 1.3
    host.start("sshd")
    posted.host(HostState.CONNECTED)


def test_a_host_behind_a_dead_network(host: LabHost, connect: Connect) -> None:
    host.cut("drop")
    _, posted = connect(host.uri)
    what, _, retry_at = failure(posted)
    assert what == "kvm1 did not answer in time."
    assert retry_at is not None


def test_no_libvirtd_says_what_to_type_and_comes_back_by_itself(host: LabHost, connect: Connect) -> None:
    host.stop()
    link, posted = connect(host.uri)
    what, text, retry_at = failure(posted)
    assert "libvirt's daemon does not run there" in what
    assert "systemctl start" in text
    assert retry_at is not None
    assert link.shell() is not None  # SSH works
    host.start()
    posted.host(HostState.CONNECTED)


def test_a_libvirtd_that_hangs_from_the_start(host: LabHost, connect: Connect) -> None:
    host.freeze()
    began = time.monotonic()
    link, posted = connect(host.uri)
    what, _, retry_at = failure(posted)
    assert 9 < time.monotonic() - began < 14
    assert what == "libvirtd does not answer; SSH does."
    assert retry_at is not None
    wait_until(lambda: link.debug().lanes[0].abandoned == 0, within_s=3, what="the stuck call was freed")
    host.thaw()
    posted.host(HostState.CONNECTED)


def test_libvirtd_hangs_later_and_the_figures_go_on(host: LabHost, connect: Connect) -> None:
    link, posted = connect(host.uri, sampler=True)
    guest = named(posted.listing(), "g12")
    posted.wait_for(lambda d: d if isinstance(d, Frame) and d.source is Source.CGROUP else None)
    host.freeze()
    with pytest.raises(errors.ConsoleError):
        link.submit(lambda verbs: verbs.describe_guest(guest.id.uuid), deadline_s=2).result(3)
    facts = posted.host(HostState.NOT_ANSWERING, within_s=40)
    assert facts.reason is not None
    assert facts.reason.what == "libvirtd does not answer; SSH does."
    assert facts.has_shell
    mark = posted.mark()
    for _ in range(2):
        posted.wait_for(lambda d: d if isinstance(d, Frame) and d.source is Source.CGROUP else None, since=mark)
        mark = posted.mark()
    assert link.shell() is not None
    with pytest.raises(errors.LinkLost):
        link.submit(lambda verbs: verbs.describe_guest(guest.id.uuid), deadline_s=2).result(3)
    host.exec("sh", "-c", "kill -9 $(cat /run/libvirt/qemu/g12.pid)")  # meanwhile something ends
    mark = posted.mark()
    host.thaw()
    posted.host(HostState.CONNECTED, within_s=35, since=mark)
    posted.guest_or_listed_as(guest.id.uuid, GuestState.SHUT_OFF, since=mark)


def test_a_network_that_is_cut_and_mended(host: LabHost, connect: Connect) -> None:
    _, posted = connect(host.uri)
    posted.host(HostState.CONNECTED)
    host.cut("drop")
    facts = posted.host(HostState.NOT_ANSWERING, within_s=40)
    assert facts.reason is not None
    assert "libvirtd does not answer; SSH does" not in facts.reason.what
    mark = posted.mark()
    host.mend()
    posted.host(HostState.CONNECTED, within_s=45, since=mark)


def test_a_libvirtd_that_is_restarted_is_back_soon(host: LabHost, connect: Connect) -> None:
    _, posted = connect(host.uri)
    posted.listing()
    mark = posted.mark()
    host.stop()
    posted.host(HostState.NOT_ANSWERING, within_s=5, since=mark)
    host.start()
    posted.host(HostState.CONNECTED, since=mark)
    posted.listing(since=mark)


# ---- the end


def descendants() -> list[str]:
    """Command lines of all children of this process, and of theirs."""
    done = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(None, 2) for line in done.stdout.splitlines()]
    family, grown = {str(os.getpid())}, 0
    while grown != len(family):
        grown = len(family)
        family |= {pid for pid, parent, *_ in rows if parent in family}
    return [" ".join(row) for row in rows if row[1] in family and "ps -e" not in row[-1]]


def open_files() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{entry.name} {entry.readlink()}")
        except OSError:
            continue  # the folder's own
    return found


@pytest.mark.parametrize("frozen", [False, True])
def test_close_leaves_no_thread_process_file_or_socket(
    host: LabHost, event_loop: LibvirtLoop, run_dir: Path, frozen: bool
) -> None:
    wait_until(lambda: ssh_connections(host) == 0)
    threads, children, files = set(threading.enumerate()), descendants(), open_files()
    posted = Recorder()
    link = HostLink(parse_uri(host.uri), post=posted, event_loop=event_loop, run_dir=run_dir, make_sampler=make_sampler)
    link.start()
    guest = named(posted.listing(), "g11")
    posted.wait_for(lambda d: d if isinstance(d, Frame) and d.source is Source.CGROUP else None)
    assert len(ours_left(host)) >= 2
    stuck = []
    if frozen:
        host.freeze()
        stuck = [link.submit(lambda v: v.describe_guest(guest.id.uuid), deadline_s=60) for _ in range(3)]
    began = time.monotonic()
    link.close()
    took_s = time.monotonic() - began
    assert took_s < 0.9
    for future in stuck:
        with pytest.raises(errors.LinkLost):
            future.result(0.5)
    wait_until(lambda: set(threading.enumerate()) <= threads, within_s=1, what="threads")
    assert list(run_dir.iterdir()) == []
    assert descendants() == children
    wait_until(lambda: open_files() <= files, within_s=1, what="open files")
    wait_until(lambda: ssh_connections(host) == 0, within_s=2, what="the connection at the host")
    wait_until(lambda: ours_left(host) == [], within_s=3, what="our processes at the host")


def ours_left(host: LabHost) -> list[str]:
    """Processes of a console that still live on the host: libvirt's helper, and samplers."""
    lines = host.exec("ps", "-A", "-o", "stat=,args=").stdout.splitlines()
    alive = [line for line in lines if not line.startswith("Z") and "vmlab" not in line]
    return [line for line in alive if "virt-ssh-helper" in line or "python3" in line]


def test_a_guest_whose_memory_is_saved_still_uses_its_disk(host: LabHost, connect: Connect) -> None:
    """Its memory remembers what was on the disk: an edit meanwhile would destroy the file system when it goes on."""
    guest = host.guests[0]
    link, posted = connect(host.uri)
    posted.listing()
    host.virsh("managedsave", guest, timeout_s=120)
    try:
        disk = f"/var/lib/libvirt/images/{guest}.qcow2"
        users = link.submit(lambda verbs: verbs.image_users(disk), deadline_s=30).result(30)
        assert [name for name in users if name.startswith(guest) and "saved" in name]
    finally:
        host.virsh("start", guest, timeout_s=120)
