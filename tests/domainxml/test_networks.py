# SPDX-License-Identifier: GPL-3.0-or-later
"""The rate that a network of libvirt's has for its guests."""

from __future__ import annotations

import pytest

from vmconsole.domainxml.networks import network_rate
from vmconsole.inventory.errors import BadDescription


@pytest.mark.parametrize(
    ("inside", "rate"),
    [
        ("", 0),
        ("<bandwidth/>", 0),
        ("<bandwidth><outbound average='9'/></bandwidth>", 0),
        ("<bandwidth><inbound average='1000' burst='64'/></bandwidth>", 1000),
        ("<bandwidth><inbound average='1000' peak='5000'/></bandwidth>", 5000),
        ("<portgroup name='a'><bandwidth><inbound average='7'/></bandwidth></portgroup>", 0),
        ("<bandwidth><inbound average='many'/></bandwidth>", 0),
    ],
)
def test_the_most_that_can_be_promised(inside: str, rate: int) -> None:
    assert network_rate(f"<network><name>büro</name>{inside}</network>") == ("büro", rate)


def test_what_is_no_xml_is_said() -> None:
    with pytest.raises(BadDescription):
        network_rate("<network>")
