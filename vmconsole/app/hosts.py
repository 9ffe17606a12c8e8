# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are opened at the start, and how a URI becomes a link."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from vmconsole.inventory.deltas import HostSeen
from vmconsole.inventory.errors import BadAddress
from vmconsole.inventory.facts import Host, HostState
from vmconsole.inventory.ids import HostId

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmconsole.app.cli import Options
    from vmconsole.links.base import Link
    from vmconsole.links.fleet import Fleet
    from vmconsole.links.libvirt_link import LibvirtLoop
    from vmconsole.links.login import Login
    from vmconsole.links.uri import ConnectionUri
    from vmconsole.metrics.delta import Post
    from vmconsole.settings.profile import Profile

    MakeLogin = Callable[[ConnectionUri], Login]


class LinkMaker:
    """Makes links to real hosts. libvirt and its event loop come with the first of them, not before the window."""

    def __init__(self, post: Post, *, run_dir: Path, profile: Profile, make_login: MakeLogin | None = None) -> None:
        """Without ``make_login`` ssh asks nobody for anything."""
        self._post = post
        self._run_dir = run_dir
        self._profile = profile
        self._make_login = make_login
        self._event_loop: LibvirtLoop | None = None

    def make(self, uri: str) -> Link:
        """A link that is not yet started. Raises BadAddress for a URI that cannot be right."""
        from vmconsole.links.host_link import HostLink  # late: brings libvirt
        from vmconsole.links.libvirt_link import LibvirtLoop
        from vmconsole.links.sampler import make_sampler
        from vmconsole.links.uri import parse_uri

        address = parse_uri(uri)
        if self._event_loop is None:
            # libvirt's client translates its messages by the locale that Qt has set; the table of errors is English.
            os.environ["LANGUAGE"] = "en"
            self._event_loop = LibvirtLoop()
            self._event_loop.start()
        login = self._make_login(address) if self._make_login is not None and address.uses_ssh else None
        return HostLink(
            address, post=self._post, event_loop=self._event_loop, make_sampler=make_sampler, run_dir=self._run_dir,
            login=login,
        )  # fmt: skip

    def close(self) -> None:
        if self._event_loop is not None:
            self._event_loop.close()


def connect_all(options: Options, fleet: Fleet, profile: Profile, post: Post) -> None:
    """Scripted hosts, the hosts of the command line, or those remembered in the profile."""
    if options.demo is not None:
        from vmconsole.links.memory import demo_links  # late: only a demo needs it

        for link in demo_links(options.demo.hosts, options.demo.domains, options.demo.seed, post):
            fleet.adopt(link)
    for uri in options.connect or (() if options.demo else profile.texts("connections")):
        try:
            fleet.add(uri)
        except BadAddress as error:
            post(HostSeen(_wrong(uri, error)))


def _wrong(uri: str, error: BadAddress) -> Host:
    """A URI that cannot be right has a row of its own, with the reason, beside the hosts that work."""
    return Host(id=HostId(uri), name=uri, state=HostState.FAILED, reason=error.explanation, since=time.time())
