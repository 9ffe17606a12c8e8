# SPDX-License-Identifier: GPL-3.0-or-later
"""Images whose headers name other things of the machine: each is refused before QEMU opens what it names.

On this machine, and as on a host, where there are no walls. That QEMU itself falls for a trick is tried too, so that a
trick that is none does not pass for a success.
"""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.watching import opens_of
from vmconsole.images.export import Export
from vmconsole.images.facts import look_at
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import ImageError, ImageUnreadable
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Host(LocalShell):
    """The same machine, reached as a host is: what it is told has no walls."""

    is_local = False


@pytest.fixture(params=[LocalShell, Host], ids=["here", "on a host"])
def teller(request: pytest.FixtureRequest) -> Iterator[LocalShell]:
    shell = request.param()
    yield shell
    shell.close()


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Another's disk, beside the folder of the images."""
    (tmp_path / "images").mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"secret".ljust(1 << 20, b"!"))
    return victim


@pytest.fixture
def folder(victim: Path) -> Path:
    return victim.parent / "images"


def qcow2(path: Path, backing: str, backing_format: str = "raw") -> Path:
    """qemu-img checks what it is given, a header holds anything."""
    stand_in = "b" * len(backing.encode())
    disks.run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", stand_in, path, "1M")
    content = path.read_bytes()
    assert content.count(stand_in.encode()) == 1
    content = content.replace(stand_in.encode(), backing.encode())
    at = content.index(bytes.fromhex("e2792aca")) + 4  # the format's header extension: length, then text
    padded = (len("raw") + 7) // 8 * 8
    assert len(backing_format) <= padded
    said = len(backing_format).to_bytes(4, "big") + backing_format.encode().ljust(padded, b"\0")
    path.write_bytes(content[:at] + said + content[at + 4 + padded :])
    return path


def refused(shell: LocalShell, image: Path, hint: str, victim: Path) -> ImageError:
    with opens_of(victim) as was_opened:
        with pytest.raises(ImageError) as caught:
            look_at(shell, ImageSource(str(image), hint))
        assert not was_opened(), "it was refused, but too late"
    explanation = caught.value.explanation
    assert explanation.what
    assert explanation.advice or explanation.said
    return caught.value


def falls_for_it(image: Path, hint: str, victim: Path) -> bool:
    """Whether QEMU, told nothing, opens the victim."""
    form = ["-f", hint] if hint else []
    with opens_of(victim) as was_opened:
        subprocess.run(
            ["qemu-io", "-r", *form, "-c", "read 0 512", str(image)], capture_output=True, check=False, timeout=30
        )
        return was_opened()


BACKING = (
    'json:{"driver":"raw","file":{"driver":"file","filename":"VICTIM"}}', "json:{}", "VICTIM", "../victim",
    "./../victim", "IMAGES/../victim", "IMAGES/../../../../../../VICTIM", "file:VICTIM", "link", "IMAGES/link",
    "folder-link/victim", "nbd://127.0.0.1:PORT/x", "nbd:127.0.0.1:PORT", "nbd+unix:///x?socket=VICTIM",
    "http://127.0.0.1:PORT/x", "https://127.0.0.1:PORT/x", "ftp://127.0.0.1:PORT/x", "ssh://127.0.0.1:PORT/x",
    "iscsi://127.0.0.1:PORT/x/0", "rbd:pool/x", "gluster://127.0.0.1/x/x", "fat:..", "fat:rw:..", "fat:/etc",
    "blkdebug::VICTIM", "blkverify:VICTIM:VICTIM", "quorum:", "null-co://", "/dev/null", "/dev/mem", "/dev/vda",
    "/proc/self/mem", "host_device:/dev/sda", "fd:0", "/dev/fd/0", "/dev/fdset/1", "VICTIM\n", "-VICTIM", "",
)  # fmt: skip


