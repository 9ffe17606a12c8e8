# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a guest has no figures now, in words. Rules only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmconsole.inventory.facts import HostState
from vmconsole.inventory.units import age

if TYPE_CHECKING:
    from vmconsole.inventory.facts import Guest, Host

STALE_S = 4.0
"""Figures come every second; libvirt's slow ones, where there are no others, every ten."""
STALE_SLOW_S = 25.0


def _tr(text: str) -> str:
    return QCoreApplication.translate("charts", text)


def why_no_figures(guest: Guest, host: Host, *, last_at: float | None, now: float) -> str:
    """Empty when its figures are fresh."""
    if host.state is not HostState.CONNECTED:
        why = f": {host.reason.what}" if host.reason is not None else "."
        return _tr("{host} is {state}{why}").format(
            host=host.name, state=host.state.value.replace("-", " "), why=why
        ) + _aged(last_at, now)
    if not guest.state.has_process:
        return _tr("{guest} is {state}, so it uses nothing.").format(guest=guest.name, state=guest.state.value)
    slow = host.figures_reason is not None
    if last_at is None:
        if host.figures_reason is not None:
            return host.figures_reason.summary()
        return _tr("Waiting for the first figures…")
    if now - last_at > (STALE_SLOW_S if slow else STALE_S):
        return _tr("No figures are coming from {host}.").format(host=host.name) + _aged(last_at, now)
    return ""


def _aged(last_at: float | None, now: float) -> str:
    return "" if last_at is None else " " + _tr("The last values are {age} old.").format(age=age(now - last_at))
