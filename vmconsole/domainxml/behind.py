# SPDX-License-Identifier: GPL-3.0-or-later
"""What libvirt's XML says of the things that can be changed behind its back, and QEMU's names of the devices.

Sources: libvirt «Domain XML format» (Events configuration, Watchdog devices, Modifying virtual link state); libvirt
names QEMU's devices by the alias in the running XML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.quotas.behind import DOWN, UP

if TYPE_CHECKING:
    from lxml import etree


def known_values(root: etree._Element) -> dict[tuple[str, str], str]:
    """(act, part) → value, for every act that this guest can have; the part is a MAC, or empty."""
    found = {("on_reboot", ""): "shutdown" if root.findtext("on_reboot") == "destroy" else "reset"}
    watchdog = root.find("devices/watchdog")
    if watchdog is not None:
        found["watchdog_action", ""] = watchdog.get("action", "reset")
    for nic in root.iterfind("devices/interface"):
        mac, link = nic.find("mac"), nic.find("link")
        if mac is not None and _alias(nic):
            is_down = link is not None and link.get("state") == "down"
            found["nic_link", mac.get("address", "").lower()] = DOWN if is_down else UP
    return found


def device_of(root: etree._Element, part: str) -> str:
    """QEMU's name for the interface with that MAC; empty where there is none."""
    for nic in root.iterfind("devices/interface"):
        mac = nic.find("mac")
        if mac is not None and part and mac.get("address", "").lower() == part.lower():
            return _alias(nic)
    return ""


def _alias(device: etree._Element) -> str:
    found = device.find("alias")
    return "" if found is None else found.get("name", "")
