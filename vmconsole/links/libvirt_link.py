# SPDX-License-Identifier: GPL-3.0-or-later
"""The only importer of libvirt: its event loop, and connections that speak in plain values and our errors.

Threads: ``LibvirtLoop`` owns one daemon thread for all connections; callbacks run there and must only hand on. The
methods of ``Connection`` block (on a lane's thread). A connection is closed by the last call that leaves it, never
under a call: libvirt's client has crashed when it was closed while another thread was inside.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import libvirt
import libvirt_qemu

from vmconsole.inventory.errors import ConsoleError, LinkLost, NoSuchDomain, Unsupported
from vmconsole.links.agent import AGENT_PATIENCE_S, agent_answer, agent_request
from vmconsole.links.call_log import CallLog
from vmconsole.links.domain_rows import CloseReason, DomainEvent, DomainRow, NodeFacts, version_text
from vmconsole.links.libvirt_errors import translate, translate_binding
from vmconsole.links.poll_loop import PollLoop
from vmconsole.links.qmp import qmp_answer
from vmconsole.quotas.behind import SAFE as SAFE_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from vmconsole.links.limit_calls import LimitSetter

_log = logging.getLogger(__name__)

KEEPALIVE_INTERVAL_S = 3
KEEPALIVE_COUNT = 2
"""A silent daemon is given up after interval × (count + 1) = 9 s. Only where there is no door that can be shut under
a stuck call: when keep-alive ends a connection that two threads are in, libvirt 9.0's client crashes or leaves them
stuck. Ending the RPC's own process did neither in 72 of 72 tries; there ``ping`` finds out."""
ROW_GROUPS = libvirt.VIR_DOMAIN_STATS_STATE | libvirt.VIR_DOMAIN_STATS_VCPU | libvirt.VIR_DOMAIN_STATS_BALLOON
SLOW_GROUPS = libvirt.VIR_DOMAIN_STATS_BALLOON | libvirt.VIR_DOMAIN_STATS_INTERFACE | libvirt.VIR_DOMAIN_STATS_BLOCK
ALL_GROUPS = SLOW_GROUPS | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
_ACTIVE_POOLS = libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
_ACTIVE_NETWORKS = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE
_RUNNING_ONLY = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED
_ACTIVE = (
    libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED, libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_SHUTDOWN,
    libvirt.VIR_DOMAIN_PMSUSPENDED,
)  # fmt: skip
_NOWAIT = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT


def library_version() -> str:
    """The client library's version, «9.0.0»."""
    return version_text(libvirt.getVersion())


@functools.cache
def _registered_loop() -> PollLoop:
    """libvirt takes one event loop in the life of a process, and refuses a second."""
    loop = PollLoop(free=libvirt.virEventInvokeFreeCallback)
    libvirt.virEventRegisterImpl(
        loop.add_handle, loop.update_handle, loop.remove_handle,
        loop.add_timer, loop.update_timer, loop.remove_timer,
    )  # fmt: skip
    return loop


class LibvirtLoop:
    """libvirt's event loop on a thread of its own. Make and start one before the first connection is opened.

    libvirt takes one for the life of the program and calls it ever after, so its wake-up pipe is never closed.
    """

    def __init__(self) -> None:
        self._loop = _registered_loop()
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # errors are raised, not printed
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="libvirt events", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, *, timeout_s: float = 1.0) -> None:
        """End the thread. Open connections get no events and no keep-alive from then on."""
        if self._closed.is_set() or not self._thread.is_alive():
            return
        self._closed.set()
        self._loop.wake()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._loop.run_once()
            except Exception:  # noqa: BLE001  without this thread no host would be heard any more
                _log.exception("libvirt's event loop failed once")


