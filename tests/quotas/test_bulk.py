# SPDX-License-Identifier: GPL-3.0-or-later
"""One wish for many guests, copies of limits, and presets as text."""

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.fakes import HOST, OTHER, a_guest
from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.facts import Disk, GuestState, Host, HostState, Interface
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits
from vmconsole.inventory.resources import resource
from vmconsole.quotas.bulk import Wish, bulk, wishes_of
from vmconsole.quotas.presets import Preset, preset_of, text_of
from vmconsole.quotas.rows import Place, Scope
from vmconsole.quotas.situation import Situation
from vmconsole.quotas.table import BY_KEY, TABLE

BOTH = (Place.LIVE, Place.STORED)
CAP, IOPS = LimitRef("guest_cap"), "disk_total_iops"


def a_situation(name="web", *, cpus=8, layout="v1", host=HOST, disks=2, **limits):
    guest = a_guest(name, host=host)
    found = Limits.of(**limits)
    drives = tuple(Disk(f"vd{'abc'[n]}", f"/images/{name}{n}", "qcow2") for n in range(disks))
    nics = (Interface(f"52:54:00:00:00:{len(name):02x}", "bridge", "br0"),)
    guest = dataclasses.replace(guest, live=found, stored=found, disks=drives, interfaces=nics)
    return Situation(Host(host, host, HostState.CONNECTED, cpus=cpus, cgroup_layout=layout), guest)


def test_a_share_of_the_host_is_another_number_on_each():
    rows = bulk([a_situation(cpus=8), a_situation("db", cpus=32, host=OTHER)], [Wish("guest_cap", "25 %")], BOTH)
    assert [row.values(Place.LIVE)[CAP].cores for row in rows] == [2.0, 8.0]
    assert all(row.can_run for row in rows)


def test_all_disks_of_each_guest():
    rows = bulk([a_situation(disks=1), a_situation("db", disks=3)], [Wish(IOPS, "300", "*")], (Place.STORED,))
    assert [sorted(map(str, row.values(Place.STORED))) for row in rows] == [
        [f"{IOPS}@vda"],
        [f"{IOPS}@vd{letter}" for letter in "abc"],
    ]


def test_what_cannot_be_is_a_problem_of_that_guest_alone():
    held = a_situation("held", vcpu_cap=CpuCap(100_000, 80_000))
    rows = bulk([held, a_situation("free")], [Wish("guest_cap", "0.5")], BOTH)
    assert [row.can_run for row in rows] == [False, True]
    assert "more than the whole guest" in rows[0].problems[0].what


def test_what_is_so_already_is_no_change():
    same = a_situation(guest_cap=CpuCap(100_000, 50_000))
    assert bulk([same], [Wish("guest_cap", "0.5 cores")], BOTH)[0].changes == ()


def test_a_guest_that_is_off_gets_it_at_its_next_boot_only():
    off = a_situation()
    off = dataclasses.replace(off, guest=dataclasses.replace(off.guest, state=GuestState.SHUT_OFF, live=None))
    assert [change.place for change in bulk([off], [Wish("guest_cap", "1")], BOTH)[0].changes] == [Place.STORED]
    row = bulk([off], [Wish("guest_cap", "1")], (Place.LIVE,))[0]
    assert not row.can_run
    assert "shut off" in row.problems[0].what


def test_copied_limits_make_the_other_guest_alike():
    first = a_situation("first", guest_cap=CpuCap(50_000, 12_345), cpu_weight=321, vcpu_count=4, memory_max=4 * 2**20)
    limits = first.guest.live.changed({
        LimitRef("nic_in_average", first.guest.interfaces[0].mac): 1000,
        LimitRef("disk_read_bytes", "vda"): 12_345_678,
        LimitRef("vcpu_pin", "0"): "0-1",
    })  # fmt: skip
    wishes = wishes_of(limits, first)
    other = a_situation("second-one")
    found = bulk([other], wishes, (Place.LIVE,))[0]
    assert found.problems == ()
    after = other.guest.live.changed(found.values(Place.LIVE))
    assert after[CAP] == CpuCap(50_000, 12_345)
    assert after[LimitRef("nic_in_average", other.guest.interfaces[0].mac)] == 1000
    assert after[LimitRef("disk_read_bytes", "vda")] == 12_345_678
    assert after[LimitRef("vcpu_count")] is None


def test_the_programs_presets_are_whole_and_can_be_used():
    files = sorted(resource("presets").glob("*.toml"))
    assert {path.stem for path in files} == {"small", "medium", "large", "noisy-neighbour"}
    for path in files:
        preset = preset_of(path.read_text(encoding="utf-8"), name=path.stem)
        assert preset.title
        assert preset.about.endswith(".")
        for layout in ("v1", "v2"):
            row = bulk([a_situation(layout=layout)], preset.wishes, BOTH)[0]
            assert not any(problem.is_fatal for problem in row.problems)


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@given(TEXTS, TEXTS, st.lists(st.tuples(st.sampled_from(TABLE), TEXTS, TEXTS.filter(bool)), min_size=1, max_size=8))
def test_a_preset_is_read_back(title, about, rows):
    wishes = {
        (r.key, "" if r.scope is Scope.GUEST else t): Wish(r.key, text, "" if r.scope is Scope.GUEST else t)
        for r, text, t in rows
    }
    preset = Preset(title, about, tuple(wishes.values()))
    assert preset_of(text_of(preset)) == preset


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no [limits]"),
        ("title = 3\n[limits]\nfish = '1'", "no limit «fish»"),
        ("[limits]\ndisk_total_iops = 100", "disk_total_iops@*"),
        ("[limits]\n'guest_cap@vda' = '1'", "whole guest"),
        ("[limits]\nguest_cap = [1]", "text or a number"),
        ("[limits\n", "line 1"),
        ("x" * 200_000, "too long"),
    ],
)
def test_what_is_no_preset_is_told(text, told):
    with pytest.raises(OutOfRange) as error:
        preset_of(text)
    assert told in error.value.explanation.what


@given(st.text(max_size=200))
def test_any_text_is_a_preset_or_a_clear_error(text):
    with contextlib.suppress(OutOfRange):
        preset_of(text)


def test_every_key_of_the_table_can_stand_in_a_preset():
    for row in TABLE:
        key = row.key if row.scope is Scope.GUEST else f'"{row.key}@*"'
        assert preset_of(f'[limits]\n{key} = "none"').wishes[0].key in BY_KEY
