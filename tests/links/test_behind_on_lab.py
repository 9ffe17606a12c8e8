# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes behind libvirt's back are felt inside the guest, leave libvirt's definition alone, and taint the guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.waiting import wait_until
from vmconsole.inventory.errors import Unsupported
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.links.libvirt_link import Connection
from vmconsole.links.verbs import LibvirtVerbs
from vmconsole.operations.behind import ChangeBehind

if TYPE_CHECKING:
    from tests.lab.vmlab import LabHost

pytestmark = pytest.mark.lab
BOOTED_S = 90


def test_a_pulled_cable_is_seen_in_the_guest_and_plugged_in_again(lab_host: LabHost) -> None:
    name = lab_host.guests[0]
    lab_host.wait_for_agent(name)
    host = HostId(lab_host.uri)
    connection = Connection.open(lab_host.uri, where=lab_host.name, keep_alive=False)
    try:
        verbs = LibvirtVerbs(connection, host)
        uuid = lab_host.virsh("domuuid", name).strip()
        before = lab_host.virsh("dumpxml", "--inactive", name)
        mac = verbs.describe_guest(uuid).interfaces[0].mac
        pull = ChangeBehind(GuestId(host, uuid), name, "nic_link", mac, "down", before="up")
        done = pull.run(verbs)
        wait_until(lambda: carrier(lab_host, name) == "0", within_s=BOOTED_S, what="the guest sees no cable")
        assert any("monitor" in text for text in done.deltas[0].guest.taints)
        done.undo.run(verbs)
        wait_until(lambda: carrier(lab_host, name) == "1", within_s=BOOTED_S, what="the guest sees its cable again")
        assert lab_host.virsh("dumpxml", "--inactive", name) == before
        with pytest.raises(Unsupported, match="known to be safe"):
            connection.qmp(uuid, "quit", {})
        assert lab_host.virsh("domstate", name).strip() == "running"
    finally:
        connection.close()


def carrier(host: LabHost, guest: str) -> str:
    return host.guest(guest, "cat /sys/class/net/eth0/carrier").strip()
