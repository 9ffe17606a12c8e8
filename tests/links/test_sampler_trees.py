# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs on the host, on trees of plain files: layouts, names, what vanishes, what is not readable."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.links.host_tree import HostTree
from vmconsole.links import (
    sampler_remote,
    sampler_remote_daemon,
    sampler_remote_files,
    sampler_remote_kinds,
    sampler_remote_places,
)
from vmconsole.links.sampler_remote import KEYFRAME_EVERY, MEMORY_STAT_EVERY, RESCAN_EVERY, Host
from vmconsole.links.sampler_remote_files import File, allow_many_files
from vmconsole.metrics.cgroups import FrameDecoder, GuestField, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UUID = "3f6a9c1e-0000-4000-8000-000000000001"
OTHER = "3f6a9c1e-0000-4000-8000-000000000002"
PLAIN = "/machine/qemu-1-web.libvirt-qemu"
SCOPE = "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope"
V1_CGROUP = "4:memory:{0}\n3:blkio:{0}\n2:cpuset:{0}/emulator\n1:cpu,cpuacct:{0}/emulator\n"
EXPECTED = {
    GuestField.CPU_US: 1_000_000,
    GuestField.USER_US: 800_000,
    GuestField.SYSTEM_US: 200_000,
    GuestField.PERIODS: 0,
    GuestField.VCPU_PERIODS: 0,
    GuestField.QUOTA_US: -1,
    GuestField.PERIOD_US: 100_000,
    GuestField.MEMORY: 536_870_912,
    GuestField.ANON: 500_000_000,
    GuestField.CACHE: 1_048_576,
    GuestField.LIMIT: -1,
}


class Reader:
    """The program and the decoder together: frames as samples."""

    def __init__(self, root: Path) -> None:
        self.host = Host(str(root))
        self.decoder = FrameDecoder()
        self.text = ""

    def frame(self) -> Sample:
        self.text = self.host.frame(self.host.frames * 1_000_000)
        *lines, last = self.text.rstrip("\n").split("\n")
        for line in lines:
            assert self.decoder.take(line) is None
        sample = self.decoder.take(last)
        assert sample is not None
        return sample

    def after_rescan(self) -> Sample:
        for _ in range(RESCAN_EVERY):
            sample = self.frame()
        return sample


@pytest.fixture
def read() -> Iterator[Callable[[HostTree], Reader]]:
    made: list[Reader] = []
    before = File.room
    allow_many_files()

    def make(tree: HostTree) -> Reader:
        made.append(Reader(tree.root))
        return made[-1]

    yield make
    for reader in made:
        reader.host.close()
    File.room = before


def v1_host(root: Path) -> HostTree:
    tree = HostTree(root, "v1")
    tree.v1_groups(PLAIN)
    tree.process(100, uuid=UUID, name="web", cgroup=V1_CGROUP.format(PLAIN))
    return tree


def v1_systemd(root: Path) -> HostTree:
    tree = HostTree(root, "v1")
    tree.v1_groups(SCOPE, inner="/libvirt")
    tree.process(100, uuid=UUID, name="web", cgroup=V1_CGROUP.format(SCOPE + "/libvirt"))
    return tree


def v2_plain(root: Path) -> HostTree:
    tree = HostTree(root, "v2")
    tree.v2_groups(PLAIN)
    tree.process(100, uuid=UUID, name="web", cgroup=f"0::{PLAIN}/emulator\n")
    return tree


def v2_systemd(root: Path) -> HostTree:
    tree = HostTree(root, "v2")
    tree.v2_groups(SCOPE, inner="/libvirt")
    tree.process(100, uuid=UUID, name="web", cgroup=f"0::{SCOPE}/libvirt/emulator\n")
    return tree


