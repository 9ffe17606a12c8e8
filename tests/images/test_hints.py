# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of QEMU, the kernel and libguestfs become errors with advice."""

import pytest

from vmconsole.images.hints import error_of, explained
from vmconsole.inventory import errors

CASES = [
    ("qemu-nbd: Failed to blk_new_open 'a': Failed to get shared \"write\" lock", errors.ImageInUse),
    ("Is another process using the image [a.qcow2]?", errors.ImageInUse),
    ("write: /x: No space left on device", errors.ImageNoSpace),
    ("tar: huge: Wrote only 3584 of 10240 bytes", errors.ImageNoSpace),
    ("qemu-img: Could not open 'x': Permission denied", errors.ImageUnreadable),
    ("qemu-nbd: not found", errors.ImageUnreadable),
    ("qemu-img: Could not open 't': Image is not in qcow2 format", errors.ImageDamaged),
    ("internal_write: open: /after: Read-only file system", errors.ImageError),
    ("appliance closed the connection unexpectedly", errors.ImageLinkLost),
    ("a: No such file or directory", errors.ImageUnreadable),
    ("mkdir: /a: File exists", errors.ImageError),
]


@pytest.mark.parametrize(("said", "kind"), CASES)
def test_known_words_have_a_kind_and_advice(said: str, kind: type[errors.ImageError]) -> None:
    error = explained("It failed.", said, where="here")
    assert type(error) is kind
    assert error.explanation.advice
    assert error.explanation.said == said


def test_unknown_words_are_passed_on() -> None:
    error = explained("It failed.", "purple", otherwise=errors.ImageDamaged)
    assert type(error) is errors.ImageDamaged
    assert error.explanation.said == "purple"
    assert error.explanation.entry == errors.NOT_IN_CATALOGUE


def test_where_nothing_was_said_nothing_is_blamed() -> None:
    error = explained("It failed.", " ")
    assert error.explanation == errors.Explanation("It failed.")


def test_a_known_word_keeps_its_entry_over_the_wire() -> None:
    error = explained("It failed.", "write: /x: No space left on device")
    again = error_of("ImageNoSpace", error.explanation)
    assert again.explanation == error.explanation
    assert again.explanation.entry == "image-no-space"
    assert again.explanation.action == "free-space"


def test_an_error_from_the_child_cannot_be_of_a_strange_kind() -> None:
    words = errors.Explanation("x")
    assert type(error_of("ImageNoSpace", words)) is errors.ImageNoSpace
    assert type(error_of("Explanation", words)) is errors.ImageError
    assert type(error_of("LinkError", words)) is errors.ImageError
    assert type(error_of("annotations", words)) is errors.ImageError
