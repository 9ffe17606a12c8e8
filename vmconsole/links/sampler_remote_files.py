# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: UP006, UP035, UP045, B905 - this file must run on Python 3.6, where the newer spellings do not exist
"""The files that the sampler reads on the host, and how the fields of a frame are made of them.

Runs on the host (see ``sampler_remote``): nothing but the standard library. Sources: kernel
Documentation/admin-guide/cgroup-v1/*.rst and cgroup-v2.rst.
"""

import os
import resource
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

Value = Optional[int]
Row = List[Value]
Reader = Callable[[], Row]

SPARE_FILES = 64
UNLIMITED = -1
TOO_BIG = 1 << 53
"""Memory limits from here on mean «unlimited»: libvirt writes 2^53-1 KiB, the kernel says 2^63 rounded to pages."""


class File:
    """One small file of /proc or a cgroup, kept open as long as the process may have so many files."""

    __slots__ = ("fd", "parse", "path", "raw", "values")
    room = 0
    """How many more may be kept open."""

    def __init__(self, path: str, parse: Callable[[bytes], Any]) -> None:
        self.path = path
        self.parse = parse
        self.fd = -1
        self.raw = b""
        self.values = None  # type: Any

    def read(self) -> Any:
        """The parsed content, or None when it cannot be read or understood. An unchanged text is not parsed again."""
        try:
            raw = os.pread(self.fd, 4096, 0) if self.fd >= 0 else self._opened()
            if len(raw) == 4096:
                raw = self._rest(raw)
        except OSError:
            self.close()
            self.raw, self.values = b"", None
            return None
        if raw != self.raw:
            self.raw = raw
            try:
                self.values = self.parse(raw)
            except (ValueError, IndexError, KeyError):
                self.values = None
        return self.values

    def _opened(self) -> bytes:
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        if File.room > 0:
            self.fd = fd
            File.room -= 1
            return os.pread(fd, 4096, 0)
        try:
            return os.read(fd, 65536)
        finally:
            os.close(fd)

    def _rest(self, raw: bytes) -> bytes:
        more = os.pread(self.fd, 1 << 20, len(raw)) if self.fd >= 0 else b""
        return raw + more

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            File.room += 1


def allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    except (ValueError, OSError):
        pass  # then fewer files stay open, and each reading opens the others anew
    File.room = (1 << 20 if soft == resource.RLIM_INFINITY else soft) - SPARE_FILES


# -- the text of the kernel's files ------------------------------------------------------------------------------------


def keyed(raw: bytes) -> Dict[bytes, int]:
    """``cpu.stat`` and its like: one «key number» in each line."""
    words = raw.split()
    return dict(zip(words[::2], map(int, words[1::2])))


def memory_limit(raw: bytes) -> int:
    number = TOO_BIG if raw.strip() == b"max" else int(raw)
    return number if number < TOO_BIG else UNLIMITED


def cpu_max(raw: bytes) -> Tuple[int, int]:
    quota, period = raw.split()
    return (UNLIMITED if quota == b"max" else int(quota)), int(period)


def anon_and_cache(raw: bytes) -> Row:
    found = keyed(raw)
    anon = found.get(b"anon", found.get(b"total_rss", found.get(b"rss")))
    return [anon, found.get(b"file", found.get(b"total_cache", found.get(b"cache")))]


def blkio_v1(raw: bytes) -> Dict[str, Row]:
    """``blkio.throttle.io_*_recursive``: «8:0 Read 4096» for each device and direction, then totals."""
    found = {}  # type: Dict[str, Row]
    for line in raw.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in (b"Read", b"Write"):
            found.setdefault(words[0].decode(), [0, 0])[words[1] == b"Write"] = int(words[2])
    return found


def io_stat(raw: bytes) -> Dict[str, Row]:
    """``io.stat``: «8:0 rbytes=1 wbytes=2 rios=3 wios=4 …»; a device without figures stands alone in its line."""
    found = {}  # type: Dict[str, Row]
    for line in raw.splitlines():
        words = line.decode().split()
        pairs = dict(word.split("=", 1) for word in words[1:] if "=" in word)
        if "rbytes" in pairs:
            found[words[0]] = [int(pairs[key]) for key in ("rbytes", "wbytes", "rios", "wios")]
    return found


# -- readers: each makes the fields of one subject from the files that this host has ---------------------------------


def first_with(directories: Iterable[str], name: str) -> Optional[str]:
    return next((d + "/" + name for d in directories if os.path.exists(d + "/" + name)), None)


