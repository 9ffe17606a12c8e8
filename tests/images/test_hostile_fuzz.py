# SPDX-License-Identifier: GPL-3.0-or-later
"""Thousands of damaged images, streams, names and answers: each ends well or in words, and nothing is left of any.

The seed is printed and can be given: ``VMCONSOLE_FUZZ_SEED``. What needs an appliance is in ``test_hostile_disks``.
"""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import tarfile
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from vmconsole.images import android_sparse, facts, journal, messages, names, registry_values, requests, rows, wire
from vmconsole.images.child import fstab
from vmconsole.images.child.local_dress import Tally
from vmconsole.images.child.unpacking import Unpacker, stays_inside
from vmconsole.images.child.volume import Volume
from vmconsole.images.messages import ImageSource
from vmconsole.images.tool_values import RegistryValue
from vmconsole.inventory.errors import ConsoleError, Explanation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vmconsole.links.ssh import LocalShell

SEED = int(os.environ.get("VMCONSOLE_FUZZ_SEED") or random.SystemRandom().randrange(1 << 32))
HEADERS = 12
"""Damaged images of each format: each is a process of QEMU's."""
TARS, SPARSES, LINES, NAMES, TEXTS = 300, 300, 600, 600, 600
VOLUMES = (Volume("/dev/sda1", "ext4", label="root", uuid="1-2"), Volume("/dev/sda2", "crypto_LUKS", uuid="3"))
FORMATS = ("qcow2", "vmdk", "vdi", "vhdx", "vpc", "qed", "raw")
TIME_S = 20.0
"""For one image, on a machine that is busy."""


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    seed = f"{SEED}:{request.node.name}"
    print(f"VMCONSOLE_FUZZ_SEED={SEED}")
    return random.Random(seed)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = _held()
    yield
    disks.until(lambda: _held() <= before, what="processes, threads, files and folders are as before")


def _held() -> Counter[str]:
    """Of what this process holds: threads, children, open files, and our folders in the temporary place."""
    found = Counter(f"thread {t.name}" for t in threading.enumerate())
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        found["children"] = len(file.read().split())
    found["files"] = len(os.listdir("/proc/self/fd"))
    return found


def damaged(data: bytes, rng: random.Random, *, within: int = 0) -> bytes:
    """Some bits, bytes, numbers or stretches of it are something else."""
    changed = bytearray(data)
    reach = min(within or len(changed), len(changed))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        at = rng.randrange(reach)
        match rng.randrange(5):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + 4] = rng.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x80" + bytes(3)))
            case 2:
                changed[at : at + 8] = rng.randbytes(8)
            case 3:
                del changed[at : at + rng.randrange(1, 64)]
            case 4:
                changed[at:at] = rng.randbytes(rng.randrange(1, 16))
        changed = changed or bytearray(b"\0")
        reach = min(reach, len(changed))
    return bytes(changed)


def ends_well(job: Callable[[], object], *, also: tuple[type[Exception], ...] = ()) -> bool:
    """It does what it should, or refuses in words: nothing else gets out, and it takes no more than its time."""
    began = time.monotonic()
    try:
        job()
    except ConsoleError as error:
        return not str(error).encode()  # it has words, and they can be written
    except also:
        return False
    else:
        return True
    finally:
        assert time.monotonic() - began < TIME_S


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.timeout(300)
def test_damaged_headers_of_images(kind: str, tmp_path: Path, shell: LocalShell, rng: random.Random) -> None:
    whole = tmp_path / "whole"
    disks.run("qemu-img", "create", "-q", "-f", kind, whole, "4M")
    content = whole.read_bytes()[: 1 << 20]
    for number in range(HEADERS):
        image = tmp_path / f"{number}.img"
        image.write_bytes(damaged(content, rng, within=rng.choice((64, 512, 4096, 1 << 18))))
        hint = rng.choice((kind, ""))
        ends_well(lambda image=image, hint=hint: facts.look_at(shell, ImageSource(str(image), hint)))
        image.unlink()


HOSTILE_BACKING = (
    'json:{"driver":"file","filename":"/etc/shadow"}', "nbd://127.0.0.1:1/x", "nbd+unix:///?socket=/run/x",
    "ssh://root@h/x",
    "/etc/shadow", "../../../../../../etc/shadow", "http://h/x", "/dev/sda", "fat:/etc", "blkdebug::x", "$(id)",
    "`id`", "a\nb",
)  # fmt: skip


