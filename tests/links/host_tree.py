# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as plain files: /proc, /sys and /run of machines with cgroup v1, v2 and both, as libvirt fills them."""

from __future__ import annotations

import os
from pathlib import Path

CONTROLLERS = ("cpu,cpuacct", "cpuset", "memory", "blkio")
V1_FILES = {
    "cpu,cpuacct": {
        "cpuacct.usage": "1000000000\n",
        "cpuacct.stat": "user 80\nsystem 20\n",
        "cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
        "cpu.cfs_quota_us": "-1\n",
        "cpu.cfs_period_us": "100000\n",
    },
    "memory": {
        "memory.usage_in_bytes": "536870912\n",
        "memory.limit_in_bytes": "9223372036854771712\n",
        "memory.stat": "cache 1\nrss 2\ntotal_cache 1048576\ntotal_rss 500000000\n",
    },
    "blkio": {
        "blkio.throttle.io_service_bytes_recursive": "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\nTotal 12288\n",
        "blkio.throttle.io_serviced_recursive": "8:0 Read 1\n8:0 Write 2\nTotal 3\n",
    },
}
V2_FILES = {
    "cpu.stat": "usage_usec 1000000\nuser_usec 800000\nsystem_usec 200000\n"
    "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n",
    "cpu.max": "max 100000\n",
    "memory.current": "536870912\n",
    "memory.max": "max\n",
    "memory.stat": "anon 500000000\nfile 1048576\nkernel 5\n",
    "io.stat": "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n253:0\n",
}
IDLE_VCPU_V1 = {"cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"}
IDLE_VCPU_V2 = {"cpu.stat": "usage_usec 5\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"}


class HostTree:
    """Writes files below ``root``. ``layout``: v1, v2, hybrid. Groups of guests are told apart by path."""

    def __init__(self, root: Path, layout: str, *, mount_root: str = "/") -> None:
        self.root = root
        self.layout = layout
        self.mount_root = mount_root
        self.write("proc/1/stat", "1 (init) S\n")
        self.write("proc/self/net/dev", "Inter-|   Receive  |  Transmit\n face |bytes packets\n")
        self.write("proc/self/mountinfo", self._mountinfo())
        (root / "run/libvirt/qemu").mkdir(parents=True)

    def write(self, path: str, text: str) -> None:
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(text, "utf-8")

    def _mountinfo(self) -> str:
        lines = ["23 1 8:1 / / rw - ext4 /dev/sda1 rw", "24 23 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw"]
        if self.layout != "v2":
            for number, names in enumerate(CONTROLLERS):
                at = f"/sys/fs/cgroup/{names}"
                lines.append(
                    f"{30 + number} 24 0:{30 + number} {self.mount_root} {at} rw shared:9 - cgroup cgroup rw,{names}"
                )
                self.write(f"{at[1:]}/cgroup.procs", "")
        if self.layout != "v1":
            at = "/sys/fs/cgroup" if self.layout == "v2" else "/sys/fs/cgroup/unified"
            lines.append(f"50 24 0:50 {self.mount_root} {at} rw - cgroup2 cgroup2 rw,nsdelegate")
            self.write(f"{at[1:]}/cgroup.procs", "")
        return "\n".join(lines) + "\n"

    @property
    def unified(self) -> str:
        return "sys/fs/cgroup" if self.layout == "v2" else "sys/fs/cgroup/unified"

    # -- guests --------------------------------------------------------------------------------------------------------

    def process(self, pid: int, *, uuid: str, name: str, cgroup: str, guest_name: str = "") -> None:
        """A QEMU process, and libvirt's pid file for it."""
        words = ["/usr/bin/qemu-system-x86_64", "-name", guest_name or f"guest={name},debug-threads=on", "-uuid", uuid]
        self.write(f"proc/{pid}/cmdline", "\0".join(words) + "\0")
        self.write(f"proc/{pid}/statm", "1000 500 100 1 0 400 0\n")
        self.write(f"proc/{pid}/cgroup", cgroup)
        (self.root / f"proc/{pid}/fd").mkdir(parents=True, exist_ok=True)
        self.write(f"run/libvirt/qemu/{name}.pid", f"{pid}\n")

    def v1_groups(self, path: str, *, inner: str = "", vcpus: int = 1) -> None:
        for names, files in V1_FILES.items():
            for name, text in files.items():
                self.write(f"sys/fs/cgroup/{names}{path}/{name}", text)
        for number in range(vcpus):
            for name, text in IDLE_VCPU_V1.items():
                self.write(f"sys/fs/cgroup/cpu,cpuacct{path}{inner}/vcpu{number}/{name}", text)

    def v2_groups(self, path: str, *, inner: str = "", vcpus: int = 1) -> None:
        for level in {"", inner}:
            for name, text in V2_FILES.items():
                self.write(f"{self.unified}{path}{level}/{name}", text)
        for number in range(vcpus):
            for name, text in IDLE_VCPU_V2.items():
                self.write(f"{self.unified}{path}{inner}/vcpu{number}/{name}", text)

    def tap(self, pid: int, fd: int, name: str) -> None:
        os.symlink("/dev/net/tun", self.root / f"proc/{pid}/fd/{fd}")
        self.write(f"proc/{pid}/fdinfo/{fd}", f"pos:\t0\nflags:\t0104002\nmnt_id:\t15\niff:\t{name}\n")

    def macvtap(self, pid: int, fd: int, name: str, number: int) -> None:
        os.symlink(f"/dev/tap{number}", self.root / f"proc/{pid}/fd/{fd}")
        self.write(f"sys/class/net/{name}/ifindex", f"{number}\n")

    def traffic(self, **of: tuple[int, int, int, int]) -> None:
        """Interface → received bytes, received packets, sent bytes, sent packets, as the host counts."""
        lines = ["Inter-|   Receive                                                |  Transmit", " face |bytes …"]
        for name, (rx, rx_packets, tx, tx_packets) in {"lo": (9, 9, 9, 9), **of}.items():
            lines.append(f"{name:>6}: {rx} {rx_packets} 0 0 0 0 0 0 {tx} {tx_packets} 0 0 0 0 0 0")
        self.write("proc/self/net/dev", "\n".join(lines) + "\n")