class Connection:
    """One open connection. Every method raises errors of ``inventory.errors`` only."""

    def __init__(self, raw: libvirt.virConnect, *, where: str, calls: CallLog | None = None) -> None:
        self._raw = raw
        self.where = where
        self._calls = calls or CallLog()
        self._lock = threading.Lock()
        self._inside = 0
        self._retired = False
        self._closed = threading.Event()
        self._callbacks: list[int] = []

    @classmethod
    def open(
        cls, uri: str, *, where: str, read_only: bool = False, calls: CallLog | None = None, keep_alive: bool = True,
        said: Callable[[], str] | None = None,
    ) -> Connection:  # fmt: skip
        """Blocks, for ever if the daemon hangs: give it a deadline and a way to end the transport under it. ``said``:
        what is to be added to libvirt's words when it fails."""
        calls = calls or CallLog()
        with calls.call("connect to libvirt"), _translated(f"connect to libvirt on {where}", where, said):
            connection = cls(libvirt.openReadOnly(uri) if read_only else libvirt.open(uri), where=where, calls=calls)
            if keep_alive:  # drivers inside this process, and loops that do not run, know none
                with contextlib.suppress(libvirt.libvirtError):
                    connection._raw.setKeepAlive(KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT)
        return connection

    def close(self, *, timeout_s: float = 0.0) -> bool:
        """Close once no call is inside any more. True when that has happened."""
        with self._lock:
            is_mine = not self._retired and self._inside == 0
            self._retired = True
        if is_mine:
            self._really_close()
        return self._closed.wait(timeout_s)

    def _really_close(self) -> None:
        with contextlib.suppress(libvirt.libvirtError):
            self._raw.unregisterCloseCallback()
        for number in self._callbacks:
            with contextlib.suppress(libvirt.libvirtError):
                self._raw.domainEventDeregisterAny(number)
        with contextlib.suppress(libvirt.libvirtError):
            self._raw.close()
        self._closed.set()

    @contextlib.contextmanager
    def _call(self, tried: str = "") -> Iterator[libvirt.virConnect]:
        with self._lock:
            if self._retired:
                raise LinkLost(f"The connection to {self.where} was closed.", where=self.where)
            self._inside += 1
        try:
            with self._calls.call(tried or "register for events"), _translated(tried, self.where):
                yield self._raw
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1
            is_last = self._retired and self._inside == 0
        if is_last:
            self._really_close()

    @contextlib.contextmanager
    def _domain(self, uuid: str, tried: str) -> Iterator[libvirt.virDomain]:
        with self._call(tried) as raw:
            yield raw.lookupByUUIDString(uuid)

    # -- what it tells by itself ---------------------------------------------------------------------------------------

    def on_closed(self, closed: Callable[[CloseReason], None]) -> None:
        """``closed(reason)`` on the event loop's thread when the daemon or the link goes away."""

        def callback(_conn: Any, reason: int, _opaque: Any) -> None:
            closed(CloseReason.SILENT if reason == libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE else CloseReason.ENDED)

        with self._call(), contextlib.suppress(libvirt.libvirtError):  # not in drivers of this process
            self._raw.registerCloseCallback(callback, None)

    def on_lifecycle(self, happened: Callable[[DomainEvent], None]) -> bool:
        """``happened`` on the event loop's thread; must not block. False where the driver has no events."""

        def callback(_conn: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
            happened(_event(domain, "lifecycle", event=event, detail=detail))

        return self._register(libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, callback)

    def on_other_events(self, happened: Callable[[DomainEvent], None]) -> None:
        """The rest of the events that say that a guest's facts changed, or that it is in trouble."""
        plain = {
            libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: "reboot",
            libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED: "device-added",
            libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: "device-removed",
            libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE: "tunable",
            libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE: "metadata",
            libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: "io-error",
            libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG: "watchdog",
        }
        for number, kind in plain.items():

            def callback(_conn: Any, domain: Any, *rest: Any, kind: str = kind) -> None:
                words = rest[0] if len(rest) > 1 and isinstance(rest[0], str) else ""
                happened(_event(domain, kind, words=words))

            self._register(number, callback)

    def _register(self, number: int, callback: Callable[..., None]) -> bool:
        with self._call() as raw:
            try:
                self._callbacks.append(raw.domainEventRegisterAny(None, number, callback, None))
            except libvirt.libvirtError as error:
                if error.get_error_code() in {libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG}:
                    return False
                raise
        return True

    # -- facts ---------------------------------------------------------------------------------------------------------

    def ping(self) -> None:
        """The cheapest call that the daemon must answer."""
        with self._call("see whether libvirt answers") as raw:
            raw.getLibVersion()

    def node(self) -> NodeFacts:
        """Name, size and versions of the host: four calls."""
        with self._call("ask the host about itself") as raw:
            info = raw.getInfo()
            versions = {"libvirt": version_text(raw.getLibVersion())}
            with contextlib.suppress(libvirt.libvirtError):  # no hypervisor is installed there
                kind, version = raw.getType(), version_text(raw.getVersion())
                versions["qemu"] = version if kind == "QEMU" else f"{kind} {version}"
            secure = _is_secure(raw)
            return NodeFacts(raw.getHostname(), int(info[2]), int(info[1]) * 1024 * 1024, versions, is_secure=secure)

    def cpu_map(self) -> tuple[bool, ...]:
        """Which of the host's CPUs are online, by their numbers. Raises OperationRefused where a driver cannot tell."""
        with self._call("ask which CPUs the host has") as raw:
            return tuple(map(bool, raw.getCPUMap(0)[1]))

    def domain_rows(self) -> list[DomainRow]:
        """All domains in two calls, where the driver has bulk statistics; more calls where it does not."""
        with self._call("list the guests") as raw:
            transient = {d.UUIDString() for d in raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)}
            try:
                found = _bulk(raw, ROW_GROUPS, 0)
            except Unsupported:
                found = [(domain, {}) for domain in raw.listAllDomains()]
            return [row for d, s in found if (row := _row(d, s, persistent=d.UUIDString() not in transient))]

    def domain_row(self, uuid: str) -> DomainRow | None:
        """One domain afresh; None when it is gone."""
        try:
            with self._domain(uuid, "look at the guest") as domain:
                row = _row(domain, {}, persistent=bool(domain.isPersistent()))
            if row is None or row.libvirt_id is not None or row.state not in _ACTIVE:
                return row
            # It started between the two calls: the id is the lookup's, the state is newer.
            with self._domain(uuid, "look at the guest") as domain:
                return _row(domain, {}, persistent=row.persistent)
        except NoSuchDomain:
            return None

    def stats(self, groups: int) -> list[tuple[str, dict[str, Any]]]:
        """(uuid, statistics) of domains that have a process, without waiting for a busy one. Where the driver has no
        bulk statistics (LXC, Xen), CPU time and memory of each."""
        with self._call("read statistics") as raw:
            try:
                return [(domain.UUIDString(), found) for domain, found in _bulk(raw, groups, _RUNNING_ONLY)]
            except Unsupported:
                return _one_by_one(raw)

    def xml(self, uuid: str, *, stored: bool) -> str:
        with self._domain(uuid, "read the guest's definition") as domain:
            flags = libvirt.VIR_DOMAIN_XML_INACTIVE if stored else 0
            return str(domain.XMLDesc(flags))

    def active_xml(self) -> list[tuple[str, Callable[[], str]]]:
        """(name, reader of its XML) of each domain that holds its disks: the active ones, and those whose memory is
        saved, as that memory remembers the disks' content. The readers may be called on several threads at once."""
        with self._call("list the running guests") as raw:
            active = raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)
            saved = raw.listAllDomains(
                libvirt.VIR_CONNECT_LIST_DOMAINS_INACTIVE | libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE
            )
        named = [(domain.name(), domain) for domain in active]
        named += [(f"{domain.name()} (saved: run it, or remove its saved state)", domain) for domain in saved]
        return [(name, functools.partial(self._xml_of, domain)) for name, domain in named]

    def _xml_of(self, domain: libvirt.virDomain) -> str:
        with self._call("read a guest's definition"):
            return str(domain.XMLDesc(0))

    def volume_path(self, pool: str, volume: str) -> str:
        with self._call(f"find the volume {pool}/{volume}") as raw:
            return str(raw.storagePoolLookupByName(pool).storageVolLookupByName(volume).path())

    def pool_xml(self) -> list[str]:
        """The definitions of the active storage pools."""
        with self._call("list the storage pools") as raw:
            return [str(pool.XMLDesc(0)) for pool in raw.listAllStoragePools(_ACTIVE_POOLS)]

    def network_xml(self) -> list[str]:
        """The running definitions of the active virtual networks."""
        with self._call("list the networks") as raw:
            return [str(network.XMLDesc(0)) for network in raw.listAllNetworks(_ACTIVE_NETWORKS)]

    def volume_xml(self) -> list[tuple[str, str]]:
        """(pool, definition) of every volume of the active pools. Volumes that go meanwhile are left out."""
        with self._call("list the storage volumes") as raw:
            found = []
            for pool in raw.listAllStoragePools(_ACTIVE_POOLS):
                for volume in pool.listAllVolumes(0):
                    with contextlib.suppress(libvirt.libvirtError):
                        found.append((str(pool.name()), str(volume.XMLDesc(0))))
            return found

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def create(self, uuid: str) -> None:
        with self._domain(uuid, "start the guest") as domain:
            domain.create()

    def shutdown(self, uuid: str) -> None:
        with self._domain(uuid, "ask the guest to shut down") as domain:
            domain.shutdown()

    def reboot(self, uuid: str) -> None:
        with self._domain(uuid, "ask the guest to reboot") as domain:
            domain.reboot()

    def suspend(self, uuid: str) -> None:
        with self._domain(uuid, "pause the guest") as domain:
            domain.suspend()

    def resume(self, uuid: str) -> None:
        with self._domain(uuid, "resume the guest") as domain:
            domain.resume()

    def destroy(self, uuid: str) -> None:
        with self._domain(uuid, "force the guest off") as domain:
            domain.destroy()

    def scheduler(self, uuid: str, *, stored: bool) -> dict[str, int]:
        """schedulerParametersFlags: quotas and periods in µs, ``cpu_shares``."""
        with self._domain(uuid, "read the CPU limits") as domain:
            return dict(domain.schedulerParametersFlags(_affect(stored=stored)))

    def memory(self, uuid: str, *, stored: bool) -> dict[str, int]:
        """memoryParameters, KiB."""
        with self._domain(uuid, "read the memory limits") as domain:
            return dict(domain.memoryParameters(_affect(stored=stored)))

    def blkio(self, uuid: str, *, stored: bool) -> dict[str, int | str]:
        with self._domain(uuid, "read the limits of block devices") as domain:
            return dict(domain.blkioParameters(_affect(stored=stored)))

    def block_io_tune(self, uuid: str, disk: str, *, stored: bool) -> dict[str, int | str]:
        """blockIoTune of one disk: QEMU itself is asked where the guest runs."""
        with self._domain(uuid, "read the limits of a disk") as domain:
            return dict(domain.blockIoTune(disk, _affect(stored=stored)))

    def iothread_stats(self, uuid: str) -> dict[str, int | str]:
        """Polling of a running guest's I/O threads in the keys of the bulk statistics, ``iothread.1.poll-max-ns``."""
        with self._call("read the polling of I/O threads") as raw:
            domain = raw.lookupByUUIDString(uuid)
            found = raw.domainListGetStats([domain], libvirt.VIR_DOMAIN_STATS_IOTHREAD, 0)
            return {key: value for _, stats in found for key, value in stats.items()}

    def set_limits(self, uuid: str, setter: LimitSetter, *, stored: bool) -> None:
        """One of virDomain's setters of limits, chosen by ``limit_calls``. LIVE and CONFIG are set one at a time."""
        with self._domain(uuid, "set the limits") as domain:
            flags = _affect(stored=stored)
            for name in setter.flags:
                flags |= int(getattr(libvirt, name))
            getattr(domain, setter.method)(*setter.arguments, flags)

    def stored_xml(self, uuid: str) -> str:
        with self._domain(uuid, "read the guest's stored definition") as domain:
            return str(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE))

    def define(self, xml: str) -> None:
        with self._call("store the guest's definition") as raw:
            raw.defineXML(xml)

    def taints(self, uuid: str) -> tuple[str, ...]:
        """Why the running guest is tainted, in libvirt's words; empty when it is not."""
        with self._domain(uuid, "see whether the guest was changed behind libvirt") as domain:
            return tuple(str(text) for text in domain.messages(libvirt.VIR_DOMAIN_MESSAGE_TAINTING))

    def qmp(self, uuid: str, command: str, arguments: dict[str, object]) -> object:
        """One of the safe commands of ``quotas.behind``; what QEMU answers. Its refusals come as OperationRefused."""
        if command not in SAFE_COMMANDS:
            raise Unsupported(f"«{command}» is not one of the commands that are known to be safe.", where=self.where)
        with self._domain(uuid, f"ask QEMU: {command}") as domain:
            said = libvirt_qemu.qemuMonitorCommand(domain, json.dumps({"execute": command, "arguments": arguments}), 0)
        return qmp_answer(said, command=command, where=self.where)

    def agent(self, uuid: str, command: str, arguments: Mapping[str, object]) -> object:
        """One of the agent's commands of ``inventory.agent_programs``, and what it answers."""
        request = agent_request(command, arguments, where=self.where)
        with self._domain(uuid, "ask the agent inside the guest") as domain:
            said = libvirt_qemu.qemuAgentCommand(domain, request, AGENT_PATIENCE_S, 0)
        return agent_answer(str(said), command=command, where=self.where)

    def memory_stats(self, uuid: str) -> dict[str, int]:
        """memoryStats, KiB: ``rss`` is what the guest's process holds."""
        with self._domain(uuid, "see how much memory the guest holds") as domain:
            return dict(domain.memoryStats())

    def capabilities(self) -> str:
        with self._call("ask the host what it has") as raw:
            return str(raw.getCapabilities())


