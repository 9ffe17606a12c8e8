# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's own tools on this machine see the image's files alone, have no network, and may not take all there is."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from tests.images import disks
from tests.images.watching import opens_of
from vmconsole.images import layers, local_qemu, qemu_walls
from vmconsole.images.export import Export
from vmconsole.images.facts import look_at
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import ImageDamaged, ImageError
from vmconsole.links.ssh import LocalShell

CAP_DAC_READ_SEARCH = 1 << 2


def look(image: Path, image_format: str = "", *, walls: bool, path: str = "", text: str = qemu_walls.LOOK) -> str:
    """What the function says of an image; the errors too."""
    script = "\n".join([qemu_walls.begin(is_local=walls), text, f'look "{image}" "{image_format}" "$@"'])
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False, timeout=60, env=environment)
    return (done.stdout + done.stderr).decode(errors="replace")


def with_data_in(folder: Path, victim: str) -> Path:
    """A VMDK descriptor that says that its data is in ``victim``; what judges it before is left out here."""
    (folder / "images").mkdir()
    image = folder / "images" / "apart.vmdk"
    image.write_text(f'# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 2048 FLAT "{victim}" 0\n')
    return image


@pytest.mark.parametrize("walls", [True, False])
def test_another_file_that_the_header_names_is_not_there(tmp_path: Path, walls: bool) -> None:
    victim = tmp_path / "elsewhere" / "a victim with a long name"
    victim.parent.mkdir()
    victim.write_bytes(bytes(1 << 20))
    image = with_data_in(tmp_path, str(victim))
    with opens_of(victim) as was_opened:
        said = look(image, "vmdk", walls=walls)
        assert was_opened() is not walls, "without walls it is opened, or this test proves nothing"
    assert ("No such file" in said) is walls


@pytest.mark.parametrize("walls", [True, False])
def test_there_is_no_network(walls: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        call = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5)"
        script = f'{qemu_walls.begin(is_local=walls)}\n"$@" /usr/bin/python3 -c "{call}"'
        called = subprocess.run(["sh", "-c", script], capture_output=True, check=False, timeout=60)
    assert (called.returncode != 0) is walls, called.stderr


def fake(folder: Path, name: str, script: str) -> str:
    """A program of this name, in a folder for PATH."""
    program = folder / "bin" / name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program.parent)


@pytest.mark.parametrize(
    ("script", "seconds"),
    [
        ("exec python3 -c 'x = bytearray(1 << 30)'", 30),
        ("kill -ABRT $$", 30),
        ("while :; do :; done", 1),
        ("yes 0123456789012345678901234567890123456789", 30),
    ],
)
def test_memory_time_and_words_are_bounded(tmp_path: Path, script: str, seconds: int) -> None:
    text = qemu_walls.LOOK.replace("ulimit -t 30", f"ulimit -t {seconds}")
    said = look(tmp_path, walls=False, path=fake(tmp_path, "qemu-img", script), text=text)
    assert "MemoryError" in said or qemu_walls.OVER_LIMITS in said
    assert len(said) < qemu_walls.LONGEST_ANSWER_BYTES + 1000


