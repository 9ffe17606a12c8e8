# SPDX-License-Identifier: GPL-3.0-or-later
"""Names for hosts and guests that stay the same while everything else changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

HostId = NewType("HostId", str)
"""A connection: its URI as the user gave it."""


@dataclass(frozen=True, slots=True, order=True)
class GuestId:
    """A guest of one host. The UUID, not the name: names can be changed and reused."""

    host: HostId
    uuid: str


@dataclass(frozen=True, slots=True)
class GroupId:
    """The heading that connections of one group stand under."""

    name: str
    """As the user wrote it; empty for those that have none."""
