# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose guests the program on the host finds: containers by their controller, a user's own, the system's."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.links.host_tree import HostTree
from vmconsole.inventory.ids import HostId
from vmconsole.links.sampler import make_sampler
from vmconsole.links.sampler_remote import SETTLED_FRAMES, STATUS_EVERY, Host
from vmconsole.links.sampler_remote_daemon import LOOK_AGAIN_EVERY
from vmconsole.metrics.cgroups import FrameDecoder, GuestField, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.inventory.errors import Explanation

UUID = "3f6a9c1e-0000-4000-8000-00000000000a"
OTHER = "3f6a9c1e-0000-4000-8000-00000000000b"
SYSTEMD_SCOPE = "/machine.slice/machine-lxc\\x2d159\\x2dc1.scope"
STATUS_XML = """<!-- made by libvirt -->
<domstatus state='running' reason='booted' pid='159'>
  <init pid='160'/>
  <domain type='lxc' id='159'>
    <name>c1</name><uuid>{uuid}</uuid>
    <devices>
      <interface type='network'><source network='default'/><target dev='vnet3'/><guest dev='eth0'/></interface>
      <interface type='bridge'><source bridge='br0'/></interface>
      <console type='pty'><target type='lxc' port='0'/></console>
    </devices>
  </domain>
</domstatus>
"""


def known(host: Host, *, frames: int) -> list[str]:
    """The guests after so many more frames."""
    for _ in range(frames):
        host.frame(host.frames * 1_000_000)
    return [guest.entity.about["uuid"] for guest in host.guests.values()]


def container(tree: HostTree, *, cgroup: str, pid: int = 159, name: str = "c1", program: str = "libvirt_lxc") -> None:
    words = [f"/usr/lib/libvirt/{program}", "--name", name, "--console", "28", "--veth", "vnet4"]
    tree.write(f"proc/{pid}/cmdline", "\0".join(words) + "\0")
    tree.write(f"proc/{pid}/statm", "1000 500 100 1 0 400 0\n")
    tree.write(f"proc/{pid}/cgroup", cgroup)
    tree.write("run/libvirt/lxc/c1.pid", f"{pid}")
    tree.write("run/libvirt/lxc/c1.xml", STATUS_XML.format(uuid=UUID.upper()))


def frames(host: Host, count: int = 1) -> tuple[Sample, FrameDecoder]:
    """The last of so many."""
    decoder, sample = FrameDecoder(), None
    for _ in range(count):
        for line in host.frame(host.frames * 1_000_000).rstrip("\n").split("\n"):
            sample = decoder.take(line) or sample
    assert sample is not None
    return sample, decoder


@pytest.mark.parametrize(
    ("layout", "path", "cgroup"),
    [
        ("v1", "/machine/lxc-159-c1.libvirt-lxc", "4:memory:{0}\n3:blkio:{0}\n1:cpu,cpuacct:{0}\n"),
        ("v2", "/machine/lxc-159-c1.libvirt-lxc", "0::{0}\n"),
        ("v2", SYSTEMD_SCOPE, "0::{0}\n"),
        ("v2", SYSTEMD_SCOPE, "0::{0}/libvirt\n"),
        ("v2", "/libvirt/lxc/c1", "0::{0}\n"),
    ],
)
def test_a_container_is_found_by_its_controller(tmp_path: Path, layout: str, path: str, cgroup: str) -> None:
    tree = HostTree(tmp_path, layout)
    (tree.v1_groups if layout == "v1" else tree.v2_groups)(path, vcpus=0)
    container(tree, cgroup=cgroup.format(path))
    tree.traffic(vnet3=(100, 1, 200, 2))
    host = Host(str(tmp_path), "lxc")
    sample, _ = frames(host)
    assert (sample.uuids, sample.guests[0, GuestField.MEMORY]) == ((UUID,), 536_870_912)
    assert sample.guests[0, GuestField.CPU_US] == 1_000_000
    nets = [device for device in sample.devices if device.name == "vnet3"]
    assert len(nets) == 1
    row = sample.devices.index(nets[0])
    assert sample.counters[row].tolist() == [200, 100, 2, 1]  # what the host's end sent, the container received


