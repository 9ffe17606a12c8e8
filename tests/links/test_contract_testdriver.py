# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract on libvirt's own test driver: the real library, without a host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.contract import LinkContract, LinkWorld
from tests.links.recording import QuietSampler, Recorder
from vmconsole.inventory.errors import OperationRefused
from vmconsole.links.host_link import HostLink
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmconsole.links.libvirt_link import LibvirtLoop


class TestOnTestDriver(LinkContract):
    @pytest.fixture
    def world(self, event_loop: LibvirtLoop, run_dir: Path) -> Iterator[LinkWorld]:
        posted = Recorder()
        link = HostLink(
            parse_uri("test:///default"), post=posted, event_loop=event_loop, run_dir=run_dir,
            make_sampler=lambda _shell, _host, _post, on_state: QuietSampler(on_state),
        )  # fmt: skip
        yield LinkWorld(link, posted, guest_name="test", has_caps=False)
        link.close()

    def test_there_is_no_shell_and_it_says_so(self, world: LinkWorld) -> None:
        world.connect()
        host = world.posted.host_that(lambda h: h.figures_reason is not None)
        assert not host.has_shell
        assert world.link.shell() is None
        assert host.figures_reason is not None
        assert "SSH" in host.figures_reason.cause

    def test_the_hypervisor_is_named_where_it_is_not_qemu(self, world: LinkWorld) -> None:
        world.connect()
        assert world.posted.host_that(lambda h: "qemu" in h.versions).versions["qemu"].startswith("TEST ")

    def test_its_storage_pool_has_a_folder(self, world: LinkWorld) -> None:
        world.connect()
        asked = world.link.submit(lambda verbs: (verbs.pool_folders(), verbs.pool_volumes()), deadline_s=10)
        assert asked.result(timeout=15) == (("/default-pool",), ())
        gone = world.link.submit(lambda verbs: verbs.volume_path("default-pool", "gone"), deadline_s=10)
        assert isinstance(gone.exception(timeout=15), OperationRefused)
