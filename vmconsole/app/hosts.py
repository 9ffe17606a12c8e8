# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts are opened at the start, and how a URI becomes a link."""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING

from vmconsole.inventory.facts import HostLook
from vmconsole.links.diagnosis import Diagnosis
from vmconsole.links.transport import make_transport
from vmconsole.settings.connections import SavedConnection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmconsole.app.cli import Options
    from vmconsole.links.base import Link, Shell
    from vmconsole.links.check_steps import Step
    from vmconsole.links.fleet import Fleet
    from vmconsole.links.libvirt_link import LibvirtLoop
    from vmconsole.links.login import Login
    from vmconsole.links.uri import ConnectionUri
    from vmconsole.metrics.delta import Post
    from vmconsole.settings.profile import Profile

    MakeLogin = Callable[[ConnectionUri], Login]


CLOSE_CHECK_S = 0.5


class LinkMaker:
    """Makes links to real hosts. libvirt and its event loop come with the first of them, not before the window."""

    def __init__(self, post: Post, *, run_dir: Path, profile: Profile, make_login: MakeLogin | None = None) -> None:
        """Without ``make_login`` ssh asks nobody for anything."""
        self._post = post
        self._run_dir = run_dir
        self._profile = profile
        self._make_login = make_login
        self._checks: list[Diagnosis] = []
        self._lock = threading.Lock()
        self._event_loop: LibvirtLoop | None = None

    def make(self, uri: str) -> Link:
        """A link that is not yet started. Raises BadAddress for a URI that cannot be right."""
        from vmconsole.links.drivers import sampled_guests
        from vmconsole.links.host_link import HostLink  # late: brings libvirt
        from vmconsole.links.sampler import make_sampler
        from vmconsole.links.uri import parse_uri

        address = parse_uri(uri)
        saved = self._profile.connections.find(address.text) or SavedConnection(address.text)
        return HostLink(
            address, post=self._post, event_loop=self._loop(), run_dir=self._run_dir,
            make_sampler=functools.partial(
                make_sampler, guests=sampled_guests(address), socket=address.parameter("socket")
            ),
            login=self._login(address), look=HostLook(saved.name, saved.colour, saved.group),
        )  # fmt: skip

    def diagnose(
        self,
        uri: ConnectionUri,
        *,
        post: Callable[[Step], None],
        ended: Callable[[], None],
        shell: Shell | None = None,
    ) -> Diagnosis:
        """A check that is not yet started; it logs in as a link does."""
        check = Diagnosis(
            uri, post=post, ended=ended, shell=shell, prepare=self.get_ready,
            open_transport=functools.partial(make_transport, login=self._login(uri)),
        )  # fmt: skip
        self._checks = [*(known for known in self._checks if not known.has_ended), check]
        return check

    def get_ready(self) -> None:
        """Bring libvirt and its event loop. From any thread."""
        self._loop()

    def _loop(self) -> LibvirtLoop:
        """libvirt's event loop, which must be there before the first connection is opened."""
        from vmconsole.links.libvirt_link import LibvirtLoop  # late: brings libvirt

        with self._lock:
            if self._event_loop is None:
                # libvirt's client translates its messages by the locale that Qt has set; the catalogue is English.
                os.environ["LANGUAGE"] = "en"
                self._event_loop = LibvirtLoop()
                self._event_loop.start()
            return self._event_loop

    def _login(self, address: ConnectionUri) -> Login | None:
        return self._make_login(address) if self._make_login is not None and address.uses_ssh else None

    def close(self) -> None:
        """End checks that a window has left, so that their ssh does not outlive the program, and libvirt's loop."""
        for check in self._checks:
            check.close()
        for check in self._checks:
            check.join(timeout_s=CLOSE_CHECK_S)
        if self._event_loop is not None:
            self._event_loop.close()


def connect_all(options: Options, fleet: Fleet, profile: Profile, post: Post) -> None:
    """Scripted hosts, the hosts of the command line, or those remembered in the profile."""
    if options.demo is not None:
        from vmconsole.links.memory import demo_links  # late: only a demo needs it

        for link in demo_links(options.demo.hosts, options.demo.domains, options.demo.seed, post):
            fleet.adopt(link)
    saved = () if options.demo or options.connect else profile.connections.all
    wanted = [*((uri, True) for uri in options.connect), *((one.uri, one.connect_at_start) for one in saved)]
    for uri, connect in wanted:
        fleet.add_or_show(uri, connect=connect)
