# SPDX-License-Identifier: GPL-3.0-or-later
"""A host small enough to be read in one look: guests in a dict, each verb changes it or fails as the test says."""

from __future__ import annotations

import dataclasses
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import LinkLost, NoSuchDomain
from vmconsole.inventory.facts import Guest, GuestState
from vmconsole.inventory.ids import GuestId, HostId
from vmconsole.inventory.limits import CpuCap, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

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


class FakeVerbs:
    """``fail`` maps a verb to the error it raises; ``calls`` is what was asked, in order."""

    def __init__(self, *guests: Guest) -> None:
        self.guests = {guest.id.uuid: guest for guest in guests}
        self.calls: list[tuple[object, ...]] = []
        self.fail: dict[str, Exception] = {}
        self.quota_step_us = 1

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

    def set_guest_cap(self, uuid: str, cap: CpuCap, *, live: bool, stored: bool) -> None:
        self.calls.append(("set_guest_cap", uuid, cap, live, stored))
        verb = "set_live" if live else "set_stored"
        if verb in self.fail:
            raise self.fail[verb]
        guest = self.guests[uuid]
        if cap.quota_us is not None:
            cap = CpuCap(cap.period_us, cap.quota_us // self.quota_step_us * self.quota_step_us)
        if live:
            guest = dataclasses.replace(guest, live=dataclasses.replace(guest.live or Limits(), guest_cap=cap))
        if stored:
            guest = dataclasses.replace(guest, stored=dataclasses.replace(guest.stored or Limits(), guest_cap=cap))
        self.guests[uuid] = guest

    def describe_guest(self, uuid: str) -> Guest:
        self.calls.append(("describe", uuid))
        if "describe" in self.fail:
            raise self.fail["describe"]
        if uuid not in self.guests:
            raise NoSuchDomain(f"No guest {uuid}.")
        return self.guests[uuid]

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
