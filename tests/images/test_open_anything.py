# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of every format that QEMU and Android have, opened together through one real appliance, to look only.

Each was made by its real tool, and has a file that only it has. The rest of «open anything» is in ``test_open_zoo``.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.images import bitlocker, disks
from tests.images.damage import KEY, encrypt
from tests.images.sessions import LAUNCH_S, Opened, close, done, session_on
from tests.images.zoo import blob
from vmconsole.images.messages import ImageMode, ImageSource
from vmconsole.inventory.errors import ImageError, ImageUnreadable
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmconsole.images.messages import Filesystem, ImageOverview

pytestmark = [pytest.mark.appliance, pytest.mark.timeout(600)]
BITLOCKER = bitlocker.Keys.of("Öffne dich")
ORDER = ("vmdk", "vdi", "vhdx", "chain", "snapshot", "sparse", "archive", "iso", "luks", "bitlocker", "noise")


def ext4(folder: Path, name: str, *, size: str = "24M") -> Path:
    """A raw image of an ext4 filesystem, with a file that says whose it is."""
    tree = folder / f"{name}-tree"
    tree.mkdir()
    (tree / "proof.txt").write_text(f"this is {name}\n")
    (tree / "blob.bin").write_bytes(blob(name))
    raw = folder / f"{name}.raw"
    disks.run("truncate", "-s", size, raw)
    disks.run("mkfs.ext4", "-q", "-L", name, "-d", tree, raw)
    return raw


def make_all(folder: Path) -> ImageSource:
    """All of ``ORDER``, in that order."""
    images = {name: folder / name for name in ORDER}
    for kind in ("vmdk", "vdi", "vhdx"):
        disks.run("qemu-img", "convert", "-q", "-f", "raw", "-O", kind, ext4(folder, kind), images[kind])
    base = folder / "base.qcow2"
    disks.run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", ext4(folder, "chain"), base)
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, images["chain"])
    kept = images["snapshot"]
    disks.run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", ext4(folder, "snapshot"), kept)
    disks.run("qemu-img", "snapshot", "-c", "before, the update", kept)
    disks.run("qemu-io", "-f", "qcow2", "-c", "write -P 0x5a 0 20M", kept)
    disks.run("img2simg", ext4(folder, "sparse"), images["sparse"])
    with tarfile.open(images["archive"], "w") as archive:
        archive.add(ext4(folder, "archive").with_name("archive-tree"), arcname=".")
    (folder / "iso-tree").mkdir()
    (folder / "iso-tree/proof.txt").write_text("this is iso\n")
    (folder / "iso-tree/blob.bin").write_bytes(blob("iso"))
    disks.run("genisoimage", "-quiet", "-J", "-R", "-V", "iso", "-o", images["iso"], folder / "iso-tree")
    encrypt(ext4(folder, "luks"), images["luks"])
    files = {"proof.txt": b"this is bitlocker\n", "blob.bin": blob("bitlocker")}
    bitlocker.make(folder, images["bitlocker"], BITLOCKER, size_mib=16, label="bitlocker", files=files)
    images["noise"].write_bytes(blob("noise").ljust(1 << 20, b"\1"))
    raw = {"iso", "sparse", "archive", "noise", "luks", "bitlocker"}
    sources = [
        ImageSource(str(images[name]), "" if name in raw else "qcow2" if name in {"chain", "snapshot"} else name,
                    snapshot="1" if name == "snapshot" else "", target=name)
        for name in ORDER
    ]  # fmt: skip
    first = sources[0]
    return ImageSource(first.path, first.format_hint, target=first.target, more=tuple(sources[1:]))