@pytest.mark.parametrize("backing", HOSTILE_BACKING)
def test_a_backing_file_cannot_lead_away(backing: str, tmp_path: Path, shell: LocalShell) -> None:
    image = tmp_path / "self.qcow2"
    disks.run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", backing, image, "4M")
    assert not ends_well(lambda: facts.look_at(shell, ImageSource(str(image), "qcow2"))), "it must be refused"


def test_a_long_chain_and_data_in_another_file_are_refused(tmp_path: Path, shell: LocalShell) -> None:
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", tmp_path / "0", "1M")
    for number in range(1, 23):
        below, image = tmp_path / str(number - 1), tmp_path / str(number)
        disks.run("qemu-img", "create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", below, image, "1M")
    with pytest.raises(ConsoleError, match="more than 20"):
        facts.look_at(shell, ImageSource(str(tmp_path / "22"), "qcow2"))
    apart = tmp_path / "apart"
    disks.run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path / 'data'}", apart, "1M")
    with pytest.raises(ConsoleError) as caught:
        facts.look_at(shell, ImageSource(str(apart), "qcow2"))
    assert "another file" in caught.value.explanation.cause


# -- streams ---------------------------------------------------------------------------------------------------------


def _hostile_tar(rng: random.Random) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for number in range(rng.randrange(1, 9)):
            name = rng.choice(
                ("a", "b/c", "l", "l/in", "a/../../out", "/abs", "\udcff", "x" * 300, "d", f"n{number}", ".")
            )
            info = tarfile.TarInfo(name)
            info.type = rng.choice((b"0", b"1", b"2", b"3", b"4", b"5", b"6"))
            info.linkname = rng.choice(("/etc/passwd", "../..", "../victim", "a", "l", "l/../..", ".", "\udcfe", ""))
            info.mode = rng.choice((0o4755, 0o644, 0, 0o7777))
            info.mtime = rng.choice((0, 1 << 33, 1.5))
            data = rng.randbytes(rng.randrange(2000)) if info.type == b"0" else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_hostile_and_damaged_tars(tmp_path: Path, rng: random.Random) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for number in range(TARS):
        data = _hostile_tar(rng)
        if number % 2:
            data = damaged(data, rng)
        folder = tmp_path / "into"
        folder.mkdir()
        unpacker = Unpacker(str(folder), Tally(), lambda: None)

        def unpack(unpacker: Unpacker = unpacker, data: bytes = data) -> None:
            unpacker.read(io.BytesIO(data))
            unpacker.finish()

        ends_well(unpack, also=(tarfile.TarError, OSError))
        assert sorted(os.listdir(tmp_path)) == ["into", "victim"], "something was made outside"
        assert victim.read_text() == "mine"
        for place, folders, files in os.walk(folder):
            for name in (*folders, *files):
                path = os.path.join(place, name)
                kind = os.lstat(path)
                assert not kind.st_mode & 0o6000 or not os.path.isfile(path)
                if os.path.islink(path):
                    assert os.path.realpath(path).startswith(str(folder)), "a link leads out"
                else:
                    assert os.path.isfile(path) or os.path.isdir(path), "a device or pipe was made"
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_damaged_sparse_images(tmp_path: Path, rng: random.Random) -> None:
    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "little")

    body = b"".join(
        number(kind, 4) + number(count, 4) + number(12 + len(data), 4) + data
        for kind, count, data in ((0xCAC1, 1, bytes(4096)), (0xCAC2, 3, b"abcd"), (0xCAC3, 4, b""))
    )
    head = bytes.fromhex("3aff26ed") + b"\1\0\0\0" + b"\x1c\0\x0c\0" + (4096).to_bytes(4, "little")
    whole = head + (8).to_bytes(4, "little") + (3).to_bytes(4, "little") + bytes(4) + body
    good = io.BytesIO()
    assert android_sparse.expand(io.BytesIO(whole), good, wrote=lambda _n: None) == 8 * 4096
    written = 0

    def wrote(count: int) -> None:
        nonlocal written
        written += count
        if written > 1 << 26:
            raise android_sparse.BadSparse("as the free space would say")

    for _ in range(SPARSES):
        written = 0
        with (tmp_path / "out").open("wb") as out:
            data = damaged(whole, rng)
            ends_well(
                lambda data=data, out=out: android_sparse.expand(io.BytesIO(data), out, wrote=wrote),
                also=(android_sparse.BadSparse,),
            )
        assert (tmp_path / "out").stat().st_blocks * 512 < 1 << 27


