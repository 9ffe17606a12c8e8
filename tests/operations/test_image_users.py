# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses an image is asked of every connected host: shared storage, same names on local disks, children, silence."""

from __future__ import annotations

import subprocess
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from vmconsole.inventory.errors import HostNotAnswering, ImageError, ImageInUse
from vmconsole.inventory.ids import HostId
from vmconsole.links.base import Completed
from vmconsole.links.ssh import LocalShell
from vmconsole.operations.image_users import AskedHost, children_command, children_in, place_command, users_of_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATH = "/srv/images/web1.qcow2"


@dataclass
class ScriptedHost:
    """A link whose shell answers as told."""

    name: str
    place: str = "machine-a\next2/ext3\n7\n"
    users: tuple[str, ...] = ()
    children: str = ""
    fails: bool = False
    has_shell: bool = True

    def submit(self, job: Callable[[Any], Any], *, deadline_s: float) -> Future[Any]:
        del deadline_s
        return self._done(lambda: job(self))

    def image_users(self, path: str) -> tuple[str, ...]:
        assert path == PATH
        return self.users

    def shell(self) -> ScriptedHost | None:
        return self if self.has_shell else None

    def submit_shell(self, job: Callable[[Any], Any], *, deadline_s: float) -> Future[Any]:
        del deadline_s
        return self._done(lambda: job(self))

    def run(self, command: str, *, deadline_s: float) -> Completed:
        del deadline_s
        return Completed(0, (self.place if command == place_command(PATH) else self.children).encode(), b"")

    def _done(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        if self.fails:
            future.set_exception(HostNotAnswering("It hangs."))
        else:
            future.set_result(work())
        return future

    def asked(self) -> AskedHost:
        return AskedHost(HostId(self.name), self.name, self)  # type: ignore[arg-type]  # as much of a link as is asked


def ask(*hosts: ScriptedHost) -> tuple[str, ...]:
    return users_of_image([host.asked() for host in hosts], HostId("kvm1"), PATH)


NFS = "machine-b\nnfs\n7\n"


def test_the_images_own_host_is_believed_as_it_is() -> None:
    assert ask(ScriptedHost("kvm1", users=("web1",))) == ("web1",)


def test_a_guest_of_another_host_on_shared_storage_counts() -> None:
    own = ScriptedHost("kvm1", place="machine-a\nnfs\n7\n")
    assert ask(own, ScriptedHost("kvm2", place=NFS, users=("copy",))) == ("copy on kvm2",)
    assert ask(own, ScriptedHost("kvm2", place="machine-b\nnfs\n8\n", users=("other",))) == ()


def test_the_same_name_on_another_hosts_own_disk_is_another_image() -> None:
    other = ScriptedHost("kvm2", place="machine-b\next2/ext3\n7\n", users=("its own web1",))
    assert ask(ScriptedHost("kvm1"), other) == ()
    assert ask(ScriptedHost("kvm1"), ScriptedHost("kvm2", place="machine-b\n", users=("its own web1",))) == ()


def test_one_machine_under_two_addresses_is_one() -> None:
    assert ask(ScriptedHost("kvm1"), ScriptedHost("lxc", users=("box",))) == ("box on lxc",)


def test_devices_are_told_apart_by_what_the_kernel_knows_of_them() -> None:
    own = ScriptedHost("kvm1", place="machine-a\ndevice\nLVM-abc\n/dev/vg/web1\n")
    same = ScriptedHost("kvm2", place="machine-b\ndevice\nLVM-abc\n/dev/vg/web1\n", users=("web1",))
    other = ScriptedHost("kvm3", place="machine-c\ndevice\nLVM-xyz\n/dev/vg/web1\n", users=("web1",))
    assert ask(own, same, other) == ("web1 on kvm2",)


def test_a_host_without_a_shell_is_believed_where_storage_is_shared() -> None:
    silent = ScriptedHost("tls", has_shell=False, users=("web1",))
    assert ask(ScriptedHost("kvm1", place="machine-a\nnfs\n7\n"), silent) == ("web1 on tls",)
    assert ask(ScriptedHost("kvm1"), silent) == ()


def test_a_host_that_cannot_be_asked_is_named() -> None:
    with pytest.raises(ImageError, match="kvm2 could not be asked"):
        ask(ScriptedHost("kvm1"), ScriptedHost("kvm2", fails=True))
    with pytest.raises(ImageError, match="own host is not connected"):
        ask(ScriptedHost("kvm2"))


def test_an_image_that_another_one_is_based_on_is_refused() -> None:
    child = '{"filename": "/pool/child.qcow2", "full-backing-filename": "/srv/images/web1.qcow2"}\n'
    with pytest.raises(ImageInUse, match=r"/pool/child\.qcow2"):
        ask(ScriptedHost("kvm1", children=child))
    shared = ScriptedHost("kvm1", place="machine-a\nnfs\n7\n")
    with pytest.raises(ImageInUse, match="kvm2"):
        ask(shared, ScriptedHost("kvm2", place=NFS, children=child))


def test_children_are_found_in_definitions_and_pools(tmp_path: Path) -> None:
    """With real images and the real shell text."""
    base, libvirt = tmp_path / "base image.qcow2", tmp_path / "etc"
    pool, elsewhere = tmp_path / "pool", tmp_path / "a & b"
    for folder in (pool, elsewhere, libvirt / "qemu", libvirt / "storage"):
        folder.mkdir(parents=True)

    def make(path: Path, *backing: str) -> str:
        size = [] if backing else ["1M"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, path, *size], check=True)
        return str(path)

    make(base)
    in_pool = make(pool / "one.qcow2", "-F", "qcow2", "-b", str(base))
    defined = make(elsewhere / "two.qcow2", "-F", "qcow2", "-b", "../base image.qcow2")
    make(pool / "free.qcow2")
    text = str(elsewhere).replace("&", "&amp;")
    (libvirt / "qemu/g.xml").write_text(f"<domain>\n  <source file='{text}/two.qcow2'/>\n</domain>\n")
    (libvirt / "storage/p.xml").write_text(f"<pool>\n    <path>{pool}</path>\n</pool>\n")
    shell = LocalShell()
    out = shell.run(children_command(str(base), libvirt=str(libvirt)), deadline_s=20).out.decode()
    assert sorted(children_in(out, str(base))) == sorted([in_pool, defined])
    machine, kind, mark = shell.run(place_command(str(base)), deadline_s=5).out.decode().splitlines()
    assert (bool(machine), bool(kind), mark) == (True, True, str(base.stat().st_ino))
    shell.close()
