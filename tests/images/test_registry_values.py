# SPDX-License-Identifier: GPL-3.0-or-later
"""Registry values survive being shown and typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.images.registry_values import (
    REG_BINARY,
    REG_DWORD,
    REG_DWORD_BIG_ENDIAN,
    REG_EXPAND_SZ,
    REG_MULTI_SZ,
    REG_QWORD,
    REG_SZ,
    BadValue,
    data_of,
    is_plain,
    text_of,
)
from vmconsole.images.tool_values import RegistryValue

TEXT = st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"]), max_size=20)


@given(st.sampled_from([REG_SZ, REG_EXPAND_SZ]), TEXT)
def test_texts(kind: int, text: str) -> None:
    assert text_of(RegistryValue("a", kind, data_of(kind, text))) == text


@given(st.lists(TEXT.filter(bool), max_size=5))
def test_lists(lines: list[str]) -> None:
    value = RegistryValue("a", REG_MULTI_SZ, data_of(REG_MULTI_SZ, "\n".join(lines)))
    assert text_of(value).split("\n") == (lines or [""])


@pytest.mark.parametrize(
    ("kind", "text", "data"),
    [
        (REG_DWORD, "0x2a", b"\x2a\0\0\0"),
        (REG_DWORD, "4294967295", b"\xff\xff\xff\xff"),
        (REG_DWORD_BIG_ENDIAN, "1", b"\0\0\0\1"),
        (REG_QWORD, "1", b"\1" + bytes(7)),
        (REG_BINARY, "0a ff,00", b"\x0a\xff\x00"),
        (REG_MULTI_SZ, "", b"\0\0"),
        (REG_SZ, "", b"\0\0"),
    ],
)
def test_what_is_typed(kind: int, text: str, data: bytes) -> None:
    assert data_of(kind, text) == data


@pytest.mark.parametrize(
    ("kind", "text"),
    [(REG_DWORD, "4294967296"), (REG_DWORD, "-1"), (REG_DWORD, "ten"), (REG_BINARY, "abc"), (REG_MULTI_SZ, "a\n\nb")],
)
def test_what_is_no_value_is_refused(kind: int, text: str) -> None:
    with pytest.raises(BadValue):
        data_of(kind, text)


@given(st.integers(0, 11), st.binary(max_size=24))
def test_any_data_can_be_shown_and_kept(kind: int, data: bytes) -> None:
    """Data that has not the form of its type is shown as bytes, and typed back as bytes."""
    value = RegistryValue("a", kind, data)
    if not is_plain(value):
        assert data_of(REG_BINARY, text_of(value)) == data
