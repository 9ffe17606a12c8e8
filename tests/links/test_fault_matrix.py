# SPDX-License-Identifier: GPL-3.0-or-later
"""Three real hosts, one of which is hurt: right words in time, the others undisturbed, back by itself, states right.

Each fault prints one JSON line (shown by ``-rP``) and adds it to ``faults.jsonl`` in the session's temporary folder.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.links.fault_engine import RECOVERY_S, Fault, Measured, Wired, link_maker, measure, settle, wire
from tests.links.fault_list import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.vmlab import Lab
    from vmconsole.links.libvirt_link import LibvirtLoop

    Report = Callable[[dict[str, object]], None]

pytestmark = pytest.mark.lab

GAP_S = 2.5
"""Figures come each second; the machine of the tests has more to do than this."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    path = tmp_path_factory.getbasetemp() / "faults.jsonl"

    def tell(line: dict[str, object]) -> None:
        text = json.dumps(line, ensure_ascii=False)
        print(text)
        with path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    return tell


@pytest.fixture(scope="module")
def three(lab: Lab, event_loop: LibvirtLoop) -> Iterator[list[Wired]]:
    """Three connected hosts; the first is the one to be hurt."""
    run_dir = Path(tempfile.mkdtemp(prefix="vmc-"))
    wired = wire([lab.host(f"kvm{number}") for number in (1, 2, 3)], link_maker(event_loop, run_dir))
    yield wired
    for one in wired:
        one.link.close()
    left = list(run_dir.iterdir())
    shutil.rmtree(run_dir)
    assert left == []


@pytest.fixture
def well(three: list[Wired]) -> Iterator[list[Wired]]:
    settle(three)
    yield three
    three[0].host.repair()


def check(found: Measured) -> None:
    assert found.words_s <= found.words_limit_s
    assert found.recovery_s <= RECOVERY_S
    assert found.others_gap_s <= max(GAP_S, 2 * found.calm_gap_s)
    if found.own_gap_s is not None:
        assert found.own_gap_s <= max(GAP_S, 2 * found.calm_gap_s)
    assert found.guests == found.truth


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_of_one_host(fault: Fault, well: list[Wired], report: Report) -> None:
    found = measure(fault, well[0], well[1:])
    report(found.line())
    check(found)
