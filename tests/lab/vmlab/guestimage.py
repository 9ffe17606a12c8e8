# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests start from (kernel, initramfs, OS disk): built once and cached, built anew when its recipe changes."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError
from .initrd import AGENT, BUSYBOX, SCRIPTS, build_initrd
from .osdisk import build_os_disk

RECIPES = ("initrd.py", "osdisk.py", "guestimage.py")
KEPT = 2  # builds left in the cache: two checkouts can be worked on in turn


@dataclass(frozen=True, slots=True)
class GuestImage:
    """Three files in the cache."""

    kernel: Path
    initrd: Path
    disk: Path


def cache_directory() -> Path:
    """`$VMLAB_CACHE`, else ~/.cache/vmconsole-lab."""
    return Path(os.environ.get("VMLAB_CACHE") or Path("~/.cache/vmconsole-lab").expanduser())


def newest_kernel() -> tuple[Path, str] | None:
    """The newest kernel of the distribution that has its modules too, and its version; None when there is none."""
    found = [
        (image, image.name.removeprefix("vmlinuz-"))
        for image in Path("/boot").glob("vmlinuz-*")
        if Path("/lib/modules", image.name.removeprefix("vmlinuz-"), "modules.dep").exists()
    ]
    # a cloud kernel is smaller and boots faster; then the newest of them
    return max(found, key=lambda each: ("cloud" in each[1], _version_key(each[1])), default=None)


def _version_key(version: str) -> list[int]:
    return [int(part) for part in version.replace("-", ".").split(".") if part.isdigit()]


def guest_image(cache: Path, *, say: Callable[[str], None]) -> GuestImage:
    """The image, built if need be (some seconds). Whoever asks meanwhile waits. Raises LabError."""
    kernel = newest_kernel()
    if kernel is None:
        raise LabError("no kernel for guests in /boot; install linux-image-cloud-amd64")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home = cache / _fingerprint(kernel[0])
        if not home.exists():
            say("building the guests' kernel, initramfs and disk (once)")
            _build(cache, home, kernel=kernel[0], kernel_version=kernel[1])
            _forget_old_builds(cache, home)
    return GuestImage(home / "vmlinuz", home / "initrd", home / "os.qcow2")


def _fingerprint(kernel: Path) -> str:
    """Changes with anything that decides what is built."""
    digest = hashlib.sha256()
    own = [Path(__file__).with_name(name) for name in RECIPES]
    for path in [*own, *sorted(SCRIPTS.iterdir())]:
        digest.update(path.name.encode() + path.read_bytes())
    for path in (kernel, BUSYBOX, AGENT, Path("/etc/os-release")):
        facts = path.stat()
        digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}".encode())
    return f"image-{digest.hexdigest()[:16]}"


def _build(cache: Path, home: Path, *, kernel: Path, kernel_version: str) -> None:
    with tempfile.TemporaryDirectory(prefix="build-", dir=cache) as scratch:
        result, initrd_tree, disk_scratch = (Path(scratch, name) for name in ("result", "initrd", "disk"))
        for directory in (result, initrd_tree, disk_scratch):
            directory.mkdir()
        shutil.copy(kernel, result / "vmlinuz")
        build_initrd(initrd_tree, result / "initrd", kernel_version=kernel_version)
        build_os_disk(disk_scratch, result / "os.qcow2")
        result.rename(home)


def _forget_old_builds(cache: Path, home: Path) -> None:
    """Remove what killed builds left, and all finished ones but the newest few."""
    for leftover in cache.glob("build-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    others = sorted((each for each in cache.glob("image-*") if each != home), key=lambda each: each.stat().st_mtime)
    for old in others[: max(0, len(others) + 1 - KEPT)]:
        shutil.rmtree(old, ignore_errors=True)
