# SPDX-License-Identifier: GPL-3.0-or-later
"""What files are like goes with them into an image and out of it, as guestfish, getfattr, tar and du see it: owners,
modes, times, attributes, access lists, labels, links, holes, and names of any bytes. One appliance for the module."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from vmconsole.images.messages import Conflict, Ownership, Progressed
from vmconsole.inventory.errors import ImageError
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(900)]
ODD = (b"new\nline", b"'quo\"te`$(x)", b"-rf", b"a b", b"\xff\xfe", b"caf\xe9.txt", "ünï.txt".encode(), b"\x81\x88")
LABEL = b"system_u:object_r:httpd_sys_content_t:s0\0"
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *entry)
    for entry in ((1, 6, 0xFFFFFFFF), (2, 7, 1000), (4, 4, 0xFFFFFFFF), (16, 7, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
)
"""u::rw-,u:1000:rwx,g::r--,m::rwx,o::--- as the kernel keeps it (linux/posix_acl_xattr.h)."""
CAPABILITY = struct.pack("<IIIII", 0x02000001, 0x400, 0, 0, 0)
"""cap_net_bind_service+ep (linux/capability.h)."""
SPARSE_BYTES = 300 << 20


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    place = tmp_path_factory.mktemp("fidelity")
    tree = place / "tree"
    for folder in ("etc", "srv/www", "in", "over", "odd"):
        (tree / folder).mkdir(parents=True)
    (tree / "etc/os-release").write_text('PRETTY_NAME="Test"\n')
    os.chown(tree / "srv/www", 33, 34)
    os.setxattr(tree / "srv/www", "security.selinux", LABEL)
    image = disks.ext4(tree, place / "guest.qcow2", size="900M")
    shell = LocalShell()
    opened = session_on(image, shell, place / "work")
    done(opened.session.open(), deadline_s=LAUNCH_S)
    yield opened
    close(opened)
    shell.close()


@pytest.fixture(scope="module")
def dressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that a file can have."""
    top = tmp_path_factory.mktemp("local") / "dressed"
    (top / "sub").mkdir(parents=True)
    plain = top / "sub" / "plain"
    plain.write_bytes(b"content\n")
    os.chown(plain, 1234, 4321)
    for name, value in (("user.note", b"a\0\xff b"), ("security.selinux", LABEL), ("security.capability", CAPABILITY),
                        ("system.posix_acl_access", ACL)):  # fmt: skip
        os.setxattr(plain, name, value)
    os.utime(plain, ns=(10**18, 10**18 + 123456789))
    (top / "private").write_bytes(b"x")
    (top / "private").chmod(0o600)
    os.link(plain, top / "twin")
    os.symlink("sub/plain", top / "soft")
    os.symlink("/etc/passwd", top / "absolute")
    with (top / "holes").open("wb") as file:
        file.seek(100 << 20)
        file.write(b"in the middle")
        file.truncate(SPARSE_BYTES)
    (top / ("long" * 40)).write_bytes(b"a long name")
    for name in ODD:
        with open(os.fsencode(top / "sub") + b"/" + name, "wb") as file:
            file.write(name)
    return top


def seen(guest: Opened, *commands: str) -> list[str]:
    """What an independent guestfish says of the draft as it is on this disk now: an answer for each command."""
    place = guest.image.with_name("seen")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    layers = [
        layer
        for layer in (guest.image.parent / "work").glob("**/*")
        if layer.is_file() and layer.read_bytes()[:4] == b"QFI\xfb"
    ]
    below = {}
    for layer in layers:
        shutil.copyfile(layer, place / layer.name)
        told = json.loads(disks.run("qemu-img", "info", "-U", "--output=json", place / layer.name))
        below[layer.name] = told["backing-filename"]
    (top,) = set(below) - set(below.values())
    for name, backing in below.items():
        if backing not in below:
            disks.run("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", guest.image, place / name)
    marked = [line for command in commands for line in ("echo @@@", command)]
    return [part.strip() for part in disks.guestfish(place / top, *marked).split("@@@\n")[1:]]


