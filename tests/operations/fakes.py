# SPDX-License-Identifier: GPL-3.0-or-later
"""A host small enough to be read in one look: guests in a dict, each verb changes it or fails as the test says."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from vmconsole.domainxml.limit_edits import with_limits
from vmconsole.domainxml.reading import DomainDescription
from vmconsole.inventory.errors import LinkLost, NoSuchDomain
from vmconsole.inventory.facts import Guest, GuestState, Host, HostState
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.inventory.limits import CpuCap, LimitRef, Limits, LimitWrite
from vmconsole.inventory.topology import NO_RESOURCES, HostResources
from vmconsole.quotas.proofs import as_text
from vmconsole.quotas.situation import Situation
from vmconsole.quotas.table import row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.links.base import Shell

HOST = HostId("qemu+ssh://root@node1/system")
OTHER = HostId("qemu+ssh://root@node2/system")


def a_guest(
    name: str = "web1", *, host: HostId = HOST, state: GuestState = GuestState.RUNNING, vcpus: int = 4
) -> Guest:
    limits = Limits()
    return Guest(
        GuestId(host, f"uuid-{name}"),
        name,
        state,
        vcpus=vcpus,
        described=True,
        live=limits if state.has_process else None,
        stored=limits,
    )


def situation_of(guest: Guest, *, layout: str = "v1", resources: HostResources = NO_RESOURCES) -> Situation:
    """The guest on a host of eight CPUs."""
    host = Host(
        guest.id.host, "node1", state=HostState.CONNECTED, cpus=8, cgroup_layout=layout, resources=resources,
        has_shell=True,
    )  # fmt: skip
    return Situation(host, guest)


class FakeVerbs:
    """``fail`` maps a verb to the error it raises; ``calls`` is what was asked, in order."""

    def __init__(self, *guests: Guest) -> None:
        self.guests = {guest.id.uuid: guest for guest in guests}
        self.calls: list[tuple[object, ...]] = []
        self.fail: dict[str, Exception] = {}
        self.quota_step_us = 1
        self.memory_kib: int | None = None
        self.ignores: frozenset[str] = frozenset()
        self.files: dict[LimitRef, str] = {}

    def _change(self, verb: str, uuid: str, **changes: object) -> None:
        self.calls.append((verb, uuid))
        if verb in self.fail:
            raise self.fail[verb]
        if uuid not in self.guests:
            raise NoSuchDomain(f"No guest {uuid}.")
        self.guests[uuid] = dataclasses.replace(self.guests[uuid], **changes)

    def start_guest(self, uuid: str) -> None:
        self._change("start", uuid, state=GuestState.RUNNING, live=self.guests[uuid].stored)

    def shut_down_guest(self, uuid: str) -> None:
        self._change("shut_down", uuid)

    def reboot_guest(self, uuid: str) -> None:
        self._change("reboot", uuid)

    def pause_guest(self, uuid: str) -> None:
        self._change("pause", uuid, state=GuestState.PAUSED)

    def resume_guest(self, uuid: str) -> None:
        self._change("resume", uuid, state=GuestState.RUNNING)

    def force_off_guest(self, uuid: str) -> None:
        self._change("force_off", uuid, state=GuestState.SHUT_OFF, live=None)
        if not self.guests[uuid].persistent:
            del self.guests[uuid]

    def write_limits(self, uuid: str, write: LimitWrite, *, stored: bool) -> None:
        self.calls.append(("write_limits", uuid, dict(write.values), stored))
        self._may("set_stored" if stored else "set_live")
        changes = {
            ref: self._rounded(value) if isinstance(value, CpuCap) else value
            for ref, value in write.values
            if ref.key not in self.ignores
        }
        guest = self.guests[uuid]
        if stored:
            guest = dataclasses.replace(guest, stored=(guest.stored or Limits()).changed(changes))
        else:
            guest = dataclasses.replace(guest, live=(guest.live or Limits()).changed(changes))
        self.guests[uuid] = guest

    def _may(self, verb: str) -> None:
        if verb in self.fail:
            raise self.fail[verb]

    def _rounded(self, cap: CpuCap) -> CpuCap:
        if cap.quota_us is None:
            return cap
        return CpuCap(cap.period_us, cap.quota_us // self.quota_step_us * self.quota_step_us)

    def memory_used_kib(self, uuid: str) -> int | None:
        return self.memory_kib

    def limit_proofs(self, uuid: str, refs: Sequence[LimitRef]) -> dict[LimitRef, str]:
        """As the host's files would be, or as ``files`` says."""
        situation = situation_of(self.guests[uuid])
        live = self.guests[uuid].live or Limits()
        return {ref: as_text(row_of(ref), live[ref], situation) for ref in refs} | self.files

    def stored_xml(self, uuid: str) -> str:
        return with_limits("<domain><name>web1</name></domain>", (self.guests[uuid].stored or Limits()).values)

    def define(self, uuid: str, xml: str) -> None:
        self.calls.append(("define", uuid))
        self._may("define")
        self.guests[uuid] = dataclasses.replace(self.guests[uuid], stored=DomainDescription(xml).limits())

    def host_resources(self) -> HostResources:
        return NO_RESOURCES

    def describe_guest(self, uuid: str) -> Guest:
        self.calls.append(("describe", uuid))
        if "describe" in self.fail:
            raise self.fail["describe"]
        if uuid not in self.guests:
            raise NoSuchDomain(f"No guest {uuid}.")
        return self.guests[uuid]

    def known_behind(self, uuid: str) -> dict[tuple[str, str], str]:
        return {("on_reboot", ""): "reset", ("nic_link", "52:54:00:00:00:01"): "up"}

    def change_behind(self, uuid: str, act: str, part: str, value: str) -> None:
        self.calls.append(("change_behind", uuid, act, part, value))
        self._may("behind")
        self.guests[uuid] = dataclasses.replace(self.guests[uuid], taints=("tainted: custom monitor",))

    def guest_xml(self, uuid: str, *, stored: bool) -> str:
        raise NotImplementedError

    def image_users(self, path: str) -> tuple[str, ...]:
        raise NotImplementedError

    def written(self) -> list[tuple[object, ...]]:
        return [call for call in self.calls if call[0] != "describe"]


