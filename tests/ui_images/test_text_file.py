# SPDX-License-Identifier: GPL-3.0-or-later
"""A file's bytes survive the text editor unchanged, except where they were edited."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.ui.image_editor.text_file import read_text, write_text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no end",
        b"unix\nlines\n",
        b"dos\r\nlines\r\n",
        b"old mac\rlines\r",
        b"mixed\r\nlines\nhere\r",
        b"\xef\xbb\xbfwith a mark\n",
        "\ufeffutf-16 \u00e4\r\n".encode("utf-16-le"),
        "\ufeffutf-16 \u00e4\r\n".encode("utf-16-be"),
        "gr\u00fcn\n".encode("latin-1"),
        "\u201cgr\u00fcn\u201d\n".encode("cp1252"),
        b"all of latin-1 \x81\n",
        "[ini]\r\nno=mark\r\n".encode("utf-16-le"),
        "[ini]\r\nno=mark\r\n".encode("utf-16-be"),
        "gr\u00fcn \U0001f7e2\n".encode(),
        b"\x1b[31mcolour\x1b[0m\n",
    ],
)
def test_untouched_bytes_stay(data: bytes) -> None:
    file = read_text(data)
    assert file is not None
    assert "\r" not in file.text
    assert write_text(file, file.text) == data


@given(st.text(alphabet="ab\r\n", max_size=30))
def test_any_line_ends_stay(text: str) -> None:
    data = text.encode()
    file = read_text(data)
    assert file is not None
    assert write_text(file, file.text) == data


def test_one_changed_line_changes_no_other_line_end() -> None:
    file = read_text(b"one\r\ntwo\nthree\r\nfour\n")
    assert file is not None
    assert write_text(file, file.text.replace("two", "2\n2b")) == b"one\r\n2\n2b\nthree\r\nfour\n"


@given(st.text(alphabet="ab\r\n", max_size=12), st.text(alphabet="ab\n", max_size=12))
def test_any_edit_keeps_the_edited_text(before: str, after: str) -> None:
    file = read_text(before.encode())
    assert file is not None
    again = read_text(write_text(file, after))
    assert again is not None
    assert again.text == after


def test_new_lines_get_the_line_end_of_the_file() -> None:
    file = read_text(b"a\r\nb\r\n")
    assert file is not None
    assert write_text(file, "a\nnew\nb\n") == b"a\r\nnew\r\nb\r\n"


@pytest.mark.parametrize(
    "data", [b"\x7fELF\x02\x01\x00\x00", b"text with a NUL\x00", b"\xff\xfeo", b"\x89PNG\r\n\x1a\n\x00"]
)
def test_bytes_that_are_not_text_are_said_to_be_so(data: bytes) -> None:
    assert read_text(data) is None


def test_a_character_that_the_encoding_lacks_is_refused() -> None:
    file = read_text("gr\u00fcn".encode("latin-1"))
    assert file is not None
    with pytest.raises(UnicodeEncodeError):
        write_text(file, "\u20ac")
