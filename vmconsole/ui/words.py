# SPDX-License-Identifier: GPL-3.0-or-later
"""States of hosts and guests as words for the screen. GUI thread; everything goes through the translator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmconsole.inventory.facts import GuestState, HostState

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest, Host
    from vmconsole.inventory.ids import GroupId
    from vmconsole.ui.formats import Formats

STALE_S = 5.0
"""Figures older than this are shown with their age."""

translate = QCoreApplication.translate


def counted(count: int, *, one: str, many: str) -> str:
    """«1 guest», «3 guests»: ``many`` holds ``{n}``. Both are translated texts."""
    return one if count == 1 else many.format(n=count)


def guest_state(state: GuestState) -> str:
    """«running», «shut off»."""
    return {
        GuestState.RUNNING: translate("States", "running"),
        GuestState.PAUSED: translate("States", "paused"),
        GuestState.SHUTTING_DOWN: translate("States", "shutting down"),
        GuestState.SHUT_OFF: translate("States", "shut off"),
        GuestState.CRASHED: translate("States", "crashed"),
        GuestState.SUSPENDED: translate("States", "suspended"),
        GuestState.UNKNOWN: translate("States", "state unknown"),
    }[state]


def group_name(group: GroupId) -> str:
    return group.name or translate("States", "No group")


def host_state_word(state: HostState) -> str:
    """The state alone, for a narrow column."""
    return {
        HostState.CONNECTED: translate("States", "connected"),
        HostState.CONNECTING: translate("States", "connecting…"),
        HostState.DISCONNECTED: translate("States", "disconnected"),
        HostState.NOT_ANSWERING: translate("States", "not answering"),
        HostState.FAILED: translate("States", "cannot connect"),
    }[state]


def host_state(host: Host, formats: Formats) -> str:
    """One line for the host's row: «not answering since 12:03, trying again in 8 s»."""
    told = host_state_word(host.state)
    if host.state is HostState.NOT_ANSWERING and host.since is not None:
        told = translate("States", "not answering since {time}").format(time=formats.clock(host.since))
        if host.has_shell and host.reason is not None:  # a part of it answers: say which does not
            what = host.reason.what.rstrip(".")
            told = translate("States", "{what} (since {time})").format(what=what, time=formats.clock(host.since))
    retry = _retry(host, formats) if host.state in {HostState.NOT_ANSWERING, HostState.FAILED} else ""
    return f"{told}, {retry}" if retry else told


def _retry(host: Host, formats: Formats) -> str:
    if host.retry_at is None:
        return ""
    left = host.retry_at - formats.now()
    if left < 1:
        return translate("States", "trying again now")
    return translate("States", "trying again in {age}").format(age=formats.age(left))


def host_hint(host: Host, formats: Formats) -> str:
    """The tooltip: address, state and the reason in full."""
    lines = [str(host.id), host_state(host, formats)]
    for reason in (host.reason, host.figures_reason):
        if reason is not None:
            lines += [reason.what, *(part for part in (reason.cause, reason.advice) if part)]
    return "\n".join(lines)


def guest_hint(guest: Guest, host: Host | None) -> str:
    lines = [guest.title or guest.name, guest_state(guest.state)]
    if host is not None:
        lines.append(translate("States", "on {host}").format(host=host.name))
    lines.append(guest.id.uuid)
    return "\n".join(lines)


def figures_age_s(host: Host, last_at: float | None, formats: Formats) -> float | None:
    """How old a host's figures are, when they are too old to pass for present; else None."""
    if last_at is None:
        return None
    age = formats.now() - last_at
    old = STALE_S if host.state is HostState.CONNECTED else 1.0
    return age if age > old else None
