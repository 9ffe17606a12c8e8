# SPDX-License-Identifier: GPL-3.0-or-later
"""One change of one limit, as it is kept in a guest's history. Plain data, any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.inventory.ids import GuestId
    from vmconsole.inventory.limits import LimitRef, Value


@dataclass(frozen=True, slots=True)
class LimitChange:
    """What the console did; what others did with virsh is not known here."""

    at: float
    """Seconds of ``time.time()``."""
    guest: GuestId
    name: str
    """Of the guest, then."""
    place: str
    """«now» or «next boot»: the values of ``quotas.rows.Place``."""
    ref: LimitRef
    before: Value
    after: Value
