# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts as plain files, one for each layout of cgroups, with one guest each; and the sampler's program on them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.links.host_tree import HostTree
from vmconsole.links.sampler_remote import RESCAN_EVERY, Host
from vmconsole.metrics.cgroups import FrameDecoder, GuestField, Sample

if TYPE_CHECKING:
    from pathlib import Path

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
"""What every layout gives for its guest."""


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
