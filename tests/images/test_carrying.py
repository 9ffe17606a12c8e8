# SPDX-License-Identifier: GPL-3.0-or-later
"""From one image into another: all that a file is goes with it, and an independent guestfish sees it there.

Two appliances for the module.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from vmconsole.images import bundle
from vmconsole.images.messages import Conflict, EntryKind
from vmconsole.inventory.errors import ImageError
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.tool_values import Attributes

ODD = (b"new\nline", b"'quo\"te`$(x)", b"-rf", b"a b", b"\xff\xfe", b"caf\xe9.txt", "ünï.txt".encode())
LABEL = b"system_u:object_r:httpd_sys_content_t:s0\0"
CAPABILITY = struct.pack("<IIIII", 0x02000001, 0x400, 0, 0, 0)
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 0xFFFFFFFF), (2, 7, 1000), (4, 4, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
)
HOLES_BYTES = 200 << 20
BIG_BYTES = 20 << 20
TIME_NS = 10**18 + 123456789
ODD_NAMES = tuple(map(os.fsdecode, ODD))
LOOKED_AT = ("now", "plain", "sub", "sub/tool", "absolute", "escape", "holes", "big.bin", *ODD_NAMES)


def source_tree(top: Path) -> None:
    """Everything that a file can be, as in a guest that was in use."""
    (top / "src" / "sub").mkdir(parents=True)
    suid = top / "src" / "sub" / "tool"
    suid.write_bytes(b"#!/bin/sh\n")
    os.chown(suid, 0, 1234)
    suid.chmod(0o4750)
    os.setxattr(suid, "security.capability", CAPABILITY)
    plain = top / "src" / "plain"
    plain.write_bytes(b"content\n")
    os.chown(plain, 1234, 4321)
    for name, value in (("user.note", b"a\0\xff b"), ("security.selinux", LABEL), ("system.posix_acl_access", ACL)):
        os.setxattr(plain, name, value)
    os.utime(plain, ns=(10**18, TIME_NS))
    os.link(plain, top / "src" / "sub" / "twin")
    os.symlink("/etc/passwd", top / "src" / "absolute")
    os.symlink("../../../../etc/shadow", top / "src" / "escape")
    with (top / "src" / "holes").open("wb") as file:
        file.seek(HOLES_BYTES // 2)
        file.write(b"in the middle")
        file.truncate(HOLES_BYTES)
    (top / "src" / "big.bin").write_bytes(os.urandom(BIG_BYTES))
    for name in ODD:
        path = os.fsencode(top / "src") + b"/" + name
        with open(path, "wb") as file:
            file.write(name)
        os.chown(path, 33, 33)
    os.mkfifo(top / "src" / "pipe")
    os.chown(top / "src", 55, 66)
    (top / "src").chmod(0o2775)
    os.utime(top / "src", ns=(10**18, TIME_NS))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Opened, Opened]]:
    place = tmp_path_factory.mktemp("pair")
    shell = LocalShell()
    for name in ("one", "two"):
        for folder in ("etc", "in"):
            (place / name / folder).mkdir(parents=True)
        (place / name / "etc/os-release").write_text('PRETTY_NAME="Test"\n')
    source_tree(place / "one")
    opened = []
    for name in ("one", "two"):
        image = disks.ext4(place / name, place / f"{name}.qcow2", size="500M")
        opened.append(session_on(image, shell, place / f"work-{name}"))
    openings = [each.session.open() for each in opened]
    for opening in openings:
        done(opening, deadline_s=LAUNCH_S)
    yield opened[0], opened[1]
    for each in opened:
        close(each)
    shell.close()


def like(found: Attributes) -> Attributes:
    """What is to be the same in both images."""
    size = 0 if found.kind is EntryKind.FOLDER else found.size_bytes
    xattrs = tuple(sorted(found.xattrs, key=lambda x: x.name))
    return replace(
        found, path="", inode=0, size_bytes=size, xattrs=xattrs, disk_bytes=0, accessed_at=0.0, changed_at=0.0,
        owner="", group="", users=(), groups=(),
    )  # fmt: skip


@pytest.mark.appliance
@pytest.mark.timeout(900)
def test_all_that_a_file_is_goes_with_it(pair: tuple[Opened, Opened], tmp_path: Path) -> None:
    one, two = pair
    done(one.session.write_file("/src/now", b"written a moment ago"))
    carried = done(one.session.carry_out(["/src"], tmp_path))
    (packed,) = carried.paths
    assert carried.skipped == ("src/pipe: a device, pipe or socket",)
    assert {stat.S_IFMT(os.lstat(os.path.join(packed, n)).st_mode) for n in os.listdir(packed)} == {stat.S_IFREG}
    assert all(n == "list" or n.isdecimal() for n in os.listdir(packed)), "no name of the guest is one here"
    result = done(two.session.carry_in(Path(packed), "/in"))
    assert (result.paths, result.skipped, result.not_kept) == (("/in/src",), (), ())

    tools = [(each.session.tools, top) for each, top in ((one, "/src"), (two, "/in/src"))]
    for name in ("", *(f"/{n}" for n in LOOKED_AT)):
        was, now = (like(done(t.attributes(top + name))) for t, top in tools)
        assert now == was, name
    assert done(two.session.tools.attributes("/in/src/now")).modified_at % 1, "not to the second only"
    plain, twin = (done(two.session.tools.attributes(f"/in/src/{name}")) for name in ("plain", "sub/twin"))
    assert (plain.inode, plain.links) == (twin.inode, 2), "two names of one file"
    assert {x.name for x in plain.xattrs} >= {"user.note", "security.selinux"}
    assert "user:1000:rwx" in plain.access_acl
    tool = done(two.session.tools.attributes("/in/src/sub/tool"))
    assert (tool.mode, {x.name for x in tool.xattrs}) == (0o4750, {"security.capability"})
    assert done(two.session.tools.attributes("/in/src/holes")).disk_bytes < 1 << 20, "holes stay holes"
    same = [done(t.digests([f"{top}/{n}" for n in ("big.bin", "holes", *ODD_NAMES)])) for t, top in tools]
    assert [d.sha256 for d in same[0]] == [d.sha256 for d in same[1]]
    assert all(d.sha256 for d in same[0])


@pytest.mark.appliance
@pytest.mark.timeout(900)
def test_names_that_are_taken_are_each_asked_for(pair: tuple[Opened, Opened], tmp_path: Path) -> None:
    one, two = pair
    for name in ("a", "b", "c"):
        done(one.session.write_file(f"/etc/{name}", f"new {name}".encode()))
        done(two.session.write_file(f"/in/{name}", f"old {name}".encode()))
    (packed,) = done(one.session.carry_out([f"/etc/{n}" for n in ("a", "b", "c")], tmp_path)).paths
    with pytest.raises(ImageError, match="already"):
        done(two.session.carry_in(Path(packed), "/in"))
    with pytest.raises(ImageError, match="not what was asked about"):
        done(two.session.carry_in(Path(packed), "/in", choices=[Conflict.REPLACE]))
    choices = [Conflict.REPLACE, Conflict.KEEP_BOTH, Conflict.SKIP]
    result = done(two.session.carry_in(Path(packed), "/in", choices=choices))
    assert result.paths == ("/in/a", "/in/b (2)")
    found = {name: two.read(f"/in/{name}") for name in ("a", "b", "b (2)", "c")}
    assert found == {"a": b"new a", "b": b"old b", "b (2)": b"new b", "c": b"old c"}


@pytest.mark.slow
@pytest.mark.appliance
@pytest.mark.timeout(900)
def test_a_draft_that_has_what_was_carried_is_applied(pair: tuple[Opened, Opened], tmp_path: Path) -> None:
    """The last test of the module: it ends the second image's draft."""
    one, two = pair
    (packed,) = done(one.session.carry_out(["/src/plain"], tmp_path)).paths
    done(two.session.carry_in(Path(packed), "/etc"))
    done(two.session.apply(), deadline_s=LAUNCH_S)
    answer = disks.guestfish(two.image, "statns /etc/plain", "lgetxattrs /etc/plain", "cat /etc/plain")
    assert "st_uid: 1234" in answer
    assert f"st_mtime_sec: {TIME_NS // 10**9}" in answer
    assert "httpd_sys_content_t" in answer
    assert answer.rstrip().endswith("content")


