# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of the error table: its own example finds it, and its words are whole."""

from __future__ import annotations

import pytest

from vmconsole.inventory import errors
from vmconsole.links.libvirt_errors import Row, find_row, rows, translate, translate_binding


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_a_rows_example_finds_that_row_and_makes_whole_sentences(row: Row) -> None:
    code, domain = min(row.codes), min(row.domains, default=0)
    found = find_row(code, domain, row.example)
    assert found is not None
    assert found[0].id == row.id
    error = translate(code=code, domain=domain, message=row.example, tried="start web1", where="kvm1")
    assert type(error) is row.error
    explanation = error.explanation
    assert explanation.what.startswith("Could not start web1. ")
    assert explanation.said == row.example
    assert explanation.where == "kvm1"
    for sentence in filter(None, (explanation.what, explanation.cause, explanation.advice)):
        assert "{" not in sentence
        assert "  " not in sentence


def test_rows_have_names_of_their_own() -> None:
    ids = [row.id for row in rows()]
    assert len(set(ids)) == len(ids) >= 40


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_a_row_does_not_take_errors_of_another_code(row: Row) -> None:
    assert row.match(9999, min(row.domains, default=0), row.example) is None


def test_an_unknown_error_is_shown_in_libvirts_own_words() -> None:
    error = translate(code=4711, domain=99, message="the flux is out of phase", tried="start web1", where="kvm1")
    assert type(error) is errors.OperationRefused
    assert "the flux is out of phase" in error.explanation.what
    assert "4711" in error.explanation.said


def test_what_the_binding_refuses_before_libvirt_is_asked() -> None:
    unknown = translate_binding(LookupError('Attribute name "foo" could not be recognized'), tried="set foo")
    assert type(unknown) is errors.Unsupported
    assert type(translate_binding(OverflowError("can't convert negative int to unsigned"))) is errors.OutOfRange
    assert type(translate_binding(TypeError("an integer is required"))) is errors.OutOfRange
