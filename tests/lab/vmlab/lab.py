# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole lab: up and down, whatever happened in between."""

import contextlib
import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from . import cgroups, network
from .errors import LabError
from .guestimage import GuestImage, cache_directory, guest_image
from .guests import furnishing_script
from .host import LabHost
from .hostfiles import HIGHEST_HOST, prepare_host, prepare_lab, write_known_hosts
from .requirements import require_everything, require_root
from .startup import StartingHost
from .state import NAME_RULE, LabDirectory, Settings, default_directory

FURNISH_TIMEOUT_S = 120.0
Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class LabOptions:
    """What `up` may be told. An existing lab keeps what it has."""

    hosts: int = 3
    guests: int = 3
    memory_mib: int = 128
    load: bool = True
    name: str | None = None


class Lab:
    """The lab in a directory. As a context manager it takes itself down at the end."""

    def __init__(self, directory: Path | None = None, *, say: Say = lambda _: None) -> None:
        self._directory = LabDirectory(directory or default_directory())
        self._say = say

    @property
    def directory(self) -> Path:
        return self._directory.path

    @property
    def ssh_program(self) -> Path:
        """The ssh that reaches the hosts by name."""
        return self._directory.ssh_program

    def __enter__(self) -> "Lab":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def hosts(self) -> list[LabHost]:
        """The hosts the lab was given, up or crashed; none when the lab is down."""
        settings = self._directory.settings()
        return [LabHost(self._directory, number) for number in settings.hosts] if settings else []

    def host(self, name: str) -> LabHost:
        """The host called `name`; LabError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        there = ", ".join(host.name for host in self.hosts) or "none, the lab is down"
        raise LabError(f"no host {name} in this lab; there is: {there}")

    # ---- up
    def up(self, options: LabOptions | None = None) -> None:
        """Bring up the first `options.hosts` hosts with their guests started (not booted); what is up already stays."""
        options = options or LabOptions()
        _check(options)
        require_everything()
        image = guest_image(cache_directory(), say=self._say)
        self._directory.claim()
        with self._directory.locked():
            settings = self._settle(options)
            prepare_lab(self._directory, settings)
            network.make_bridge(settings.wiring)
            self._start_hosts(settings, list(range(1, options.hosts + 1)), image)

    def _settle(self, options: LabOptions) -> Settings:
        """The settings of this lab, written down before the first thing is made that carries its name."""
        numbers = range(1, options.hosts + 1)
        settings = self._directory.settings()
        if settings is None:
            with network.only_one_chooses():
                subnet = str(network.free_subnet())
                name = options.name or self._directory.default_name()
                if cgroups.groups_of(name) or network.has_bridge(name):
                    raise LabError(f"a lab named {name} is there already, or its remains: lab down --name {name}")
                settings = Settings(name, subnet, options.guests, options.memory_mib, options.load, list(numbers))
                self._directory.save(settings)
                network.make_bridge(settings.wiring)  # now nobody else finds the subnet free
            return settings
        if options.name not in (None, settings.name):
            raise LabError(f"this lab's name is {settings.name} and stays so until it is down")
        settings = dataclasses.replace(settings, hosts=sorted({*settings.hosts, *numbers}))
        self._directory.save(settings)
        return settings

    def _start_hosts(self, settings: Settings, numbers: list[int], image: GuestImage) -> None:
        hosts = [LabHost(self._directory, number) for number in numbers]
        fresh = [host for host in hosts if not (host.home / "furnished").exists()]
        for host in fresh:
            _end(settings, host)
            prepare_host(self._directory, settings, host.number, image=image)
        write_known_hosts(self._directory, settings)
        with contextlib.ExitStack() as stack:
            down = [host for host in hosts if not host.is_ready()]
            starting = [stack.enter_context(StartingHost(self._directory, settings, host.number)) for host in down]
            for each in starting:
                each.wait_ready()
                self._say(f"{each.name}: up")
        self._furnish(settings, fresh)

    def _furnish(self, settings: Settings, hosts: list[LabHost]) -> None:
        """Pools, network and guests, in all hosts at a time."""
        deadline = time.monotonic() + FURNISH_TIMEOUT_S
        with contextlib.ExitStack() as stack:
            running = [(host, stack.enter_context(_furnishing(host, settings))) for host in hosts]
            for host, process in running:
                try:
                    process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired as error:
                    raise LabError(f"{host.name}: guests not started in {FURNISH_TIMEOUT_S:.0f} s") from error
                complaints = [x for x in _log(host).read_text().splitlines() if x.startswith("error:")]
                if complaints or process.returncode != 0:
                    raise LabError(f"{host.name}: {'; '.join(complaints) or 'virsh failed'}; see {_log(host)}")
                (host.home / "furnished").touch()
                self._say(f"{host.name}: {settings.guests} guests started")

    # ---- down
    def down(self, *, name: str | None = None) -> None:
        """End and remove everything of this lab, also what an interrupted `up` or a damaged directory left.

        `name`: of a lab whose directory was lost or damaged, where it was chosen.
        """
        require_root()
        exists = self._directory.path.exists()
        if exists:
            self._directory.claim()
        if exists and not self._directory.holder_lives():
            # The last command of a killed `up` holds the lock, and waits for something in a host.
            cgroups.kill_members(cgroups.groups_of(self._name(name)))
        with self._directory.locked() if exists else contextlib.nullcontext():
            lab = self._name(name)
            groups = cgroups.groups_of(lab)
            cgroups.kill_members(groups)
            network.remove_links(lab)
            cgroups.remove_groups(groups)
            if exists:
                self._directory.remove()

    def _name(self, chosen: str | None) -> str:
        try:
            settings = self._directory.settings()
        except LabError:  # damaged; what it made carries the default name, unless one was chosen
            settings = None
        return settings.name if settings else chosen or self._directory.default_name()


def _check(options: LabOptions) -> None:
    if not 1 <= options.hosts <= HIGHEST_HOST:
        raise LabError(f"{options.hosts} hosts: choose 1 to {HIGHEST_HOST}")
    if not 0 <= options.guests <= 99:
        raise LabError(f"{options.guests} guests: choose 0 to 99")
    if not 96 <= options.memory_mib <= 65536:
        raise LabError(f"{options.memory_mib} MiB: a guest needs 96 to boot")
    if options.name is not None and not NAME_RULE.fullmatch(options.name):
        raise LabError(f"name {options.name!r}: choose up to 10 small letters and digits, a letter first")


def _end(settings: Settings, host: LabHost) -> None:
    """End whatever runs of a host that was never finished."""
    groups = [each for each in cgroups.groups_of(settings.name) if each.name == f"{settings.name}-{host.name}"]
    cgroups.kill_members(groups)
    cgroups.remove_groups(groups)


@contextlib.contextmanager
def _furnishing(host: LabHost, settings: Settings) -> Iterator["subprocess.Popen[bytes]"]:
    """virsh at work in a host; killed if it still is at the end. It inherits the lock, see LabDirectory.locked."""
    script = host.home / "furnish.virsh"
    script.write_text(furnishing_script(host.number, guests=settings.guests))
    with script.open("rb") as commands, _log(host).open("wb") as log:
        words = host.command(["virsh"])
        process = subprocess.Popen(words, stdin=commands, stdout=log, stderr=subprocess.STDOUT, close_fds=False)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _log(host: LabHost) -> Path:
    return host.home / "furnish.log"
