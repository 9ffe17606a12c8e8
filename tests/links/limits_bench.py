# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing every limit of the table on a real host, and looking for it there without the product's own eyes.

Used by the tests on the lab and on a host with cgroup v2 alone. What is looked at: the guest's cgroup files, what QEMU
answers on its monitor, tc.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.links.recording import Recorder
from vmconsole.inventory.facts import Host, HostState
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits, Value
from vmconsole.links.host_link import HostLink
from vmconsole.links.sampler import make_sampler
from vmconsole.links.uri import parse_uri
from vmconsole.operations.limits import ChangeLimits
from vmconsole.quotas.rows import Call, Kind, LimitRow, Scope
from vmconsole.quotas.situation import Situation
from vmconsole.quotas.table import BY_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.v2 import V2Host
    from tests.lab.vmlab import LabHost
    from vmconsole.inventory.facts import Guest
    from vmconsole.links.libvirt_link import LibvirtLoop
    from vmconsole.operations.base import Outcome

DEADLINE_S = 60.0
HELD_BY_BOTH = 2**62


@dataclass(slots=True)
class Bench:
    """A connected host and one running guest of it."""

    host: LabHost | V2Host
    event_loop: LibvirtLoop
    name: str
    posted: Recorder = field(default_factory=Recorder)
    run_dir: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="vmc-")))
    link: HostLink = field(init=False)
    facts: Host = field(init=False)
    uuid: str = field(init=False)

    def start(self, *, within_s: float = 60.0) -> None:
        address = parse_uri(self.host.uri)
        make = functools.partial(make_sampler, guests="system")
        self.link = HostLink(
            address, post=self.posted, event_loop=self.event_loop, make_sampler=make, run_dir=self.run_dir
        )
        self.link.start()
        self.uuid = next(g.id.uuid for g in self.posted.listing(within_s=within_s) if g.name == self.name)
        self.facts = self.posted.host_that(
            lambda h: bool(h.cgroup_layout) and h.resources.controllers is not None and h.has_shell, within_s=within_s
        )

    def close(self) -> None:
        self.link.close()
        shutil.rmtree(self.run_dir)

    # -- the product ---------------------------------------------------------------------------------------------------

    def guest(self) -> Guest:
        return self.link.submit(lambda verbs: verbs.describe_guest(self.uuid), deadline_s=DEADLINE_S).result()

    def situation(self) -> Situation:
        return Situation(replace(self.facts, state=HostState.CONNECTED), self.guest())

    def change(
        self, live: Mapping[LimitRef, Value] | None = None, stored: Mapping[LimitRef, Value] | None = None
    ) -> Outcome:
        return self.run(ChangeLimits(self.situation(), live or {}, stored or {}))

    def run(self, operation: ChangeLimits) -> Outcome:
        return self.link.submit(operation.run, deadline_s=DEADLINE_S).result()

    # -- the host ------------------------------------------------------------------------------------------------------

    def definition(self) -> str:
        return self.host.virsh("dumpxml", "--inactive", "--security-info", self.name)

    def target(self, row: LimitRow) -> str:
        guest = self.guest()
        return {
            Scope.GUEST: "", Scope.VCPU: "0", Scope.IOTHREAD: "1", Scope.DISK: "vda",
            Scope.NIC: guest.interfaces[0].mac, Scope.HOST_DEVICE: self.facts.resources.block_devices[0].path,
        }[row.scope]  # fmt: skip

    def on_host(self, ref: LimitRef) -> str:
        """What the host says of a limit, in its own words."""
        row = BY_KEY[ref.key]
        proof = row.proof_on(self.facts.cgroup_layout)
        if proof.startswith("QMP"):
            return self._qmp(row, ref)
        if proof.startswith("tc"):
            tap = self.guest().interfaces[0].tap
            words = (
                ("class", "show", "dev", tap) if "class" in proof else ("filter", "show", "dev", tap, "parent", "ffff:")
            )
            return self.host.exec("tc", *words, check=False).stdout
        return "\n".join(self._files(row, ref, proof))

    def _files(self, row: LimitRow, ref: LimitRef, proof: str) -> list[str]:
        if self.facts.cgroup_layout == "v2":
            controller, name = "", proof.split()[0]
        else:
            controller, _, name = proof.partition("/")
        name = name.format(target=ref.target)
        group = self._group(controller)
        paths = " ".join(f"{shlex.quote(place)}/{name}" for place in (group, f"{group}/libvirt"))
        found = self.host.exec("sh", "-c", f'for f in {paths}; do [ -f "$f" ] && cat "$f"; done; :').stdout
        lines = found.splitlines()
        if row.scope is Scope.HOST_DEVICE:
            number = self.host.exec("cat", f"/sys/class/block/{ref.target.removeprefix('/dev/')}/dev").stdout.strip()
            lines = [line for line in lines if line.startswith(f"{number} ")]
        return lines

    def _group(self, controller: str) -> str:
        """The guest's own directory, by QEMU's process."""
        pid = self.host.exec("cat", f"/run/libvirt/qemu/{self.name}.pid").stdout.strip()
        lines = self.host.exec("cat", f"/proc/{pid}/cgroup").stdout.splitlines()
        parts = [line.split(":", 2) for line in lines]
        path = next(path for _, names, path in parts if controller in names.split(","))
        path = re.sub(r"(/libvirt)?(/emulator)?$", "", path)
        mounts = [line.split() for line in self.host.exec("cat", "/proc/mounts").stdout.splitlines()]
        for _, at, kind, options, *_ in mounts:
            if (kind == "cgroup2" and not controller) or (kind == "cgroup" and controller in options.split(",")):
                return at + path
        raise AssertionError(f"no cgroup mount of {controller!r}")

    def _qmp(self, row: LimitRow, ref: LimitRef) -> str:
        commands = {
            Call.BLOCK_IO_TUNE: "query-block", Call.IOTHREAD: "query-iothreads", Call.BALLOON: "query-balloon",
            Call.VCPUS: "query-cpus-fast", Call.VCPUS_MAX: "query-hotpluggable-cpus",
            Call.MEMORY_MAX: "query-memory-size-summary",
        }  # fmt: skip
        text = self.host.virsh("qemu-monitor-command", self.name, json.dumps({"execute": commands[row.call]}))
        answer = json.loads(text)["return"]
        if row.call is Call.BLOCK_IO_TUNE:
            disk = next(one["inserted"] for one in answer if one["device"] or one.get("qdev", "").find("virtio") >= 0)
            return str(disk.get(_QMP_NAMES.get(row.parameter, row.parameter), 0))
        if row.call is Call.IOTHREAD:
            thread = next(one for one in answer if one["id"] == f"iothread{ref.target}")
            return str(thread[row.parameter.replace("_", "-")])
        if row.call is Call.BALLOON:
            return str(answer["actual"] // 1024)
        return str(len(answer)) if row.call is Call.VCPUS else text


_WAYS = {"total": "", "read": "_rd", "write": "_wr"}
_QMP_NAMES: dict[str, str] = {"size_iops_sec": "iops_size", "group_name": "group"}
for _way, _short in _WAYS.items():
    for _what, _name in (("bytes", "bps"), ("iops", "iops")):
        for _end, _suffix in (("", ""), ("_max", "_max"), ("_max_length", "_max_length")):
            _QMP_NAMES[f"{_way}_{_what}_sec{_end}"] = (
                f"{_name}{_short}{_end}" if not _suffix else f"{_name}{_short}{_suffix}"
            )


# ---- what is wished for each row, and how the host shows it


def wishes(bench: Bench, row: LimitRow) -> dict[LimitRef, Value]:
    """A value that the guest does not have, with those that it needs beside it. The row's own is the first."""
    target = bench.target(row)
    found: dict[LimitRef, Value] = {LimitRef(row.key, target): value_for(row, bench.facts.cgroup_layout)}
    if row.call is Call.BLOCK_IO_TUNE:
        base = row.key.removesuffix("_length").removesuffix("_burst")
        if row.key == base + "_burst_length":
            found[LimitRef(f"{base}_burst", target)] = 8_000_000
        if row.key != base:
            found[LimitRef(base, target)] = 1_000_000
        if row.key in {"disk_iops_size", "disk_group"}:
            found[LimitRef("disk_total_iops", target)] = 700
    if row.call is Call.INTERFACE and not row.key.endswith("average"):
        found[LimitRef(row.key.rsplit("_", 1)[0] + "_average", target)] = 1000
    if row.key == "memory_swap_hard":
        found[LimitRef("memory_hard")] = 2**20
    if row.key == "numa_mode":
        found[LimitRef("numa_nodes")] = "0"
    return found


def value_for(row: LimitRow, layout: str) -> Value:
    special: dict[str, Value] = {
        "guest_cap": CpuCap(100_000, 90_000), "memory_balloon": 120 * 1024, "memory_max": 160 * 1024,
        "memory_hard": 2**20, "memory_soft": 2**19, "memory_swap_hard": 3 * 2**19, "vcpu_count": 2, "vcpu_max": 3,
        "cpu_weight": 50 if layout == "v2" else 512, "iothread_poll_max": 50_000, "nic_in_average": 1000,
        "nic_out_average": 1000, "disk_iops_size": 8192,
    }  # fmt: skip
    if row.key in special:
        return special[row.key]
    if row.key.endswith("_burst") and not row.key.startswith("nic"):
        return 8_000_000
    by_kind: dict[Kind, Value] = {
        Kind.CAP: CpuCap(50_000, 40_000), Kind.CPUS: "0", Kind.NODES: "0", Kind.MODE: "restrictive", Kind.WEIGHT: 300,
        Kind.COUNT: 2, Kind.BYTES_PER_S: 3_000_000, Kind.IOPS: 400, Kind.SECONDS: 7, Kind.NAME: "slow",
        Kind.KB_PER_S: 2000, Kind.KIB: 512,
    }  # fmt: skip
    return by_kind[row.kind]


def shows(row: LimitRow, value: Value, text: str, layout: str) -> bool:
    """Whether the host's words say just this value."""
    lines = text.splitlines()
    if isinstance(value, CpuCap):
        wanted = str(value.quota_us) if layout != "v2" else f"{value.quota_us} {value.period_us}"
        return bool(lines) and (all(line == wanted for line in lines) or (layout == "v2" and wanted in lines))
    if row.call is Call.MEMORY and isinstance(value, int):
        return str(value * 1024) in lines
    if row.call is Call.INTERFACE and row.key.endswith("burst"):
        return f"burst {value}Kb " in text
    if row.call is Call.INTERFACE and isinstance(value, int):
        return bool(re.search(rf"\b(rate|ceil) {value * 8 // 1000}Mbit\b", text))
    if layout == "v2" and row.proof_v2.startswith("io.max"):
        return any(f"{row.proof_v2.split()[1]}={value}" in line.split() for line in lines)
    return any(line.split()[-1:] == [str(value)] for line in lines)


def no_limits(guest: Guest) -> Limits:
    return guest.live or Limits()
