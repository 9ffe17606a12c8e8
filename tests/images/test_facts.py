# SPDX-License-Identifier: GPL-3.0-or-later
"""What is learnt of an image before QEMU may open it, and the chains that are refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.damage import run_measured
from vmconsole.images.disk import OpenDisk
from vmconsole.images.facts import look_at, overlays_command, overlays_of
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import ImageDamaged, ImageError, ImageUnreadable

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.links.ssh import LocalShell


def overlay(path: Path, backing: str, *, backing_format: str = "qcow2") -> Path:
    disks.run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", backing_format, "-b", backing, path, "16M")
    return path


def test_the_facts_of_an_image(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    link = tmp_path / "link to it"
    link.symlink_to(image)
    facts = look_at(shell, ImageSource(str(link)))
    assert (facts.path, facts.format, facts.virtual_size_bytes) == (str(image), "qcow2", 16 << 20)
    assert not facts.is_block_device
    assert facts.unfinished is None
    assert facts.journal_folder.startswith(f"{image.parent}/.vmconsole-apply-")
    assert facts == look_at(shell, ImageSource(str(image)))
    os.utime(image, ns=(0, image.stat().st_mtime_ns + 1))
    assert look_at(shell, ImageSource(str(image))).identity != facts.identity


def test_the_guests_definition_is_believed_and_not_the_file(shell: LocalShell, image: Path) -> None:
    """A guest with a raw disk may write a qcow2 header into it: it must stay raw."""
    facts = look_at(shell, ImageSource(str(image), "raw"))
    assert facts.format == "raw"
    assert facts.virtual_size_bytes == image.stat().st_size


@pytest.mark.parametrize("name", ["a b.qcow2", "-rf", "$(id);'\"`.qcow2", "a,b:c.qcow2", "é\\.qcow2"])
def test_strange_file_names_are_only_names(shell: LocalShell, tmp_path: Path, name: str) -> None:
    image = disks.qcow2(tmp_path / "x")
    image = image.rename(tmp_path / name)
    assert look_at(shell, ImageSource(str(image), "qcow2")).path == str(image)


@pytest.mark.parametrize("path", ["relative.img", "nbd://host/x", "json:{}", "/a\nb", ""])
def test_what_is_no_path_is_refused(shell: LocalShell, path: str) -> None:
    with pytest.raises(ImageUnreadable, match="absolute"):
        look_at(shell, ImageSource(path))


def test_missing_and_folder_and_text(shell: LocalShell, tmp_path: Path) -> None:
    with pytest.raises(ImageUnreadable) as missing:
        look_at(shell, ImageSource(str(tmp_path / "gone")))
    assert "No such file" in missing.value.explanation.said
    with pytest.raises(ImageError, match="not opened here"):
        look_at(shell, ImageSource(str(tmp_path), "qcow2"))
    text = tmp_path / "text.img"
    text.write_text("hello")
    with pytest.raises(ImageDamaged) as damaged:
        look_at(shell, ImageSource(str(text), "qcow2"))
    assert "qcow2" in damaged.value.explanation.said


def test_a_pipe_does_not_hang_it(shell: LocalShell, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError):
        look_at(shell, ImageSource(str(tmp_path / "pipe")))


def test_a_backing_file_beside_the_image_is_fine(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    for name, backing in (("top.qcow2", str(image)), ("relative.qcow2", image.name)):
        facts = look_at(shell, ImageSource(str(overlay(tmp_path / name, backing)), "qcow2"))
        assert (facts.backing_path, facts.backing_format) == (str(image), "qcow2")


@pytest.mark.parametrize(
    "backing",
    ["/etc/shadow", "nbd://evil/x", "json:{}", "http://evil/", "../../../etc/shadow", "fat:/etc", "ssh://a/b"],
)
def test_hostile_backing_files_are_refused_before_they_are_opened(
    shell: LocalShell, tmp_path: Path, backing: str
) -> None:
    image = overlay(tmp_path / "top.qcow2", backing, backing_format="raw")
    with pytest.raises(ImageUnreadable) as refused:
        look_at(shell, ImageSource(str(image), "qcow2"))
    assert "backing file" in refused.value.explanation.cause
    assert refused.value.explanation.advice


def test_a_link_beside_the_image_is_no_way_out(shell: LocalShell, tmp_path: Path) -> None:
    (tmp_path / "innocent").symlink_to("/etc/shadow")
    image = overlay(tmp_path / "top.qcow2", str(tmp_path / "innocent"), backing_format="raw")
    with pytest.raises(ImageUnreadable, match="another place"):
        look_at(shell, ImageSource(str(image), "qcow2"))


def test_a_pools_folder_is_allowed_by_the_caller(shell: LocalShell, tmp_path: Path) -> None:
    for name in ("pool", "images"):
        (tmp_path / name).mkdir()
    base = disks.qcow2(tmp_path / "pool" / "base.qcow2")
    image = overlay(tmp_path / "images" / "top.qcow2", str(base))
    with pytest.raises(ImageUnreadable, match="another place"):
        look_at(shell, ImageSource(str(image), "qcow2"))
    source = ImageSource(str(image), "qcow2", backing_folders=(str(tmp_path / "pool"),))
    assert look_at(shell, source).backing_path == str(base)


def test_a_backing_file_without_its_format_is_refused(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    top = overlay(tmp_path / "top.qcow2", str(image))
    # Old QEMUs wrote no format. Its header extension (docs/interop/qcow2.txt) becomes one that nobody knows.
    top.write_bytes(top.read_bytes().replace(bytes.fromhex("e2792aca"), bytes.fromhex("e2792acb"), 1))
    with pytest.raises(ImageUnreadable, match="does not say which format"):
        look_at(shell, ImageSource(str(top), "qcow2"))


def test_an_image_based_on_itself_ends(shell: LocalShell, tmp_path: Path) -> None:
    image = overlay(tmp_path / "loop.qcow2", str(tmp_path / "poop.qcow2"))
    image.write_bytes(image.read_bytes().replace(b"poop.qcow2", b"loop.qcow2", 1))
    with pytest.raises(ImageUnreadable, match="more than"):
        look_at(shell, ImageSource(str(image), "qcow2"))


def test_data_in_another_file_is_refused(shell: LocalShell, tmp_path: Path) -> None:
    apart = tmp_path / "apart.qcow2"
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data", apart, "1M")
    with pytest.raises(ImageUnreadable) as refused:
        look_at(shell, ImageSource(str(apart), "qcow2"))
    assert "another file" in refused.value.explanation.cause


@pytest.mark.parametrize("how", ["luks,encrypt.iter-time=10", "aes"])
def test_a_qcow2_that_is_encrypted_is_refused(shell: LocalShell, tmp_path: Path, how: str) -> None:
    secret = tmp_path / "secret.qcow2"
    run_measured(
        "qemu-img", "create", "-q", "-f", "qcow2", "--object", "secret,id=s,data=x",
        "-o", f"encrypt.key-secret=s,encrypt.format={how}", secret, "1M",
    )  # fmt: skip
    with pytest.raises(ImageUnreadable) as refused:
        look_at(shell, ImageSource(str(secret), "qcow2"))
    assert "encrypted" in refused.value.explanation.cause


def vmdk(path: Path, *, subformat: str = "monolithicSparse") -> Path:
    disks.run("qemu-img", "create", "-q", "-f", "vmdk", "-o", f"subformat={subformat}", path, "1M")
    return path


@pytest.mark.parametrize("subformat", ["monolithicSparse", "monolithicFlat", "twoGbMaxExtentSparse", "streamOptimized"])
def test_a_vmdk_with_its_parts_beside_it(shell: LocalShell, tmp_path: Path, subformat: str) -> None:
    image = vmdk(tmp_path / "a b.vmdk", subformat=subformat)
    facts = look_at(shell, ImageSource(str(image)))
    assert (facts.format, facts.virtual_size_bytes) == ("vmdk", 1 << 20)


@pytest.mark.parametrize(
    "part", ["/etc/shadow", "../secret", "nbd://evil/x", "json:{}", "sub/part.vmdk", "link.vmdk", "pipe", "gone.vmdk"]
)
def test_a_vmdk_whose_parts_lie_elsewhere_is_refused_before_it_is_read(
    shell: LocalShell, tmp_path: Path, part: str
) -> None:
    image = vmdk(tmp_path / "a.vmdk", subformat="monolithicFlat")
    (tmp_path / "link.vmdk").symlink_to("/etc/shadow")
    os.mkfifo(tmp_path / "pipe")
    text = image.read_text()
    assert "a-flat.vmdk" in text
    image.write_text(text.replace("a-flat.vmdk", part))
    with pytest.raises(ImageUnreadable) as refused:
        look_at(shell, ImageSource(str(image), "vmdk"))
    said = refused.value.explanation.said
    assert "another place" in said or "No such file" in said


def test_a_descriptor_in_disguise_is_refused(shell: LocalShell, tmp_path: Path) -> None:
    image = vmdk(tmp_path / "a.vmdk")
    with image.open("r+b") as file:
        file.seek(12)
        file.write(bytes(8))  # the capacity: without it, QEMU follows the names in the text
    with pytest.raises(ImageUnreadable):
        look_at(shell, ImageSource(str(image), "vmdk"))


def test_snapshots_are_listed_and_one_that_is_gone_is_not_opened(shell: LocalShell, image: Path) -> None:
    for name in ("first", "a, b=c"):
        disks.run("qemu-img", "snapshot", "-c", name, image)
    facts = look_at(shell, ImageSource(str(image), "qcow2"))
    assert [(s.id, s.name, s.memory_bytes) for s in facts.snapshots] == [("1", "first", 0), ("2", "a, b=c", 0)]
    assert facts.snapshots[0].taken_at > 1.6e9
    gone = OpenDisk(ImageSource(str(image), "qcow2", snapshot="7"), shell, on_lost=lambda _error: None)
    with pytest.raises(ImageUnreadable, match="not in the image any more"):
        gone.look()
    gone.close()


def test_a_disk_that_is_encrypted_as_a_whole_is_served_as_it_is(shell: LocalShell, tmp_path: Path) -> None:
    image = tmp_path / "luks.img"
    image.write_bytes(bytes.fromhex("4c554b53babe0001") + b"aes".ljust(32, b"\0") + bytes(2 << 20))
    assert look_at(shell, ImageSource(str(image))).format == "raw"


def test_images_that_are_based_on_this_one_are_found(shell: LocalShell, image: Path, tmp_path: Path) -> None:
    overlay(tmp_path / "top one.qcow2", str(image))
    overlay(tmp_path / "relative.qcow2", image.name)
    disks.qcow2(tmp_path / "other.qcow2")
    out = shell.run(overlays_command(str(image)), deadline_s=20).out.decode()
    assert sorted(overlays_of(out, str(image), str(tmp_path))) == ["relative.qcow2", "top one.qcow2"]
    assert overlays_of(out, str(tmp_path / "other.qcow2"), str(tmp_path)) == ()
