# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: UP006, UP035, UP045, B905 - this file must run on Python 3.6, where the newer spellings do not exist
"""The part of the sampler that runs on the host: reads the guests' cgroup files once a second and writes frames.

It is sent as text to a ``python3`` (3.6 or newer) on the host together with the other ``sampler_remote_…`` modules, and
needs nothing else but the standard library. It ends by itself when its stdin closes or its stdout breaks, and leaves
nothing behind. Single-threaded.

Output, UTF-8 lines:

    H {json}                facts of the host, once
    F seq microseconds K|D  a frame begins (host's monotonic clock); K: all entities follow, with whole values
    + idx {json}            a new entity: a guest, or a block device or network interface of one
    - idx                   an entity is gone
    idx d,d,d               differences to the entity's last values. An empty field cannot be read (now); unchanged
                            fields at the end of a line are left out, and so is the whole line of an unchanged entity
    S {json}                now and then: what this program costs, and whether it is kept from seeing the guests
    E seq                   the frame is complete; also the heartbeat when nothing has changed

Input: a line ``key`` asks for a keyframe. Sources: kernel Documentation/admin-guide/cgroup-v1/*.rst and cgroup-v2.rst,
proc(5), and libvirt's page «Control Groups Resource Management» for where guests are put.
"""

import contextlib
import json
import os
import resource
import select
import sys
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from vmconsole.links.sampler_remote_daemon import NamedDaemon
from vmconsole.links.sampler_remote_files import (
    File,
    Row,
    allow_many_files,
    block_io,
    cpu_cap,
    cpu_time,
    keyed,
    memory,
    throttling,
)
from vmconsole.links.sampler_remote_kinds import CONTAINERS, Taps, pid_directories, who
from vmconsole.links.sampler_remote_places import (
    Mounts,
    disk_name,
    disks_under,
    groups_of,
    slurp,
)

KEYFRAME_EVERY = 60
STATUS_EVERY = 10
RESCAN_EVERY = 2
REVISIT_EVERY = 16
"""How often (in frames) a guest's vCPU directories and interfaces are looked up again: they can be plugged."""
YOUNG_FRAMES = 30
"""For so long that is done at every rescan: libvirt makes the vCPUs' directories after QEMU has started."""
SETTLED_FRAMES = 3
"""A guest that has no cgroup by then will not get one."""
MEMORY_STAT_EVERY = 5
"""memory.stat costs as much as all other files of a guest together: each guest's is read in every fifth frame."""
GUEST_FIELDS = 15
DEVICE_FIELDS = 4
NO_GUEST = [None] * GUEST_FIELDS  # type: Row
NO_DEVICE = [None] * DEVICE_FIELDS  # type: Row


def encode(before: Row, now: Row) -> Optional[str]:
    """The fields of one line, or None when nothing has changed."""
    if before == now:
        return None
    last = len(now)
    while before[last - 1] == now[last - 1]:
        last -= 1
    return ",".join(["" if n is None else str(n - (b or 0)) for b, n in zip(before[:last], now[:last])])


class Entity:
    """What has an index in the frames: a guest or one of its devices."""

    __slots__ = ("about", "blank", "index", "row")

    def __init__(self, index: int, about: Dict[str, Any], blank: Row) -> None:
        self.index = index
        self.about = about
        self.blank = blank
        self.row = blank


class Guest:
    """One QEMU process or container, its files and its devices."""

    def __init__(self, root: str, mounts: Mounts, pid: int, entity: Entity, taps: Taps) -> None:
        self.root = root
        self.mounts = mounts
        self.pid = pid
        self.entity = entity
        self.taps = taps
        self.age = 0
        self.files = []  # type: List[File]
        self.stats = []  # type: List[File]
        self.vcpus = {}  # type: Dict[str, File]
        self.interfaces = {}  # type: Dict[str, bool]
        self.devices = {}  # type: Dict[str, Entity]
        self.process = File(f"{root}/proc/{pid}/statm", lambda raw: int(raw.split()[0]) or None)
        self._find_files()

    def _find_files(self) -> None:
        self.groups = groups_of(self.mounts, self.root, self.pid)
        self._cpu_directories = self.groups.get("cpu") or self.groups.get("", [])
        self.stats = [self._keep(d + "/cpu.stat", keyed) for d in self._cpu_directories]
        self._cpu_time = cpu_time(self.groups, self._keep)
        self._cap = cpu_cap(self.groups, self._keep)
        self._memory = memory(self.groups, self._keep)
        self.blocks = block_io(self.groups, self._keep)

    def _keep(self, path: str, parse: Callable[[bytes], Any]) -> File:
        self.files.append(File(path, parse))
        return self.files[-1]

    def is_alive(self) -> bool:
        """An open file of /proc/PID stays that process's: a reused pid does not answer. A zombie has no memory."""
        return self.process.read() is not None

    def visit(self) -> None:
        """Look for vCPUs and interfaces that came or went, and for cgroups that were not there yet."""
        if not self.groups:
            self.close_files()
            self._find_files()
        for directory in self._cpu_directories[-1:]:
            now = {name for name in os.listdir(directory) if name.startswith("vcpu") and name[4:].isdigit()}
            for name in set(self.vcpus) - now:
                self.vcpus.pop(name).close()
            for name in now - set(self.vcpus):
                self.vcpus[name] = File(f"{directory}/{name}/cpu.stat", keyed)
        self.interfaces = self.taps()

    def read(self, frame: int) -> Row:
        self.age += 1
        anew = self.age < 3 or (frame + self.entity.index) % MEMORY_STAT_EVERY == 0
        own, vcpus = throttling(self.stats), throttling(list(self.vcpus.values()))
        return self._cpu_time() + own + vcpus + self._cap() + self._memory(anew=anew)

    def close_files(self) -> None:
        for file in self.files + list(self.vcpus.values()):
            file.close()
        self.files, self.vcpus = [], {}

    def close(self) -> None:
        self.close_files()
        self.process.close()


