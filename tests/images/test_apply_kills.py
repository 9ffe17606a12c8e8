# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of every party at random points of an Apply: the disk is the old or the new one, whole, or is finished later.

The seed is printed; ``VMCONSOLE_KILL_SEED`` repeats a run and ``VMCONSOLE_KILLS`` sets how many the slow one has.
"""

from __future__ import annotations

import collections
import os
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.killing import VICTIMS, Stage, Theatre
from vmconsole.images import leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS, MANY = 20, int(os.environ.get("VMCONSOLE_KILLS", "200"))


@pytest.fixture(scope="module")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    yield from played(Theatre(tmp_path_factory.mktemp("kills")))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    """A guest with two disks, qcow2 and raw, which are changed by one Apply."""
    yield from played(Theatre(tmp_path_factory.mktemp("pair"), disks=2))


def played(theatre: Theatre) -> Iterator[Theatre]:
    theatre.set_up()
    yield theatre
    theatre.close()
    leftovers.clean()  # as the program does when it starts
    folders = [str(f) for f in Path(tempfile.gettempdir()).glob("vmconsole-????????") if belongs(f, theatre)]
    assert not folders, "a temporary folder was left"
    left = [line for line in disks.command_lines(str(theatre.place.folder)) if "qemu" in line]
    assert not left, "a process was left"


def belongs(folder: Path, theatre: Theatre) -> bool:
    """Whether a temporary folder was made by a process of the theatre (or by this one)."""
    try:
        pid = int((folder / "owner").read_text().split(" ")[0])
    except (OSError, ValueError):
        return False
    return pid in theatre.consoles or pid == os.getpid()


def run_kills(theatre: Theatre, count: int) -> None:
    seed = int(os.environ.get("VMCONSOLE_KILL_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    found: collections.Counter[str] = collections.Counter()
    began_at = time.monotonic()
    for number in range(count):
        victim = VICTIMS[number % len(VICTIMS)]
        stage = chance.choice(list(Stage))
        part = chance.random()
        outcome = theatre.kill(victim, stage, part)
        found[f"{victim}: {outcome}"] += 1
        theatre.recover(f"seed {seed}, run {number}: {victim} at {part:.2f} of {stage.name}", also_back=number % 2 == 0)
    print(f"{count} kills in {time.monotonic() - began_at:.0f} s")
    for line, times in sorted(found.items()):
        print(f"  {times:3} {line}")
    hit = sum(times for line, times in found.items() if "not there" not in line)
    assert hit > count * 0.7, "most kills came too late"


@pytest.mark.timeout(900)  # a minute and a half; a busy machine takes many times as long
def test_the_disk_is_whole_after_any_kill(theatre: Theatre) -> None:
    run_kills(theatre, KILLS)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_disk_is_whole_after_hundreds_of_kills(theatre: Theatre) -> None:
    run_kills(theatre, MANY)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_disks_are_both_old_or_both_new_after_any_kill(pair: Theatre) -> None:
    run_kills(pair, KILLS)


def test_the_story_is_right_without_a_kill(theatre: Theatre) -> None:
    """What the kill tests measure against: without a kill the Apply works, by both links, and can be taken back."""
    for link in ("local", "ssh"):
        assert theatre.play(link) == "applied"
        assert theatre.content() == theatre.new
        theatre.recover(link, also_back=True)
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", str(theatre.place.image)], check=True)
