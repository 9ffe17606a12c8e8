# SPDX-License-Identifier: GPL-3.0-or-later
"""Serving an image: the command's text, the locks against a real QEMU, the heartbeat, and that nothing stays."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.waiting import no_thread_left
from vmconsole.images import export as export_module
from vmconsole.images.export import Export, export_command, nbd_command
from vmconsole.images.facts import look_at
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import ImageDamaged, ImageError, ImageInUse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.links.ssh import LocalShell

HOSTILE = "/a b/$(touch x)'\"`-;\n,é"


@pytest.mark.parametrize("shares", [True, False])
def test_the_command_is_read_only_names_the_format_and_quotes_the_path(shares: bool) -> None:
    words = shlex.split(nbd_command(HOSTILE, "qcow2", shares=shares, socket="/s"))
    assert "--read-only" in words
    assert not any("locking" in word or "cache=unsafe" in word for word in words)
    if shares:
        options = words[words.index("--image-opts") + 1]
        assert options.startswith("driver=qcow2,force-share=on,")
        assert options.endswith("file.filename=" + HOSTILE.replace(",", ",,"))
    else:
        assert "--format=qcow2" in words
        assert words[-2:] == ["--", HOSTILE]


def test_a_running_guests_device_is_opened_as_a_device() -> None:
    assert "file.driver=host_device" in nbd_command("/dev/vg/lv", "raw", shares=True, socket="/s")


def test_the_script_is_clean_shell(tmp_path: Path) -> None:
    script = tmp_path / "export.sh"
    script.write_text("#!/bin/sh\n" + export_command(nbd_command(HOSTILE, "raw", shares=False, socket='"$d/s"')))
    disks.run("dash", "-n", script)


def served(
    shell: LocalShell, path: Path, *, shares: bool = False, losses: list[ImageError] | None = None,
    image_format: str = "qcow2",
) -> Export:  # fmt: skip
    facts = look_at(shell, ImageSource(str(path), image_format))
    export = Export(shell, facts, on_lost=(losses if losses is not None else []).append)
    try:
        export.start(shares=shares)
    except BaseException:
        export.close()
        raise
    return export


def read_first_byte(export: Export) -> str:
    return disks.run("qemu-io", "-r", "-f", "raw", "-c", "read -v 0 1", f"nbd+unix:///?socket={export.socket}")


def test_it_serves_the_disk_and_nothing_stays(shell: LocalShell, image: Path) -> None:
    losses: list[ImageError] = []
    with no_thread_left():
        export = served(shell, image, losses=losses)
        assert "41" in read_first_byte(export)
        folder = export.socket.parent
        assert folder.stat().st_mode & 0o777 == 0o700
        remote = export.socket.readlink().parent
        assert remote.stat().st_mode & 0o777 == 0o700
        export.close()
    assert not folder.exists()
    assert not remote.exists()
    assert not disks.command_lines(str(image))
    assert losses == []


@pytest.fixture(params=["qcow2", "raw", "device"])
def any_image(request: pytest.FixtureRequest, image: Path) -> Iterator[tuple[Path, str]]:
    """An image and its format."""
    if request.param == "qcow2":
        yield image, "qcow2"
        return
    raw = image.with_suffix(".raw")
    disks.run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", image, raw)
    if request.param == "raw":
        yield raw, "raw"
        return
    device = Path(disks.run("losetup", "--show", "--find", raw).strip())
    yield device, "raw"
    disks.run("losetup", "--detach", device)


def test_nobody_can_start_the_guest_while_it_is_served(shell: LocalShell, any_image: tuple[Path, str]) -> None:
    image, image_format = any_image
    export = served(shell, image, image_format=image_format)
    command = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "accel=tcg", "-m", "16", "-S",
               "-drive", f"file={image},format={image_format},if=virtio"]  # fmt: skip
    assert "41" in read_first_byte(export)
    done = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert done.returncode != 0
    assert b'Failed to get "write" lock' in done.stderr
    export.close()
    qemu = disks.start_qemu(image, image_format)
    qemu.kill()
    qemu.communicate()


def test_a_running_guests_disk_is_refused_unless_it_is_shared(
    shell: LocalShell, image: Path, running_qemu: subprocess.Popen[bytes]
) -> None:
    with pytest.raises(ImageInUse) as refused:
        served(shell, image)
    assert "lock" in refused.value.explanation.said
    assert refused.value.explanation.advice
    export = served(shell, image, shares=True)
    assert "41" in read_first_byte(export)
    assert running_qemu.poll() is None
    export.close()


def test_a_text_file_is_no_image(shell: LocalShell, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello\n" * 100)
    with pytest.raises(ImageDamaged, match="cannot be opened"):
        served(shell, text)


def test_a_killed_server_is_announced(shell: LocalShell, image: Path) -> None:
    losses: list[ImageError] = []
    export = served(shell, image, losses=losses)
    os.kill(disks.nbd_pid(image), 9)
    disks.until(lambda: bool(losses), what="the loss is announced")
    assert "not served" in losses[0].explanation.what
    export.close()
    assert len(losses) == 1


def test_without_beats_the_host_lets_the_image_go(
    shell: LocalShell, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "PATIENCE_S", 1)
    script = export_command(nbd_command(str(image), "qcow2", shares=False, socket='"$d/s"'))
    process = shell.popen(script)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert process.stdout.readline().startswith(b"socket ")
    # Nothing closes stdin, as on a link that swallows everything.
    assert process.stdout.readline() == b"ended 0\n"
    process.communicate()
    disks.until(lambda: not disks.command_lines(str(image)), what="all of it ends")


def test_nothing_stays_when_the_hosts_shell_is_killed(
    shell: LocalShell, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_module, "PATIENCE_S", 1)
    process = shell.popen(export_command(nbd_command(str(image), "qcow2", shares=False, socket='"$d/s"')))
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    socket = process.stdout.readline().decode().split()[1]
    process.kill()
    process.wait()
    disks.until(lambda: not disks.command_lines(str(image)), what="all of it ends")
    assert not os.path.exists(os.path.dirname(socket))
    process.communicate()


def test_a_host_without_room_for_the_socket_says_so(shell: LocalShell, image: Path) -> None:
    facts = look_at(shell, ImageSource(str(image), "qcow2"))
    image.unlink()
    export = Export(shell, facts, on_lost=lambda _error: None)
    with pytest.raises(ImageError) as refused:
        export.start(shares=False)
    export.close()
    assert "No such file" in refused.value.explanation.said
