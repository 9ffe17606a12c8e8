# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract on real containers, over SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.contract import LinkContract, LinkWorld
from tests.links.other_drivers import CONTAINER, container, lxc_uri
from tests.links.recording import QuietSampler, Recorder
from vmconsole.links.host_link import HostLink
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.vmlab import LabHost
    from vmconsole.links.libvirt_link import LibvirtLoop


@pytest.mark.slow  # every test brings a container up: 100 s; the drivers' own tests on the lab start one, too
@pytest.mark.lab
class TestOnContainers(LinkContract):
    @pytest.fixture
    def world(self, lab_host: LabHost, event_loop: LibvirtLoop, run_dir: Path) -> Iterator[LinkWorld]:
        posted = Recorder()
        with container(lab_host):
            link = HostLink(
                parse_uri(lxc_uri(lab_host)), post=posted, event_loop=event_loop, run_dir=run_dir,
                make_sampler=lambda _shell, _host, _post, on_state: QuietSampler(on_state),
            )  # fmt: skip
            yield LinkWorld(link, posted, guest_name=CONTAINER)
            link.close()
