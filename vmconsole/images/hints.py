# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of QEMU, the shell, the kernel and libguestfs turned into errors with a cause and advice. Any thread.

By the catalogue (``resources/errors/images.toml``): what its entry says is the cause of what the caller could not do.
"""

from __future__ import annotations

from vmconsole.inventory import errors
from vmconsole.inventory.catalogue import UNKNOWN_ADVICE, Failure, catalogue
from vmconsole.inventory.errors import NOT_IN_CATALOGUE, Explanation, ImageError


def explained(what: str, said: str, *, where: str = "", otherwise: type[ImageError] = ImageError) -> ImageError:
    """The error for the other side's words ``said``; ``otherwise`` is the kind when no entry fits."""
    said = said.strip()
    if not said:
        return otherwise(what, where=where)
    found = catalogue().find(Failure("image", said, host=where))
    if found is None:
        return otherwise(what, advice=UNKNOWN_ADVICE, where=where, said=said, entry=NOT_IN_CATALOGUE)
    kind = found.entry.error
    assert issubclass(kind, ImageError)  # the catalogue's test says so for each entry
    return kind(
        what, cause=f"{found.what} {found.cause}".strip(), advice=found.advice, where=where, said=said,
        entry=found.entry.id, action=found.entry.action, names=found.names,
    )  # fmt: skip


def error_of(kind: str, explanation: Explanation) -> ImageError:
    """An error that came over the wire, made again. An unknown kind becomes a plain ImageError."""
    found = getattr(errors, kind, ImageError)
    made = found if isinstance(found, type) and issubclass(found, ImageError) else ImageError
    e = explanation
    return made(
        e.what, cause=e.cause, advice=e.advice, where=e.where, said=e.said,
        entry=e.entry, action=e.action, names=e.names,
    )  # fmt: skip