@pytest.mark.parametrize("backing", [b for b in BACKING if b])
def test_a_backing_file_that_is_something_else(teller: LocalShell, folder: Path, victim: Path, backing: str) -> None:
    (folder / "link").symlink_to(victim)
    (folder / "folder-link").symlink_to(victim.parent)
    with socket.create_server(("127.0.0.1", 0)) as server:
        named = backing.replace("VICTIM", str(victim)).replace("IMAGES", str(folder))
        image = qcow2(folder / "top.qcow2", named.replace("PORT", str(server.getsockname()[1])))
        assert isinstance(refused(teller, image, "qcow2", victim), ImageUnreadable)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("backing", ["VICTIM", "../victim", "link", "file:VICTIM"])
def test_those_are_tricks(folder: Path, victim: Path, backing: str) -> None:
    (folder / "link").symlink_to(victim)
    image = qcow2(folder / "top.qcow2", backing.replace("VICTIM", str(victim)))
    assert falls_for_it(image, "qcow2", victim)


@pytest.mark.parametrize("form", ["vvfat", "nbd", "blkdebug", "luks", "bochs", "dmg", "cloop", "file", "ssh", "json:"])
def test_a_backing_file_of_an_odd_format(teller: LocalShell, folder: Path, form: str) -> None:
    base = folder / "base"
    base.write_bytes(bytes(1 << 20))
    image = qcow2(folder / "top.qcow2", str(base), form)
    error = refused(teller, image, "qcow2", base)
    assert form in error.explanation.what


@pytest.mark.parametrize("form", ["vvfat", "nbd", "blkdebug", "luks", "bochs", "dmg", "cloop", "file", "ssh", "-x"])
def test_an_odd_format_is_not_even_tried(teller: LocalShell, victim: Path, form: str) -> None:
    assert form in refused(teller, victim, form, victim).explanation.what


def with_data_apart(path: Path, victim: str) -> Path:
    stand_in = path.with_name("d" * (len(victim.encode()) - len(str(path.parent)) - 1))
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={stand_in}", path, "1M")
    content = path.read_bytes()
    assert content.count(os.fsencode(stand_in)) == 1
    path.write_bytes(content.replace(os.fsencode(stand_in), victim.encode()))
    stand_in.unlink()
    return path


@pytest.mark.parametrize("hint", ["qcow2", ""])
@pytest.mark.parametrize("place", ["top", "below"])
def test_data_in_another_file(teller: LocalShell, folder: Path, victim: Path, hint: str, place: str) -> None:
    name = str(victim).replace("/victim", "/./././././././victim")  # the stand-in must be as long
    image = with_data_apart(folder / "apart.qcow2", name)
    assert falls_for_it(image, "qcow2", victim)
    if place == "below":
        image = qcow2(folder / "top.qcow2", str(image), "qcow2")
    assert refused(teller, image, hint, victim).explanation.entry == "image-data-apart"
    url = with_data_apart(folder / "call.qcow2", "nbd://127.0.0.1:1/".ljust(len(str(folder)) + 20, "x"))
    assert refused(teller, url, hint, victim).explanation.entry == "image-data-apart"


HEAD = '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
BARE = HEAD.partition("\n")[2]
VMDK = {
    "plain": HEAD + 'RW 2048 FLAT "VICTIM" 0\n',
    "relative": HEAD + 'RW 2048 FLAT "../victim" 0\n',
    "link": HEAD + 'RW 2048 FLAT "link" 0\n',
    "no heading": BARE + 'RW 2048 FLAT "VICTIM" 0\n',
    "another heading": "# hello\n   \n" + BARE + 'RW 2048 FLAT "VICTIM" 0\n',
    "another name after it": HEAD + 'RW 2048 FLAT "VICTIM" 0 "flat"\n',
    "a comment after it": HEAD + 'RW 2048 FLAT "VICTIM" 0 # "flat"\n',
    "over lines": HEAD + 'RW 2048\nFLAT\n"VICTIM"\n0\n',
    "over lines of another kind": HEAD + 'RW\r2048\rFLAT\r"VICTIM"\r0\n',
    "tabs": HEAD + '\t\tRW\t2048\tFLAT\t"VICTIM"\t0\n',
    "form feeds": HEAD + '\f\vRW\f2048\vFLAT "VICTIM" 0\n',
    "a sign": HEAD + 'RW +2048 FLAT "VICTIM" +0\n',
    "no end of line": HEAD + 'RW 2048 FLAT "VICTIM" 0',
    "spaces only before": HEAD + '\n\n   RW 2048 FLAT "VICTIM" 0\n',
    "VMFS": HEAD + 'RW 2048 VMFS "VICTIM"\n',
    "the second": HEAD + 'RW 1024 FLAT "flat" 0\nRW 1024 FLAT "VICTIM" 0\n',
    "far down": HEAD + "# filling\n" * 90_000 + 'RW 2048 FLAT "VICTIM" 0\n',
}


