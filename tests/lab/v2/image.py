# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's disk and kernel: built once from the machine's own Debian mirror, and cached until the recipe changes."""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab.vmlab.errors import LabError
from tests.lab.vmlab.guestimage import newest_kernel
from tests.lab.vmlab.processes import SYSTEM_PATH, run

from . import recipe

RECIPES = ("recipe.py", "image.py")
RELEASES = ("bookworm", "trixie")
"""Debian 12 and 13: other versions of systemd, libvirt and QEMU, the same kernel (this machine's)."""
DISK_GIB = 4
BUILD_TIMEOUT_S = 1800
KEPT = 2  # builds left in the cache: two checkouts can be worked on in turn
INDEXES = "$(REPO_URI) $(RELEASE) $(CODENAME) $(COMPONENT) $(ORIGIN)"


@dataclass(frozen=True, slots=True)
class Image:
    """Two files in the cache; the disk is read only, and has a raw format."""

    release: str
    kernel: Path
    disk: Path


def cache_directory() -> Path:
    """`$VMLAB_V2_CACHE`, else ~/.cache/vmconsole-lab-v2."""
    return Path(os.environ.get("VMLAB_V2_CACHE") or Path("~/.cache/vmconsole-lab-v2").expanduser())


def host_image(release: str, cache: Path, *, say: Callable[[str], None]) -> Image:
    """The image, built if need be (some minutes). Whoever asks meanwhile waits. Raises LabError."""
    if release not in RELEASES:
        raise LabError(f"no recipe for {release}; there is: {', '.join(RELEASES)}")
    kernel = newest_kernel()
    if kernel is None:
        raise LabError("no kernel in /boot; install linux-image-cloud-amd64")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"lock-{release}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home = cache / _fingerprint(release, kernel[0])
        if not home.exists():
            say(f"building the image of a {release} host (once; some minutes)")
            _build(cache, home, release, kernel=kernel[0], kernel_version=kernel[1])
            _forget_old_builds(cache, home, release)
    return Image(release, home / "vmlinuz", home / "disk.raw")


def _fingerprint(release: str, kernel: Path) -> str:
    digest = hashlib.sha256()
    for name in RECIPES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    facts = kernel.stat()
    digest.update(f"{kernel} {facts.st_size} {facts.st_mtime_ns}".encode())
    return f"{release}-{digest.hexdigest()[:16]}"


def _build(cache: Path, home: Path, release: str, *, kernel: Path, kernel_version: str) -> None:
    for leftover in cache.glob(f"build-{release}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"build-{release}-", dir=cache) as scratch:
        result, tree = Path(scratch, "result"), Path(scratch, "tree")
        result.mkdir()
        _bootstrap(release, tree, Path(scratch))
        _furnish(tree, kernel_version)
        shutil.copy(kernel, result / "vmlinuz")
        disk = result / "disk.raw"
        with disk.open("wb") as image:
            image.truncate(DISK_GIB << 30)
        features = "^has_journal,^metadata_csum"  # it never outlives a crash of the machine
        run(["mkfs.ext4", "-q", "-F", "-O", features, "-d", tree, disk], timeout_s=300)
        disk.chmod(0o444)
        result.rename(home)


def _bootstrap(release: str, tree: Path, scratch: Path) -> None:
    """Unpack and configure the packages, with what the machine's own apt has as mirrors."""
    sources = scratch / "sources.list"
    sources.write_text("".join(f"{line}\n" for line in mirrors(release)))
    words = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory"]
    words += [f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.LEFT_OUT]
    words += ['--aptopt=Acquire::Languages "none"', *(f"--aptopt={line}" for line in _proxies())]
    words += [f"--include={','.join(recipe.PACKAGES)}", release, str(tree), str(sources)]
    run(words, timeout_s=BUILD_TIMEOUT_S)


def mirrors(release: str) -> list[str]:
    """Lines of a sources.list for `release`: the places where this machine's apt has its own Debian release from."""
    indexes = run(["apt-get", "indextargets", "--format", INDEXES, "Identifier: Packages"]).stdout.splitlines()
    rows = [line.split() for line in indexes]
    own = [(uri, suite, part) for uri, suite, codename, part, origin in rows if origin == "Debian" and part == "main"]
    names = {re.sub(r"[-/].*", "", suite) for _, suite, _ in own}
    if len(names) != 1:
        raise LabError(f"apt on this machine has {len(names)} releases of Debian; a mirror is taken from exactly one")
    (own_name,) = names
    return [f"deb {uri} {suite.replace(own_name, release)} {part}" for uri, suite, part in own]


def _proxies() -> list[str]:
    """What apt on this machine reaches its mirrors through."""
    lines = run(["apt-config", "dump"]).stdout.splitlines()
    return [line for line in lines if re.match(r'Acquire::\w+::Proxy "[^"]', line)]


def _furnish(tree: Path, kernel_version: str) -> None:
    for name, text in recipe.FILES.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    sudoers = tree / "etc/sudoers.d/lab"
    sudoers.write_text(recipe.SUDOERS)
    sudoers.chmod(0o440)
    modules = Path("/lib/modules", kernel_version)
    shutil.copytree(
        modules, tree / "lib/modules" / kernel_version, symlinks=True, ignore=shutil.ignore_patterns("build")
    )
    environment = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "SYSTEMD_OFFLINE": "1"}
    run(["chroot", tree, "sh", "-c", recipe.CUSTOMIZE, "customize", kernel_version], env=environment, timeout_s=120)
    (tree / "etc/machine-id").write_text("")  # the kernel's command line gives each host its own


def _forget_old_builds(cache: Path, home: Path, release: str) -> None:
    others = [each for each in cache.glob(f"{release}-*") if each != home and each.is_dir()]
    others.sort(key=lambda each: each.stat().st_mtime)
    for old in others[: max(0, len(others) + 1 - KEPT)]:
        shutil.rmtree(old, ignore_errors=True)