def hybrid(root: Path) -> HostTree:
    """libvirt takes CPU usage from the unified hierarchy here, and leaves v1's cpuacct alone."""
    tree = HostTree(root, "hybrid")
    tree.v1_groups(PLAIN)
    shutil.rmtree(root / "sys/fs/cgroup/cpu,cpuacct")
    tree.write("sys/fs/cgroup/cpu,cpuacct/cgroup.procs", "")
    tree.write("sys/fs/cgroup/cpu,cpuacct/cpuacct.usage", "99999999999999\n")  # the whole machine's
    tree.v2_groups(PLAIN)
    cgroup = f"4:memory:{PLAIN}\n3:blkio:{PLAIN}\n1:cpu,cpuacct:/\n0::{PLAIN}/emulator\n"
    tree.process(100, uuid=UUID, name="web", cgroup=cgroup)
    return tree


LAYOUTS = {"v1": v1_host, "v1-systemd": v1_systemd, "v2": v2_plain, "v2-systemd": v2_systemd, "hybrid": hybrid}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_figures(tmp_path: Path, read: Callable[[HostTree], Reader], layout: str) -> None:
    tree = LAYOUTS[layout](tmp_path)
    reader = read(tree)
    sample = reader.frame()
    assert sample.uuids == (UUID,)
    assert {field: sample.guests[0, field] for field in EXPECTED} == EXPECTED
    assert [(d.number, d.name) for d in sample.devices] == [("8:0", "8:0")]
    assert sample.counters.tolist() == [[4096, 8192, 1, 2]]
    assert reader.host.mounts.layout == layout.split("-")[0]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_vcpus_throttling_is_summed_over_the_vcpus(
    tmp_path: Path, read: Callable[[HostTree], Reader], layout: str
) -> None:
    LAYOUTS[layout](tmp_path)
    for number, path in enumerate(sorted(tmp_path.glob("sys/fs/cgroup/**/vcpu0"))):
        assert number == 0, "one hierarchy has the vCPUs"
        shutil.copytree(path, path.with_name("vcpu1"))
        text = (path / "cpu.stat").read_text()
        unit = "throttled_time 7000" if "throttled_time" in text else "throttled_usec 7"
        (path / "cpu.stat").write_text(f"nr_periods 50\nnr_throttled 39\n{unit}\n")
        (path.with_name("vcpu1") / "cpu.stat").write_text(f"nr_periods 10\nnr_throttled 1\n{unit}\n")
    row = read(HostTreeAt(tmp_path)).frame().guests[0]
    fields = [GuestField.VCPU_PERIODS, GuestField.VCPU_THROTTLED, GuestField.VCPU_THROTTLED_US]
    assert row[fields].tolist() == [60, 40, 14]
    assert row[GuestField.THROTTLED] == 0


class HostTreeAt:
    """A tree that is there already."""

    def __init__(self, root: Path) -> None:
        self.root = root


@pytest.mark.parametrize(
    ("layout", "path", "text"),
    [
        ("v1", f"cpu,cpuacct{PLAIN}/cpu.cfs_quota_us", "50000\n"),
        ("v1-systemd", f"cpu,cpuacct{SCOPE}/cpu.cfs_quota_us", "50000\n"),
        ("v2", f"{PLAIN[1:]}/cpu.max", "50000 100000\n"),
        ("v2-systemd", f"{SCOPE[1:]}/cpu.max", "50000 100000\n"),
        ("v2-systemd", f"{SCOPE[1:]}/libvirt/cpu.max", "50000 100000\n"),
    ],
)
def test_a_cap_is_found_wherever_it_was_set(
    tmp_path: Path, read: Callable[[HostTree], Reader], layout: str, path: str, text: str
) -> None:
    tree = LAYOUTS[layout](tmp_path)
    tree.write(f"sys/fs/cgroup/{path}", text)
    row = read(tree).frame().guests[0]
    assert row[[GuestField.QUOTA_US, GuestField.PERIOD_US]].tolist() == [50_000, 100_000]


