# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as tests use it: up and down, and the methods of a `LabHost` as far as they make sense here."""

import dataclasses
import hashlib
import json
import os
import shlex
import socket
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.lab.vmlab.errors import LabError
from tests.lab.vmlab.guestimage import cache_directory as guest_cache
from tests.lab.vmlab.guestimage import guest_image
from tests.lab.vmlab.processes import SYSTEM_PATH, run, wait_until
from tests.lab.vmlab.requirements import require_root
from tests.lab.vmlab.state import LabDirectory

from . import seed
from .agent import Agent
from .hostpath import HostPath
from .image import cache_directory, host_image
from .machine import Machine
from .nested import Nested

BOOT_TIMEOUT_S = 300.0
FURNISH_TIMEOUT_S = 300.0
CGROUPS = "/sys/fs/cgroup"
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What was chosen when the host came up first."""

    release: str
    kernel: str
    port: int
    uuid: str
    is_furnished: bool = False


def default_directory() -> Path:
    """`$VMLAB_V2_DIR`, else /var/tmp/vmconsole-lab-v2."""
    return Path(os.environ.get("VMLAB_V2_DIR") or "/var/tmp/vmconsole-lab-v2")


class V2Host(Nested):
    """The host whose files are in `directory`; its guests and faults are in `Nested`."""

    def __init__(self, directory: Path | None = None, *, say: Say = lambda _: None) -> None:
        self._directory = LabDirectory(directory or default_directory())
        self._say = say
        self._machine = Machine(self._directory.path)
        self._agent = Agent(self._machine.agent_socket)
        self.name = "v2host"

    # ---- what a client needs
    @property
    def directory(self) -> Path:
        return self._directory.path

    @property
    def home(self) -> Path:
        return self._directory.path

    @property
    def ssh_program(self) -> Path:
        return self._directory.ssh_program

    @property
    def uri(self) -> str:
        """The libvirt URI for a client on this machine."""
        return self.uri_as("root")

    def uri_as(self, user: str) -> str:
        """The same for another user of the host."""
        return f"qemu+ssh://{user}@{self.name}/system?command={self.ssh_program}"

    @property
    def address(self) -> str:
        return "127.0.0.1"

    # ---- commands
    def exec(
        self, *words: str, timeout_s: float = 60, stdin: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the host, as root; LabError when it fails (unless `check` is False) or takes too long.

        Goes past the network, by the host's guest agent.
        """
        clean = ["/usr/bin/env", "-i", "-C", "/", f"PATH={SYSTEM_PATH}", "HOME=/root", "LC_ALL=C.UTF-8"]
        done = self._agent.run([*clean, *words], timeout_s=timeout_s, stdin=stdin)
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
            raise LabError(f"{self.name}: {shlex.join(words)}: {said}")
        return done

    def virsh(self, *words: str, timeout_s: float = 90) -> str:
        """What virsh answers in the host."""
        return self.exec("virsh", "-c", "qemu:///system", "--quiet", *words, timeout_s=timeout_s).stdout.strip()

    def ssh(self, *words: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Go the way a client goes."""
        return run([self.ssh_program, self.name, *words], timeout_s=timeout_s)

    def path(self, path: str) -> HostPath:
        """A file of the host."""
        return HostPath(self, path)

    # ---- up and down
    def up(self, release: str = "bookworm") -> None:
        """Boot the host and start its guest; what is up already stays. The guest is started, not booted."""
        require_root()
        image = host_image(release, cache_directory(), say=self._say)
        guests = guest_image(guest_cache(), say=self._say)
        self._directory.claim()
        with self._directory.locked():
            settings = self._settings()
            if settings is None:
                settings = Settings(release, str(image.kernel), _free_port(), str(self._uuid()))
                self._machine.kill()
                seed.write_client(self.directory, name=self.name, port=settings.port)
                seed.write_seed(self.directory, guests=guests)
                self._machine.disk.unlink(missing_ok=True)
                overlay = ["-F", "raw", "-b", str(image.disk), str(self._machine.disk)]
                run(["qemu-img", "create", "-q", "-f", "qcow2", *overlay])
                self._save(settings)
            self._start(settings)
            if not settings.is_furnished:
                self._furnish()
                self._save(dataclasses.replace(settings, is_furnished=True))

    def down(self) -> None:
        """End and remove everything, also what an interrupted `up` left."""
        require_root()
        if not self.directory.exists():
            return
        self._directory.claim()
        if not self._directory.holder_lives():
            self._machine.kill()  # a killed `up` may have left it, and what waits for it holds the lock
        with self._directory.locked():
            self._machine.kill()
            self._directory.remove()

    def is_ready(self) -> bool:
        """Whether it runs, and its agent answers."""
        return self._machine.process() is not None and self._agent.answers()

    def crash(self) -> None:
        """A power cut: everything on the host dies at once. Disks and definitions stay."""
        self._machine.kill()

    def boot(self) -> None:
        """Start a crashed host again, guests off; no error when it is up."""
        settings = self._settings()
        if settings is None:
            raise LabError(f"no host is up in {self.directory}")
        if not self.is_ready():
            with self._directory.locked():
                self._start(settings)

    def cut(self, how: str = "drop") -> None:
        """Pull its network plug: what is sent to it gets no answer. (That is the only kind of cut here.)"""
        if how not in ("drop", "down"):
            raise LabError(f"no cut of the kind {how} on {self.name}")
        self._machine.set_network(is_up=False)

    def mend(self) -> None:
        """End the cut."""
        self._machine.set_network(is_up=True)

    def repair(self) -> None:
        """Undo every fault and start the guest: the host as the next test wants it."""
        self.boot()
        self.mend()
        self.end_faults()

    # ---- how
    def _start(self, settings: Settings) -> None:
        if self._machine.process() is None:
            self._machine.start(kernel=Path(settings.kernel), name=self.name, uuid=settings.uuid, port=settings.port)
        wait_until(self._has_login, timeout_s=BOOT_TIMEOUT_S, what=f"{self.name} did not boot", interval_s=0.2)
        wait_until(self._agent.answers, timeout_s=60, what=f"the agent of {self.name} is silent", interval_s=0.2)
        self._say(f"{self.name}: up")

    def _has_login(self) -> bool:
        if self._machine.process() is None:
            raise LabError(f"{self.name} went off; see {self.directory / 'serial.log'}")
        words = [str(self.ssh_program), self.name, "true"]
        return subprocess.run(words, capture_output=True, check=False, timeout=90).returncode == 0

    def _furnish(self) -> None:
        words = ("virsh", "-c", "qemu:///system")
        done = self.exec(*words, stdin=seed.furnishing_script(), timeout_s=FURNISH_TIMEOUT_S, check=False)
        complaints = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("error:")]
        if complaints or done.returncode != 0:
            raise LabError(f"{self.name}: {'; '.join(complaints) or 'virsh failed'}")
        self._say(f"{self.name}: {seed.GUEST} started")

    def _uuid(self) -> uuid.UUID:
        """Different for every directory: a client may know hosts by their UUID."""
        return uuid.uuid5(uuid.NAMESPACE_DNS, hashlib.sha256(os.fsencode(self.directory)).hexdigest())

    def _settings(self) -> Settings | None:
        try:
            return Settings(**json.loads(self._directory.settings_file.read_text()))
        except FileNotFoundError:
            return None

    def _save(self, settings: Settings) -> None:
        self._directory.settings_file.write_text(json.dumps(dataclasses.asdict(settings)))


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