def numbers(answer: str) -> dict[str, int]:
    """guestfish's «st_uid: 5» lines."""
    return {key: int(value) for key, _, value in (line.partition(": ") for line in answer.splitlines())}


def test_it_goes_in_as_it_was_chosen(guest: Opened, dressed: Path) -> None:
    result = done(guest.session.import_paths([dressed], "/in", ownership=Ownership.AS_IS))
    assert (result.skipped, result.not_kept) == ((), ())
    like = done(guest.session.import_paths([dressed], "/srv/www", ownership=Ownership.FOLDER))
    assert "Access lists or capabilities of 1 files" in like.not_kept[0]
    done(guest.session.import_paths([dressed], "/over", ownership=Ownership.ROOT))
    listed = guest.image.with_name("names")
    answers = seen(
        guest,
        *(f"statns /{at}/dressed/sub/plain" for at in ("in", "srv/www", "over")),
        *(f"lgetxattrs /{at}/dressed/sub/plain" for at in ("in", "srv/www", "over")),
        "statns /in/dressed/holes", "checksum sha256 /in/dressed/holes",
        "readlink /in/dressed/soft", "readlink /in/dressed/absolute", "statns /in/dressed/twin",
        f"cat /in/dressed/{'long' * 40}", "statns /in/dressed/private", f"find0 /in/dressed/sub {listed}",
    )  # fmt: skip
    kept, folders, roots = map(numbers, answers[:3])
    assert (kept["st_uid"], kept["st_gid"], kept["st_nlink"]) == (1234, 4321, 2)
    assert (kept["st_mtime_sec"], kept["st_mtime_nsec"]) == (10**9, 123456789)
    assert (folders["st_uid"], folders["st_gid"], folders["st_mode"] & 0o777) == (33, 34, kept["st_mode"] & 0o777)
    assert (roots["st_uid"], roots["st_gid"]) == (0, 0)
    assert {"user.note", "security.selinux", "security.capability", "system.posix_acl_access"} <= set(words(answers[3]))
    assert {"user.note", "security.selinux"} == {w for w in words(answers[4]) if w.count(".") == 1 and ":" not in w}
    assert "httpd_sys_content_t" in answers[4], "the folder's own label"
    assert "security.selinux" not in words(answers[5]), "that folder has none"
    assert numbers(answers[6])["st_blocks"] * 512 < 1 << 20, "holes stay holes"
    assert answers[7] == sha256(dressed / "holes")
    assert answers[8:10] == ["sub/plain", "/etc/passwd"]
    assert numbers(answers[10])["st_ino"] == kept["st_ino"]
    assert answers[11] == "a long name"
    assert numbers(answers[12])["st_mode"] & 0o777 == 0o600
    assert set(listed.read_bytes().split(b"\0")) - {b""} == {b"/" + name for name in (b"plain", *ODD)}


def words(answer: str) -> list[str]:
    return [line.split(": ", 1)[1] for line in answer.splitlines() if ": " in line]


def test_it_comes_out_as_it_is(guest: Opened, dressed: Path, tmp_path: Path) -> None:
    result = done(guest.session.export_paths(["/in/dressed"], tmp_path))
    out = tmp_path / "dressed"
    assert [line.split(":")[0] for line in result.skipped] == ["./absolute"]
    assert result.not_kept == ("Capabilities of 1 files: they would give rights on this computer",)
    plain = (out / "sub/plain").stat()
    assert (plain.st_uid, plain.st_gid, plain.st_mtime_ns) == (1234, 4321, 10**18 + 123456789)
    told = disks.run("getfattr", "-d", "-m", "-", "--absolute-names", "-e", "hex", out / "sub/plain")
    for name, value in (("user.note", b"a\0\xff b"), ("security.selinux", LABEL), ("system.posix_acl_access", ACL)):
        assert f"{name}=0x{value.hex()}" in told
    assert "user:1000:rwx" in disks.run("getfacl", "-n", "-p", out / "sub/plain")
    assert "capability" not in told
    assert os.readlink(out / "soft") == "sub/plain"
    assert (out / "twin").samefile(out / "sub/plain")
    assert int(disks.run("du", "-k", out / "holes").split()[0]) < 1024
    assert sha256(out / "holes") == sha256(dressed / "holes")
    assert {os.fsencode(p.name) for p in (out / "sub").iterdir()} == {b"plain", *ODD}
    for name in ODD:
        assert (out / "sub" / os.fsdecode(name)).read_bytes() == name


