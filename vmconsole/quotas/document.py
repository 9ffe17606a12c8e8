# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of limits as a page: ``python -m vmconsole.quotas.document`` prints ``docs/limits.md``. Any thread."""

from __future__ import annotations

import sys
from itertools import groupby
from typing import TYPE_CHECKING

from vmconsole.quotas.table import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.quotas.rows import LimitRow, Range

_HEAD = """\
# Limits

Made from the program's own table by `python -m vmconsole.quotas.document > docs/limits.md`.

«Now» is the running guest, «next boot» the stored definition. Ranges are what the host accepts; where cgroup v1 and v2
differ, both are named. A limit is found on the host where the last column says: in a file below the guest's cgroup, in
QEMU's answer, or by tc."""


def page() -> str:
    parts = [_HEAD]
    for section, rows in groupby(TABLE, key=lambda row: row.section):
        parts.append("\n".join(_section(section, tuple(rows))))
    return "\n\n".join(parts) + "\n"


def _section(section: str, rows: tuple[LimitRow, ...]) -> Iterator[str]:
    yield f"## {section}\n"
    yield "| limit | of | what it means | unit and range | now / next boot | libvirt | found on the host |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        places = " / ".join("yes" if there else "no" for there in (row.live, row.stored))
        yield (
            f"| {row.title} | {row.scope.value} | {row.meaning} | {_unit(row)} | {places} | "
            f"`{row.call.value}`, `{row.parameter}` | {_proof(row)} |"
        )
    yield f"\nSources: {'. '.join(dict.fromkeys(row.source for row in rows))}."


def _unit(row: LimitRow) -> str:
    if row.v1 is None or row.v2 is None:
        return row.unit
    one, other = _range(row.v1), _range(row.v2)
    return f"{row.unit}; {one}" if one == other else f"{row.unit}; v1: {one}; v2: {other}"


def _range(found: Range) -> str:
    usual = "" if found.default is None else f", usually {found.default}"
    return f"{found.low} to {found.high}{usual}"


def _proof(row: LimitRow) -> str:
    return f"`{row.proof_v1}`" if row.proof_v1 == row.proof_v2 else f"v1 `{row.proof_v1}`, v2 `{row.proof_v2}`"


if __name__ == "__main__":
    sys.stdout.write(page())
