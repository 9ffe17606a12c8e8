# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of known failures (``resources/errors/*.toml``): other programs' words to words for a person.

libvirt's, QEMU's, ssh's, libguestfs' and the disk tools' errors all go through it. Any thread. What no entry fits
is shown honestly in the other side's own words, and logged so that an entry can be written. What the console finds out
by itself (``own``) has its words there too, under an id instead of a pattern.
"""

from __future__ import annotations

import logging
import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from vmconsole.inventory import errors
from vmconsole.inventory.errors import NOT_IN_CATALOGUE, ConsoleError, Explanation
from vmconsole.inventory.report import mask_secrets
from vmconsole.inventory.resources import resource
from vmconsole.inventory.unknown_log import UnknownLog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

SOURCES = frozenset({"libvirt", "ssh", "image", "console"})
"""Who said it: libvirt (and QEMU through it), ssh, what handles disk images (qemu-img, qemu-nbd, libguestfs, the
kernel's own words), and the console's own parts."""

ACTIONS = frozenset({
    "reconnect", "change-address", "copy-ssh-key", "show-host-key", "show-log", "start-libvirtd", "restart-libvirtd",
    "start-guest", "resume-guest", "shut-down-guest", "abort-job", "raise-limit", "set-for-next-boot",
    "edit-definition", "choose-image", "choose-host-device", "start-network", "choose-network", "open-pool",
    "refresh-pool", "free-space", "delete-snapshots", "add-agent-channel", "reopen-image", "look-only",
})  # fmt: skip
"""What the console could do about a failure. Which of them it can do by now is known to ``ui/remedies.py``."""

UNKNOWN_ADVICE = "This error is not in the catalogue yet: copy the report, so that it can be added."
_THE_HOST = "the host"


@dataclass(frozen=True, slots=True)
class Failure:
    """What another program reported."""

    source: str
    words: str
    code: int = 0
    """libvirt's virErrorNumber; 0 for the others."""
    domain: int = 0
    """libvirt's virErrorDomain, the part of libvirt that failed."""
    host: str = ""
    """The host's name, which texts may use as ``{host}``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One known failure. The texts are templates: ``{name}`` is a named group of the pattern, or ``{host}``."""

    id: str
    sources: frozenset[str]
    codes: frozenset[int]
    """libvirt's codes; empty: any."""
    domains: frozenset[int]
    pattern: str
    error: type[ConsoleError]
    what: str
    cause: str
    advice: str
    action: str
    is_fallback: bool
    """Tried after all others."""
    samples: tuple[str, ...]
    """Words as they were met; each is tested to find this entry. None for one of our own."""
    names: tuple[tuple[str, str], ...] = ()
    """One of our own: what its texts name, each with an example."""
    is_own: bool = False
    """The console itself asks for it by its id; no other program's words find it."""

    def match(self, failure: Failure) -> re.Match[str] | None:
        """Compiled when first needed; ``re`` keeps what it compiled."""
        if self.is_own or failure.source not in self.sources:
            return None
        if failure.source == "libvirt" and not _fits(failure, self):
            return None
        return re.search(self.pattern, failure.words, re.DOTALL)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry with its texts filled."""

    entry: Entry
    names: tuple[tuple[str, str], ...]
    what: str
    cause: str
    advice: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    entries: tuple[Entry, ...]
    """In order of precedence."""
    by_id: Mapping[str, Entry] = field(repr=False)
    unknown: UnknownLog = field(default_factory=UnknownLog, repr=False)

    def find(self, failure: Failure) -> Found | None:
        """The first entry that fits, filled; None when there is none, which is logged, with a count if it goes on."""
        for entry in self.entries:
            match = entry.match(failure)
            if match is not None:
                return _filled(entry, {name: value or "" for name, value in match.groupdict().items()}, failure.host)
        words = mask_secrets(failure.words)
        count = self.unknown.count(words, failure.source, failure.code, failure.domain)
        if count is not None:
            _log.warning(
                "not in the catalogue%s: %s, code %d, domain %d: %s",
                "" if count == 1 else f" ({count} times by now)", failure.source, failure.code, failure.domain, words,
            )  # fmt: skip
        return None

    def own(self, entry_id: str, *, where: str = "", said: str = "", host: str = "", **names: str) -> Explanation:
        """What the console itself has found. KeyError for an id or a name that the catalogue does not know."""
        entry = self.by_id[entry_id]
        found = _filled(entry, names, host)
        return Explanation(
            what=found.what, cause=found.cause, advice=found.advice, where=where, said=said,
            entry=entry.id, action=entry.action, names=found.names,
        )  # fmt: skip

    def explain(
        self, failure: Failure, *, tried: str = "", where: str = "", otherwise: type[ConsoleError], what: str
    ) -> ConsoleError:
        """The error to raise. ``tried`` completes «Could not …»; ``otherwise`` and ``what`` serve if no entry fits."""
        found = self.find(failure)
        lead = f"Could not {tried}. " if tried else ""
        if found is None:
            return otherwise(
                lead + what, advice=UNKNOWN_ADVICE, where=where, said=failure.words, entry=NOT_IN_CATALOGUE
            )
        return found.entry.error(
            lead + found.what, cause=found.cause, advice=found.advice, where=where, said=failure.words,
            entry=found.entry.id, action=found.entry.action, names=found.names,
        )  # fmt: skip

    def own_error(
        self, entry_id: str, *, where: str = "", said: str = "", host: str = "", **names: str
    ) -> ConsoleError:
        """The same to be raised, as the entry's class."""
        found = self.own(entry_id, where=where, said=said, host=host, **names)
        return self.by_id[entry_id].error(
            found.what, cause=found.cause, advice=found.advice, where=where, said=said,
            entry=found.entry, action=found.action, names=found.names,
        )  # fmt: skip


@cache
def catalogue() -> Catalogue:
    """The catalogue that the program carries, read when it is first asked for."""
    return load(resource("errors"))


def load(folder: Path) -> Catalogue:
    """All ``*.toml`` of a folder. A broken entry is a programming error: KeyError, ValueError."""
    entries = [
        _entry(raw)
        for path in sorted(folder.glob("*.toml"))
        for raw in tomllib.loads(path.read_text(encoding="utf-8"))["entry"]
    ]
    by_id = {entry.id: entry for entry in entries}
    if len(by_id) < len(entries):
        raise ValueError(f"two entries of one id in {folder}")
    return Catalogue(tuple(sorted(entries, key=lambda entry: entry.is_fallback)), by_id)


def _entry(raw: dict[str, Any]) -> Entry:
    is_own = raw.get("own", False)
    made = Entry(
        id=raw["id"],
        sources=frozenset(_listed(raw["source"])),
        codes=frozenset(_listed(raw.get("code", []))),
        domains=frozenset(_listed(raw.get("domain", []))),
        pattern=raw.get("pattern", "") if is_own else raw["pattern"],
        error=getattr(errors, raw["error"]),
        what=raw["what"],
        cause=raw.get("cause", ""),
        advice=raw.get("advice", ""),
        action=raw.get("action", ""),
        is_fallback=raw.get("fallback", False),
        samples=() if is_own else tuple(_listed(raw["sample"])),
        names=tuple(raw.get("names", {}).items()),
        is_own=is_own,
    )
    if not made.sources <= SOURCES or (made.action and made.action not in ACTIONS):
        raise ValueError(f"{made.id}: no such source or action")
    return made


def _listed(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else [raw]


def _fits(failure: Failure, entry: Entry) -> bool:
    right_code = not entry.codes or failure.code in entry.codes
    return right_code and (not entry.domains or failure.domain in entry.domains)


def _filled(entry: Entry, names: dict[str, str], host: str) -> Found:
    words = {"host": host or _THE_HOST, **names}

    def fill(template: str) -> str:
        text = template.format_map(words)
        return text[:1].upper() + text[1:] if text.startswith(_THE_HOST) else text

    return Found(entry, tuple(names.items()), fill(entry.what), fill(entry.cause), fill(entry.advice))
