# SPDX-License-Identifier: GPL-3.0-or-later
"""A file or directory of the host, with as much of `pathlib.Path` as tests of cgroup files use."""

import fnmatch
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tests.lab.vmlab.errors import LabError

if TYPE_CHECKING:
    from .host import V2Host


class HostPath:
    """`path / "cpu.max"`, `.read_text()`, `.exists()`, `.glob()`… on the host. FileNotFoundError as Path has it."""

    def __init__(self, host: "V2Host", path: str | PurePosixPath) -> None:
        self._host = host
        self._path = PurePosixPath(path)

    def __truediv__(self, name: "str | PurePosixPath") -> "HostPath":
        return HostPath(self._host, self._path / name)

    def __str__(self) -> str:
        return str(self._path)

    def __repr__(self) -> str:
        return f"HostPath({self._host.name}:{self._path})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostPath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self._path)

    @property
    def name(self) -> str:
        return self._path.name

    @property
    def parent(self) -> "HostPath":
        return HostPath(self._host, self._path.parent)

    def joinpath(self, *names: str) -> "HostPath":
        return HostPath(self._host, self._path.joinpath(*names))

    def read_text(self) -> str:
        done = self._host.exec("cat", str(self), check=False)
        if done.returncode != 0:
            raise FileNotFoundError(done.stderr.strip()) if "No such file" in done.stderr else LabError(done.stderr)
        return done.stdout

    def exists(self) -> bool:
        return self._test("-e")

    def is_dir(self) -> bool:
        return self._test("-d")

    def is_file(self) -> bool:
        return self._test("-f")

    def iterdir(self) -> Iterator["HostPath"]:
        for line in self._find("-maxdepth", "1"):
            yield HostPath(self._host, line)

    def rglob(self, pattern: str) -> Iterator["HostPath"]:
        """`pattern` is a file name with wildcards."""
        for line in self._find():
            if fnmatch.fnmatchcase(PurePosixPath(line).name, pattern):
                yield HostPath(self._host, line)

    def glob(self, pattern: str) -> Iterator["HostPath"]:
        """`pattern` has as many parts as the found paths have below this one."""
        depth = str(len(PurePosixPath(pattern).parts))
        for line in self._find("-mindepth", depth, "-maxdepth", depth):
            if PurePosixPath(line).relative_to(self._path).match(pattern):
                yield HostPath(self._host, line)

    def _find(self, *limits: str) -> list[str]:
        depth = limits if "-mindepth" in limits else (*limits, "-mindepth", "1")
        return sorted(self._host.exec("find", str(self), *depth).stdout.splitlines())

    def _test(self, flag: str) -> bool:
        return self._host.exec("test", flag, str(self), check=False).returncode == 0
