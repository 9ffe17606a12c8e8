# SPDX-License-Identifier: GPL-3.0-or-later
"""The history of limits of all guests in one file, a line each; it survives a restart. Safe on any thread.

Lines that cannot be read (a full disk, an editor's mistake) are left out and left alone.
"""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.inventory.limit_changes import LimitChange
from vmconsole.inventory.limits import CpuCap, LimitRef, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)
MOST_BYTES = 4 * 2**20
"""Above this the older half is dropped: some 20 000 changes."""


class LimitHistory:
    """``path`` is made when it is first written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def add(self, changes: Sequence[LimitChange]) -> None:
        """A full disk is logged: losing a line must stop nobody."""
        text = "".join(json.dumps(_json(change), ensure_ascii=True) + "\n" for change in changes)
        try:
            with self._lock:
                self._trim()
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(text)
        except OSError:
            log.warning("the history of limits could not be written to %s", self._path, exc_info=True)

    def of(self, guest: GuestId) -> tuple[LimitChange, ...]:
        """Oldest first."""
        return tuple(change for change in self._all() if change.guest == guest)

    def _all(self) -> Iterator[LimitChange]:
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError:
            log.warning("the history of limits in %s cannot be read", self._path, exc_info=True)
            return
        for line in lines:
            try:
                yield _change(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue

    def _trim(self) -> None:
        if not self._path.exists() or self._path.stat().st_size < MOST_BYTES:
            return
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        new = self._path.with_suffix(".new")
        new.write_text("".join(lines[len(lines) // 2 :]), encoding="utf-8")
        new.replace(self._path)


def _json(change: LimitChange) -> dict[str, Any]:
    return {
        "at": change.at, "host": change.guest.host, "uuid": change.guest.uuid, "name": change.name,
        "place": change.place, "limit": change.ref.key, "of": change.ref.target,
        "before": _value_json(change.before), "after": _value_json(change.after),
    }  # fmt: skip


def _change(found: dict[str, Any]) -> LimitChange:
    return LimitChange(
        at=float(found["at"]), guest=GuestId(HostId(str(found["host"])), str(found["uuid"])), name=str(found["name"]),
        place=str(found["place"]), ref=LimitRef(str(found["limit"]), str(found["of"])),
        before=_value(found["before"]), after=_value(found["after"]),
    )  # fmt: skip


def _value_json(value: Value) -> Any:
    return {"quota_us": value.quota_us, "period_us": value.period_us} if isinstance(value, CpuCap) else value


def _value(found: Any) -> Value:
    if isinstance(found, dict):
        quota = found["quota_us"]
        return CpuCap(int(found["period_us"]), None if quota is None else int(quota))
    return found if isinstance(found, int | str) or found is None else None