@pytest.mark.parametrize("change", [{"program": "sleep"}, {"name": "c2"}])
def test_a_pid_that_is_another_process_by_now_is_no_container(tmp_path: Path, change: dict[str, str]) -> None:
    tree = HostTree(tmp_path, "v2")
    tree.v2_groups("/machine/lxc-159-c1.libvirt-lxc")
    container(tree, cgroup="0::/machine/lxc-159-c1.libvirt-lxc\n", **change)  # type: ignore[arg-type]  # texts only
    assert frames(Host(str(tmp_path), "lxc"))[0].uuids == ()


def test_containers_and_virtual_machines_are_not_mixed_up(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, "v2")
    for path in ("/machine/lxc-159-c1.libvirt-lxc", "/machine/qemu-1-web.libvirt-qemu"):
        tree.v2_groups(path)
    container(tree, cgroup="0::/machine/lxc-159-c1.libvirt-lxc\n")
    tree.process(100, uuid=OTHER, name="web", cgroup="0::/machine/qemu-1-web.libvirt-qemu/emulator\n")
    found = {kind: frames(Host(str(tmp_path), kind))[0].uuids for kind in ("lxc", "system", "")}
    assert found == {"lxc": (UUID,), "system": (OTHER,), "": (OTHER,)}


def test_a_session_has_the_users_own_guests_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/77")
    tree = HostTree(tmp_path, "v2")
    tree.process(100, uuid=OTHER, name="web", cgroup="0::/machine/qemu-1-web.libvirt-qemu\n")
    tree.process(101, uuid=UUID, name="mine", cgroup="0::/user.slice/user-77.slice/session-2.scope\n")
    own = tmp_path / "run/user/77/libvirt/qemu/run"
    own.mkdir(parents=True)
    os.rename(tmp_path / "run/libvirt/qemu/mine.pid", own / "mine.pid")
    sample, _ = frames(Host(str(tmp_path), "session"))
    assert sample.uuids == (UUID,)
    assert np.isnan(sample.guests).all()
    assert frames(Host(str(tmp_path), "system"))[0].uuids == (OTHER,)


def daemon(tree: HostTree, *, pid: int, inode: int, states: Sequence[str], namespace: str, comm: str) -> None:
    tree.write(f"proc/{pid}/comm", comm + "\n")
    for folder in ("fd", "ns"):
        (tree.root / f"proc/{pid}/{folder}").mkdir(parents=True)
    (tree.root / f"proc/{pid}/ns/mnt").symlink_to(namespace)
    for number, target in enumerate([f"socket:[{inode}]", *(f"{state}/driver.pid" for state in states)], 5):
        (tree.root / f"proc/{pid}/fd/{number}").symlink_to(target)


@pytest.fixture
def two_daemons(tmp_path: Path) -> HostTree:
    """The usual daemon with the guest «usual», and one at /run/other/sock whose state is in ``namespace``."""
    tree = HostTree(tmp_path, "v1")
    tree.process(100, uuid=UUID, name="usual", cgroup="4:cpu,cpuacct:/machine/qemu-1-usual.libvirt-qemu\n")
    tree.process(200, uuid=OTHER, name="other", cgroup="4:cpu,cpuacct:/machine/qemu-1-other.libvirt-qemu\n")
    (tmp_path / "run/libvirt/qemu/other.pid").unlink()
    head = "Num       RefCount Protocol Flags    Type St Inode Path\n"
    tree.write("proc/net/unix", head + "0000: 00000002 00000000 00010000 0001 01 71 /run/libvirt/libvirt-sock\n"
               "0000: 00000003 00000000 00000000 0001 03 72 /run/other/sock\n"
               "0000: 00000002 00000000 00010000 0001 01 73 /run/other/sock\n"
               "0000: 00000002 00000000 00010000 0001 01 74\n")  # fmt: skip
    (tmp_path / "proc/self/ns").mkdir()
    (tmp_path / "proc/self/ns/mnt").symlink_to("mnt:[1]")
    daemon(tree, pid=10, inode=71, states=["/run/libvirt/qemu"], namespace="mnt:[1]", comm="libvirtd")
    daemon(tree, pid=1, inode=73, states=["/run/libvirt/qemu"], namespace="mnt:[1]", comm="systemd")  # hands it on
    return tree


