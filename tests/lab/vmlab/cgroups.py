# SPDX-License-Identifier: GPL-3.0-or-later
"""A cgroup tree for each host: one group per hierarchy of the machine, which the host then sees as its root.

The groups are also the lab's memory of what it started: a process of a host cannot leave them, so that killing their
members ends the host even when every other record is lost. See cgroups(7) and cgroup_namespaces(7).
"""

import contextlib
import os
import re
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .processes import wait_until

CONTROLLERS_V2 = ("cpu", "cpuset", "io", "memory", "pids")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted cgroup hierarchy of the machine.

    `controllers` are v1 names; empty for cgroup2. `home` is the directory below which the lab may make its groups.
    """

    mount_point: Path
    home: Path
    controllers: tuple[str, ...]

    @property
    def is_v2(self) -> bool:
        return not self.controllers


def hierarchies() -> list[Hierarchy]:
    """Every v1 controller hierarchy and the cgroup2 one, each once; named v1 hierarchies (systemd's) are left out."""
    known = {line.split()[0] for line in Path("/proc/cgroups").read_text().splitlines() if not line.startswith("#")}
    found: dict[tuple[str, ...], Hierarchy] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        controllers = tuple(name for name in options.split(",") if name in known) if kind == "cgroup" else ()
        if controllers or kind == "cgroup2":
            root, mount_point = left.split()[3:5]
            found.setdefault(
                controllers, Hierarchy(Path(mount_point), _own_group(root, mount_point, controllers), controllers)
            )
    return [_with_room_for_controllers(each, found) for each in found.values()]


def _own_group(root: str, mount_point: str, controllers: tuple[str, ...]) -> Path:
    """The caller's own group as a directory; the mount point where that is not visible (a container's view)."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if names == ",".join(controllers) or set(names.split(",")) == set(controllers):
            inner = os.path.relpath(path, root)
            group = Path(mount_point, inner)
            return group if not inner.startswith("..") and group.is_dir() else Path(mount_point)
    return Path(mount_point)


def _with_room_for_controllers(hierarchy: Hierarchy, found: dict[tuple[str, ...], Hierarchy]) -> Hierarchy:
    """Where cgroup2 is all there is, the caller's group has processes, so its children get no controllers: go to the
    root of the mount (cgroups(7), "no internal processes")."""
    if hierarchy.is_v2 and len(found) == 1:
        return Hierarchy(hierarchy.mount_point, hierarchy.mount_point, ())
    return hierarchy


def make_groups(group: str) -> list[Path]:
    """Make `group` (such as `lab-kvm1`) in every hierarchy; returns the directories."""
    made = []
    for hierarchy in hierarchies():
        path = hierarchy.home / group
        if hierarchy.is_v2:
            _enable_controllers(hierarchy.home)
        path.mkdir(exist_ok=True)
        if "cpuset" in hierarchy.controllers:  # v1: a new group has no CPUs and no memory nodes, nothing can run in it
            for name in ("cpuset.cpus", "cpuset.mems"):
                (path / name).write_text((hierarchy.home / name).read_text())
            (path / "cgroup.clone_children").write_text("1")
        made.append(path)
    return made


def _enable_controllers(directory: Path) -> None:
    """Give children of a cgroup2 group what controllers there are; in a hybrid layout v1 holds them."""
    there = (directory / "cgroup.controllers").read_text().split()
    for name in CONTROLLERS_V2:
        if name in there:
            with contextlib.suppress(OSError):  # EBUSY in a container's root group: the host does without this one
                (directory / "cgroup.subtree_control").write_text(f"+{name}")


def groups_of(lab: str) -> list[Path]:
    """Every group that the lab named `lab` made for a host, wherever the caller of that time stood in the tree."""
    pattern = re.compile(rf"{re.escape(lab)}-kvm\d+")
    found = []
    for hierarchy in hierarchies():
        for directory, children, _ in os.walk(hierarchy.mount_point):
            ours = [name for name in children if pattern.fullmatch(name)]
            found += [Path(directory, name) for name in ours]
            children[:] = [name for name in children if name not in ours]
    return found


def members(groups: Iterable[Path]) -> set[int]:
    """The pids of all processes in `groups` and below."""
    return {pid for group in groups for directory in _tree(group) for pid in _pids(directory)}


def _tree(group: Path) -> Iterator[Path]:
    for directory, _, _ in os.walk(group, topdown=False):
        yield Path(directory)


def _pids(directory: Path) -> list[int]:
    try:
        return [int(line) for line in (directory / "cgroup.procs").read_text().split()]
    except OSError:  # gone meanwhile, or a threaded cgroup2 group, whose processes are listed further up
        return []


def kill_members(groups: Iterable[Path], *, timeout_s: float = 10) -> None:
    """SIGKILL all processes in `groups` until none is left; LabError after `timeout_s`."""
    groups = list(groups)

    def none_left() -> bool:
        left = members(groups)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    wait_until(none_left, timeout_s=timeout_s, what="processes of the lab would not end")


def remove_groups(groups: Iterable[Path], *, timeout_s: float = 10) -> None:
    """Remove `groups`, which must have no members; waits for the kernel to let go of the last dead process."""
    left = list(groups)

    def all_gone() -> bool:
        for group in left:
            for directory in _tree(group):
                with contextlib.suppress(OSError):  # EBUSY: tried again
                    directory.rmdir()
        left[:] = [group for group in left if group.exists()]
        return not left

    wait_until(all_gone, timeout_s=timeout_s, what="cgroups of the lab could not be removed")
