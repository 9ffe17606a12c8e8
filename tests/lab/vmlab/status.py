# SPDX-License-Identifier: GPL-3.0-or-later
"""What is up, for people and for programs."""

from typing import TypedDict

from .errors import LabError
from .faults import current_cut
from .host import LabHost
from .lab import Lab


class GuestStatus(TypedDict):
    name: str
    state: str


class HostStatus(TypedDict):
    name: str
    uri: str
    address: str
    state: str  # up, starting or down
    daemons: dict[str, str]  # running, frozen or stopped; empty when the host is down
    cut: str | None
    guests: list[GuestStatus] | None  # None: libvirtd cannot be asked


class LabStatus(TypedDict):
    directory: str
    up: bool
    hosts: list[HostStatus]


def lab_status(lab: Lab) -> LabStatus:
    """All of it. Reads only, and waits for no hung daemon."""
    hosts = lab.hosts
    return {"directory": str(lab.directory), "up": bool(hosts), "hosts": [_host_status(host) for host in hosts]}


def _host_status(host: LabHost) -> HostStatus:
    status: HostStatus = {
        "name": host.name,
        "uri": host.uri,
        "address": host.address,
        "state": "up" if host.is_ready() else "starting" if host.pid() else "down",
        "daemons": {},
        "cut": current_cut(host),
        "guests": None,
    }
    if host.is_ready():
        states = host.daemons()
        status["daemons"] = {str(daemon): str(state) for daemon, state in states.items()}
        if states["libvirtd"] == "running":
            status["guests"] = _guests(host)
    return status


def _guests(host: LabHost) -> list[GuestStatus] | None:
    try:
        return [{"name": name, "state": state} for name, state in sorted(host.domains().items())]
    except LabError:  # busy beyond its time limit: the rest of the status is still worth having
        return None


def status_lines(status: LabStatus) -> list[str]:
    """The same in words, one line per host."""
    if not status["up"]:
        return [f"no lab is up in {status['directory']}"]
    return [_line(host) for host in status["hosts"]]


def _line(host: HostStatus) -> str:
    words = [f"{host['name']} {host['state']} {host['address']}"]
    words += [f"{daemon} {state}" for daemon, state in host["daemons"].items() if state != "running"]
    if host["cut"]:
        words.append(f"network cut ({host['cut']})")
    if host["guests"] is not None:
        words.append("guests: " + ", ".join(f"{guest['name']} {guest['state']}" for guest in host["guests"]))
    return " · ".join(words)
