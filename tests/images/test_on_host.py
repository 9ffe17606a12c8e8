# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes become paths, and the pools' folders are where backing files may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from vmconsole.images.messages import ImageSource
from vmconsole.images.on_host import located, paths_of
from vmconsole.inventory.errors import OperationRefused

if TYPE_CHECKING:
    from vmconsole.links.base import HostVerbs


class Host:
    def volume_path(self, pool: str, volume: str) -> str:
        if (pool, volume) != ("fast", "a/b.qcow2"):
            raise OperationRefused("There is no such volume.")
        return "/srv/fast/a/b.qcow2"

    def pool_folders(self) -> tuple[str, ...]:
        return ("/srv/fast",)


HOST = cast("HostVerbs", Host())


def test_a_volume_and_a_path_of_one_guest() -> None:
    source = ImageSource("fast/a/b.qcow2", "qcow2", target="vda", more=(ImageSource("/srv/c.raw", target="vdb"),))
    found = located(HOST, source)
    assert paths_of(found) == ("/srv/fast/a/b.qcow2", "/srv/c.raw")
    assert [d.target for d in found.disks] == ["vda", "vdb"]
    assert all(d.backing_folders == ("/srv/fast",) for d in found.disks)


def test_a_volume_that_is_gone() -> None:
    with pytest.raises(OperationRefused):
        located(HOST, ImageSource("slow/x"))
