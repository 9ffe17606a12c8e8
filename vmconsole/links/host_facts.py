# SPDX-License-Identifier: GPL-3.0-or-later
"""What a link says about its host: the host's facts and the events, and nothing any more once it is closed.

``change`` and ``tell`` belong to the link's actor; ``post`` is safe on any thread.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING, Any

from vmconsole.inventory import deltas, errors
from vmconsole.inventory.catalogue import catalogue
from vmconsole.inventory.errors import ConsoleError, HostNotAnswering, LinkLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.facts import Host, HostLook
    from vmconsole.inventory.ids import GuestId
    from vmconsole.metrics.delta import Delta, Post

_FINAL = (errors.BadAddress, errors.AuthenticationFailed, errors.HostKeyUnknown, errors.HostKeyChanged)


def is_final(error: ConsoleError, *, was_connected: bool) -> bool:
    """Whether trying again by itself is of no use, or could lock an account. A name known before may come back."""
    return isinstance(error, _FINAL) and not (was_connected and isinstance(error, errors.BadAddress))


def is_silence(error: ConsoleError) -> bool:
    """Whether libvirt got no answer, so that it must be found out how far down the silence goes."""
    return isinstance(error, HostNotAnswering) or error.explanation.entry == "link-keepalive"


def daemon_silent(host: str, ssh_name: str) -> ConsoleError:
    """libvirt's daemon hangs, and the host does not."""
    return catalogue().own_error("host-daemon-silent", where=host, ssh_name=ssh_name)


def host_silent(host: str) -> ConsoleError:
    """Nothing answers any more."""
    return catalogue().own_error("host-silent", where=host, host=host)


def daemon_gone(host: str) -> ConsoleError:
    """The connection to libvirt's daemon was closed; why will be seen at the next try."""
    return catalogue().own_error("host-daemon-gone", where=host)


def not_connected(host: Host) -> ConsoleError:
    """Something was asked of a host that is not connected."""
    reason = host.reason
    if reason is None:
        return catalogue().own_error("host-not-connected", where=host.name, host=host.name)
    return LinkLost(
        reason.what, cause=reason.cause, advice=f"Nothing was changed. {reason.advice}".strip(), where=host.name,
        said=reason.said, entry=reason.entry, action=reason.action,
    )  # fmt: skip


def has_no_shell(host: Host) -> ConsoleError:
    """Commands were to be run on a host where none can be run now."""
    why = "" if host.reason is None else host.reason.what
    return catalogue().own_error("host-no-shell", where=host.name, host=host.name, why=why)


class HostFacts:
    """Keeps one host's facts, posts them when they change, and can be silenced for good."""

    def __init__(self, host: Host, post: Post, *, clock: Callable[[], float], own_name: str = "") -> None:
        """``own_name``: what the host is called where the user has no name for it."""
        self.host = host
        self._own_name = own_name or host.name
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._silent = False

    def post(self, delta: Delta) -> None:
        """Hand on, unless silenced."""
        with self._lock:
            if not self._silent:
                self._post(delta)

    def silence(self) -> None:
        """When this has returned, nothing is posted any more."""
        with self._lock:
            self._silent = True

    def change(self, **fields: Any) -> None:
        """Set fields of the host and post it if any differs. ``since`` follows the state."""
        if fields.get("state", self.host.state) is not self.host.state:
            fields["since"] = self._clock()
        changed = dataclasses.replace(self.host, **fields)
        if changed != self.host:
            self.host = changed
            self.post(deltas.HostSeen(changed))

    def call_itself(self, own_name: str) -> None:
        """The host has told its own name, which gives way to the user's."""
        self._own_name = own_name
        self.change(name=self.host.look.name or own_name)

    def set_look(self, look: HostLook) -> None:
        """The user wishes the host to be shown otherwise."""
        self.change(look=look, name=look.name or self._own_name)

    def announce(self) -> None:
        """Post the host as it is."""
        self.post(deltas.HostSeen(self.host))

    def tell(self, text: str, *, guest: GuestId | None = None, is_problem: bool = False) -> None:
        """One line for the events list."""
        self.post(deltas.EventSeen(self._clock(), self.host.id, text, guest, is_problem=is_problem))