# -- words -----------------------------------------------------------------------------------------------------------


def _text(rng: random.Random) -> str:
    bits = (
        "/", "..", "\0", "\n", "\r", "\t", " ", "'", '"', "$(id)", "`id`", "<b>", "&amp;", "\udcff", "\ud800", "é",
        "\u202e", "a" * 256, "%n", "\\x41", "dev", "-rf", "x", "=", ":", "UUID=", "LABEL=", "#", "0", "-1", "9" * 30,
    )  # fmt: skip
    return "".join(rng.choice(bits) for _ in range(rng.randrange(12)))


def test_names(rng: random.Random) -> None:
    for _ in range(NAMES):
        text = _text(rng)
        for check in (names.checked_text, names.checked_name, names.guest_path, names.ordinary_path):
            ends_well(lambda check=check, text=text: check(text))
        if ends_well(lambda text=text: names.ordinary_path("/" + text)):
            path = names.ordinary_path("/" + text)
            assert ".." not in path.split("/")
            assert path.split("/")[1] != "dev"
        assert "\udcff" not in names.shown_text(text)
        if stays_inside("a/b", text):
            assert not os.path.normpath(os.path.join("/top/a", text)).startswith("/top/..")
            assert os.path.normpath(os.path.join("/top/a", text)).startswith("/top")
        assert names.free_name(text, {text}) != text


def test_what_the_child_says(rng: random.Random) -> None:
    entry = messages.Entry("n", messages.EntryKind.FILE, 1, 0o644, 0, 0, "root", "root", 1.0, 1.0, 1.0, 1, "")
    packed = rows.pack([tuple(getattr(entry, f) if f != "kind" else 0 for f in entry.__dataclass_fields__)])
    said = (
        requests.Rows(packed), requests.Moved(1, "w", 2, 3), requests.Refused(1, "x", Explanation("what", said="said")),
        requests.Done(2, messages.Folder("/", (entry,))),
    )  # fmt: skip
    whole = [wire.encode(message) for message in said]
    for _ in range(LINES):
        line = damaged(rng.choice(whole), rng)
        ends_well(lambda line=line: wire.decode(line), also=(wire.BadMessage,))
    deep = b"[" * 100_000
    ends_well(lambda: wire.decode(deep), also=(wire.BadMessage,))
    for _ in range(LINES // 4):
        text = damaged(packed.encode(), rng).decode("latin-1")
        ends_well(
            lambda text=text: rows.unpack(text), also=(ValueError, TypeError, IndexError, AttributeError, KeyError)
        )


def test_what_is_read_inside_a_guest(rng: random.Random) -> None:
    for _ in range(TEXTS):
        text = "\n".join(" ".join(_text(rng) for _ in range(rng.randrange(8))) for _ in range(rng.randrange(6)))
        shown = text.replace("\ud800", "")
        fstab.names_of(shown)
        fstab.os_name_of("PRETTY_NAME=" + shown)
        fstab.mounts_of(shown, VOLUMES, targets=("vda", shown), crypttab=shown)
        value = RegistryValue("n", rng.randrange(-1, 14), rng.randbytes(rng.randrange(20)))
        assert registry_values.text_of(value) is not None
        kind = rng.choice(registry_values.EDITABLE_TYPES)
        ends_well(lambda kind=kind, text=text: registry_values.data_of(kind, text), also=(registry_values.BadValue,))
        journal.read_state(text.split("\n"), "")
        info = json.dumps({"format": _text(rng), "virtual-size": rng.choice((1, "x", None, 1 << 70)), "filename": text})
        out = "\n".join(
            (text, "file", "1", "2", "3", "", "", "", "", "", damaged(info.encode(), rng).decode("latin-1"))
        )
        ends_well(lambda out=out: facts._parsed(out), also=(ValueError, KeyError, TypeError))


def test_the_run_is_large_enough() -> None:
    assert HEADERS * len(FORMATS) + len(HOSTILE_BACKING) + TARS + SPARSES + LINES + LINES // 4 + NAMES + TEXTS >= 2000
