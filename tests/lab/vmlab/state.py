# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab writes down: its directory, its settings, its lock.

Everything outside the directory (cgroups, interfaces) carries the lab's name, which follows from the directory unless
it was chosen. So `down` finds it all even where the directory is damaged or half made.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from .errors import LabError
from .network import Wiring
from .processes import ProcessId, wait_until

NAME_RULE = re.compile(r"[a-z][a-z0-9]{0,9}")  # an interface name has 15 characters, the lab adds up to four


@dataclass(frozen=True, slots=True)
class Settings:
    """What was chosen when the lab came up; it stays so until the lab is down."""

    name: str
    subnet: str
    guests: int = 3
    memory_mib: int = 128
    load: bool = True
    hosts: list[int] = field(default_factory=list)

    @property
    def wiring(self) -> Wiring:
        return Wiring(self.name, IPv4Network(self.subnet))


def default_directory() -> Path:
    """`$VMLAB_DIR`, else /var/tmp/vmconsole-lab: disks of guests are too much for a tmpfs such as $XDG_RUNTIME_DIR."""
    return Path(os.environ.get("VMLAB_DIR") or "/var/tmp/vmconsole-lab")


class LabDirectory:
    """The directory of one lab. Only the process that holds `locked()` may change anything."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))
        if not re.fullmatch(r"[A-Za-z0-9_./-]+", str(self.path)):  # it goes into a URI
            raise LabError(f"{self.path}: choose a directory with only letters, digits and _ . - in its path")

    # ---- where things are
    @property
    def settings_file(self) -> Path:
        return self.path / "lab.json"

    @property
    def ssh_program(self) -> Path:
        return self.path / "bin" / "ssh"

    @property
    def ssh_config(self) -> Path:
        return self.path / "ssh_config"

    @property
    def shared(self) -> Path:
        return self.path / "shared"

    def host(self, number: int) -> Path:
        return self.path / "hosts" / f"kvm{number}"

    # ---- what is written down
    def default_name(self) -> str:
        return "vml" + hashlib.sha256(os.fsencode(self.path)).hexdigest()[:6]

    def settings(self) -> Settings | None:
        """None when the lab is not up (or did not get so far)."""
        try:
            return Settings(**json.loads(self.settings_file.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise LabError(f"{self.settings_file} is damaged ({error}); take the lab down and up again") from error

    def save(self, settings: Settings) -> None:
        write_whole(self.settings_file, json.dumps(asdict(settings)))

    # ---- holding and leaving
    def claim(self) -> None:
        """Make the directory, or find that it is a lab's; anything else is refused, for `down` removes it all."""
        self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        trusted = {os.geteuid(), int(os.environ.get("SUDO_UID") or 0)}  # who called sudo is as good as root
        if os.stat(self.path).st_uid not in trusted:
            raise LabError(f"{self.path} belongs to somebody else; choose another with --dir")
        names = os.listdir(self.path)
        if names and "lock" not in names:
            raise LabError(f"{self.path} is not empty and not a lab's; choose another with --dir")

    @contextlib.contextmanager
    def locked(self, *, timeout_s: float = 120) -> Iterator[None]:
        """Hold the lab for a change.

        The short commands that `processes.run` starts inherit the lock, so that whoever takes the lab down after a
        killed `up` first waits for its last command to end: nothing can be made behind the back of `down`.
        """
        self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        lock = self.path / "lock"
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            holder = os.pread(descriptor, 40, 0).decode().partition(" ")[0] or "?"
            busy = f"another lab command (process {holder}) is at work on {self.path}, and did not end"
            wait_until(lambda: _try_lock(descriptor), timeout_s=timeout_s, what=busy, interval_s=0.05)
            if not lock.exists() or os.stat(lock).st_ino != os.fstat(descriptor).st_ino:
                raise LabError(f"{self.path} was taken down by another command just now; try again")
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(ProcessId.of(os.getpid())).encode(), 0)
            os.set_inheritable(descriptor, True)
            yield
        finally:
            os.close(descriptor)

    def holder_lives(self) -> bool:
        """Whether the last command that held the lock still runs (its children may, after it was killed)."""
        try:
            holder = ProcessId.parse((self.path / "lock").read_text())
        except FileNotFoundError:
            return False
        return holder is not None and holder.is_alive()

    def remove(self) -> None:
        """Remove the directory and all in it; the lock goes last, so that a killed removal can be taken up again."""
        for entry in sorted(self.path.iterdir(), key=lambda each: each.name == "lock"):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.path.rmdir()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that nobody, not even after a kill, finds half of it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)
