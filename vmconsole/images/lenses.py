# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Augeas lens understands a file of the guest, by its path. Any thread.

Augeas can find that out itself, but loads all its two hundred lenses for it: up to twenty seconds without KVM. One lens
alone takes a fifth of a second, so its table of paths is kept in ``resources/augeas_lenses.tsv``.
"""

from __future__ import annotations

import functools
import re

from vmconsole.inventory.resources import resource

_LEFTOVERS = re.compile(r"(.*\.(old|bak|augnew|augsave|dpkg-.*|rpmsave|rpmnew)|.*~|#.*#)")
"""Copies that packages and editors leave behind; Augeas leaves them out as well."""


def lens_for(path: str) -> str:
    """``Hosts.lns`` for /etc/hosts; empty for a file that no lens is known for."""
    if _LEFTOVERS.fullmatch(path.rpartition("/")[2]):
        return ""
    exact, patterns, exceptions = _table()
    if path in exact:
        return exact[path]
    for lens, pattern in patterns:
        if pattern.fullmatch(path) and not any(e.fullmatch(path) for e in exceptions.get(lens, ())):
            return lens
    return ""


def known_lenses() -> tuple[str, ...]:
    """All names, sorted: for a file in an unusual place, whose kind the user knows."""
    exact, patterns, _ = _table()
    return tuple(sorted({*exact.values(), *(lens for lens, _ in patterns)}))


@functools.cache
def _table() -> tuple[dict[str, str], list[tuple[str, re.Pattern[str]]], dict[str, list[re.Pattern[str]]]]:
    exact: dict[str, str] = {}
    patterns: list[tuple[str, re.Pattern[str]]] = []
    exceptions: dict[str, list[re.Pattern[str]]] = {}
    for line in resource("augeas_lenses.tsv").read_text(encoding="utf-8").splitlines():
        lens, _, pattern = line.partition("\t")
        if line.startswith("#") or not pattern:
            continue
        if lens.startswith("!"):
            exceptions.setdefault(lens[1:], []).append(_compiled(pattern))
        elif "*" in pattern or pattern.startswith("//"):
            patterns.append((lens, _compiled(pattern)))
        else:
            exact.setdefault(pattern, lens)
    # The more a pattern says, the better it fits: /etc/sysconfig/network/* before /etc/sysconfig/*.
    patterns.sort(key=lambda row: -len(row[1].pattern))
    return exact, patterns, exceptions


def _compiled(pattern: str) -> re.Pattern[str]:
    """Augeas' patterns: ``*`` stays within one folder, ``**`` does not; ``//`` at the start is any folder."""
    anywhere = pattern.startswith("//")
    text = re.escape(pattern[1:] if anywhere else pattern)
    text = text.replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.compile(("(?:/.*)?" if anywhere else "") + text)
