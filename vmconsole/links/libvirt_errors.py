# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's errors to ours, by the catalogue (``resources/errors``). Pure; any thread.

Knows numbers and words only, so that it needs no libvirt. What no entry fits is shown honestly in libvirt's own words.
"""

from __future__ import annotations

from vmconsole.inventory import errors
from vmconsole.inventory.catalogue import Failure, catalogue
from vmconsole.inventory.errors import ConsoleError


def translate(*, code: int, domain: int, message: str, tried: str = "", where: str = "") -> ConsoleError:
    """The error to raise instead of a ``libvirtError``.

    ``tried`` completes «Could not …», for example «start g1». ``message`` is kept word for word.
    """
    return catalogue().explain(
        Failure("libvirt", message, code=code, domain=domain, host=where),
        tried=tried,
        where=where,
        otherwise=errors.OperationRefused,
        what=f"libvirt says: «{message}» (code {code}, part {domain}).",
    )


def translate_binding(error: Exception, *, tried: str = "", where: str = "") -> ConsoleError:
    """For TypeError, OverflowError and LookupError, which libvirt's Python binding raises before it asks libvirt."""
    kind = LookupError if isinstance(error, LookupError) else type(error)
    return catalogue().explain(
        Failure("console", f"{kind.__name__}: {error}", host=where),
        tried=tried,
        where=where,
        otherwise=errors.OutOfRange,
        what="libvirt cannot take the value.",
    )
