# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network with a rate of its own keeps free for a guest: given to a running guest and for the next boot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.links.limits_bench import Bench
from vmconsole.inventory.errors import OutOfRange
from vmconsole.inventory.limits import LimitRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.v2 import V2Host
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]

NETWORK = """\
<network><name>rated</name><bridge name='rated0'/><ip address='192.168.77.1' netmask='255.255.255.0'/>
<bandwidth><inbound average='4000' peak='5000'/></bandwidth></network>"""


@pytest.fixture(scope="module")
def bench(v2_machine: V2Host, event_loop: LibvirtLoop) -> Iterator[Bench]:
    """A running guest «floored» on a network with an inbound rate of 4 MB/s, 5 MB/s at most."""
    v2_machine.repair()
    v2_machine.exec("virsh", "net-create", "/dev/stdin", stdin=NETWORK)
    text = v2_machine.virsh("dumpxml", "--inactive", v2_machine.off_guest)
    text = re.sub(r"<uuid>.*?</uuid>", "", text).replace("network='default'", "network='rated'")
    text = text.replace(f"<name>{v2_machine.off_guest}</name>", "<name>floored</name>")
    v2_machine.exec("virsh", "define", "/dev/stdin", stdin=re.sub(r"<mac address='.*?'/>", "", text))
    v2_machine.virsh("start", "floored", timeout_s=240)
    made = Bench(v2_machine, event_loop, "floored")
    made.start(within_s=180)
    yield made
    made.close()
    v2_machine.exec("sh", "-c", "virsh destroy floored; virsh undefine floored; virsh net-destroy rated")


def mac_of(bench: Bench) -> str:
    return bench.guest().interfaces[0].mac


def floors(bench: Bench) -> list[str]:
    """The rates that the network's bridge keeps free for single guests: the classes below 1:1 but that of the rest."""
    lines = bench.host.exec("tc", "class", "show", "dev", "rated0").stdout.splitlines()
    found = [re.search(r"class htb 1:(\d+) parent 1:1 .*?\brate (\S+) ", line) for line in lines]
    return [one[2] for one in found if one and one[1] != "2"]


def test_the_host_tells_what_its_networks_can_promise(bench: Bench) -> None:
    assert dict(bench.facts.resources.network_rates or ()) == {"default": 0, "rated": 5000}


def test_a_running_guest_is_given_a_floor_and_loses_it(bench: Bench) -> None:
    ref = LimitRef("nic_in_floor", mac_of(bench))
    assert floors(bench) == []
    outcome = bench.change(live={ref: 2000})
    assert floors(bench) == ["16Mbit"], outcome.note
    live = bench.guest().live
    assert live is not None
    assert live[ref] == 2000
    more = bench.change(live={ref: 3000})
    assert floors(bench) == ["24Mbit"], more.note
    for done, left in ((more, ["16Mbit"]), (outcome, [])):
        assert done.undo is not None
        bench.run(done.undo)
        assert floors(bench) == left


def test_a_floor_holds_at_the_next_boot(bench: Bench) -> None:
    ref, text = LimitRef("nic_in_floor", mac_of(bench)), bench.definition()
    outcome = bench.change(stored={ref: 5000})
    bench.host.virsh("destroy", bench.name)
    bench.host.virsh("start", bench.name, timeout_s=240)
    assert floors(bench) == ["40Mbit"]
    assert outcome.undo is not None
    bench.run(outcome.undo)
    assert bench.definition() == text


def test_more_than_the_network_has_keeps_a_guest_from_starting_and_is_refused(bench: Bench) -> None:
    mac = mac_of(bench)
    with pytest.raises(OutOfRange, match="more than the network's"):
        bench.change(stored={LimitRef("nic_in_floor", mac): 5001})
    bench.host.virsh("destroy", bench.name)
    bench.host.virsh("domiftune", bench.name, mac, "--config", "--inbound", "0,0,0,5001")
    said = bench.host.exec("virsh", "start", bench.name, check=False, timeout_s=240)
    assert said.returncode != 0
    assert "would overcommit" in said.stderr, said.stderr
    bench.host.virsh("domiftune", bench.name, mac, "--config", "--inbound", "0")