@pytest.fixture(scope="module")
def all_of_them(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    folder = tmp_path_factory.mktemp("formats")
    source = make_all(folder)
    before = {path.name: disks.fingerprint(path) for path in folder.iterdir() if path.is_file()}
    shell = LocalShell()
    opened = session_on(folder / "vmdk", shell, folder / "work", source)
    opened.overview = done(opened.session.open(), deadline_s=LAUNCH_S)  # type: ignore[attr-defined]  # for the tests
    yield opened
    close(opened)
    shell.close()
    assert os.listdir(folder / "work") == [], "a copy was left"
    assert before == {path.name: disks.fingerprint(path) for path in folder.iterdir() if path.is_file()}


def overview_of(opened: Opened) -> ImageOverview:
    found: ImageOverview = opened.overview  # type: ignore[attr-defined]  # see the fixture
    return found


def filesystem(overview: ImageOverview, name: str) -> Filesystem:
    device = f"/dev/sd{chr(ord('a') + ORDER.index(name))}"
    return next(f for f in overview.filesystems if device in f.disks)


def check_content(opened: Opened, folder: str, name: str) -> None:
    assert opened.read(f"{folder}/proof.txt") == f"this is {name}\n".encode()
    assert hashlib.sha256(opened.read(f"{folder}/blob.bin")).digest() == hashlib.sha256(blob(name)).digest()


@pytest.mark.parametrize("name", ["vmdk", "vdi", "vhdx", "chain", "snapshot", "sparse", "iso"])
def test_what_is_in_it_is_what_was_put_in(all_of_them: Opened, name: str) -> None:
    overview = overview_of(all_of_them)
    found = filesystem(overview, name)
    assert (found.type, found.label) == ("iso9660" if name == "iso" else "ext4", name)
    check_content(all_of_them, found.mounted_at, name)


def test_it_is_to_look_only_and_says_why(all_of_them: Opened) -> None:
    overview = overview_of(all_of_them)
    assert overview.mode is ImageMode.LOOK_ONLY
    assert overview.mode_reason is not None
    assert [device.target for device in overview.devices[:2]] == ["vmdk", "vdi"]
    with pytest.raises(ImageError, match="look only"):
        done(all_of_them.session.make_folder(f"{filesystem(overview, 'vdi').mounted_at}/x"))
    noise = filesystem(overview, "noise")
    assert (noise.type, noise.mounted_at, noise.problem) == ("unknown", "", "No filesystem is known in it.")


def test_an_archive_of_files_is_looked_into_like_a_disk(all_of_them: Opened) -> None:
    found = filesystem(overview_of(all_of_them), "archive")
    assert (found.type, found.is_writable) == ("squashfs", False)
    assert "only be read" in found.problem
    check_content(all_of_them, found.mounted_at, "archive")


def test_how_full_they_are_is_told_in_one_request(all_of_them: Opened) -> None:
    used = {u.device: u for u in done(all_of_them.session.usage())}
    device = filesystem(overview_of(all_of_them), "vdi").device
    assert 15 << 20 < used[device].size_bytes < 24 << 20
    assert 0 < used[device].free_bytes < used[device].size_bytes - len(blob("vdi"))


def test_a_locked_disk_opens_with_its_key_and_a_wrong_one_may_be_tried_again(all_of_them: Opened) -> None:
    overview = overview_of(all_of_them)
    locked = filesystem(overview, "luks")
    assert (locked.type, locked.is_locked, locked.mounted_at) == ("crypto_LUKS", True, "")
    assert "Unlock" in locked.problem
    for wrong in ("", "wrong", KEY + " "):
        with pytest.raises(ImageUnreadable) as refused:
            done(all_of_them.session.unlock(locked.device, wrong))
        assert not wrong or refused.value.explanation.entry == "image-wrong-passphrase"
    with pytest.raises(ImageError, match="no locked volume"):
        done(all_of_them.session.unlock("/dev/sda", KEY))
    check_content(all_of_them, filesystem(overview, "vdi").mounted_at, "vdi")
    after = done(all_of_them.session.unlock(locked.device, KEY))
    opened = filesystem(after, "luks")
    assert (opened.type, opened.is_locked) == ("ext4", False)
    check_content(all_of_them, opened.mounted_at, "luks")
    assert KEY not in repr(all_of_them.session._around)
    assert KEY not in all_of_them.session._image.client.console_text  # type: ignore[union-attr]  # it is open
    assert KEY.encode() not in b"".join(_command_lines(all_of_them.session.pids))


def test_a_bitlocker_disk_opens_with_its_recovery_key(all_of_them: Opened) -> None:
    """Each try costs a million hashes, emulated: wrong keys are in ``test_open_zoo`` and ``test_bitlocker``."""
    locked = filesystem(overview_of(all_of_them), "bitlocker")
    assert (locked.type, locked.is_locked, locked.mounted_at) == ("BitLocker", True, "")
    assert "recovery key" in locked.problem
    typed = BITLOCKER.recovery_key.replace("-", " ")
    after = done(all_of_them.session.unlock(locked.device, typed), deadline_s=LAUNCH_S)
    opened = filesystem(after, "bitlocker")
    assert (opened.type, opened.label, opened.is_locked) == ("ntfs", "bitlocker", False)
    check_content(all_of_them, opened.mounted_at, "bitlocker")
    assert BITLOCKER.recovery_key not in repr(all_of_them.session._around)
    assert BITLOCKER.recovery_key not in all_of_them.session._image.client.console_text  # type: ignore[union-attr]  # it is open
    assert BITLOCKER.recovery_key.encode() not in b"".join(_command_lines(all_of_them.session.pids))


def _command_lines(pids: tuple[int, ...]) -> list[bytes]:
    found = []
    for pid in pids:
        for what in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{what}", "rb") as file:
                found.append(file.read())
    return found