class Host:
    """All guests of this host, or of the daemon at ``socket``, and the frames about them."""

    def __init__(self, root: str = "", kind: str = "", socket: str = "") -> None:
        self.root = root
        self.kind = kind
        self.daemon = NamedDaemon(root, socket, is_lxc=kind == CONTAINERS) if socket else None
        self.mounts = Mounts(root)
        self.guests = {}  # type: Dict[int, Guest]
        self.frames = 0
        self.denied = ""
        self._pids = {}  # type: Dict[str, Tuple[Tuple[int, int], int]]
        self._entities = {}  # type: Dict[int, Entity]
        self._made = 0
        self._lines = []  # type: List[str]
        self._cpu_us = 0

    def header(self) -> str:
        facts = {"python": sys.version.split()[0], "kernel": os.uname().release, "cgroup_layout": self.mounts.layout}
        facts["cpus"] = str(os.cpu_count() or "")
        facts["memory_bytes"] = str(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        return f"H {json.dumps(facts)}\n"

    def frame(self, microseconds: int, *, wants_key: bool = False) -> str:
        """One whole frame as text."""
        key = wants_key or self.frames % KEYFRAME_EVERY == 0
        self._lines = [f"F {self.frames} {microseconds} {'K' if key else 'D'}"]
        if key:
            for entity in self._entities.values():
                entity.row = entity.blank
                self._announce(entity)
        if self.frames % RESCAN_EVERY == 0:
            self._rescan()
        counters = self._interface_counters()
        for guest in self.guests.values():
            self._put(guest.entity, guest.read(self.frames))
            self._put_devices(guest, counters)
        if self.frames % STATUS_EVERY == 0:
            self._lines.append("S " + json.dumps(self._status()))
        self._lines.append(f"E {self.frames}\n")
        self.frames += 1
        return "\n".join(self._lines)

    def close(self) -> None:
        for guest in self.guests.values():
            guest.close()

    # entities

    def _new(self, about: Dict[str, Any], blank: Row) -> Entity:
        entity = Entity(self._made, about, blank)
        self._made += 1
        self._entities[entity.index] = entity
        self._announce(entity)
        return entity

    def _announce(self, entity: Entity) -> None:
        self._lines.append(f"+ {entity.index} {json.dumps(entity.about)}")

    def _put(self, entity: Entity, row: Row) -> None:
        fields = encode(entity.row, row)
        if fields is not None:
            self._lines.append(f"{entity.index} {fields}")
            entity.row = row

    def _remove(self, entity: Entity) -> None:
        del self._entities[entity.index]
        self._lines.append(f"- {entity.index}")

    def _put_devices(self, guest: Guest, counters: Dict[str, Row]) -> None:
        blocks = guest.blocks()
        rows = {"b" + device: row for device, row in blocks.items()}
        for name, is_own_view in guest.interfaces.items():
            row = counters.get(name, NO_DEVICE)
            rows["n" + name] = row if is_own_view else [row[1], row[0], row[3], row[2]]
        for key in [key for key in guest.devices if key not in rows]:
            self._remove(guest.devices.pop(key))
        for key, row in rows.items():
            if key not in guest.devices:
                guest.devices[key] = self._new(self._device(guest, key), NO_DEVICE)
            self._put(guest.devices[key], row)

    def _device(self, guest: Guest, key: str) -> Dict[str, Any]:
        about = {"of": guest.entity.index, "kind": key[0], "name": key[1:]}  # type: Dict[str, Any]
        if key[0] == "b":
            about.update(id=key[1:], name=disk_name(self.root, key[1:]), under=disks_under(self.root, key[1:]))
        return about

    def _interface_counters(self) -> Dict[str, Row]:
        """name → received bytes, sent bytes, received packets, sent packets, as the host's end counts them."""
        wanted = {name for guest in self.guests.values() for name in guest.interfaces}
        found = {}  # type: Dict[str, Row]
        if wanted:
            for line in slurp(self.root + "/proc/self/net/dev").splitlines():
                name, _, rest = line.partition(":")
                if name.strip() in wanted:
                    words = rest.split()
                    found[name.strip()] = [int(words[0]), int(words[8]), int(words[1]), int(words[9])]
        return found

    # guests

    def _rescan(self) -> None:
        """Guests that came and went: two looks at small directories, and one read for each known guest."""
        pids = {pid: path for path, pid in self._pid_files()}
        for pid in [pid for pid, guest in self.guests.items() if pid not in pids or not guest.is_alive()]:
            self._drop(self.guests.pop(pid))
        uuids = {guest.entity.about["uuid"] for guest in self.guests.values()}
        for pid in [pid for pid in pids if pid not in self.guests]:
            found = self._who(pid, pids[pid])
            if found and found[0] not in uuids:
                self._admit(pid, {"kind": "g", "uuid": found[0], "name": found[1]}, found[2])
        for guest in self.guests.values():
            if guest.age < YOUNG_FRAMES or (self.frames + 2 * guest.entity.index) % REVISIT_EVERY == 0:
                self._visit(guest)
        self._notice_denial(len(pids))

    def _who(self, pid: int, path: str) -> Optional[Tuple[str, str, Taps]]:
        try:
            return who(self.root, self.kind, pid, path)
        except PermissionError as error:
            self.denied = f"{error.filename}: {error.strerror}"
            return None

    def _admit(self, pid: int, about: Dict[str, Any], taps: Taps) -> None:
        try:
            guest = Guest(self.root, self.mounts, pid, self._new(about, NO_GUEST), taps)
        except OSError:
            self._remove(self._entities[self._made - 1])  # it ended meanwhile
            return
        self.guests[pid] = guest

    def _visit(self, guest: Guest) -> None:
        with contextlib.suppress(OSError):  # it has just ended, or its open files are another user's: no network then
            guest.visit()

    def _drop(self, guest: Guest) -> None:
        for entity in [guest.entity, *guest.devices.values()]:
            self._remove(entity)
        guest.close()

    def _pid_files(self) -> Iterator[Tuple[str, int]]:
        """libvirt's pid files. One is read again only when it has changed."""
        known, self._pids, self.denied = self._pids, {}, ""
        named = self.daemon.directories() if self.daemon else []
        for directory in named or pid_directories(self.root, self.kind):
            try:
                with os.scandir(directory) as entries:
                    files = [(e.path, e.stat()) for e in entries if e.name.endswith(".pid")]
            except FileNotFoundError:
                for path in [path for path in known if named and os.path.dirname(path) == directory]:
                    self._pids[path] = known[path]  # the daemon ended, and our way there; its guests live on
                    yield path, known[path][1]
                continue
            except OSError as error:
                self.denied = f"{directory}: {error.strerror}"
                continue
            for path, stat in files:
                mark = (stat.st_mtime_ns, stat.st_ino)
                try:
                    pid = known[path][1] if path in known and known[path][0] == mark else int(slurp(path))
                except (OSError, ValueError):
                    continue  # being written, or removed meanwhile
                self._pids[path] = (mark, pid)
                yield path, pid

    def _notice_denial(self, pid_files: int) -> None:
        """With hidepid (proc(5)) a user sees no process but his own, pid 1 included."""
        if pid_files and not self.guests and not os.path.exists(self.root + "/proc/1/stat"):
            self.denied = "/proc hides the processes of other users (mount option hidepid)"

    def _status(self) -> Dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "cpu_us": int((usage.ru_utime + usage.ru_stime) * 1e6),
            "memory_kib": usage.ru_maxrss,
            "guests": len(self.guests),
            "unmapped": sum(1 for guest in self.guests.values() if not guest.groups),
            "settled": sum(1 for guest in self.guests.values() if guest.age >= SETTLED_FRAMES),
            "denied": self.denied,
        }


def write_all(text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    while data:
        data = data[os.write(1, data) :]


def run(host: Host, interval_s: float) -> None:
    """Frames until stdin closes or stdout breaks. A late frame is not made up for: the next one keeps the rhythm."""
    write_all(host.header())
    began = time.monotonic()
    due = began
    while True:
        wants_key = False
        while True:
            wait = due - time.monotonic()
            if not select.select([0], [], [], max(wait, 0))[0]:
                break
            told = os.read(0, 4096)
            if not told:
                return
            wants_key = wants_key or b"key" in told
        now = time.monotonic()
        write_all(host.frame(int(now * 1e6), wants_key=wants_key))
        due = began + interval_s * (int((time.monotonic() - began) / interval_s) + 1)


def main(args: List[str]) -> None:
    allow_many_files()
    host = Host(*args[1:4])
    try:
        run(host, float(args[0]) if args else 1.0)
    except BrokenPipeError:
        pass  # nobody listens any more
    finally:
        host.close()


if __name__ == "__main__":
    main(sys.argv[1:])
