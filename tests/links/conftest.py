# SPDX-License-Identifier: GPL-3.0-or-later
"""One libvirt event loop for a test session, as in the program; and three connected hosts for the tests of faults."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.links.fault_engine import Report, Wired, link_maker, settle, wire
from tests.links.host_layouts import Reader
from vmconsole.links.actor import Actor
from vmconsole.links.libvirt_link import LibvirtLoop
from vmconsole.links.sampler_remote_files import File, allow_many_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.vmlab import Lab
    from tests.links.host_tree import HostTree


@pytest.fixture(scope="session")
def event_loop() -> Iterator[LibvirtLoop]:
    loop = LibvirtLoop()
    loop.start()
    yield loop
    loop.close()


@pytest.fixture
def actor() -> Iterator[Actor]:
    actor = Actor("test actor")
    actor.start()
    yield actor
    assert actor.close()


@pytest.fixture
def read() -> Iterator[Callable[[HostTree], Reader]]:
    """Runs the sampler's program on a host of plain files."""
    made: list[Reader] = []
    before = File.room
    allow_many_files()

    def make(tree: HostTree) -> Reader:
        made.append(Reader(tree.root))
        return made[-1]

    yield make
    for reader in made:
        reader.host.close()
    File.room = before


@pytest.fixture
def run_dir() -> Iterator[Path]:
    """Short, as sockets need it; must be empty in the end."""
    path = Path(tempfile.mkdtemp(prefix="vmc-"))
    yield path
    left = list(path.iterdir())
    shutil.rmtree(path)
    assert left == []


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
