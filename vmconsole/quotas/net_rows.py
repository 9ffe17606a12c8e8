# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of the table of limits: network interfaces. Plain data, any thread."""

from __future__ import annotations

from vmconsole.quotas.rows import Call, Kind, LimitRow, Range, Scope

NETWORK = "Network"
_SOURCE = "libvirt: Network XML format, Quality of service; tc-htb(8)"
_RATE = Range(1, 2**32 - 1)
_BURST = Range(1, (2**32 - 1) // 1024)
"""tc counts a burst in bytes, in 32 bits (tc_util.c, get_size): a guest with more does not start."""
_WAYS = {"in": ("inbound", "to the guest"), "out": ("outbound", "from the guest")}


def _nic(way: str, what: str, meaning: str, kind: Kind = Kind.KB_PER_S) -> LimitRow:
    bound, _ = _WAYS[way]
    found = _BURST if what == "burst" else _RATE
    proof = "tc -s class show dev TAP" if way == "in" else "tc filter show dev TAP ingress"
    return LimitRow(
        f"nic_{way}_{what}", f"{bound.capitalize()} {what}", NETWORK, Scope.NIC, kind, kind.value, Call.INTERFACE,
        f"{bound}.{what}", meaning, _SOURCE, v1=found, v2=found, proof_v1=proof, proof_v2=proof,
    )  # fmt: skip


ROWS: tuple[LimitRow, ...] = tuple(
    row
    for way, (_, direction) in _WAYS.items()
    for row in (
        _nic(way, "average", f"The rate that traffic {direction} is held to over time."),
        _nic(way, "peak", f"The most that traffic {direction} may reach while a burst lasts."),
        _nic(way, "burst", f"How much traffic {direction} may pass at the peak rate at once.", Kind.KIB),
        *(
            (_nic(way, "floor", "What is kept free for this guest, on a network that has a rate of its own."),)
            if way == "in"
            else ()
        ),
    )
)