def cpu_time(groups: Dict[str, List[str]], keep: Callable[..., File]) -> Reader:
    """usage, user, system in microseconds. v1's split is in clock ticks."""
    usage_path = first_with(groups.get("cpuacct", ()), "cpuacct.usage")
    tick_us = 1000000 // os.sysconf("SC_CLK_TCK")
    if usage_path:
        usage, split = keep(usage_path, int), keep(usage_path[:-5] + "stat", keyed)

        def read_v1() -> Row:
            total, parts = usage.read(), split.read() or {}
            user, system = parts.get(b"user"), parts.get(b"system")
            return [
                None if total is None else total // 1000,
                None if user is None else user * tick_us,
                None if system is None else system * tick_us,
            ]

        return read_v1
    path = first_with(groups.get("", ()), "cpu.stat")
    if not path:
        return lambda: [None, None, None]
    stat = keep(path, keyed)

    def read_v2() -> Row:
        found = stat.read() or {}
        return [found.get(b"usage_usec"), found.get(b"user_usec"), found.get(b"system_usec")]

    return read_v2


def throttling(stats: List[File]) -> Row:
    """nr_periods, nr_throttled and throttled microseconds, summed over several ``cpu.stat``."""
    periods, throttled, micros, known = 0, 0, 0, False
    for stat in stats:
        found = stat.read()
        if found and b"nr_periods" in found:
            known = True
            periods += found[b"nr_periods"]
            throttled += found[b"nr_throttled"]
            micros += found[b"throttled_usec"] if b"throttled_usec" in found else found[b"throttled_time"] // 1000
    return [periods, throttled, micros] if known else [None, None, None]


def cpu_cap(groups: Dict[str, List[str]], keep: Callable[..., File]) -> Reader:
    """quota and period in microseconds of the tightest cap on the whole guest."""
    if "cpu" in groups:
        quotas = [keep(d + "/cpu.cfs_quota_us", int) for d in groups["cpu"]]
        periods = [keep(d + "/cpu.cfs_period_us", int) for d in groups["cpu"]]
        return lambda: tightest([(q.read(), p.read()) for q, p in zip(quotas, periods)])
    both = [keep(d + "/cpu.max", cpu_max) for d in groups.get("", ())]
    return lambda: tightest([file.read() or (None, None) for file in both])


def tightest(caps: List[Tuple[Value, Value]]) -> Row:
    known = [(q, p) for q, p in caps if q is not None and p]
    if not known:
        return [None, None]
    quota, period = min(known, key=lambda cap: cap[0] / cap[1] if cap[0] > 0 else float("inf"))
    return [quota, period]


def memory(groups: Dict[str, List[str]], keep: Callable[..., File]) -> Callable[..., Row]:
    """usage, anon, cache, limit in bytes; anon and cache are read anew only when asked."""
    v1 = groups.get("memory", [])
    directories = v1 or groups.get("", [])
    names = ("memory.usage_in_bytes", "memory.limit_in_bytes") if v1 else ("memory.current", "memory.max")
    if not first_with(directories, names[0]):
        return lambda *, anew: [None, None, None, None]
    usage, stat = keep(directories[0] + "/" + names[0], int), keep(directories[0] + "/memory.stat", anon_and_cache)
    limits = [keep(d + "/" + names[1], memory_limit) for d in directories]

    def read(*, anew: bool) -> Row:
        parts = (stat.read() if anew else stat.values) or [None, None]
        known = [n for n in [file.read() for file in limits] if n is not None]
        limit = min([n for n in known if n != UNLIMITED] or known[:1] or [None])
        return [usage.read(), parts[0], parts[1], limit]

    return read


def block_io(groups: Dict[str, List[str]], keep: Callable[..., File]) -> Callable[[], Dict[str, Row]]:
    """device number → read bytes, written bytes, reads, writes."""
    path = first_with(groups.get("blkio", ()), "blkio.throttle.io_service_bytes_recursive")
    if path:
        sizes, counts = keep(path, blkio_v1), keep(path.replace("io_service_bytes", "io_serviced"), blkio_v1)

        def read_v1() -> Dict[str, Row]:
            numbers = counts.read() or {}
            return {device: row + numbers.get(device, [None, None]) for device, row in (sizes.read() or {}).items()}

        return read_v1
    path = first_with(groups.get("", ()), "io.stat")
    if not path:
        return dict
    stat = keep(path, io_stat)
    return lambda: stat.read() or {}
