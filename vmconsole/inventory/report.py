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
    from collections.abc import Iterable, Mapping, Sequence

    from vmconsole.inventory.errors import Explanation

MASK = "•••"
_KEY = r"pass(?:wor[dt]|wd|phrase|code)?|secret|token|api[-_]?key|auth(?:orization)?|cookie|pin"
_SECRETS = (
    re.compile(r"-----BEGIN [^-\n]*PRIVATE KEY-----.*?(?:-----END [^-\n]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?<=://)(?P<user>[^\s/@:]*):[^\s/]*@"),
    re.compile(rf"(?P<key>\b[\w.-]*(?:{_KEY})\s*[=:]\s*)(?P<value>\"[^\"]*\"?|'[^']*'?|[^\s,;&]+)", re.IGNORECASE),
    re.compile(r"(?P<key>\bBearer\s+)\S+"),
)
_ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_WORD = r"[A-Za-z0-9_]"


@dataclass(frozen=True, slots=True)
class Report:
    """What a report holds beside the explanation."""

    explanation: Explanation
    happened_at: str
    """Date, time and zone, as the user reads them."""
    call: str = ""
    """What was asked for, for example the same as a virsh line."""
    host: str = ""
    """Address or name of the host."""
    versions: Sequence[tuple[str, str]] = ()
    """(program, version) of the console and of the host."""

    def text(self, *, masked: Mapping[str, str] | None = None) -> str:
        """The report. ``masked``: what stands for which name, as ``stand_ins`` makes it; None leaves names readable."""
        e = self.explanation
        rows = (
            ("Problem", e.what), ("Cause", e.cause), ("Advice", e.advice), ("At", e.where), ("Host", self.host),
            ("Time", self.happened_at), ("Call", self.call), ("Catalogue entry", e.entry),
            *((f"Version of {name}", version) for name, version in self.versions),
            ("Original words", e.said),
        )  # fmt: skip
        text = "\n".join(_row(title, words) for title, words in rows if words)
        text = mask_secrets(text)
        return text if masked is None else mask_names(text, masked)


def _row(title: str, words: str) -> str:
    return f"{title}: {words}" if "\n" not in words else f"{title}:\n{words}"


def mask_secrets(text: str) -> str:
    """Passwords in addresses, in XML and in settings, tokens and private keys become dots."""
    for pattern in _SECRETS:
        text = pattern.sub(_without_value, text)
    return text


def _without_value(match: re.Match[str]) -> str:
    named = match.groupdict()
    if "user" in named:
        return f"{named['user']}:{MASK}@"
    return f"{named.get('key', '')}{MASK}"


def stand_ins(hosts: Iterable[str], guests: Iterable[str]) -> dict[str, str]:
    """What each name becomes: «host-1», «guest-1». A short name of a host (before the first dot) is the same host."""
    made: dict[str, str] = {}
    for number, name in enumerate(dict.fromkeys(hosts), 1):
        for form in (name, name.split(".")[0]):
            if form:
                made.setdefault(form, f"host-{number}")
    for number, name in enumerate(dict.fromkeys(guests), 1):
        if name:
            made.setdefault(name, f"guest-{number}")
    return made


def mask_names(text: str, masked: Mapping[str, str]) -> str:
    """Each name that stands alone becomes its stand-in, longest first; other IPv4 addresses become «address»."""
    if masked:
        longest_first = sorted(masked, key=len, reverse=True)
        alone = "|".join(_alone(name) for name in longest_first)
        text = re.sub(alone, lambda match: masked[match.group()], text)
    return _ADDRESS.sub("address", text)


def _alone(name: str) -> str:
    """A name with word-like ends is not a part of a longer word: the guest «a» is not each letter a."""
    before = rf"(?<!{_WORD})" if re.match(_WORD, name) else ""
    after = rf"(?!{_WORD})" if re.search(rf"{_WORD}\Z", name) else ""
    return f"{before}{re.escape(name)}{after}"