def test_an_ordinary_user_is_told_what_is_not_kept(guest: Opened, tmp_path: Path) -> None:
    """The child that serves this user is root, so the part that sets properties is run by another here."""
    script = (
        "import os,sys; os.setgid(65534); os.setuid(65534)\n"
        "from vmconsole.images.child.local_dress import Attributes, Tally, put_on\n"
        "tally=Tally(); open(sys.argv[1],'w').close()\n"
        f"put_on(sys.argv[1], Attributes(0o104755, 33, 34, 0, 0, (('security.selinux', {LABEL!r}),"
        f"('system.posix_acl_access', {ACL!r}), ('user.note', b'1'), ('trusted.x', b'1'))), tally)\n"
        "print(*tally.not_kept, sep='\\n'); print(oct(os.stat(sys.argv[1]).st_mode))"
    )
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if len(folder.parts) > 2:
            folder.chmod(folder.stat().st_mode | 0o111)
    done_ = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "f")], capture_output=True, text=True, check=True
    )
    told = done_.stdout
    for words_ in ("Owner and group of 1", "Set-user-id", "«trusted.x» of 1"):
        assert words_ in told, told
    assert "Access lists" not in told
    assert "0o100" in told, "no set-id bit"
    assert "user.note=" in disks.run("getfattr", "-d", "-m", "-", "--absolute-names", tmp_path / "f")


def test_thousands_of_files_take_their_place_at_once(guest: Opened, tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"f{number:04}").write_bytes(b"%d" % number * 100)
    paths = sorted(tmp_path.iterdir())
    done(guest.session.write_file("/over/f0007", b"old"))
    with pytest.raises(ImageError, match="f0007"):
        done(guest.session.import_paths(paths, "/over"))
    assert "f0008" not in guest.names("/over")
    result = done(guest.session.import_paths(paths, "/over", conflict=Conflict.REPLACE))
    assert result.files == 2000
    assert done(guest.session.import_paths(paths, "/in")).files == 2000
    assert {p.name for p in paths} <= set(guest.names("/in"))
    found = guest.names("/over")
    assert {p.name for p in paths} <= set(found)
    assert not [name for name in found if name.startswith(".vmconsole")]
    assert guest.read("/over/f0007") == b"7" * 100
    assert guest.read("/over/f1999") == b"1999" * 100


def test_thousands_that_fail_half_way_are_all_gone(guest: Opened, tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"g{number:04}").write_bytes(os.urandom(1 << 20))
    before = guest.names("/in")
    guest.events.clear()
    future = guest.session.import_paths(sorted(tmp_path.iterdir()), "/in")
    disks.until(lambda: any(isinstance(e, Progressed) and e.position > 9 << 20 for e in guest.events), what="it moves")
    guest.session.cancel()
    with pytest.raises(CancelledError):
        done(future)
    assert guest.names("/in") == before


def test_a_cancel_in_a_big_file_leaves_nothing(guest: Opened, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(64 << 20))
    (tmp_path / "small").write_bytes(b"x")
    before = guest.names("/over")
    guest.events.clear()
    future = guest.session.import_paths([tmp_path / "small", tmp_path / "big"], "/over")
    disks.until(lambda: any(isinstance(e, Progressed) and e.position > 1 << 20 for e in guest.events), what="it moves")
    guest.session.cancel()
    with pytest.raises(CancelledError):
        done(future)
    assert guest.names("/over") == before
    done(guest.session.import_paths([tmp_path / "small", tmp_path / "big"], "/over"))
    (tmp_path / "out").mkdir()
    done(guest.session.export_paths(["/over"], tmp_path / "out"))
    out = tmp_path / "out" / "over"
    assert sha256(out / "big") == sha256(tmp_path / "big")
    assert len(list(out.iterdir())) == len(guest.names("/over"))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
