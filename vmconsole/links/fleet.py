# SPDX-License-Identifier: GPL-3.0-or-later
"""All connections of the console: one link per host, made, found and closed here. GUI thread, except ``link``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from vmconsole.inventory.deltas import HostForgotten

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.ids import HostId
    from vmconsole.links.base import Link
    from vmconsole.metrics.delta import Post

CLOSE_DEADLINE_S = 1.0


class Fleet:
    """Owns the links. ``make_link`` turns a URI into a link that is not yet started, or raises BadAddress."""

    def __init__(self, make_link: Callable[[str], Link], post: Post) -> None:
        self._make_link = make_link
        self._post = post
        self._links: dict[HostId, Link] = {}

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

    def adopt(self, link: Link, *, connect: bool = True) -> None:
        """Take over a link that was made elsewhere (a scripted host) and start it."""
        self._links[link.host_id] = link
        link.start(connect=connect)

    def remove(self, host: HostId) -> None:
        """Let go of a host and take it off the list."""
        link = self._links.pop(host, None)
        if link is not None:
            link.close()
        self._post(HostForgotten(host))  # a row whose address was wrong has no link

    def close(self) -> None:
        """Close all links side by side: a hung host delays nobody, and the whole takes about a second at most."""
        links, self._links = list(self._links.values()), {}
        if not links:
            return
        pool = ThreadPoolExecutor(max_workers=min(32, len(links)), thread_name_prefix="close")
        wait([pool.submit(link.close) for link in links], timeout=CLOSE_DEADLINE_S)
        pool.shutdown(wait=False, cancel_futures=True)
