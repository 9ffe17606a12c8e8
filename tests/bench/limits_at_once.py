# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of limits on 200 guests of three lab hosts at once, by the links' own lanes; and what the host's proof
adds to one change of a running guest.

The 200 guests are definitions without a process (nothing runs in them): what is measured is the change of the stored
definition, read first, checked, written, read back, and its undo. The hosts share this machine's processors.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from pathlib import Path

from tests.lab.vmlab import Lab, LabHost, LabOptions
from tests.links.limits_bench import Bench
from vmconsole.inventory.deltas import TaskSeen
from vmconsole.inventory.limits import CpuCap, LimitRef
from vmconsole.inventory.tasks import TaskState
from vmconsole.links.libvirt_link import LibvirtLoop
from vmconsole.metrics.delta import Delta
from vmconsole.operations.limits import ChangeLimits
from vmconsole.operations.runner import OperationRunner
from vmconsole.quotas.situation import Situation

HOSTS, GUESTS, CHANGES = 3, 200, 30


def measure() -> dict[str, object]:
    loop = LibvirtLoop()
    loop.start()
    with tempfile.TemporaryDirectory(prefix="vmc-bench-") as folder, Lab(Path(folder) / "lab") as lab:
        lab.up(LabOptions(hosts=HOSTS, guests=1, load=False))
        benches = []
        try:
            for number in range(1, HOSTS + 1):
                host = lab.host(f"kvm{number}")
                _define(host, GUESTS // HOSTS + (number <= GUESTS % HOSTS))
                benches.append(Bench(host, loop, host.guests[0]))
                benches[-1].start()
            return {**_at_once(benches), **_proof(benches[0])}
        finally:
            for bench in benches:
                bench.close()
            loop.close()


def _define(host: LabHost, count: int) -> None:
    text = re.sub(r"<uuid>.*?</uuid>|<mac [^>]*/>", "", host.virsh("dumpxml", "--inactive", host.off_guest))
    lines = []
    for number in range(count):
        name = f"tiny{number}"
        path = f"/tmp/{name}.xml"
        host.exec("tee", path, stdin=text.replace(f"<name>{host.off_guest}</name>", f"<name>{name}</name>"))
        lines.append(f"define {path}")
    host.exec("virsh", stdin="\n".join(lines) + "\n", timeout_s=120)


def _at_once(benches: list[Bench]) -> dict[str, object]:
    wanted = {LimitRef("guest_cap"): CpuCap(100_000, 150_000), LimitRef("cpu_weight"): 512}
    links = {bench.link.host_id: bench.link for bench in benches}
    tasks: dict[int, TaskState] = {}

    def post(delta: Delta) -> None:
        if isinstance(delta, TaskSeen):
            tasks[delta.task.id] = delta.task.state

    runner = OperationRunner(links.get, post)
    changes = [
        ChangeLimits(Situation(bench.facts, guest), stored=wanted)
        for bench in benches
        for guest in bench.link.submit(lambda v, b=bench: _all_tiny(v, b), deadline_s=60).result()
    ]
    took_s = [_timed(lambda: runner.run(changes), tasks), _timed(runner.undo, tasks)]
    runner.close()
    assert len(changes) == GUESTS
    return {"hosts": HOSTS, "guests": GUESTS, "stored_s": round(took_s[0], 2), "undone_s": round(took_s[1], 2)}


def _all_tiny(verbs: object, bench: Bench) -> list:
    listing = [guest for guest in bench.posted.listing() if guest.name.startswith("tiny")]
    return [verbs.describe_guest(guest.id.uuid) for guest in listing]


def _timed(begin, tasks: dict[int, TaskState]) -> float:
    began = time.monotonic()
    numbers = begin()
    while not all(tasks[number].is_over for number in numbers):
        assert time.monotonic() < began + 600
        time.sleep(0.005)
    assert {tasks[number] for number in numbers} == {TaskState.DONE}
    return time.monotonic() - began


def _proof(bench: Bench) -> dict[str, object]:
    """One change of a running guest, as it is; and the part of it that looks at the host's files."""
    situation, ref = bench.situation(), LimitRef("guest_cap")
    whole_ms, proof_ms = [], []
    for number in range(CHANGES):
        change = ChangeLimits(situation, {ref: CpuCap(100_000, 100_000 + number * 1000)})
        began = time.monotonic()
        bench.run(change)
        whole_ms.append((time.monotonic() - began) * 1000)
        began = time.monotonic()
        bench.link.submit(lambda verbs: verbs.limit_proofs(bench.uuid, (ref,)), deadline_s=10).result()
        proof_ms.append((time.monotonic() - began) * 1000)
    return {
        "one_change_ms_median": round(statistics.median(whole_ms), 1),
        "one_change_ms_p95": round(statistics.quantiles(whole_ms, n=20)[18], 1),
        "of_it_proof_ms_median": round(statistics.median(proof_ms), 1),
    }