@pytest.mark.parametrize(
    ("namespace", "state", "place"),
    [
        ("mnt:[1]", "/opt/run/libvirt/qemu", "opt/run/libvirt/qemu"),  # built with another prefix
        ("mnt:[1]", "/run/user/1000/libvirt/qemu/run", "run/user/1000/libvirt/qemu/run"),
        ("mnt:[2]", "/run/libvirt/qemu", "proc/20/root/run/libvirt/qemu"),  # in a mount namespace of its own
    ],
)
@pytest.mark.parametrize("comm", ["libvirtd", "virtqemud"])
def test_the_guests_are_those_of_the_daemon_at_the_named_socket(
    two_daemons: HostTree, namespace: str, state: str, place: str, comm: str
) -> None:
    daemon(two_daemons, pid=20, inode=73, states=["/run/libvirt/lxc", state], namespace=namespace, comm=comm)
    two_daemons.write(f"{place}/other.pid", "200\n")
    host = Host(str(two_daemons.root), "system", "/run/other/sock")
    assert frames(host)[0].uuids == (OTHER,)
    host.close()


def test_a_named_daemon_that_ends_leaves_its_guests_in_the_charts_until_they_end(two_daemons: HostTree) -> None:
    daemon(two_daemons, pid=20, inode=73, states=["/run/libvirt/qemu"], namespace="mnt:[2]", comm="libvirtd")
    two_daemons.write("proc/20/root/run/libvirt/qemu/other.pid", "200\n")
    host = Host(str(two_daemons.root), "system", "/run/other/sock")
    assert known(host, frames=1) == [OTHER]
    shutil.rmtree(two_daemons.root / "proc/20")
    assert known(host, frames=5) == [OTHER]
    daemon(two_daemons, pid=21, inode=73, states=["/run/libvirt/qemu"], namespace="mnt:[2]", comm="libvirtd")
    two_daemons.write("proc/21/root/run/libvirt/qemu/other.pid", "200\n")
    assert known(host, frames=2 * (LOOK_AGAIN_EVERY + 1)) == [OTHER]
    (two_daemons.root / "proc/21/root/run/libvirt/qemu/other.pid").unlink()
    assert known(host, frames=3) == []  # read from its new place
    host.close()


@pytest.mark.parametrize("socket", ["", "/run/nobody-listens", "/run/libvirt/libvirt-sock"])
def test_without_another_daemon_it_is_the_usual_one(two_daemons: HostTree, socket: str) -> None:
    host = Host(str(two_daemons.root), "system", socket)
    assert frames(host)[0].uuids == (UUID,)
    host.close()


def test_a_guest_is_given_time_to_get_its_cgroup(tmp_path: Path) -> None:
    tree = HostTree(tmp_path, "v2")
    tree.process(100, uuid=UUID, name="web", cgroup="0::/system.slice/libvirtd.service\n")
    assert frames(Host(str(tmp_path)))[1].status["settled"] == 0
    assert frames(Host(str(tmp_path)), STATUS_EVERY + 1)[1].status["settled"] == 1
    assert STATUS_EVERY > SETTLED_FRAMES


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        ([{"guests": 2, "unmapped": 0, "settled": 2}], [""]),
        ([{"guests": 0, "unmapped": 0, "settled": 0}], [""]),
        ([{"guests": 2, "unmapped": 1, "settled": 2}], [""]),
        ([{"guests": 1, "unmapped": 1, "settled": 0}, {"guests": 1, "unmapped": 1, "settled": 1}], ["", "no cgroups"]),
        ([{"guests": 1, "unmapped": 1, "settled": 1}, {"guests": 2, "unmapped": 2, "settled": 1}], ["no cgroups"]),
        ([{"guests": 1, "unmapped": 1, "settled": 1}, {"guests": 0, "unmapped": 0, "settled": 0}], ["no cgroups", ""]),
    ],
)
def test_that_no_guest_has_a_cgroup_is_told_once(statuses: list[dict[str, int]], words: list[str]) -> None:
    told: list[Explanation | None] = []
    made = make_sampler(_NoShell(), HostId("h"), lambda _: None, lambda reason, _: told.append(reason))  # type: ignore[arg-type]  # only its name is asked for
    take: Callable[[bytes], bool] = made._stream.take  # type: ignore[attr-defined]  # the stream alone
    take(b'H {"python": "3.11"}\n')
    for number, status in enumerate(statuses):
        text = ", ".join(f'"{key}": {value}' for key, value in status.items())
        take(f"F {number} {number}000000 K\nS {{{text}}}\nE {number}\n".encode())
    assert [("no cgroups" if reason and "no cgroups" in reason.what else "") for reason in told] == words


class _NoShell:
    where = "kvm1"
    is_local = False
