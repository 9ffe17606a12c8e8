# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of libvirt's calls a write of limits is; what a host's facts post."""

from __future__ import annotations

from typing import cast

import pytest

from vmconsole.inventory import deltas
from vmconsole.inventory.errors import (
    AuthenticationFailed,
    ConsoleError,
    DaemonMissing,
    LinkLost,
    NotPermitted,
    OutOfRange,
    Unsupported,
)
from vmconsole.inventory.facts import Host, HostState
from vmconsole.inventory.ids import HostId
from vmconsole.inventory.limits import CpuCap, LimitRef, LimitWrite, Value
from vmconsole.links.domain_rows import NodeFacts
from vmconsole.links.host_facts import HostFacts
from vmconsole.links.libvirt_link import Connection
from vmconsole.links.limit_calls import LimitSetter
from vmconsole.links.verbs import LibvirtVerbs
from vmconsole.metrics.delta import Delta
from vmconsole.quotas.memory_rows import UNLIMITED_KIB
from vmconsole.quotas.table import BY_KEY
from vmconsole.quotas.weights import behind_systemd

HOST = HostId("qemu+ssh://kvm1/system")


class OneGuest:
    """A connection that keeps what it was asked to set."""

    where = "kvm1"

    def __init__(self) -> None:
        self.asked: list[tuple[LimitSetter, bool]] = []

    def node(self) -> NodeFacts:
        return NodeFacts("kvm1", 4, 2**34, {})

    def cpu_map(self) -> tuple[bool, ...]:
        return (True,) * 4

    def set_limits(self, _uuid: str, setter: LimitSetter, *, stored: bool) -> None:
        self.asked.append((setter, stored))


def asked(write: LimitWrite, *, cap_parameter: str = "global") -> LimitSetter:
    guest = OneGuest()
    verbs = LibvirtVerbs(cast(Connection, guest), HOST, cap_parameter=cap_parameter)
    verbs.write_limits("a", write, stored=True)
    ((setter, stored),) = guest.asked
    assert stored
    return setter


def one(key: str, value: Value, target: str = "") -> LimitWrite:
    return LimitWrite(BY_KEY[key].call.name, target, ((LimitRef(key, target), value),))


@pytest.mark.parametrize(
    ("write", "method", "arguments"),
    [
        (one("guest_cap", CpuCap(50_000, 20_000)), "setSchedulerParametersFlags",
         ({"global_period": 50_000, "global_quota": 20_000},)),
        (one("guest_cap", None), "setSchedulerParametersFlags", ({"global_period": 100_000, "global_quota": -1},)),
        (one("vcpu_pin", "1-2", "3"), "pinVcpuFlags", (3, (False, True, True, False))),
        (one("vcpu_pin", None, "3"), "pinVcpuFlags", (3, (True,) * 4)),
        (one("emulator_pin", "0"), "pinEmulator", ((True, False, False, False),)),
        (one("iothread_pin", "0", "1"), "pinIOThread", (1, (True, False, False, False))),
        (one("memory_hard", None), "setMemoryParameters", ({"hard_limit": UNLIMITED_KIB},)),
        (one("memory_balloon", 65_536), "setMemoryFlags", (65_536,)),
        (one("vcpu_count", 2), "setVcpusFlags", (2,)),
        (one("numa_mode", "interleave"), "setNumaParameters", ({"numa_mode": 2},)),
        (one("block_weight", 200), "setBlkioParameters", ({"weight": 200},)),
        (one("device_read_iops", 5, "/dev/sda"), "setBlkioParameters", ({"device_read_iops_sec": "/dev/sda,5"},)),
        (one("device_read_iops", None, "/dev/sda"), "setBlkioParameters", ({"device_read_iops_sec": "/dev/sda,0"},)),
        (one("disk_total_bytes", 9, "vda"), "setBlockIoTune", ("vda", {"total_bytes_sec": 9})),
        (one("nic_in_average", 7, "52:54:00:00:00:01"), "setInterfaceParameters",
         ("52:54:00:00:00:01", {"inbound.average": 7})),
        (one("iothread_poll_max", 8, "1"), "setIOThreadParams", (1, {"poll_max_ns": 8})),
    ],
)  # fmt: skip
def test_a_write_is_one_call_of_libvirts(write: LimitWrite, method: str, arguments: tuple[object, ...]) -> None:
    setter = asked(write)
    assert (setter.method, setter.arguments) == (method, arguments)


def test_a_maximum_has_a_flag_of_its_own() -> None:
    assert asked(one("vcpu_max", 4)).flags == ("VIR_DOMAIN_VCPU_MAXIMUM",)
    assert asked(one("memory_max", 4)).flags == ("VIR_DOMAIN_MEM_MAXIMUM",)


def test_the_whole_guests_cap_has_another_name_where_guests_are_capped_as_one() -> None:
    setter = asked(one("guest_cap", CpuCap(100_000, 5_000)), cap_parameter="vcpu")
    assert setter.arguments == ({"vcpu_period": 100_000, "vcpu_quota": 5_000},)


