# SPDX-License-Identifier: GPL-3.0-or-later
"""A stall of the window in a few lines: when, how long, and where, the innermost line first. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.ui.formats import Formats
    from vmconsole.ui.watchdog import Stall

MOST_LINES = 6
_LINE = re.compile(r'\s*File "(?P<path>[^"]*)", line (?P<line>\d+) in (?P<name>.*)')


def told(stall: Stall, formats: Formats) -> str:
    """«12:03:04  73 ms  paint (fleet_delegate.py:82)», and below it who called that."""
    lines = stall.stack.rstrip().splitlines()
    places = [_place(line) for line in reversed(lines) if not line.startswith("(") and '"<frozen' not in line]
    remarks = [line for line in lines if line.startswith("(")]
    first = f"{formats.clock_s(stall.at)}  {stall.seconds * 1000:.0f} ms  {places[0] if places else ''}".rstrip()
    return "\n".join([first, *(f"    {line}" for line in (*places[1:MOST_LINES], *remarks))])


def _place(line: str) -> str:
    found = _LINE.match(line)
    if found is None:
        return line.strip()
    return f"{found['name']} ({found['path'].rpartition('/')[2]}:{found['line']})"
