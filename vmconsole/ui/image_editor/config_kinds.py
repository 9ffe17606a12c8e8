# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of value a configuration node has, told from the value itself. Pure functions, any thread."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.images.tool_values import ConfigNode

_SWITCH = re.compile(r"yes|no|true|false|on|off|enabled?|disabled?", re.IGNORECASE)
_NUMBER = re.compile(r"-?(0x[0-9a-fA-F]+|\d+)(\.\d+)?")


def kind_of(node: ConfigNode) -> str:
    """``comment``, ``section``, ``switch``, ``number``, ``address``, ``path``, ``list entry`` or ``text``."""
    if node.is_comment:
        return "comment"
    if node.value is None:
        return "entry" if node.label.isdecimal() else "section"
    return kind_of_value(node.value)


def kind_of_value(value: str) -> str:
    if _SWITCH.fullmatch(value):
        return "switch"
    if _NUMBER.fullmatch(value):
        return "number"
    if value.startswith("/"):
        return "path"
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return "text"
    return "address"


def other_switch(value: str) -> str:
    """The opposite of a switch, spelled the same way."""
    pairs = (("yes", "no"), ("true", "false"), ("on", "off"), ("enabled", "disabled"), ("enable", "disable"))
    for pair in pairs:
        for one, other in (pair, pair[::-1]):
            if value.lower() == one:
                return other.upper() if value.isupper() else other.capitalize() if value[:1].isupper() else other
    return value
