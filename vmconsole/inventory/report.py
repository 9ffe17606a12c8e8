# SPDX-License-Identifier: GPL-3.0-or-later
"""«Copy report»: a failure as text for a bug report or a colleague; secrets, and if wanted names, are masked. Pure.

Secrets are always masked. Names are masked alike everywhere in one report («host-1», «guest-2»), so that it can still
be read. Source of what libvirt calls a secret: its domain XML format (``passwd=``) and URI format (``user:password@``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmconsole.inventory.errors import Explanation

MASK = "•••"
_KEY = r"(?:pass(?:wor[dt]|wd|phrase|code)?|secret|token|api[-_]?key|authorization|cookie)"
_QUOTED = r"(?:(?!(?P=quote))[^\n])*"
_SECRETS = (
    re.compile(r"-----BEGIN [^-\n]*PRIVATE KEY-----.*?(?:-----END [^-\n]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?<=://)(?P<key>[^\s/@:]*:)[^\s/]*(?P<rest>@)"),
    re.compile(r"(?P<key>\bBearer\s+)[^\s,;]+"),
    re.compile(
        rf"(?P<key>\b[\w.-]*{_KEY}[\"']?\s*[=:]\s*(?P<quote>[\"'])){_QUOTED}(?P<rest>(?P=quote)?)", re.IGNORECASE
    ),
    re.compile(rf"(?P<key>\b[\w.-]*{_KEY}\s*[=:]\s*)(?![\"'])[^\s,;&]+", re.IGNORECASE),
    re.compile(rf"(?P<key>(?<!\S)--?[\w-]*{_KEY}\s+)\S+", re.IGNORECASE),
    re.compile(r"(?P<key>\bset-user-password\s+\S+\s+\S+\s+)\S+"),
)
_ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_WORD = r"[A-Za-z0-9_]"


@dataclass(frozen=True, slots=True)
class Names:
    """What is masked on request."""

    hosts: Sequence[str] = ()
    guests: Sequence[str] = ()

    def and_those_of(self, explanation: Explanation) -> Names:
        """With the names that its place tells: «kvm1», «web1 on kvm1» or «kvm1: /images/web1.qcow2»."""
        guest, _, host = explanation.where.rpartition(" on ")
        host, _, path = host.partition(": ")
        if host.startswith("/"):
            host, path = "", host
        stem = path.rpartition("/")[2].partition(".")[0]
        return Names((*self.hosts, *filter(None, [host])), (*self.guests, *filter(None, [guest, stem])))


@dataclass(frozen=True, slots=True)
class Report:
    """What a report holds beside the explanation."""

    explanation: Explanation
    happened_at: str
    """Date, time and zone, as the user reads them."""
    call: str = ""
    """What was asked for, for example as a virsh line."""
    host: str = ""
    """Address or name of the host."""
    versions: Sequence[tuple[str, str]] = ()
    """(program, version) of the console and of the host."""

    def text(self, *, masked: Names | None = None) -> str:
        """The report; with ``masked`` the names do not appear in it."""
        e = self.explanation
        rows = (
            ("Problem", e.what), ("Cause", e.cause), ("Advice", e.advice), ("At", e.where), ("Host", self.host),
            ("Time", self.happened_at), ("Call", self.call), ("Catalogue entry", e.entry),
            *((f"Version of {name}", version) for name, version in self.versions),
            ("Original words", e.said),
        )  # fmt: skip
        shown = [(title, self._masked(words, masked)) for title, words in rows if words]
        return "\n".join(_row(title, words) for title, words in shown)

    def _masked(self, words: str, names: Names | None) -> str:
        words = mask_secrets(words)
        return words if names is None else mask_names(words, names.and_those_of(self.explanation))


def _row(title: str, words: str) -> str:
    return f"{title}: {words}" if "\n" not in words else f"{title}:\n{words}"


def mask_secrets(text: str) -> str:
    """Passwords in addresses, in XML and in settings, tokens and private keys become dots."""
    for pattern in _SECRETS:
        text = pattern.sub(_without_value, text)
    return text


def _without_value(match: re.Match[str]) -> str:
    named = match.groupdict()
    return f"{named.get('key', '')}{MASK}{named.get('rest') or ''}"


def mask_names(text: str, names: Names) -> str:
    """Each name that stands alone becomes «host-1», «guest-2»; other IPv4 addresses become «address».

    A name has one stand-in for one ``Names``. A host's short name (before the first dot) is the same host.
    """
    masked = _stand_ins(text, names)
    if masked:
        longest_first = sorted(masked, key=len, reverse=True)
        alone = "|".join(_alone(name) for name in longest_first)
        text = re.sub(alone, lambda match: masked[match.group()], text)
    return _ADDRESS.sub("address", text)


def _stand_ins(text: str, names: Names) -> dict[str, str]:
    """Name → stand-in, for the names that occur in the text: a fleet has thousands."""
    made: dict[str, str] = {}
    for number, name in enumerate(dict.fromkeys(names.hosts), 1):
        short = name if _ADDRESS.fullmatch(name) else name.split(".")[0]
        for form in (name, short):
            if form and form in text:
                made.setdefault(form, f"host-{number}")
    for number, name in enumerate(dict.fromkeys(names.guests), 1):
        if name and name in text:
            made.setdefault(name, f"guest-{number}")
    return made


def _alone(name: str) -> str:
    """A name with word-like ends is not a part of a longer word: the guest «a» is not each letter a."""
    before = rf"(?<!{_WORD})" if re.match(_WORD, name) else ""
    after = rf"(?!{_WORD})" if re.search(rf"{_WORD}\Z", name) else ""
    return f"{before}{re.escape(name)}{after}"