@pytest.mark.parametrize("level", ["", "/libvirt"])
def test_a_memory_limit_is_found_wherever_it_was_set(
    tmp_path: Path, read: Callable[[HostTree], Reader], level: str
) -> None:
    tree = v2_systemd(tmp_path)
    tree.write(f"sys/fs/cgroup{SCOPE}{level}/memory.max", "614400000\n")
    assert read(tree).frame().guests[0, GuestField.LIMIT] == 614_400_000


def test_a_hidden_mount_is_not_used(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    """A container's mountinfo still names what later mounts have covered."""
    tree = v1_host(tmp_path)
    info = tmp_path / "proc/self/mountinfo"
    hidden = (
        "60 24 0:60 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
        "61 24 0:61 /x /gone rw - cgroup cgroup rw,cpu,cpuacct\n"
    )
    info.write_text(hidden + info.read_text() + hidden)
    assert read(tree).host.mounts.layout == "v1"
    assert read(tree).frame().guests[0, GuestField.CPU_US] == 1_000_000


@pytest.mark.parametrize(
    ("mount_root", "shown"),
    [("/lxc/host7", f"/lxc/host7{PLAIN}"), ("/..", f"/..{PLAIN}"), ("/", PLAIN)],
)
def test_paths_are_relative_to_the_root_of_the_mount(
    tmp_path: Path, read: Callable[[HostTree], Reader], mount_root: str, shown: str
) -> None:
    tree = HostTree(tmp_path, "v2", mount_root=mount_root)
    tree.v2_groups(PLAIN)
    tree.process(100, uuid=UUID, name="web", cgroup=f"0::{shown}/emulator\n")
    assert read(tree).frame().guests[0, GuestField.CPU_US] == 1_000_000


@pytest.mark.parametrize(
    "path",
    [
        "/machine/qemu-12-cgspace.libvirt-qemu",
        "/machine/web.libvirt-qemu",
        "/machine.slice/machine-qemu\\x2d12\\x2da\\x2db.scope",
        "/machine.slice/machine-qemu\\x2dweb.scope",
        "/prod.partition/qemu-3-x.libvirt-qemu",
        "/machine.slice/machine-prod.slice/machine-qemu\\x2d3\\x2dx.scope",
        "/system/libvirtd.service/libvirt/qemu/web",
    ],
)
def test_all_namings_of_libvirt_are_known(tmp_path: Path, read: Callable[[HostTree], Reader], path: str) -> None:
    tree = HostTree(tmp_path, "v2")
    tree.v2_groups(path)
    tree.process(100, uuid=UUID, name="web", cgroup=f"0::{path}/emulator\n")
    assert read(tree).frame().guests[0, GuestField.MEMORY] == 536_870_912


@pytest.mark.parametrize("path", ["/", "/user.slice/user-1000.slice/session-2.scope", "/system.slice/libvirtd.service"])
def test_a_group_that_is_not_the_guests_own_gives_no_figures(
    tmp_path: Path, read: Callable[[HostTree], Reader], path: str
) -> None:
    tree = HostTree(tmp_path, "v2")
    tree.v2_groups(path)
    tree.process(100, uuid=UUID, name="web", cgroup=f"0::{path}\n")
    reader = read(tree)
    sample = reader.frame()
    assert sample.uuids == (UUID,)
    assert np.isnan(sample.guests).all()
    assert reader.decoder.status["unmapped"] == 1


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("guest=with space,debug-threads=on", "with space"),
        ("guest=a,,b,debug-threads=on", "a,b"),
        ("guest=it's,debug-threads=on", "it's"),
        ("old-style,debug-threads=on", "old-style"),
        ("guest=été", "été"),
    ],
)
def test_names_of_all_kinds(tmp_path: Path, read: Callable[[HostTree], Reader], words: str, name: str) -> None:
    tree = HostTree(tmp_path, "v2")
    tree.v2_groups(PLAIN)
    tree.process(100, uuid=UUID.upper(), name=name, guest_name=words, cgroup=f"0::{PLAIN}/emulator\n")
    reader = read(tree)
    assert reader.frame().uuids == (UUID,)
    (guest,) = reader.host.guests.values()
    assert guest.entity.about["name"] == name


