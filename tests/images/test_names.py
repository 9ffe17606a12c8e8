# SPDX-License-Identifier: GPL-3.0-or-later
"""Guest paths and names: whatever is hostile is refused with words or shown harmlessly."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.images import names
from vmconsole.inventory.errors import ImageError


@pytest.mark.parametrize(
    ("path", "short"),
    [("/", "/"), ("/etc//fstab", "/etc/fstab"), ("/./a/./b/", "/a/b"), ("/a\nb/'\"", "/a\nb/'\""), ("/-rf", "/-rf")],
)
def test_a_path_becomes_its_shortest_form(path: str, short: str) -> None:
    assert names.guest_path(path) == short


@pytest.mark.parametrize(
    "path", ["etc", "", "/a/../b", "/..", "/a\0b", "/\ud800", "/\udcc3\udca4", 5, b"/etc", None, "/" + "x" * 256]
)
def test_what_cannot_be_a_path_is_refused_with_words(path: object) -> None:
    with pytest.raises(ImageError) as refused:
        names.guest_path(path)
    refused.value.explanation.text().encode()  # the words themselves can be shown anywhere


@pytest.mark.parametrize("path", ["/dev/sda", "/dev", "//dev/sda1", "/./dev/null"])
def test_devices_of_the_appliance_are_refused(path: str) -> None:
    with pytest.raises(ImageError, match="/dev"):
        names.ordinary_path(path)


@pytest.mark.parametrize("path", ["/device", "/home/dev/x", "/developer/dev"])
def test_what_only_looks_like_devices_is_not(path: str) -> None:
    assert names.ordinary_path(path) == path


@given(st.text())
def test_every_text_is_a_good_path_or_an_image_error(text: str) -> None:
    try:
        path = names.guest_path(text)
    except ImageError:
        return
    assert names.guest_path(path) == path
    assert b"\0" not in os.fsencode(path)


@given(st.binary(min_size=1, max_size=60).filter(lambda raw: not {0, 47} & set(raw) and raw not in {b".", b".."}))
def test_every_name_of_bytes_can_be_addressed_and_shown(raw: bytes) -> None:
    path = names.guest_path("/" + os.fsdecode(raw))
    assert os.fsencode(path) == b"/" + raw
    names.shown_text(path).encode("utf-8")


def test_bytes_that_are_not_utf8_show_as_hexadecimal() -> None:
    assert names.shown_text("caf\udce9") == "caf\\xe9"


def test_a_free_name_keeps_the_suffix() -> None:
    assert names.free_name("a.txt", {"b"}) == "a.txt"
    assert names.free_name("a.txt", {"a.txt", "a (2).txt"}) == "a (3).txt"
    assert names.free_name(".bashrc", {".bashrc"}) == ".bashrc (2)"
