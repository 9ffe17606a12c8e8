# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image benchmarks share: an image, a bare guestfs handle on it, a session on it, and pairs of timings."""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vmconsole.images.kvm import acceleration
from vmconsole.images.messages import ImageSource
from vmconsole.images.session import ImageSession
from vmconsole.links.ssh import LocalShell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
OPEN_S = 600.0
_PEER = """
import guestfs, json, sys, time
g = guestfs.GuestFS(python_return_dict=True)
g.set_recovery_proc(False)
if sys.argv[2] == "tcg":
    g.set_backend_setting("force_tcg", "1")
g.add_drive(sys.argv[1], format="qcow2", readonly=False)
g.launch()
g.mount("/dev/sda", "/")
print("ready", flush=True)
for line in sys.stdin:
    calls = json.loads(line)
    began = time.monotonic()
    found = []
    for name, args in calls:
        args = [found if a == "$found" else a for a in args]
        answer = getattr(g, name)(*args)
        if name == "readdir":
            found = [e["name"] for e in answer if e["name"] not in (".", "..")]
    print(time.monotonic() - began, flush=True)
"""


def make_image(folder: Path, content: Path, *, size: str) -> Path:
    """A qcow2 with one ext4 that holds ``content``."""
    raw, image = folder / "bench.raw", folder / "bench.qcow2"
    subprocess.run(["truncate", "-s", size, raw], check=True)
    mkfs = shutil.which("mkfs.ext4") or "/sbin/mkfs.ext4"
    subprocess.run([mkfs, "-q", "-F", "-N", "40000", "-d", content, raw], check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
    raw.unlink()
    return image


class Peer:
    """libguestfs alone, in a process of its own: the calls that the work needs, and nothing else."""

    def __init__(self, image: Path) -> None:
        mode = "kvm" if acceleration(None).works else "tcg"
        argv = [sys.executable, "-c", _PEER, str(image), mode]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def time(self, *calls: tuple[str, list[object]]) -> float:
        """Seconds for some calls; ``$found`` stands for the names of the last readdir."""
        import json

        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(calls) + "\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)


@contextlib.contextmanager
def peer_and_session(folder: Path, content: Path, *, size: str) -> Iterator[tuple[Peer, ImageSession]]:
    """Each on a copy of the same image; both appliances run during the whole benchmark."""
    image = make_image(folder, content, size=size)
    copy = folder / "copy.qcow2"
    shutil.copyfile(image, copy)
    peer = Peer(copy)
    (folder / "work").mkdir()
    shell = LocalShell()
    session = ImageSession(
        ImageSource(str(image), "qcow2"), shell, work_dir=folder / "work", image_users=lambda: (),
        on_event=lambda _: None,
    )  # fmt: skip
    try:
        done(session.open())
        done(session.show_filesystem("/dev/sda"))
        yield peer, session
    finally:
        session.close(keep_draft=False)
        session.wait_closed(20)
        peer.close()
        shell.close()


def done(future: Future[T]) -> T:
    return future.result(timeout=OPEN_S)


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def compared(pairs: list[tuple[float, float]], **more: object) -> dict[str, object]:
    """Medians of (floor, ours), and of their ratio in each pair: the load changes slowly, so both have the same."""
    floor, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    return {
        "runs": len(pairs), "ours_s": round(ours, 3), "floor_s": round(floor, 3),
        "ratio": round(statistics.median(own / peer for peer, own in pairs), 3), **more,
    }  # fmt: skip