def test_other_pid_files_are_no_guests_and_do_no_harm(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v1_host(tmp_path)
    tree.write("proc/50/cmdline", "/usr/sbin/libvirtd\0--timeout\0120\0")
    tree.write("run/libvirt/qemu/driver.pid", "50\n")
    tree.write("run/libvirt/qemu/empty.pid", "")
    tree.write("run/libvirt/qemu/odd.pid", "no number\n")
    tree.write("run/libvirt/qemu/stale.pid", "4194000\n")
    tree.write("run/libvirt/qemu/reused.pid", "100\n")
    assert read(tree).frame().uuids == (UUID,)


def test_guests_of_users_own_daemons_are_seen_too(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v1_host(tmp_path)
    tree.process(200, uuid=OTHER, name="mine", cgroup="0::/user.slice\n")
    target = tmp_path / "run/user/1000/libvirt/qemu/run/mine.pid"
    target.parent.mkdir(parents=True)
    (tmp_path / "run/libvirt/qemu/mine.pid").rename(target)
    assert set(read(tree).frame().uuids) == {UUID, OTHER}


def test_a_guest_that_comes_is_seen_at_the_next_look_and_one_that_goes_is_gone(
    tmp_path: Path, read: Callable[[HostTree], Reader]
) -> None:
    tree = v1_host(tmp_path)
    reader = read(tree)
    reader.after_rescan()
    tree.v1_groups("/machine/qemu-2-db.libvirt-qemu")
    tree.process(200, uuid=OTHER, name="db", cgroup=V1_CGROUP.format("/machine/qemu-2-db.libvirt-qemu"))
    assert reader.after_rescan().uuids == (UUID, OTHER)
    room = File.room
    (tmp_path / "run/libvirt/qemu/web.pid").unlink()
    sample = reader.after_rescan()
    assert sample.uuids == (OTHER,)
    assert all(device.guest == sample.keys[0] for device in sample.devices)
    assert File.room > room, "its files were closed"


def test_a_restarted_guest_gets_a_new_key(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v1_host(tmp_path)
    reader = read(tree)
    before = reader.after_rescan()
    (tmp_path / "run/libvirt/qemu/web.pid").unlink()
    tree.process(101, uuid=UUID, name="web", cgroup=V1_CGROUP.format(PLAIN))
    now = reader.after_rescan()
    assert now.uuids == (UUID,)
    assert now.keys != before.keys


def test_a_process_that_is_gone_is_dropped_though_its_pid_file_stays(
    tmp_path: Path, read: Callable[[HostTree], Reader]
) -> None:
    """As when QEMU dies while libvirtd is down. A zombie has no memory any more."""
    tree = v1_host(tmp_path)
    reader = read(tree)
    reader.after_rescan()
    tree.write("proc/100/statm", "0 0 0 0 0 0 0\n")
    tree.write("proc/100/cmdline", "")
    assert reader.after_rescan().uuids == ()


@pytest.mark.parametrize(
    ("path", "lost"),
    [
        (f"cpu,cpuacct{PLAIN}/cpuacct.usage", {GuestField.CPU_US}),
        (f"cpu,cpuacct{PLAIN}/cpuacct.stat", {GuestField.USER_US, GuestField.SYSTEM_US}),
        (f"memory{PLAIN}/memory.usage_in_bytes", {GuestField.MEMORY}),
        (f"memory{PLAIN}/memory.limit_in_bytes", {GuestField.LIMIT}),
        (f"cpu,cpuacct{PLAIN}/cpu.cfs_quota_us", {GuestField.QUOTA_US, GuestField.PERIOD_US}),
    ],
)
def test_a_file_that_cannot_be_read_is_an_empty_field_and_shifts_nothing(
    tmp_path: Path, read: Callable[[HostTree], Reader], path: str, lost: set[GuestField]
) -> None:
    tree = v1_host(tmp_path)
    reader = read(tree)
    reader.frame()
    where = tmp_path / "sys/fs/cgroup" / path
    where.write_text("garbage of some kind\n")
    row = reader.frame().guests[0]
    assert {f for f in EXPECTED if np.isnan(row[f])} == lost
    assert all(row[f] == EXPECTED[f] for f in set(EXPECTED) - lost)


def test_files_that_vanish_are_empty_fields_even_when_they_are_not_kept_open(
    tmp_path: Path, read: Callable[[HostTree], Reader]
) -> None:
    tree = v1_host(tmp_path)
    reader = read(tree)
    File.room = 0
    reader.frame()
    shutil.rmtree(tmp_path / f"sys/fs/cgroup/memory{PLAIN}")
    row = reader.frame().guests[0]
    assert np.isnan(row[[GuestField.MEMORY, GuestField.LIMIT]]).all()
    assert row[GuestField.CPU_US] == 1_000_000
    tree.v1_groups(PLAIN)
    assert reader.frame().guests[0, GuestField.MEMORY] == 536_870_912


def test_a_long_memory_stat_is_read_whole(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v2_plain(tmp_path)
    filler = "".join(f"some_counter_{n} 0\n" for n in range(500))
    tree.write(f"sys/fs/cgroup{PLAIN}/memory.stat", filler + "anon 7\nfile 8\n")
    assert read(tree).frame().guests[0, [GuestField.ANON, GuestField.CACHE]].tolist() == [7, 8]
    File.room = 0
    assert read(tree).frame().guests[0, [GuestField.ANON, GuestField.CACHE]].tolist() == [7, 8]


def test_memory_stat_is_read_now_and_then_only(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v2_plain(tmp_path)
    reader = read(tree)
    for _ in range(MEMORY_STAT_EVERY + 2):
        reader.frame()
    tree.write(f"sys/fs/cgroup{PLAIN}/memory.stat", "anon 7\nfile 8\n")
    seen = [reader.frame().guests[0, GuestField.ANON] for _ in range(MEMORY_STAT_EVERY)]
    assert seen.count(7) >= 1
    assert seen[-1] == 7
    assert len(set(seen)) <= 2


def test_vcpus_and_interfaces_that_are_plugged_in_are_found(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v1_host(tmp_path)
    reader = read(tree)
    reader.frame()
    tree.write(f"sys/fs/cgroup/cpu,cpuacct{PLAIN}/vcpu1/cpu.stat", "nr_periods 9\nnr_throttled 3\nthrottled_time 0\n")
    tree.tap(100, 33, "vnet4")
    tree.traffic(vnet4=(1, 2, 3, 4))
    sample = reader.after_rescan()
    sample = reader.frame()
    assert sample.guests[0, GuestField.VCPU_PERIODS] == 9
    assert "vnet4" in {device.name for device in sample.devices}


def test_what_the_tap_receives_is_what_the_guest_has_sent(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v1_host(tmp_path)
    tree.tap(100, 30, "vnet0")
    tree.tap(100, 31, "vnet0")  # one queue more of the same interface
    tree.macvtap(100, 32, "macvtap1", 77)
    tree.traffic(vnet0=(1000, 10, 5000, 50), macvtap1=(7000, 70, 2000, 20), vnet9=(1, 1, 1, 1))
    sample = read(tree).frame()
    found = {d.name: row for d, row in zip(sample.devices, sample.counters.tolist(), strict=True) if d.is_network}
    assert found == {"vnet0": [5000, 1000, 50, 10], "macvtap1": [7000, 2000, 70, 20]}


def test_an_interface_without_counters_is_unknown(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v1_host(tmp_path)
    tree.tap(100, 30, "vnet0")
    sample = read(tree).frame()
    assert [d.name for d in sample.devices if d.is_network] == ["vnet0"]
    assert np.isnan(sample.counters[[d.is_network for d in sample.devices]]).all()


def test_disks_have_names_and_know_what_they_lie_on(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v2_plain(tmp_path)
    tree.write("sys/devices/pci/block/sda/dev", "8:0\n")
    tree.write("sys/devices/pci/block/sda/sda3/dev", "8:3\n")
    tree.write("sys/devices/pci/block/sda/sda3/partition", "3\n")
    tree.write("sys/devices/virtual/block/dm-0/dm/name", "vg0-web\n")
    tree.write("sys/devices/virtual/block/dm-0/dev", "253:0\n")
    slaves = tmp_path / "sys/devices/virtual/block/dm-0/slaves"
    slaves.mkdir()
    (slaves / "sda3").symlink_to(tmp_path / "sys/devices/pci/block/sda/sda3")
    (tmp_path / "sys/dev/block").mkdir(parents=True)
    (tmp_path / "sys/dev/block/8:0").symlink_to(tmp_path / "sys/devices/pci/block/sda")
    (tmp_path / "sys/dev/block/253:0").symlink_to(tmp_path / "sys/devices/virtual/block/dm-0")
    line = "{} rbytes=1 wbytes=2 rios=3 wios=4\n"
    tree.write(f"sys/fs/cgroup{PLAIN}/io.stat", line.format("8:0") + line.format("253:0"))
    devices = {device.number: device for device in read(tree).frame().devices}
    assert devices["8:0"].name == "8:0 sda"
    assert devices["253:0"].name == "253:0 vg0-web"
    assert devices["253:0"].under == {"8:0"}
    assert devices["8:0"].under == frozenset()


def test_nothing_changed_is_a_heartbeat_of_a_few_bytes(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    reader = read(v1_host(tmp_path))
    for _ in range(3):
        reader.frame()
    assert (
        reader.text
        == f"F {reader.host.frames - 1} {(reader.host.frames - 1) * 1_000_000} D\nE {reader.host.frames - 1}\n"
    )


def test_keyframes_come_by_themselves_and_when_asked_for(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    reader = read(v1_host(tmp_path))
    kinds = []
    for _ in range(KEYFRAME_EVERY + 1):
        reader.frame()
        kinds.append(reader.text.split("\n")[0][-1])
    assert [n for n, kind in enumerate(kinds) if kind == "K"] == [0, KEYFRAME_EVERY]
    assert UUID in reader.host.frame(0, wants_key=True)


def test_a_user_who_may_not_see_processes_is_told(tmp_path: Path, read: Callable[[HostTree], Reader]) -> None:
    tree = v1_host(tmp_path)
    shutil.rmtree(tmp_path / "proc/100")
    shutil.rmtree(tmp_path / "proc/1")
    reader = read(tree)
    assert reader.frame().uuids == ()
    assert "hidepid" in reader.decoder.status["denied"]


def test_a_host_without_guests_or_without_libvirt_gives_empty_frames(
    tmp_path: Path, read: Callable[[HostTree], Reader]
) -> None:
    tree = HostTree(tmp_path, "v2")
    shutil.rmtree(tmp_path / "run")
    reader = read(tree)
    assert reader.frame().uuids == ()
    assert reader.decoder.status["denied"] == ""


@pytest.mark.parametrize(
    "module",
    [sampler_remote, sampler_remote_daemon, sampler_remote_files, sampler_remote_kinds, sampler_remote_places],
)
def test_it_is_python_3_6_and_needs_the_standard_library_only(module: object) -> None:
    source = Path(module.__file__).read_text("utf-8")  # type: ignore[attr-defined]  # every module of ours has a file
    tree = ast.parse(source, feature_version=(3, 6))
    imported = {n.names[0].name for n in ast.walk(tree) if isinstance(n, ast.Import)}
    imported |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    own = {f"vmconsole.links.sampler_remote_{part}" for part in ("daemon", "files", "places", "kinds")}
    known = {"contextlib", "glob", "json", "os", "re", "resource", "select", "sys", "time", "typing"}
    known.add("xml.etree.ElementTree")
    assert imported <= known | own
    assert "annotations" not in source.split('"""')[2][:200]