@pytest.mark.parametrize("cap", [CpuCap(100_000, 999), CpuCap(999, 5_000), CpuCap(1_000_001, 5_000)])
@pytest.mark.parametrize("cap_parameter", ["global", "vcpu"])
def test_a_cap_that_no_kernel_takes_is_not_even_asked_for(cap: CpuCap, cap_parameter: str) -> None:
    """libvirt's LXC driver puts it into the stored definition, and the container does not start any more."""
    with pytest.raises(OutOfRange):
        asked(one("guest_cap", cap), cap_parameter=cap_parameter)


class WithGaps(OneGuest):
    """A host whose second threads are off: four CPUs of eight."""

    def cpu_map(self) -> tuple[bool, ...]:
        return (True, False) * 4


class Untold(OneGuest):
    def cpu_map(self) -> tuple[bool, ...]:
        raise Unsupported("This driver does not tell.")


@pytest.mark.parametrize(
    ("host", "value", "cpumap"),
    [
        (WithGaps, "4,6", (False, False, False, False, True, False, True, False)),
        (WithGaps, None, (True, False) * 4),
        (Untold, "1", (False, True, False, False)),
        (Untold, None, (True,) * 4),
    ],
)
def test_a_pinning_reaches_all_cpus_of_a_host_with_gaps(
    host: type[OneGuest], value: Value, cpumap: tuple[bool, ...]
) -> None:
    guest = host()
    LibvirtVerbs(cast(Connection, guest), HOST).write_limits("a", one("vcpu_pin", value, "0"), stored=False)
    ((setter, _),) = guest.asked
    assert setter.arguments == (0, cpumap)


class Squeezing(OneGuest):
    """A host whose systemd makes less of a disk weight."""

    def blkio(self, _uuid: str, *, stored: bool) -> dict[str, int | str]:
        assert not stored
        return {"weight": behind_systemd(cast(dict[str, int], self.asked[-1][0].arguments[0])["weight"])}


def test_a_disk_weight_is_widened_where_systemd_squeezes_it() -> None:
    guest = Squeezing()
    verbs = LibvirtVerbs(cast(Connection, guest), HOST)
    verbs.write_limits("a", one("block_weight", 300), stored=False)
    assert [setter.arguments for setter, _ in guest.asked] == [({"weight": 300},), ({"weight": 2300},)]
    assert guest.blkio("a", stored=False) == {"weight": 300}
    verbs.write_limits("a", one("block_weight", 90), stored=False)
    verbs.write_limits("a", one("block_weight", 300), stored=True)
    assert len(guest.asked) == 4, "nothing is squeezed below 100, nor in a stored definition"


class WithNetworks(OneGuest):
    def __init__(self, networks: list[str] | ConsoleError) -> None:
        super().__init__()
        self._networks = networks

    def capabilities(self) -> str:
        cells = "<cells><cell id='0'><cpus><cpu id='0'/></cpus></cell></cells>"
        return f"<capabilities><host><topology>{cells}</topology></host></capabilities>"

    def network_xml(self) -> list[str]:
        if isinstance(self._networks, ConsoleError):
            raise self._networks
        return self._networks


def test_a_host_tells_what_its_networks_can_promise() -> None:
    rated = "<network><name>b</name><bandwidth><inbound average='800'/></bandwidth></network>"
    found = LibvirtVerbs(cast(Connection, WithNetworks(["<network><name>a</name></network>", rated])), HOST)
    assert found.host_resources().network_rates == (("a", 0), ("b", 800))


@pytest.mark.parametrize("error", [Unsupported, DaemonMissing, NotPermitted, AuthenticationFailed])
def test_a_host_without_a_daemon_for_networks_is_as_good_as_before(error: type[ConsoleError]) -> None:
    found = LibvirtVerbs(cast(Connection, WithNetworks(error("No networks."))), HOST).host_resources()
    assert found.network_rates is None
    assert len(found.cpus) == 1


def test_a_link_that_is_lost_meanwhile_is_told() -> None:
    with pytest.raises(LinkLost):
        LibvirtVerbs(cast(Connection, WithNetworks(LinkLost("Gone."))), HOST).host_resources()


def test_facts_are_posted_when_they_differ_and_never_once_silenced() -> None:
    posted: list[Delta] = []
    facts = HostFacts(Host(HOST, "kvm1", since=1.0), posted.append, clock=lambda: 7.0)
    facts.change(name="kvm1")
    assert posted == []
    facts.change(cpus=4)
    facts.change(state=HostState.CONNECTED)
    hosts = [delta.host for delta in posted if isinstance(delta, deltas.HostSeen)]
    assert [(h.cpus, h.state, h.since) for h in hosts] == [
        (4, HostState.CONNECTING, 1.0),
        (4, HostState.CONNECTED, 7.0),
    ]
    facts.silence()
    facts.change(state=HostState.FAILED)
    facts.tell("late")
    assert len(posted) == 2
