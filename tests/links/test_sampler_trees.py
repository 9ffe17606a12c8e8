# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs on the host, on trees of plain files: every layout of cgroups gives the same figures."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.links.host_layouts import EXPECTED, LAYOUTS, PLAIN, SCOPE, UUID, Reader, v1_host, v2_systemd
from tests.links.host_tree import HostTree
from vmconsole.metrics.cgroups import GuestField

if TYPE_CHECKING:
    from collections.abc import Callable


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