def test_an_image_that_takes_too_much_is_refused_in_words(
    tmp_path: Path, shell: LocalShell, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Host(LocalShell):
        is_local = False

    monkeypatch.setenv("PATH", fake(tmp_path, "qemu-img", "kill -ABRT $$") + ":" + os.environ["PATH"])
    host = Host()
    with pytest.raises(ImageDamaged) as refused:
        look_at(host, ImageSource(str(image), "qcow2"))
    host.close()
    assert refused.value.explanation.entry == "image-over-limits"


def test_where_bubblewrap_does_not_work_the_limits_remain(
    tmp_path: Path, shell: LocalShell, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", fake(tmp_path, "bwrap", "exit 1") + ":" + os.environ["PATH"])
    assert qemu_walls.walls(writes=["/tmp"]) == []
    export = Export(shell, look_at(shell, ImageSource(str(image), "qcow2")), on_lost=lambda _: None)
    export.start(shares=False)
    pid = server_of(image)
    assert os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/self/ns/net")
    assert limit_of(pid, "Max data size") == 2 << 30
    export.close()
    disks.until(lambda: not disks.alive(pid), what="it ends")


def server_of(image: Path) -> int:
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0] == b"qemu-nbd" and os.fsencode(image) in words:
            return int(name)
    raise AssertionError("no qemu-nbd serves it")


def limit_of(pid: int, name: str) -> int:
    line = next(n for n in Path(f"/proc/{pid}/limits").read_text().splitlines() if n.startswith(name))
    return int(line[len(name) :].split()[1])


def check_is_behind_walls(pid: int, *, sees: set[str], own: Path) -> None:
    """A process sees these files of the folder ``own``, and none of our home, network or processes."""
    for kind in ("net", "pid", "mnt", "ipc"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    root = Path(f"/proc/{pid}/root")
    assert set(os.listdir(root / str(own).lstrip("/"))) == sees
    assert not (root / "etc/shadow").exists()
    assert not (root / "root").exists()
    status = Path(f"/proc/{pid}/status").read_text()
    rights = {int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("CapEff", "CapPrm"))}
    assert rights <= {0, CAP_DAC_READ_SEARCH}
    assert limit_of(pid, "Max core file size") == 0
    assert limit_of(pid, "Max data size") == 2 << 30


@pytest.fixture
def chain(image: Path) -> Path:
    (image.parent / "secret of another image").write_text("x")
    top = image.parent / "top.qcow2"
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image.name, top)
    return top


@pytest.mark.parametrize("shares", [True, False])
def test_an_export_sees_its_chain_read_only(shell: LocalShell, chain: Path, image: Path, shares: bool) -> None:
    facts = look_at(shell, ImageSource(str(chain), "qcow2"))
    assert facts.below == (str(image),)
    export = Export(shell, facts, on_lost=lambda _: None)
    export.start(shares=shares)
    try:
        words = disks.run("qemu-io", "-r", "-f", "raw", "-c", "read -v 0 1", f"nbd+unix:///?socket={export.socket}")
        assert "41" in words
        pid = next(p for p in map(int, filter(str.isdecimal, os.listdir("/proc"))) if serves(p, export))
        check_is_behind_walls(pid, sees={chain.name, image.name}, own=chain.parent)
        root = Path(f"/proc/{pid}/root")
        for file in (chain, image):
            with pytest.raises(OSError, match="Read-only"):
                (root / str(file).lstrip("/")).open("r+b")
        number = export.socket.readlink().parent / "number"
        with pytest.raises(OSError, match="Read-only"):
            (root / str(number).lstrip("/")).open("w")
    finally:
        export.close()
    disks.until(lambda: not disks.alive(pid), what="it ends")


def serves(pid: int, export: Export) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return words[0] == b"qemu-nbd" and f"--socket={export.socket.readlink()}".encode() in words


def test_a_drafts_server_sees_its_folder_and_ends_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "draft"
    folder.mkdir()
    below, top = folder / "1.qcow2", folder / "2.qcow2"
    local_qemu.qemu_img("create", "-q", "-f", "qcow2", below, "4M")
    layers.make_layer(top, below, 4 << 20)
    with local_qemu.Server(top, is_read_only=False) as client:
        pid = server_of(top)
        check_is_behind_walls(pid, sees={"1.qcow2", "2.qcow2"}, own=folder)
        client.write(0, b"x" * 512)
        client.flush()
    assert not disks.alive(pid)
    assert local_qemu.held_ranges(top) == ((0, 65536),)
    with local_qemu.Server(top, is_read_only=True) as client:
        root = Path(f"/proc/{server_of(top)}/root")
        with pytest.raises(OSError, match="Read-only"):
            (root / str(below).lstrip("/")).open("r+b")
        assert next(client.read_all([(0, 512)])) == b"x" * 512


def test_a_layer_that_the_appliance_made_to_lie_on_something_else_leads_nowhere(tmp_path: Path) -> None:
    folder, victim = tmp_path / "draft", tmp_path / "victim"
    folder.mkdir()
    victim.write_bytes(b"secret".ljust(1 << 20, b"!"))
    layer = folder / "layer.qcow2"
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", victim, layer)
    with opens_of(victim) as was_opened:
        with pytest.raises(ImageError), local_qemu.Server(layer, is_read_only=True):
            pass
        with pytest.raises(ImageError):
            local_qemu.qemu_img("commit", "-q", "-f", "qcow2", layer)
        assert not was_opened()
