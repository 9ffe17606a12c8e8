# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs on the host, on trees of plain files: what is in a frame, and what cannot be read."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.links.host_layouts import EXPECTED, PLAIN, UUID, Reader, v1_host, v2_plain
from tests.links.host_tree import HostTree
from vmconsole.links import (
    sampler_remote,
    sampler_remote_daemon,
    sampler_remote_files,
    sampler_remote_kinds,
    sampler_remote_places,
)
from vmconsole.links.sampler_remote import KEYFRAME_EVERY, MEMORY_STAT_EVERY
from vmconsole.links.sampler_remote_files import File
from vmconsole.metrics.cgroups import GuestField

if TYPE_CHECKING:
    from collections.abc import Callable


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
