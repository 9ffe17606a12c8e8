# SPDX-License-Identifier: GPL-3.0-or-later
"""What find and stat in a guest write, with any names; and that a lying guest gets nowhere."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.images import live_parse as parse
from vmconsole.images.messages import EntryKind

NAMES = st.binary(min_size=1, max_size=255).filter(lambda n: not {0, 47} & set(n) and n not in {b".", b".."})
FACTS = b"644 f 12 1000 0 1700000000.5 1700000001.25 -3.0 2 alice wheel users"
STAT = b"//81a4 12 1000 0 1700000000 1700000001 -3 2 alice wheel users//"


@given(st.lists(st.tuples(NAMES, st.binary(max_size=40).filter(lambda t: b"\0" not in t)), max_size=6))
def test_find_gives_every_name_and_target_back(found: list[tuple[bytes, bytes]]) -> None:
    said = b"".join(FACTS + b"\0" + name + b"\0" + target + b"\0" for name, target in found)
    entries = parse.entries_of_find(said)
    assert [(os.fsencode(e.name), os.fsencode(e.link_target)) for e in entries] == found
    for entry in entries:
        assert (entry.kind, entry.mode, entry.size_bytes) == (EntryKind.FILE, 0o644, 12)
        assert (entry.owner, entry.group, entry.uid, entry.modified_at) == ("alice", "wheel users", 1000, 1700000001.25)


@given(st.lists(NAMES, max_size=6))
def test_stat_gives_every_name_back(found: list[bytes]) -> None:
    said = b"".join(STAT + b"/tmp/a\nb/./" + name + b"\n" for name in found)
    entries = parse.entries_of_stat(said)
    assert [os.fsencode(e.name) for e in entries] == found
    assert all((e.mode, e.group, e.changed_at) == (0o644, "wheel users", -3.0) for e in entries)


@given(
    st.binary(max_size=200) | st.lists(st.sampled_from([FACTS, STAT, b"\0", b"//", b"/", b"..", b"\n"])).map(b"".join)
)
def test_what_a_guest_makes_up_is_refused_or_plain_names(said: bytes) -> None:
    for read in (parse.entries_of_find, parse.entries_of_stat):
        try:
            entries = read(said)
        except parse.NotUnderstood:
            continue
        assert all(e.name not in {"", ".", ".."} and "/" not in e.name and "\0" not in e.name for e in entries)
    for read_line in (parse.path_of_line, parse.hash_of_line):
        try:
            read_line(said)
        except parse.NotUnderstood:
            continue


@pytest.mark.parametrize("name", [b"..", b".", b"", b"../../etc", b"a/b"])
def test_a_name_that_leads_elsewhere_is_refused(name: bytes) -> None:
    with pytest.raises(parse.NotUnderstood):
        parse.entries_of_find(FACTS + b"\0" + name + b"\0\0")


def test_numbers_stand_where_names_are_unknown() -> None:
    (entry,) = parse.entries_of_stat(b"//a1ff 7 12 34 1 2 3 1 UNKNOWN UNKNOWN///bin/./sh\n")
    assert (entry.kind, entry.owner, entry.group) == (EntryKind.LINK, "12", "34")


def test_odd_names_do_not_hide_a_hash() -> None:
    assert parse.hash_of_line(b"\\" + b"ab" * 32 + b"  /tmp/a\\nb\n") == "ab" * 32
