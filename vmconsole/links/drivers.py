# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's drivers cannot do, as data, so that it can be greyed with its reason before it is tried.

Only what was tried (QEMU, LXC, the test driver) or stands in libvirt's «API support matrix» (Xen) is listed: an act
that another driver does not know is answered by that driver itself. Pure data and rules; any thread.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from vmconsole.inventory.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmconsole.inventory.errors import Explanation
    from vmconsole.inventory.topology import HostResources
    from vmconsole.links.uri import ConnectionUri

GUEST_CAP = "guest-cap"
"""The CPU cap of a whole guest."""
IMAGES = "images"
"""Editing the disks' contents."""
LIFECYCLE = frozenset({"run", "pause", "resume", "shut-down", "reboot", "force-off"})
ACTS = LIFECYCLE | {GUEST_CAP, IMAGES}
"""All that a driver may lack; the lifecycle's are those of the window's actions."""

NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_CAP = "libvirt has no CPU cap for guests of {title}."


@dataclass(frozen=True, slots=True)
class Driver:
    """One driver of libvirt's."""

    title: str
    """For people."""
    has_cgroups: bool = False
    """Whether its guests are processes on the host with cgroups of their own, which the sampler can find."""
    lacks: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    """Act → why it cannot be done."""
    cap_parameter: str = "global"
    """As in ``inventory.facts.Host``."""


def _driver(title: str, **lacks: str) -> Driver:
    """One that has no cap for a whole guest."""
    reasons = {act.replace("_", "-"): reason for act, reason in lacks.items()}
    return Driver(title, lacks=MappingProxyType({GUEST_CAP: _NO_CAP.format(title=title), **reasons}))


DRIVERS: Mapping[str, Driver] = MappingProxyType(
    {
        "qemu": Driver("QEMU", has_cgroups=True),
        "lxc": Driver(
            "LXC", has_cgroups=True, cap_parameter="vcpu",
            lacks=MappingProxyType({
                IMAGES: "A container has a folder of the host in place of a disk image.",
            }),
        ),
        "xen": _driver(
            "Xen", guest_cap="Xen caps guests by its own scheduler (`xl sched-credit`), which is not set from here.",
        ),
        "test": _driver(
            "libvirt's test driver",
            images="The test driver's guests are made up: their disks do not exist.",
        ),
        "ch": _driver("Cloud Hypervisor"),
        "bhyve": _driver("bhyve"),
        "vbox": _driver("VirtualBox"),
        "vz": _driver("Virtuozzo"),
        "openvz": _driver("OpenVZ"),
        "esx": _driver("VMware ESX"),
        "vpx": _driver("VMware vCenter"),
        "gsx": _driver("VMware GSX"),
        "hyperv": _driver("Hyper-V"),
        "vmwareplayer": _driver("VMware Player"),
        "vmwarews": _driver("VMware Workstation"),
        "vmwarefusion": _driver("VMware Fusion"),
    }
)  # fmt: skip

MARKS: Mapping[str, str] = MappingProxyType({"test": "test"})
"""What stands behind a host's name in place of the driver's title."""


def not_encrypted() -> Explanation:
    """What is to be known of a connection over plain TCP."""
    return catalogue().own("host-not-encrypted")


def driver_of(uri: ConnectionUri) -> Driver:
    """By the address: it is known before anything is connected."""
    return DRIVERS[uri.driver]


def marked(name: str, uri: ConnectionUri) -> str:
    """The host's name for the list: a host may be there twice, for its virtual machines and for its containers."""
    if uri.driver == "qemu":
        return f"{name} (session)" if uri.path == "/session" else name
    return f"{name} ({MARKS.get(uri.driver, driver_of(uri).title)})"


def sampled_guests(uri: ConnectionUri) -> str:
    """Whose guests the sampler is to find behind this address, as ``make_sampler`` takes it."""
    if uri.driver == "lxc":
        return "lxc"
    return "session" if uri.path == "/session" else "system"


def held_by(resources: HostResources, uri: ConnectionUri) -> HostResources:
    """What of the host guests behind this address are held by: those of a user's session have no cgroups."""
    if driver_of(uri).has_cgroups and uri.path != "/session":
        return resources
    return dataclasses.replace(resources, controllers=frozenset())


def why_no_cgroups(uri: ConnectionUri, *, has_shell: bool) -> Explanation | None:
    """Why no figures are read from cgroups behind this address; None where they are."""
    driver = driver_of(uri)
    if not driver.has_cgroups:
        return catalogue().own("figures-no-cgroup-driver", driver=driver.title)
    if not has_shell:
        return catalogue().own("figures-no-shell", scheme=uri.driver)
    return None
