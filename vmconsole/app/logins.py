# SPDX-License-Identifier: GPL-3.0-or-later
"""How hosts log in with a person before the screen: ssh's questions, the keyring, and the window, put together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vmconsole.inventory.deltas import EventSeen
from vmconsole.links.ask_server import AskServer
from vmconsole.links.login import Login
from vmconsole.links.ssh_account import account_of

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.links.prompts import Prompter, Secrets
    from vmconsole.links.uri import ConnectionUri
    from vmconsole.metrics.delta import Post


class LoginMaker:
    """``start`` once, ``close`` once, after all links. ``run_dir`` is private and has a short path."""

    def __init__(
        self, prompter: Prompter, secrets: Secrets, post: Post, *, run_dir: Path, nobody_there: bool = False
    ) -> None:
        """``nobody_there``: what the keyring does not know is not asked for."""
        self._nobody_there = nobody_there
        self._prompter = prompter
        self._secrets = secrets
        self._post = post
        self._server = AskServer(run_dir)

    def start(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.close()

    def make(self, uri: ConnectionUri) -> Login:
        """The logins of one host."""
        return Login(
            uri.host_id, name=uri.display_name, server=self._server, prompter=self._prompter, secrets=self._secrets,
            account_of=account_of, nobody_there=self._nobody_there,
            tell=lambda text: self._post(EventSeen(time.time(), uri.host_id, text, None, is_problem=True)),
        )  # fmt: skip
