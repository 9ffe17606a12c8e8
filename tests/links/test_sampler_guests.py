# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs on the host, on trees of plain files: who is a guest, who comes and who goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.links.host_layouts import OTHER, PLAIN, UUID, V1_CGROUP, Reader, v1_host
from tests.links.host_tree import HostTree
from vmconsole.links.sampler_remote_files import File

if TYPE_CHECKING:
    from collections.abc import Callable


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