class FakeLink:
    """One lane. ``gate`` cleared holds jobs that have begun; ``lose`` ends what is in flight with LinkLost."""

    def __init__(self, host: HostId, verbs: FakeVerbs) -> None:
        self.host_id = host
        self.verbs = verbs
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()
        self.deadlines: list[float] = []
        self._lane = ThreadPoolExecutor(1, thread_name_prefix="fake-lane")
        self._flying: list[Future] = []

    def submit(self, job: Callable, *, deadline_s: float) -> Future:
        self.deadlines.append(deadline_s)
        future: Future = Future()
        self._flying.append(future)
        self._lane.submit(self._do, job, future)
        return future

    def _do(self, job: Callable, future: Future) -> None:
        gated = _Gated(self)
        try:
            result = job(gated)
        except BaseException as error:  # noqa: BLE001 - handed on by the future, as a lane does
            if not future.done():
                future.set_exception(error)
            return
        if not future.done():
            future.set_result(result)

    def lose(self) -> None:
        for future in self._flying:
            if not future.done():
                future.set_exception(LinkLost("The link to node1 broke."))

    def start(self, *, connect: bool = True) -> None: ...
    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def watch(self, uuids: frozenset[str]) -> None: ...
    def shell(self) -> Shell | None:
        return None

    def close(self) -> None:
        self.gate.set()
        self._lane.shutdown(wait=True)


class _Gated:
    """The verbs, behind the gate."""

    def __init__(self, link: FakeLink) -> None:
        self._link = link

    def __getattr__(self, verb: str) -> Callable:
        self._link.began.set()
        assert self._link.gate.wait(10)
        return getattr(self._link.verbs, verb)
