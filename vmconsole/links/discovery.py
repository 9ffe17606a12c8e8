# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that this computer knows already: of ssh, of virt-manager, of libvirt's aliases, and its own daemons.

Nothing is connected to, and nothing is written. Each look runs on a thread of its own with a deadline, so that a home
directory on a dead server, or a hanging ``Match exec``, delays only itself. The looks block; ``Discovery`` does not.
"""

from __future__ import annotations

import enum
import functools
import os
import pwd
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ConsoleError
from vmconsole.links.address import full_address, try_parse
from vmconsole.links.libvirt_aliases import read_aliases
from vmconsole.links.ssh_config import ask_all, host_names
from vmconsole.links.virt_manager import read_virt_manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 20.0
"""For one look with all its questions."""
SYSTEM_SOCKETS = (
    ("qemu:///system", ("libvirt-sock", "virtqemud-sock")),
    ("lxc:///system", ("virtlxcd-sock",)),
    ("xen:///system", ("virtxend-sock",)),
)
SESSION_DAEMONS = ("libvirtd", "virtqemud")
DAEMON_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/bin")


class Source(enum.Enum):
    """Where a host is known from; the value is a word for a person."""

    THIS_COMPUTER = "this computer"
    SSH = "ssh configuration"
    VIRT_MANAGER = "virt-manager"
    ALIAS = "libvirt alias"


@dataclass(frozen=True, slots=True)
class Found:
    """One connection that could be taken over."""

    uri: str
    name: str
    source: Source
    detail: str = ""
    """How it is reached, in a few words."""
    connect_at_start: bool = True


def _home() -> Path:
    """The home of the password file, as ssh takes it, not of the environment."""
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look; tests give their own."""

    home: Path = field(default_factory=_home)
    ssh_config: Path | None = None
    """Given to ssh with ``-F``; None: the user's and the system's, as ssh itself takes them."""
    ssh_program: str = "ssh"
    system_config: Path = Path("/etc/ssh/ssh_config")
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    system_libvirt: Path = Path("/etc/libvirt/libvirt.conf")
    run_dir: Path = Path("/run/libvirt")

    @property
    def config_home(self) -> Path:
        return Path(self.environment.get("XDG_CONFIG_HOME") or self.home / ".config")

    @property
    def session_run_dir(self) -> Path | None:
        runtime = self.environment.get("XDG_RUNTIME_DIR")
        return Path(runtime) / "libvirt" if runtime else None


def ssh_hosts(places: Places) -> Iterator[Found]:
    """Names of the ssh configuration, each with what ``ssh -G`` says of it."""
    files = [places.ssh_config] if places.ssh_config else [places.home / ".ssh" / "config", places.system_config]
    names = dict.fromkeys(name for file in files for name in host_names(file, home=places.home))
    for target in ask_all(tuple(names), config=places.ssh_config, program=places.ssh_program):
        uri = full_address(target.name)
        if try_parse(uri) is not None:
            yield Found(uri, target.name, Source.SSH, target.route)


def virt_manager_hosts(places: Places) -> Iterator[Found]:
    """The connections of virt-manager; nothing where it was never used."""
    known = read_virt_manager(environment=places.environment, config_home=places.config_home)
    for uri, connect_at_start in known:
        parsed = try_parse(uri)
        if parsed is not None:
            yield Found(
                parsed.text, parsed.display_name, Source.VIRT_MANAGER, parsed.text, connect_at_start=connect_at_start
            )


def alias_hosts(places: Places) -> Iterator[Found]:
    """``uri_aliases`` of libvirt's client configuration; the user's go before the system's."""
    seen: set[str] = set()
    for file in (places.config_home / "libvirt" / "libvirt.conf", places.system_libvirt):
        for alias, uri in read_aliases(file):
            if alias not in seen and try_parse(uri) is not None:
                yield Found(uri, alias, Source.ALIAS, uri)
            seen.add(alias)


def local_daemons(places: Places) -> Iterator[Found]:
    """Daemons of this computer, monolithic or modular. A session daemon is started by libvirt when it is needed."""
    for uri, sockets in SYSTEM_SOCKETS:
        there = next((name for name in sockets if (places.run_dir / name).is_socket()), None)
        if there is not None:
            yield Found(uri, uri, Source.THIS_COMPUTER, f"the system's daemon ({places.run_dir / there})")
    folder = places.session_run_dir
    running = folder is not None and any((folder / f"{name}-sock").is_socket() for name in ("libvirt", "virtqemud"))
    folders = (*places.environment.get("PATH", "").split(":"), *DAEMON_FOLDERS)
    can_start = any(os.access(Path(folder, name), os.X_OK) for folder in folders if folder for name in SESSION_DAEMONS)
    if running or can_start:
        detail = "your own daemon, running" if running else "your own daemon, started when it is needed"
        yield Found("qemu:///session", "qemu:///session", Source.THIS_COMPUTER, detail)


LOOKS: tuple[tuple[Source, Callable[[Places], Iterator[Found]]], ...] = (
    (Source.THIS_COMPUTER, local_daemons),
    (Source.SSH, ssh_hosts),
    (Source.VIRT_MANAGER, virt_manager_hosts),
    (Source.ALIAS, alias_hosts),
)


class Discovery:
    """Looks everywhere at once. ``found`` and ``ended`` are called on threads of the looks, until ``close``."""

    def __init__(
        self, places: Places, *, found: Callable[[Found], None], ended: Callable[[tuple[Source, ...]], None],
        deadline_s: float = DEADLINE_S,
    ) -> None:  # fmt: skip
        """``ended`` gets the sources that did not come to their end in time."""
        self._places = places
        self._found = found
        self._ended = ended
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._open = {source for source, _ in LOOKS}
        self._all_done = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for source, look in LOOKS:
            self._begin(f"look {source.value}", functools.partial(self._look, source, look))
        self._begin("look deadline", self._watch)

    def close(self) -> None:
        """Nothing is told afterwards. Looks that hang end with their deadline; nobody waits for them."""
        with self._lock:
            self._closed.set()
        self._all_done.set()

    def join(self, *, timeout_s: float) -> bool:
        """Wait for the threads; False if one is still there."""
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _begin(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _look(self, source: Source, look: Callable[[Places], Iterator[Found]]) -> None:
        try:
            for found in look(self._places):
                with self._lock:
                    if self._closed.is_set():
                        return
                    self._found(found)
        except (ConsoleError, OSError):
            pass  # what cannot be read is not there: this is an offer, not a question
        with self._lock:
            self._open.discard(source)
            if not self._open:
                self._all_done.set()

    def _watch(self) -> None:
        self._all_done.wait(self._deadline_s)
        with self._lock:
            if not self._closed.is_set():
                self._closed.set()
                self._ended(tuple(source for source, _ in LOOKS if source in self._open))
