# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written beside a limit line: its value in people's units and raw, its state, its past. GUI thread."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmconsole.inventory import units
from vmconsole.inventory.limits import CpuCap
from vmconsole.quotas import words
from vmconsole.quotas.cpucap import short_words
from vmconsole.quotas.rows import Kind

if TYPE_CHECKING:
    from vmconsole.ui.charts.ghost import Past
    from vmconsole.ui.charts.limit_editor import LimitEditor
    from vmconsole.ui.charts.limit_subject import LimitSubject

NEARLY_AN_HOUR_S = 3500.0


def tr(text: str) -> str:
    return QCoreApplication.translate("charts", text)


class LineWords:
    """Of one line; ``short`` is what its limit is called there."""

    def __init__(self, short: str, *, is_alone: bool) -> None:
        """``is_alone``: no other limit of the chart has a handle."""
        self._short, self._is_alone = short, is_alone

    def of_handle(self, editor: LimitEditor, *, is_wide: bool) -> str:
        """Of a limit that is not there."""
        if editor.subject is None or not editor.can_edit:
            return self._short
        if self._is_alone:
            return tr("drag down to limit")
        return tr("drag down: {limit}").format(limit=self._short) if is_wide else self._short

    def of_line(
        self, editor: LimitEditor, past: Past, *, is_dragged: bool, is_active: bool, is_above: bool, is_short: bool
    ) -> tuple[str, ...]:
        """The limit, then, while it is in use, what is to be known of it."""
        subject, number = editor.subject, editor.number
        if subject is None or number is None:
            return ("",)
        share = share_words(past, number)
        text = self._limit(subject, number, is_full=is_active) + (" ↑" if is_above else "")
        if editor.proposed is not None and not is_dragged:
            text = tr("{limit} · Enter applies, Esc reverts").format(limit=text)
        elif editor.proposed is None and editor.is_waiting:
            text = tr("{limit} · asking the host…").format(limit=text)
        elif not subject.is_live:
            text = tr("{limit} · next boot").format(limit=text)
        if not is_active:
            above = past.share_above(number)
            if not above:
                return (text,)
            return (f"{text} · {tr('{share} above').format(share=_part(above)) if is_short else share}",)
        return (text, editor.why, share)

    def _limit(self, subject: LimitSubject, number: float, *, is_full: bool) -> str:
        if math.isinf(number):
            return tr("no limit") if subject.row.kind is not Kind.CAP else tr("no cap")
        value = value_words(subject, number)
        if is_full:
            return f"{value} · {raw_words(subject, number)}"
        return f"{self._short} {value.partition(' = ')[0]}"


def value_words(subject: LimitSubject, number: float) -> str:
    """«1.50 cores», «1.75 GiB», «11.9 MiB/s = 100 Mbit/s»."""
    value = subject.value(number)
    if isinstance(value, CpuCap) and value.cores is not None and subject.scale.parts > 1:
        each = short_words(value)
        return tr("{number} × {each}").format(number=subject.scale.parts, each=each)
    text = words.shown(subject.row, value)
    if subject.row.kind is Kind.KB_PER_S and isinstance(value, int):
        text += f" = {value * 8 / 1000:.4g} Mbit/s"
    return text


def raw_words(subject: LimitSubject, number: float) -> str:
    """As libvirt has it, in short."""
    value = subject.value(number)
    if isinstance(value, CpuCap):
        return tr("quota {quota}/{period} µs").format(quota=value.quota_us, period=value.period_us)
    return words.raw(subject.row, value).replace("_bytes_sec", "").replace("_sec", "")


def share_words(past: Past, number: float | None) -> str:
    """«12 % of the last hour above»; empty where nothing is known, or there is no limit."""
    if number is None or math.isinf(number):
        return ""
    share = past.share_above(number)
    if share is None:
        return ""
    known_s = past.known_s
    span = tr("the last hour") if known_s >= NEARLY_AN_HOUR_S else tr("the last {age}").format(age=units.age(known_s))
    if share == 0:
        return tr("never above it in {span}").format(span=span)
    return tr("{share} of {span} above").format(share=_part(share), span=span)


def _part(share: float) -> str:
    return "<1 %" if share < 0.01 else units.share(share)
