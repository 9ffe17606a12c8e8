# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of network interfaces. Source: libvirt «Domain XML format», Quality of service; virnetdevbandwidth.c."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.inventory.limits import LimitRef
from vmconsole.quotas.problems import Problem
from vmconsole.quotas.rows import Place
from vmconsole.quotas.table import BY_KEY
from vmconsole.quotas.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.inventory.limits import Limits
    from vmconsole.quotas.situation import Situation

_SHAPED = frozenset({"network", "bridge", "direct", "ethernet"})
"""Kinds of interfaces that have a tap or a macvtap of their own."""


def interfaces_can(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    kinds = {interface.mac: interface.kind for interface in situation.guest.interfaces}
    for ref in limits.values:
        if not ref.key.startswith("nic_") or ref.target not in kinds:
            continue
        kind = kinds[ref.target]
        if kind not in _SHAPED:
            yield Problem(ref, f"An interface of type {kind} cannot be limited.", "It has no device on the host.",
                          "Connect it to a bridge or a network.")  # fmt: skip
        elif ref.key == "nic_in_floor" and kind != "network":
            yield Problem(ref, f"An interface of type {kind} has no floor.",
                          "Only a network of libvirt's with a rate of its own can keep some of it free.",
                          "Take the floor away.")  # fmt: skip
        elif ref.key == "nic_in_floor":
            yield from _floor(limits, situation, ref)


def _floor(limits: Limits, situation: Situation, ref: LimitRef) -> Iterator[Problem]:
    """What libvirt's network driver asks when such a guest starts (bridge_driver.c, networkCheckBandwidth)."""
    network = next(one.source for one in situation.guest.interfaces if one.mac == ref.target)
    floor, rates = limits.number(ref.key, ref.target), situation.resources.network_rates
    if rates is None and not _has_floor(situation, ref):
        yield Problem(ref, "A floor can be changed here, but not given.",
                      "A guest with a floor on a network without an inbound rate of its own does not start, and "
                      "whether it has one is not known here.", "Give it by hand first.")  # fmt: skip
    if rates is None or floor is None:
        return
    most = dict(rates).get(network)
    if most is None:
        yield Problem(ref, f"The network {network} is not active.", "Whether it can keep a rate free is not known.",
                      "Start the network, then look again.")  # fmt: skip
    elif most == 0:
        yield Problem(ref, f"The network {network} has no inbound rate of its own.",
                      "Only of such a rate can something be kept free: a guest with a floor would not start.",
                      f"Give it one (virsh net-edit {network}: <bandwidth><inbound average='…'/></bandwidth>), start "
                      "the network anew and look again, or take the floor away.")  # fmt: skip
    elif floor > most:
        row = BY_KEY[ref.key]
        yield Problem(ref, f"A floor of {shown(row, floor)} is more than the network's {shown(row, most)}.",
                      f"The network {network} cannot promise more than it has, to all its guests together.",
                      f"Choose {shown(row, most)} or less.")  # fmt: skip


def _has_floor(situation: Situation, ref: LimitRef) -> bool:
    found = (situation.limits(place) for place in Place)
    return any(limits is not None and limits[ref] is not None for limits in found)


def bursts_have_an_average(limits: Limits, situation: Situation, _: Place) -> Iterator[Problem]:
    for interface in situation.guest.interfaces:
        for way in ("in", "out"):
            average = limits.number(f"nic_{way}_average", interface.mac)
            peak = limits.number(f"nic_{way}_peak", interface.mac)
            for what in ("peak", "burst"):
                ref = LimitRef(f"nic_{way}_{what}", interface.mac)
                if limits[ref] is not None and average is None:
                    yield Problem(ref, f"{BY_KEY[ref.key].title} of {interface.mac} is set without an average.",
                                  "libvirt does not start such a guest.", "Set the average as well.")  # fmt: skip
            if peak is not None and average is not None and peak < average:
                yield Problem(LimitRef(f"nic_{way}_peak", interface.mac),
                              f"The peak of {interface.mac} is below its average.", "It would never be reached.",
                              "Choose a peak of the average or more.")  # fmt: skip


def outbound_peaks_do_nothing(limits: Limits, _: Situation, __: Place) -> Iterator[Problem]:
    """virNetDevBandwidthSet polices what a guest sends with its average and burst alone; seen on a real host."""
    for ref in limits.values:
        if ref.key == "nic_out_peak":
            yield Problem(ref, f"The outbound peak of {ref.target} does nothing.",
                          "libvirt holds what a guest sends to its average.", "Set the average.",
                          is_fatal=False)  # fmt: skip


RULES = (interfaces_can, bursts_have_an_average, outbound_peaks_do_nothing)