# -- what a bundle may not say -----------------------------------------------------------------------------------


PLAIN = bundle.Carried("a", stat.S_IFREG | 0o644, 0, 0, 0, 3, data=1)
FOLDER = bundle.Carried("f", stat.S_IFDIR | 0o755, 0, 0, 0)


def made(place: Path, *things: bundle.Carried) -> str:
    (place / "1").write_bytes(b"abc")
    bundle.write(str(place), things)
    return str(place)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    odd = replace(PLAIN, name="f/" + os.fsdecode(b"\xff\n"), xattrs=(("user.x", b"\0\xff"),))
    link = bundle.Carried("l", stat.S_IFLNK | 0o777, 1, 2, 3, target="../../x")
    twin = bundle.Carried("t", stat.S_IFREG | 0o644, 0, 0, 0, same_as=odd.name)
    things = (FOLDER, odd, link, twin)
    assert bundle.read(made(tmp_path, *things)) == things
    assert bundle.tops(things) == (FOLDER, link, twin)


@pytest.mark.parametrize(
    "things",
    [
        (replace(PLAIN, name=".."),),
        (replace(PLAIN, name="/etc/passwd"),),
        (replace(PLAIN, name="f/../x"),),
        (FOLDER, replace(PLAIN, name="f/..")),
        (replace(PLAIN, name="missing/x"),),
        (PLAIN, replace(PLAIN, name="a/x")),
        (PLAIN, PLAIN),
        (replace(PLAIN, data=2),),
        (replace(PLAIN, size_bytes=4),),
        (replace(PLAIN, mode=stat.S_IFBLK | 0o600),),
        (replace(PLAIN, same_as="nowhere"),),
        (replace(PLAIN, uid=-1),),
        (replace(PLAIN, uid=1 << 70),),
        (replace(PLAIN, name="a\0b"),),
    ],
)  # fmt: skip
def test_a_bundle_that_lies_is_refused(tmp_path: Path, things: tuple[bundle.Carried, ...]) -> None:
    with pytest.raises((ImageError, FileNotFoundError)):
        bundle.read(made(tmp_path, *things))


def test_a_bundle_leads_to_no_other_file(tmp_path: Path) -> None:
    place = tmp_path / "bundle"
    place.mkdir()
    (place / "abc").write_bytes(b"abc")
    os.symlink("abc", place / "1")  # as long as what it leads to
    bundle.write(str(place), [PLAIN])
    with pytest.raises(ImageError, match="damaged"):
        bundle.read(str(place))
