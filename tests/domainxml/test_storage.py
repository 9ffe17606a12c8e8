# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools and volumes as libvirt describes them."""

import pytest

from vmconsole.domainxml.storage import pool_folder, volume_of
from vmconsole.inventory.errors import BadDescription
from vmconsole.inventory.facts import Volume

VOLUME = """<volume type='{kind}'><name>web1.qcow2</name><key>k</key><capacity unit='{unit}'>{size}</capacity>
<target><path>{path}</path><format type='{format}'/></target></volume>"""


@pytest.mark.parametrize(
    ("kind", "folder"), [("dir", "/srv"), ("fs", "/srv"), ("netfs", "/srv"), ("logical", ""), ("rbd", "")]
)
def test_pools_of_files_have_a_folder(kind: str, folder: str) -> None:
    assert pool_folder(f"<pool type='{kind}'><name>p</name><target><path>/srv</path></target></pool>") == folder


def test_a_volume() -> None:
    text = VOLUME.format(kind="file", unit="KiB", size="4", path="/srv/web1.qcow2", format="qcow2")
    assert volume_of("p", text) == Volume("p", "web1.qcow2", "/srv/web1.qcow2", "qcow2", 4096)


def test_odd_volumes() -> None:
    network = VOLUME.format(kind="network", unit="parsec", size="x", path="rbd/web1", format="unknown")
    assert volume_of("p", network) == Volume("p", "web1.qcow2", "")
    assert volume_of("p", "<volume/>") == Volume("p", "", "")
    with pytest.raises(BadDescription):
        pool_folder("<pool")
