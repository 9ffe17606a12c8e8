# SPDX-License-Identifier: GPL-3.0-or-later
"""How long ``packaging/test`` took the last time it passed on this checkout."""

from __future__ import annotations

from pathlib import Path

LAST = Path(__file__).resolve().parent.parent.parent / ".venv" / ".last-test-s"


def measure() -> dict[str, object]:
    if not LAST.exists():
        return {"wall_s": None, "note": "packaging/test has not passed here yet"}
    return {"wall_s": int(LAST.read_text()), "limit_s": 720}