@pytest.mark.parametrize("hint", ["vmdk", ""])
@pytest.mark.parametrize("trick", VMDK)
def test_a_vmdk_with_parts_elsewhere(teller: LocalShell, folder: Path, victim: Path, trick: str, hint: str) -> None:
    (folder / "flat").write_bytes(bytes(1 << 20))
    (folder / "link").symlink_to(victim)
    image = folder / "a.vmdk"
    image.write_text(VMDK[trick].replace("VICTIM", str(victim)), newline="")
    assert falls_for_it(image, hint, victim), "QEMU does not: this tests nothing"
    refused(teller, image, hint, victim)
    top = qcow2(folder / "top.qcow2", str(image), "vmdk")
    refused(teller, top, "qcow2", victim)


def test_a_vmdk_that_is_no_text_but_taken_for_one(teller: LocalShell, folder: Path, victim: Path) -> None:
    image = folder / "a.vmdk"
    image.write_bytes(b"\1\2\3\n" + (HEAD + f'RW 2048 FLAT "{victim}" 0\n').encode())
    assert falls_for_it(image, "vmdk", victim)
    refused(teller, image, "vmdk", victim)


def test_a_vmdk_on_another_one(teller: LocalShell, folder: Path, victim: Path) -> None:
    image = folder / "a.vmdk"
    disks.run("qemu-img", "create", "-q", "-f", "vmdk", image, "1M")
    content = image.read_bytes()
    hint = f'\nparentFileNameHint="{victim}"\n'.encode()
    begin = content.index(b"parentCID=ffffffff")
    changed = content.replace(b"parentCID=ffffffff", b"parentCID=12345678")
    end = changed.index(b"\0", begin)
    image.write_bytes(changed[:end] + hint + changed[end + len(hint) :])
    refused(teller, image, "vmdk", victim)


def test_a_name_is_judged_as_qemu_will_read_it(teller: LocalShell, tmp_path: Path, folder: Path, victim: Path) -> None:
    """A relative name means another file when the image is reached through a link."""
    links = folder / "links"
    links.mkdir()
    image = qcow2(folder / "top.qcow2", "victim")
    disks.run("cp", victim, links / "victim")  # what it would be beside the link
    (folder / "victim").symlink_to(victim)  # what it is
    (links / "top.qcow2").symlink_to(image)
    assert falls_for_it(image, "qcow2", victim)
    refused(teller, links / "top.qcow2", "qcow2", victim)
    # And the other way round: a backing file that is a link is opened by the link's name.
    (folder / "victim").unlink()
    (links / "middle.qcow2").symlink_to(qcow2(folder / "middle.qcow2", "victim"))
    disks.run("cp", victim, folder / "victim")
    (links / "victim").unlink()
    (links / "victim").symlink_to(victim)
    top = qcow2(folder / "two.qcow2", str(links / "middle.qcow2"), "qcow2")
    assert falls_for_it(top, "qcow2", victim)
    refused(teller, top, "qcow2", victim)


def test_what_changes_after_it_was_looked_at_is_not_shown_here(folder: Path, victim: Path) -> None:
    """Somebody writes the header anew between the look and the export: the walls hold."""
    shell = LocalShell()
    base = folder / "base"
    base.write_bytes(bytes(1 << 20))
    image = qcow2(folder / "top.qcow2", str(base))
    facts = look_at(shell, ImageSource(str(image), "qcow2"))
    qcow2(image, str(victim))
    assert falls_for_it(image, "qcow2", victim)
    export = Export(shell, facts, on_lost=lambda _: None)
    with opens_of(victim) as was_opened:
        with pytest.raises(ImageError):
            export.start(shares=False)
        assert not was_opened()
    export.close()
    shell.close()