@contextlib.contextmanager
def _translated(tried: str, where: str, said: Callable[[], str] | None = None) -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as error:
        raise _console_error(error, tried, where, more=said() if said else "") from error
    except (TypeError, OverflowError, LookupError) as error:
        raise translate_binding(error, tried=tried, where=where) from error


def _console_error(error: libvirt.libvirtError, tried: str, where: str, *, more: str = "") -> ConsoleError:
    message = error.get_error_message() or str(error)
    return translate(
        code=error.get_error_code() or 0,
        domain=error.get_error_domain() or 0,
        message=f"{message}: {more}" if more else message,
        tried=tried,
        where=where,
    )


def _affect(*, stored: bool) -> int:
    return int(libvirt.VIR_DOMAIN_AFFECT_CONFIG if stored else libvirt.VIR_DOMAIN_AFFECT_LIVE)


def _event(domain: libvirt.virDomain, kind: str, *, event: int = 0, detail: int = 0, words: str = "") -> DomainEvent:
    return DomainEvent(domain.UUIDString(), domain.name(), kind, event, detail, words)


def _bulk(raw: libvirt.virConnect, groups: int, flags: int) -> list[tuple[libvirt.virDomain, dict[str, Any]]]:
    """getAllDomainStats without waiting for busy guests; daemons before 4.5 do not know how not to wait.

    Raises Unsupported where the driver has no bulk statistics at all.
    """
    for nowait in (_NOWAIT, 0):
        try:
            return list(raw.getAllDomainStats(groups, flags | nowait))
        except libvirt.libvirtError as error:
            if error.get_error_code() not in {libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG}:
                raise
    raise Unsupported("This host's driver has no bulk statistics.")


