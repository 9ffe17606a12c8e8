# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's logins: which of ssh's questions the keyring answers, which a person is asked, and which nobody is.

A person is asked in one try only. If that try fails for another reason than the login (the host closed the connection
while the person was typing), the answers are tried once more without a question; after that, and after a cancelled
or refused login, nobody is asked again until the user wishes to connect (``renew``) or a login has worked.

Threads: ``begin``, ``end`` and ``renew`` come from the link, questions on threads of ``AskServer``; a lock keeps both.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import AuthenticationFailed
from vmconsole.links.ask_server import PATIENCE_S
from vmconsole.links.prompts import Answer, PromptKind, read_prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmconsole.inventory.ids import HostId
    from vmconsole.links.ask_server import AskServer, Call, Listener
    from vmconsole.links.prompts import Prompt, Prompter, Secrets

NEVER_REMEMBERED = "This is good for once only, so it is not remembered."


class OpenQuestion:
    """``prompts.Question`` over a call."""

    def __init__(self, login: Login, call: Call, prompt: Prompt) -> None:
        self._login = login
        self._call = call
        self.prompt = prompt

    def answer(self, answer: Answer) -> None:
        self._login.note_answer(self.prompt, answer)
        self._call.reply(answer.text)

    def cancel(self) -> None:
        self._login.note_cancel(self.prompt)
        self._call.refuse()


class Login:
    """``account_of(text, pid)``: the account with its port that a question of the process ``pid`` concerns.
    ``tell`` gets a sentence, from any thread, when an answer could not be remembered. With ``nobody_there`` only the
    keyring answers."""

    def __init__(
        self,
        host: HostId,
        *,
        name: str,
        server: AskServer,
        prompter: Prompter,
        secrets: Secrets,
        account_of: Callable[[str, int], str],
        tell: Callable[[str], None] = lambda _: None,
        patience_s: float = PATIENCE_S,
        nobody_there: bool = False,
    ) -> None:
        self._host = host
        self._name = name
        self._server = server
        self._prompter = prompter
        self._secrets = secrets
        self._account_of = account_of
        self._tell = tell
        self._patience_s = patience_s
        self._nobody_there = nobody_there
        self._lock = threading.Lock()
        self._listener: Listener | None = None
        self._may_ask = True
        self._asked = False
        self._cancelled = ""
        self._open = 0
        self._seen: set[str] = set()
        self._given: dict[str, Answer] = {}
        self._held: dict[str, Answer] = {}

    # -- the link ------------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """The user wishes to connect: a person may be asked again."""
        with self._lock:
            self._may_ask = True
            self._held = {}

    def begin(self, folder: Path) -> dict[str, str]:
        """A try begins. Returns what to add to ssh's environment; ``folder`` is the private one of this try."""
        with self._lock:
            self._asked, self._cancelled, self._seen, self._given = False, "", set(), {}
        if self._listener is not None:
            self._listener.close()
        self._listener = self._server.listen(folder, self._hear)
        return self._listener.environment

    @property
    def is_asking(self) -> bool:
        """A question is open: the time until it is answered is the person's, not the host's."""
        return self._open > 0

    def cancelled(self) -> AuthenticationFailed | None:
        """The error of a try in which somebody did not want to answer, or nobody could be asked."""
        with self._lock:
            what = self._cancelled
        if not what:
            return None
        return AuthenticationFailed(
            what, advice="Connect again when you want to log in; it is not tried again by itself.", where=self._name
        )

    def end(self, error: Exception | None) -> None:
        """The try is over: logged in, or why not."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        with self._lock:
            given, self._given = self._given, {}
            if error is None:
                self._may_ask, self._held = True, {}
            else:
                was_the_login = isinstance(error, AuthenticationFailed)
                self._held = {} if was_the_login else given if self._asked else {}
                self._may_ask = self._may_ask and not self._asked
        if error is None:
            for name, answer in given.items():
                if answer.remember:
                    self._secrets.remember(name, answer.text, host=self._host, on_problem=self._tell)

    # -- a question (a thread of its own) ------------------------------------------------------------------------------

    def _hear(self, call: Call) -> None:
        with self._lock:
            self._open += 1
        try:
            self._answer(call)
        finally:
            with self._lock:
                self._open -= 1

    def _answer(self, call: Call) -> None:
        prompt = self._read(call)
        known = None if prompt.was_refused else self._known(prompt)
        if known is not None:
            call.reply(known)
        elif self._cancelled:
            call.refuse()
        elif self._nobody_there:
            self._cancel(_unasked(prompt))
            call.refuse()
        elif not self._may_ask:
            self._cancel(f"{self._name} wants a login, and nobody was asked again.")
            call.refuse()
        else:
            self._ask(call, prompt)

    def _read(self, call: Call) -> Prompt:
        prompt = read_prompt(call.text, hint=call.hint, host=self._host, name=self._name)
        account = prompt.account
        if prompt.kind is PromptKind.PASSWORD:
            account = self._account_of(prompt.account, call.peer_pid)
        prompt = dataclasses.replace(prompt, account=account)
        what = prompt.secret_name or call.text
        with self._lock:
            refused = what in self._seen and prompt.kind in {PromptKind.PASSWORD, PromptKind.PASSPHRASE}
            self._seen.add(what)
        reason = self._secrets.why_not() if prompt.secret_name else NEVER_REMEMBERED
        return dataclasses.replace(prompt, was_refused=refused, cannot_remember=reason)

    def _known(self, prompt: Prompt) -> str | None:
        """An answer that needs nobody: from the try before this one, or remembered."""
        name = prompt.secret_name
        if not name:
            return None
        with self._lock:
            held = self._held.pop(name, None)
            if held is not None:
                self._given[name] = held
        if held is not None:
            return held.text
        return None if prompt.cannot_remember else self._secrets.find(name, host=self._host)

    def _ask(self, call: Call, prompt: Prompt) -> None:
        with self._lock:
            self._asked = True
        question = OpenQuestion(self, call, prompt)
        self._prompter.ask(question)
        try:
            if not call.wait(self._patience_s):
                self._cancel(f"Nobody answered when {self._name} wanted a login.")
        finally:
            self._prompter.withdraw(question)

    def note_answer(self, prompt: Prompt, answer: Answer) -> None:
        """Keep what may be remembered when the login has worked."""
        if prompt.secret_name:
            with self._lock:
                self._given[prompt.secret_name] = answer

    def note_cancel(self, prompt: Prompt) -> None:
        """The person does not want to: the whole try ends."""
        if prompt.kind is PromptKind.HOST_KEY:
            self._cancel(f"The key of {self._name} was not accepted, so it was not logged into.")
        else:
            self._cancel(f"The login to {self._name} was cancelled.")

    def _cancel(self, what: str) -> None:
        with self._lock:
            self._cancelled = self._cancelled or what


def _unasked(prompt: Prompt) -> str:
    if prompt.kind is PromptKind.HOST_KEY:
        return f"The key of {prompt.name} is not known, and nobody is there to look at it."
    return f"{prompt.name} wants a login that the keyring does not know, and nobody is there to be asked."
