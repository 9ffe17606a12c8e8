# SPDX-License-Identifier: GPL-3.0-or-later
"""All connections of the console: one link per host, made, found and closed here. GUI thread, except ``link``."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from vmconsole.inventory.deltas import HostForgotten, HostSeen
from vmconsole.inventory.errors import BadAddress
from vmconsole.inventory.facts import Host, HostState
from vmconsole.inventory.ids import HostId

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.links.base import Link
    from vmconsole.metrics.delta import Post

CLOSE_DEADLINE_S = 1.0


class Fleet:
    """Owns the links. ``make_link`` turns a URI into a link that is not yet started, or raises BadAddress."""

    def __init__(self, make_link: Callable[[str], Link], post: Post) -> None:
        self._make_link = make_link
        self._post = post
        self._links: dict[HostId, Link] = {}
        self._lock = threading.Lock()
        self._closing: list[threading.Thread] = []

    @property
    def hosts(self) -> tuple[HostId, ...]:
        return tuple(self._links)

    def link(self, host: HostId) -> Link | None:
        return self._links.get(host)

    def add(self, uri: str, *, connect: bool = True) -> HostId:
        """Connect to a host, or only list it. Raises BadAddress for a URI that cannot be right; a host twice is one
        connection."""
        link = self._make_link(uri)
        if link.host_id not in self._links:
            self.adopt(link, connect=connect)
        return link.host_id

    def add_or_show(self, uri: str, *, connect: bool = True) -> HostId:
        """As ``add``; a URI that cannot be right has a row of its own, with the reason, beside the hosts that work."""
        try:
            return self.add(uri, connect=connect)
        except BadAddress as error:
            wrong = Host(HostId(uri), uri, state=HostState.FAILED, reason=error.explanation, since=time.time())
            self._post(HostSeen(wrong))
            return wrong.id

    def adopt(self, link: Link, *, connect: bool = True) -> None:
        """Take over a link that was made elsewhere (a scripted host) and start it."""
        with self._lock:
            self._links[link.host_id] = link
        link.start(connect=connect)

    def remove(self, host: HostId) -> None:
        """Let go of a host and take it off the list, in the background: a stuck call keeps a link for half a second."""
        link = self._links.pop(host, None)
        if link is None:
            self._post(HostForgotten(host))  # a row whose address was wrong has no link
            return
        closing = threading.Thread(target=self._let_go, args=(host, link), name=f"let go of {host}", daemon=True)
        self._closing = [*(known for known in self._closing if known.is_alive()), closing]
        closing.start()

    def _let_go(self, host: HostId, link: Link) -> None:
        link.close()
        with self._lock:  # it may have been added again meanwhile
            if host not in self._links:
                self._post(HostForgotten(host))

    def close(self) -> None:
        """Close all links side by side: a hung host delays nobody, and the whole takes about a second at most."""
        links, self._links = list(self._links.values()), {}
        ends_at = time.monotonic() + CLOSE_DEADLINE_S
        self._close_all(links)
        for closing in self._closing:
            closing.join(max(0.0, ends_at - time.monotonic()))

    @staticmethod
    def _close_all(links: list[Link]) -> None:
        if not links:
            return
        pool = ThreadPoolExecutor(max_workers=min(32, len(links)), thread_name_prefix="close")
        wait([pool.submit(link.close) for link in links], timeout=CLOSE_DEADLINE_S)
        pool.shutdown(wait=False, cancel_futures=True)
