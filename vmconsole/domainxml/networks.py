# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks: the rate that each has for its guests. Source: libvirt «Network XML format», Quality of service.
Pure; any thread.
"""

from __future__ import annotations

from lxml import etree

from vmconsole.inventory.errors import BadDescription


def network_rate(text: str) -> tuple[str, int]:
    """(name, the most kB/s that can be promised to its guests as floors): its inbound peak, else its average; 0 where
    it has no inbound rate (networkCheckBandwidth in libvirt's bridge_driver.c). Raises BadDescription."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(text.encode("utf-8", errors="surrogateescape"), parser)
    except etree.XMLSyntaxError as error:
        raise BadDescription("A network of the host is not well-formed XML.", said=str(error.msg)) from error
    inbound = root.find("bandwidth/inbound")
    told = [] if inbound is None else [inbound.get("peak", ""), inbound.get("average", "")]
    return root.findtext("name") or "", next((int(text) for text in told if text.isdecimal()), 0)
