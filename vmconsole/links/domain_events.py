# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's events in words. The numbers are those of libvirt-domain.h (virDomainEventType and the details). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.links.domain_rows import DomainEvent

PAUSED = 3
RESUMED = 4
STOPPED = 5
SHUTDOWN_BEGAN = 6
_LIFECYCLE = {
    0: "was defined",
    1: "was undefined",
    2: "started",
    3: "was paused",
    4: "was resumed",
    5: "stopped",
    7: "was suspended by its own system",
    8: "crashed",
}
_DETAILS = {
    (0, 1): "had its definition changed",
    (0, 2): "was renamed",
    (0, 3): "was defined from a snapshot",
    (2, 1): "arrived by migration",
    (2, 2): "was restored from a saved state",
    (2, 3): "was started from a snapshot",
    (2, 4): "was woken up",
    (3, 1): "was paused for migration",
    (3, 2): "was paused after a disk error",
    (3, 3): "was paused by its watchdog",
    (3, 4): "was paused while it was restored",
    (3, 5): "was paused for a snapshot",
    (3, 6): "was paused after a libvirt error",
    (5, 0): "is off: it shut down",
    (5, 1): "is off: it was forced off",
    (5, 2): "crashed and is off",
    (5, 3): "left by migration",
    (5, 4): "is off: its state was saved",
    (5, 5): "is off: QEMU failed",
    (5, 6): "is off, by a snapshot",
}
_PROBLEMS = {(3, 2), (3, 3), (3, 6), (5, 2), (5, 5)}
_OTHERS = {
    "reboot": "rebooted",
    "device-added": "was given the device {words}",
    "device-removed": "lost the device {words}",
    "io-error": "had an I/O error on {words}",
    "watchdog": "was caught by its watchdog",
}
"""Changes of tunables and metadata are no lines of their own: what changed shows itself."""


class EventWords:
    """Events in words. It remembers who is paused, as libvirt says «resumed» at each start as well. One thread."""

    def __init__(self) -> None:
        self._paused: set[str] = set()

    def text(self, event: DomainEvent) -> str:
        """«web1 started», or empty for what needs no line in the list."""
        if event.kind == "lifecycle":
            was_paused = event.uuid in self._paused
            (self._paused.add if event.event == PAUSED else self._paused.discard)(event.uuid)
            if event.event == RESUMED and not was_paused:
                return ""
        return _text(event)


def _text(event: DomainEvent) -> str:
    if event.kind == "lifecycle":
        if event.event == SHUTDOWN_BEGAN:
            return ""  # «is off» follows at once
        said = _DETAILS.get((event.event, event.detail)) or _LIFECYCLE.get(event.event, "changed")
    else:
        said = _OTHERS.get(event.kind, "").format(words=event.words)
    return f"{event.name} {said}" if said else ""


def has_stopped(event: DomainEvent) -> bool:
    """Whether the guest does not run on this host any more."""
    return event.kind == "lifecycle" and event.event == STOPPED


def is_problem(event: DomainEvent) -> bool:
    """Whether a person should look at it."""
    if event.kind == "lifecycle":
        return event.event == 8 or (event.event, event.detail) in _PROBLEMS
    return event.kind in {"io-error", "watchdog"}
