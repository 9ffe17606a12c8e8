# SPDX-License-Identifier: GPL-3.0-or-later
"""The wires: one bridge per lab on the machine, one veth pair per host, addresses nobody else uses.

Nothing else of the machine's network is changed: no forwarding, no firewall rule, no sysctl.
"""

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from .errors import LabError
from .processes import ProcessId, run

POOL = IPv4Network("10.213.0.0/16")  # a /24 of it for each lab
FIRST_HOST = 10  # kvm1 is .11


@dataclass(frozen=True, slots=True)
class Wiring:
    """How one lab is wired. `lab` is its name, which all its interfaces begin with."""

    lab: str
    subnet: IPv4Network

    @property
    def bridge(self) -> str:
        return f"{self.lab}-br"

    @property
    def gateway(self) -> IPv4Address:
        return self.subnet[1]

    def address(self, number: int) -> IPv4Address:
        """The address of host `number`."""
        return self.subnet[FIRST_HOST + number]

    def outer_link(self, number: int) -> str:
        """The machine's end of the wire to host `number`; the host's own end is its eth0."""
        return f"{self.lab}-{number}"

    def mac(self, number: int) -> str:
        """The same for each boot of a host: else the machine's ARP table keeps the old one for a while."""
        return f"02:56:4d:{self.subnet.network_address.packed[2]:02x}:00:{number:02x}"


@contextlib.contextmanager
def only_one_chooses(*, timeout_s: float = 20) -> Iterator[None]:
    """Hold while choosing a subnet, so that two labs that start together choose two.

    The lock is an abstract unix socket: it belongs to the network namespace and vanishes with its holder.
    """
    with socket.socket(socket.AF_UNIX) as lock:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                lock.bind("\0vmlab-choose-subnet")
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise LabError("another lab has been choosing its subnet for too long; end it first") from error
                time.sleep(0.05)
        yield


def free_subnet() -> IPv4Network:
    """A /24 that no address and no route of this machine touches."""
    routes = json.loads(run(["ip", "-4", "-json", "route", "show", "table", "all"]).stdout or "[]")
    texts = [str(route.get("dst", "default")) for route in routes]
    taken = [IPv4Network(text, strict=False) for text in texts if text != "default"]
    for candidate in POOL.subnets(new_prefix=24):
        if not any(candidate.overlaps(other) for other in taken if other.prefixlen > 0):
            return candidate
    raise LabError(f"no free subnet left in {POOL}: every part of it has a route on this machine")


def has_bridge(lab: str) -> bool:
    """Whether the bridge of the lab named `lab` is there."""
    return os.path.exists(f"/sys/class/net/{lab}-br")


def make_bridge(wiring: Wiring) -> None:
    """The bridge with the machine's own address on it; no error when it is there already."""
    if has_bridge(wiring.lab):
        return
    made = run(["ip", "link", "add", wiring.bridge, "type", "bridge"], check=False)
    if made.returncode != 0:
        raise LabError(
            f"cannot make a network bridge here: {made.stderr.strip()}. The lab needs a kernel with bridges."
        )
    run(["ip", "address", "add", f"{wiring.gateway}/24", "dev", wiring.bridge])
    run(["ip", "link", "set", wiring.bridge, "up"])


def plug_in(wiring: Wiring, number: int, pid: ProcessId) -> None:
    """Give the new host `number`, whose pid 1 is `pid`, its eth0."""
    link = wiring.outer_link(number)
    run(["ip", "link", "delete", link], check=False)  # of the boot before
    peer = ["peer", "name", "eth0", "address", wiring.mac(number), "netns", str(pid.pid)]
    run(["ip", "link", "add", link, "type", "veth", *peer])
    run(["ip", "link", "set", link, "master", wiring.bridge, "up"])


def set_carrier(wiring: Wiring, number: int, state: str) -> None:
    """Pull the plug of host `number` ("down") or put it back ("up")."""
    run(["ip", "link", "set", wiring.outer_link(number), state])


def remove_links(lab: str) -> None:
    """Remove every interface of the lab named `lab` from the machine."""
    pattern = re.compile(rf"{re.escape(lab)}-(br|\d+)")
    for link in json.loads(run(["ip", "-json", "link", "show"]).stdout or "[]"):
        if pattern.fullmatch(str(link.get("ifname", ""))):
            run(["ip", "link", "delete", str(link["ifname"])], check=False)  # its host may be taking it away just now
