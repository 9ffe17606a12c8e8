# SPDX-License-Identifier: GPL-3.0-or-later
"""A context without anything that brings a large library, for the test of what the first window imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.links.fleet import Fleet
from vmconsole.operations.runner import OperationRunner
from vmconsole.settings.profile import Profile
from vmconsole.store.store import Store
from vmconsole.ui.bridge import Bridge
from vmconsole.ui.context import Context
from vmconsole.ui.theme import Theme

if TYPE_CHECKING:
    from pathlib import Path


def lean_context(root: Path) -> Context:
    store = Store()
    bridge = Bridge(store)
    fleet = Fleet(_no_link, bridge.post)
    return Context(
        store=store,
        bridge=bridge,
        fleet=fleet,
        profile=Profile(root),
        runner=OperationRunner(fleet.link, bridge.post),
        theme=Theme(),
    )


def _no_link(uri: str) -> None:  # type: ignore[return]  # never called here
    raise AssertionError(uri)
