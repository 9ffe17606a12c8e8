# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault matrix on a lab of three hosts: seconds to the right words, to recovery, and the others' worst gap."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.lab.vmlab import Lab, LabOptions
from tests.links.fault_engine import RECOVERY_S, link_maker, settle, wire
from tests.links.fault_engine import measure as measure_fault
from tests.links.fault_list import FAULTS
from vmconsole.links.libvirt_link import LibvirtLoop

HOSTS, GUESTS = 3, 1


def measure_all(lab: Lab) -> list[dict[str, object]]:
    """One line for each fault."""
    loop, run_dir = LibvirtLoop(), Path(tempfile.mkdtemp(prefix="vmc-"))
    loop.start()
    wired = wire(lab.hosts, link_maker(loop, run_dir))
    try:
        found = []
        for fault in FAULTS:
            settle(wired)
            found.append(measure_fault(fault, wired[0], wired[1:]))
        return [one.line() | {"states_right": one.guests == one.truth} for one in found]
    finally:
        for one in wired:
            one.link.close()
        loop.close()
        shutil.rmtree(run_dir)


def _seconds(line: dict[str, object], key: str) -> float:
    value = line[key]
    assert isinstance(value, float)
    return value


def summary(lines: list[dict[str, object]]) -> dict[str, object]:
    """The worst of each, beside its limit."""
    late = [_seconds(line, "words_s") / _seconds(line, "words_limit_s") for line in lines]
    return {
        "words_of_limit": round(max(late), 2),
        "recovery_s": max(_seconds(line, "recovery_s") for line in lines),
        "recovery_limit_s": RECOVERY_S,
        "others_gap_s": max(_seconds(line, "others_gap_s") for line in lines),
        "states_right": all(line["states_right"] for line in lines),
        "faults": lines,
    }


def measure() -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="vmc-bench-") as folder, Lab(Path(folder) / "lab") as lab:
        lab.up(LabOptions(hosts=HOSTS, guests=GUESTS, load=False))
        return summary(measure_all(lab))
