# SPDX-License-Identifier: GPL-3.0-or-later
"""A connected link to the host with systemd and cgroup2 alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.conftest import event_loop, run_dir
from tests.links.recording import Recorder
from vmconsole.links.host_link import HostLink
from vmconsole.links.sampler import make_sampler
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vmconsole.links.libvirt_link import LibvirtLoop

    Connect = Callable[[str], tuple[HostLink, Recorder]]

__all__ = ["event_loop", "run_dir"]


@pytest.fixture
def connect(event_loop: LibvirtLoop, run_dir: Path) -> Iterator[Connect]:  # the fixtures above
    """Make and start a link with its sampler; all are closed at the end."""
    links: list[HostLink] = []

    def begin(uri: str) -> tuple[HostLink, Recorder]:
        posted = Recorder()
        link = HostLink(parse_uri(uri), post=posted, event_loop=event_loop, run_dir=run_dir, make_sampler=make_sampler)
        links.append(link)
        link.start()
        return link, posted

    yield begin
    for link in links:
        link.close()
