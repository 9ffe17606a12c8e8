# SPDX-License-Identifier: GPL-3.0-or-later
"""What watching costs: CPU of the console and of the sampler on the host, per guest and second, on real guests."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.display import open_display
from tests.lab.vmlab import Lab, LabHost, LabOptions

HOSTS = 3
GUESTS = 3
RUN_S = 35.0
WATCH_S = 20.0
TICKS_PER_S = 100


def measure() -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="vmc-bench-") as folder, Lab(Path(folder) / "lab") as lab:
        lab.up(LabOptions(hosts=HOSTS, guests=GUESTS, load=False))
        for host in lab.hosts:
            for guest in host.guests:
                host.wait_for_agent(guest)
        return _watched(lab, Path(folder))


def _watched(lab: Lab, folder: Path) -> dict[str, object]:
    report = folder / "bench.json"
    arguments = [word for host in lab.hosts for word in ("--connect", host.uri)]
    argv = [sys.executable, "-m", "vmconsole", "--profile", str(folder / "profile"), "--after", str(RUN_S)]
    with open_display(1600, 1000) as display:
        console = subprocess.Popen(
            [*argv, "--bench-json", str(report), *arguments], env=display.env, stdout=subprocess.DEVNULL
        )
        time.sleep(RUN_S - WATCH_S - 5)
        before = sum(sampler_cpu_s(host) for host in lab.hosts)
        began = time.monotonic()
        time.sleep(WATCH_S)
        sampled = sum(sampler_cpu_s(host) for host in lab.hosts) - before
        watched_s = time.monotonic() - began
        console.wait(timeout=60)
    own = json.loads(report.read_text())
    guests = HOSTS * GUESTS
    return {
        "hosts": HOSTS,
        "running_guests": guests,
        "console_cpu_share_of_a_core": round(own["steady_cpu_s"] / own["steady_s"], 4),
        "console_cpu_ms_per_guest_and_s": round(own["steady_cpu_s"] / own["steady_s"] / guests * 1000, 3),
        "sampler_cpu_us_per_guest_and_s": round(sampled / watched_s / guests * 1e6, 1),
        "longest_stall_ms": own["longest_stall_ms"],
        "rss_mib": own["rss_mib"],
    }


def sampler_cpu_s(host: LabHost) -> float:
    """CPU so far of the sampler's process on a host, user and system (proc(5), fields 14 and 15)."""
    listed = host.exec("pgrep", "-f", "python3 -I -S -c", check=False).stdout.split()
    total = 0.0
    for pid in listed:
        fields = host.exec("cat", f"/proc/{pid}/stat", check=False).stdout.rpartition(")")[2].split()
        total += sum(int(ticks) for ticks in fields[11:13]) / TICKS_PER_S
    return total
