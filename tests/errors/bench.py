# SPDX-License-Identifier: GPL-3.0-or-later
"""What provocations use: the host, libvirt's own objects on it, and short ways to write definitions."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import libvirt

from vmconsole.inventory.errors import ConsoleError, Explanation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.vmlab import LabHost
    from vmconsole.links.libvirt_link import Connection

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
CONFIG = libvirt.VIR_DOMAIN_AFFECT_CONFIG
IMAGES = "/var/lib/libvirt/images"
NAME = "provoked"


@dataclass(frozen=True)
class Bench:
    host: LabHost
    connection: Connection

    def provoke(self, act: Callable[[Bench], object]) -> Explanation:
        """What the console would show: the call is made inside the connection's own translation."""
        try:
            with self.connection._call("do it"):
                act(self)
        except ConsoleError as error:
            return error.explanation
        raise AssertionError("nothing failed")

    @property
    def raw(self) -> Any:
        return self.connection._raw

    @property
    def running(self) -> Any:
        return self.raw.lookupByName(self.host.guests[0])

    @property
    def off(self) -> Any:
        return self.raw.lookupByName(self.host.off_guest)

    @property
    def mac(self) -> str:
        return re.search(r"mac address='([^']+)'", self.running.XMLDesc()).group(1)  # type: ignore[union-attr]  # it has one

    def start(self, **parts: str) -> None:
        """Start a transient guest; if that works it is ended again."""
        self.raw.createXML(domain(**parts)).destroy()

    def define(self, **parts: str) -> None:
        self.raw.defineXML(domain(**parts)).undefine()

    @contextlib.contextmanager
    def transient(self, **parts: str) -> Iterator[Any]:
        """A paused guest without disks, agent or screen."""
        guest = self.raw.createXML(domain(**parts), libvirt.VIR_DOMAIN_START_PAUSED)
        try:
            yield guest
        finally:
            guest.destroy()

    @contextlib.contextmanager
    def pool(self, kind: str, source: str = "", path: str = "/srv/provoked") -> Iterator[Any]:
        made = self.raw.storagePoolDefineXML(
            f"<pool type='{kind}'><name>{NAME}</name>{source}<target><path>{path}</path></target></pool>"
        )
        try:
            yield made
        finally:
            made.undefine()

    @contextlib.contextmanager
    def network(self, inner: str = "") -> Iterator[Any]:
        made = self.raw.networkDefineXML(f"<network><name>{NAME}</name>{inner}</network>")
        try:
            yield made
        finally:
            made.undefine()


def domain(
    *, name: str = NAME, devices: str = "", vcpu: str = "<vcpu>1</vcpu>", top: str = "", mib: str = "64",
    boot: str = "<type arch='x86_64' machine='q35'>hvm</type>", kind: str = "qemu", uuid: str = "",
    emulator: str = "", firmware: str = "",
) -> str:  # fmt: skip
    return (
        f"<domain type='{kind}'><name>{name}</name>{uuid}<memory unit='MiB'>{mib}</memory>{vcpu}"
        f"<os{firmware}>{boot}</os>{top}<devices>{emulator}{devices}</devices></domain>"
    )


def disk(file: str, *, target: str = "vda", bus: str = "virtio", kind: str = "qcow2", extra: str = "") -> str:
    return (
        f"<disk type='file'><driver name='qemu' type='{kind}'{extra}/><source file='{file}'/>"
        f"<target dev='{target}' bus='{bus}'/></disk>"
    )


def nic(network: str = "default", *, model: str = "virtio", mac: str = "") -> str:
    address = f"<mac address='{mac}'/>" if mac else ""
    return f"<interface type='network'>{address}<source network='{network}'/><model type='{model}'/></interface>"


def volume(name: str, *, mib: int = 1, allocated_mib: int = 0, kind: str = "qcow2") -> str:
    return (
        f"<volume><name>{name}</name><capacity unit='MiB'>{mib}</capacity>"
        f"<allocation unit='MiB'>{allocated_mib}</allocation><target><format type='{kind}'/></target></volume>"
    )
