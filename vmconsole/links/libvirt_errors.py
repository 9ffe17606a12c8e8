# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's errors to ours, by a table that is data (``resources/libvirt_errors.toml``). Pure; any thread.

Knows numbers and words only, so that it needs no libvirt. What no row fits is shown honestly in libvirt's own words.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from vmconsole.inventory import errors
from vmconsole.inventory.errors import ConsoleError
from vmconsole.inventory.resources import resource


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of error."""

    id: str
    codes: frozenset[int]
    domains: frozenset[int]
    """Empty: any."""
    pattern: re.Pattern[str]
    error: type[ConsoleError]
    what: str
    cause: str
    advice: str
    example: str

    def match(self, code: int, domain: int, message: str) -> re.Match[str] | None:
        if code not in self.codes or (self.domains and domain not in self.domains):
            return None
        return self.pattern.search(message)


@cache
def rows() -> tuple[Row, ...]:
    """The table, in order of precedence. Read once; a broken table is a programming error (KeyError, re.error)."""
    text = resource("libvirt_errors.toml").read_text(encoding="utf-8")
    return tuple(_row(raw) for raw in tomllib.loads(text)["row"])


def _row(raw: dict[str, Any]) -> Row:
    return Row(
        id=raw["id"],
        codes=_numbers(raw["code"]),
        domains=_numbers(raw.get("domain", [])),
        pattern=re.compile(raw["pattern"], re.DOTALL),
        error=getattr(errors, raw["error"]),
        what=raw["what"],
        cause=raw.get("cause", ""),
        advice=raw.get("advice", ""),
        example=raw["example"],
    )


def _numbers(raw: int | list[int]) -> frozenset[int]:
    return frozenset([raw] if isinstance(raw, int) else raw)


def find_row(code: int, domain: int, message: str) -> tuple[Row, re.Match[str]] | None:
    """The first row that fits."""
    for row in rows():
        match = row.match(code, domain, message)
        if match is not None:
            return row, match
    return None


def translate(*, code: int, domain: int, message: str, tried: str = "", where: str = "") -> ConsoleError:
    """The error to raise instead of a ``libvirtError``.

    ``tried`` completes «Could not …», for example «start g1». ``message`` is kept word for word.
    """
    lead = f"Could not {tried}. " if tried else ""
    found = find_row(code, domain, message)
    if found is None:
        return errors.OperationRefused(
            f"{lead}libvirt says: «{message}».", advice="No more is known of this error.", where=where,
            said=f"{message} (code {code}, domain {domain})",
        )  # fmt: skip
    row, match = found
    words = {name: value or "" for name, value in match.groupdict().items()}
    return row.error(
        lead + row.what.format_map(words),
        cause=row.cause.format_map(words),
        advice=row.advice.format_map(words),
        where=where,
        said=message,
    )


def translate_binding(error: Exception, *, tried: str = "", where: str = "") -> ConsoleError:
    """For TypeError, OverflowError and LookupError, which libvirt's Python binding raises before it asks libvirt."""
    lead = f"Could not {tried}. " if tried else ""
    if isinstance(error, LookupError):
        return errors.Unsupported(f"{lead}This host's libvirt does not know the setting.", where=where, said=str(error))
    return errors.OutOfRange(f"{lead}libvirt cannot take the value.", where=where, said=str(error))