def _one_by_one(raw: libvirt.virConnect) -> list[tuple[str, dict[str, Any]]]:
    """virDomainGetInfo in the keys of the bulk statistics: what the guest uses, and its CPU time in ns."""
    found: list[tuple[str, dict[str, Any]]] = []
    for domain in raw.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        with contextlib.suppress(libvirt.libvirtError):  # it has ended meanwhile
            _, _, memory_kib, _, cpu_ns = domain.info()
            found.append((domain.UUIDString(), {"cpu.time": cpu_ns, "balloon.rss": memory_kib}))
    return found


def _is_secure(raw: libvirt.virConnect) -> bool:
    try:
        return bool(raw.isSecure())
    except libvirt.libvirtError:
        return True  # the driver cannot tell: there is nothing to warn of


def _row(domain: libvirt.virDomain, stats: dict[str, Any], *, persistent: bool) -> DomainRow | None:
    """A row from bulk statistics; from the domain itself where they say too little. None when it went meanwhile."""
    state, vcpus, memory = stats.get("state.state"), stats.get("vcpu.current"), stats.get("balloon.maximum")
    if None in {state, vcpus, memory}:
        try:
            state, memory, _, vcpus, _ = domain.info()
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                return None
            raise
    number = domain.ID()
    return DomainRow(
        uuid=domain.UUIDString(), name=domain.name(), libvirt_id=None if number < 0 else number, state=int(state or 0),
        vcpus=vcpus, memory_max_kib=memory, persistent=persistent,
    )  # fmt: skip
