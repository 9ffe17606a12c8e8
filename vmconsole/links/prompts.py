# SPDX-License-Identifier: GPL-3.0-or-later
"""What ssh asks while it logs in, as plain data; who is asked, and where answers may be kept. Pure; any thread.

The words are OpenSSH's: readpass.c, sshconnect.c (host keys), sshconnect2.c (passwords, passphrases, methods of PAM).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.ids import HostId


class PromptKind(Enum):
    PASSWORD = "password"
    PASSPHRASE = "passphrase"
    """Of a private key on this machine."""
    HOST_KEY = "host-key"
    """A host that was never seen: whether its key is the right one."""
    CONFIRM = "confirm"
    NOTICE = "notice"
    """Nothing to answer: a security key waits to be touched."""
    OTHER = "other"
    """Whatever the host wants to know: a code from a token, a new password."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question of ssh."""

    host: HostId
    """The connection that asks."""
    name: str
    """What the window calls the host."""
    kind: PromptKind
    text: str
    """ssh's own words."""
    account: str = ""
    """``user@host:port`` that is logged into: the host, or a jump host before it. Empty where ssh does not tell."""
    key_file: str = ""
    """PASSPHRASE: the private key."""
    key_type: str = ""
    """HOST_KEY: such as ED25519."""
    fingerprint: str = ""
    """HOST_KEY: such as SHA256:…"""
    notes: tuple[str, ...] = ()
    """HOST_KEY: what else ssh says, such as other names under which the key is known."""
    was_refused: bool = False
    """The same was asked before in this try, so what was answered was wrong."""
    cannot_remember: str = ""
    """Why the answer cannot be remembered, as a sentence; empty when it can."""

    @property
    def secret_name(self) -> str:
        """Under which the answer is remembered; empty for what is good for once only."""
        if self.kind is PromptKind.PASSPHRASE and self.key_file:
            return f"passphrase of {self.key_file}"
        if self.kind is PromptKind.PASSWORD and self.account:
            return f"password of {self.account}"
        return ""


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    remember: bool = False

    def __repr__(self) -> str:
        return "Answer(…)"  # it may land in a log or in a crash report


class Question(Protocol):
    """A prompt that waits. The first call counts; later ones do nothing. Any thread."""

    @property
    def prompt(self) -> Prompt: ...

    def answer(self, answer: Answer) -> None: ...

    def cancel(self) -> None:
        """Give up this login."""


class Prompter(Protocol):
    """Whoever can ask a person. Calls come from any thread and must not block."""

    def ask(self, question: Question) -> None: ...

    def withdraw(self, question: Question) -> None:
        """Nobody waits for the answer any more."""


class Secrets(Protocol):
    """Where secrets are kept. ``why_not`` and ``find`` may block, up to a deadline of their own."""

    def why_not(self) -> str:
        """Why nothing can be remembered, as a sentence, or empty."""

    def find(self, name: str, *, host: str) -> str | None: ...

    def remember(self, name: str, secret: str, *, host: str, on_problem: Callable[[str], None]) -> None:
        """``host``: the connection whose logins are forgotten together. ``on_problem`` gets a sentence, from any
        thread, when it could not be stored."""


class NoSecrets:
    """Remembers nothing."""

    def why_not(self) -> str:
        return "No keyring is used."

    def find(self, name: str, *, host: str) -> str | None:
        del name, host
        return None

    def remember(self, name: str, secret: str, *, host: str, on_problem: Callable[[str], None]) -> None:
        del name, secret, host, on_problem


_PASSPHRASE = re.compile(r"Enter passphrase for (?:key )?['\"]?(?P<file>.+?)['\"]?(?: \(.*\))?: ?$")
_PASSWORD = re.compile(r"^(?P<account>\S+@\S+)'s password: ?$")
_ASKED_BY_HOST = re.compile(r"^\((?P<account>[^\s()]+@[^\s()]+)\) (?P<rest>.*)$", re.DOTALL)
_WANTS_PASSWORD = re.compile(r"^\s*(?:\S+'s )?password(?: for \S+)?\s*:\s*$", re.IGNORECASE)
_HOST_KEY = re.compile(r"^(?P<type>\S+) key fingerprint is (?P<fingerprint>\S+?)\.?$", re.MULTILINE)
_YES_NO = re.compile(r"\(yes/no\)\??:? ?$")
_FIXED = ("The authenticity of host", "Are you sure you want to continue", "This key is not known by any other names")


def read_prompt(text: str, *, hint: str, host: HostId, name: str) -> Prompt:
    """``hint``: what ssh says in SSH_ASKPASS_PROMPT. The account is as ssh says it, without a port."""
    if hint == "none":
        return Prompt(host, name, PromptKind.NOTICE, text)
    key = _HOST_KEY.search(text)
    if key is not None and "continue connecting" in text:
        notes = tuple(
            line.strip() for line in text.splitlines()
            if line.strip() and not line.startswith(_FIXED) and line.strip() != key.group(0)
        )  # fmt: skip
        return Prompt(
            host, name, PromptKind.HOST_KEY, text,
            key_type=key["type"], fingerprint=key["fingerprint"], notes=notes,
        )  # fmt: skip
    if hint == "confirm" or _YES_NO.search(text):
        return Prompt(host, name, PromptKind.CONFIRM, text)
    return _read_secret(text, host=host, name=name)


def _read_secret(text: str, *, host: HostId, name: str) -> Prompt:
    passphrase = _PASSPHRASE.search(text)
    if passphrase is not None:
        return Prompt(host, name, PromptKind.PASSPHRASE, text, key_file=passphrase["file"])
    password = _PASSWORD.match(text)
    if password is not None:
        return Prompt(host, name, PromptKind.PASSWORD, text, account=password["account"])
    asked = _ASKED_BY_HOST.match(text)
    if asked is None:
        return Prompt(host, name, PromptKind.OTHER, text)
    kind = PromptKind.PASSWORD if _WANTS_PASSWORD.match(asked["rest"]) else PromptKind.OTHER
    return Prompt(host, name, kind, text, account=asked["account"])
