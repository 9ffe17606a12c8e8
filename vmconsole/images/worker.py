# SPDX-License-Identifier: GPL-3.0-or-later
"""The guestfs child process: ``python -m vmconsole.images.worker``, requests on stdin, answers on stdout.

A process of its own because libguestfs' binding can crash (bad strings) or deadlock the interpreter, and because
calls on a dead disk stay stuck until the appliance is killed. The only importer of guestfs.

Threads: the main thread makes every guestfs call, one after the other; a reader thread takes requests from stdin and
may only call ``user_cancel``, which needs no lock (guestfs(3)). When stdin ends, the parent is gone: the appliance
is killed and the process exits.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import re
import signal
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, BinaryIO

import guestfs

from vmconsole.images import confine, names, requests, tool_requests, wire
from vmconsole.images.child import carrying, editing, exporting, importing, listing, plugging, tool_desk, whole
from vmconsole.images.child.handle import Cancelled, Work
from vmconsole.images.child.raw_names import ByteHandle
from vmconsole.images.child.searching import Tasks
from vmconsole.images.hints import explained
from vmconsole.inventory.errors import Explanation, ImageError, ImageLinkLost

if TYPE_CHECKING:
    from collections.abc import Callable

_LOST = re.compile(
    r"I/O error|EXT4-fs error|Remounting filesystem read-only|Aborting journal|fsync: Input/output error", re.IGNORECASE
)
_CHANGES = (
    requests.Write, requests.Import, requests.MakeFolder, requests.Rename, requests.Delete, *tool_requests.CHANGES
)  # fmt: skip


class Worker:
    """One handle on one image, for the life of the process."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._sink_lock = threading.Lock()
        self._asked: queue.SimpleQueue[requests.Ask] = queue.SimpleQueue()
        self._work: Work | None = None
        self._tasks = Tasks()
        self._number = 0
        self._cancelled_number = 0
        self._losses: list[str] = []
        self._prepared: requests.Launched | None = None
        self._pid = 0

    def run(self) -> None:
        """Answer requests until the process ends."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        while True:
            ask = self._asked.get()
            self._number = ask.number
            if self._cancelled_number == ask.number and self._work is not None:
                self._work.cancelled.set()  # it was cancelled while it waited here
            answer = self._answer(ask)
            self._number = 0
            if self._work is not None:
                self._work.cancelled.clear()
            self._send(answer)

    def _read(self) -> None:
        for line in self._source:
            message = wire.decode(line)
            if isinstance(message, requests.Ask):
                self._asked.put(message)
            elif isinstance(message, requests.Cancel):
                self._cancel(message.number)
        # The parent is gone, or has closed: nothing may stay, and no stuck call may keep this process.
        self._kill_appliance()
        os._exit(0)

    def _cancel(self, number: int) -> None:
        self._cancelled_number = number
        if number == self._number and self._work is not None:
            self._work.cancelled.set()
            self._work.handle.user_cancel()

    def _kill_appliance(self) -> None:
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def _answer(self, ask: requests.Ask) -> requests.Done | requests.Refused:
        try:
            value = self._do(ask.request)
            if isinstance(ask.request, _CHANGES) and self._work is not None:
                self._flush(self._work)
        except Cancelled:
            return requests.Refused(ask.number, "Cancelled", Explanation("It was cancelled."))
        except ImageError as error:
            return requests.Refused(ask.number, type(error).__name__, _sayable(error.explanation))
        except Exception as error:  # noqa: BLE001 - the child must answer, whatever went wrong inside it
            traceback.print_exc()
            problem = explained("The image's appliance could not do it.", repr(error))
            return requests.Refused(ask.number, type(problem).__name__, problem.explanation)
        return requests.Done(ask.number, value)

    def _do(self, request: requests.Request | tool_requests.ToolRequest) -> object:
        if isinstance(request, requests.Prepare):
            self._prepare(request)
        elif isinstance(request, requests.Launch):
            return self._launch(request)
        elif self._work is None:
            raise ImageError("The image is not open.")
        elif isinstance(request, requests.Finish):
            self._finish(self._work)
        elif isinstance(request, requests.Swap):
            self._tasks = Tasks()
            plugging.swap(self._work, _folder(), request.overlays)
        elif isinstance(request, tool_requests.ToolRequest):
            return tool_desk.done(self._work, self._tasks, request)
        else:
            return done(self._work, request)
        return None

    def _launch(self, request: requests.Launch) -> requests.Launched:
        """On the appliance that was started ahead, if that can be; else on a new one."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None and self._work is not None and not request.more_overlays:
            try:
                plugging.plug(self._work.handle, _folder(), request.overlay)
            except (RuntimeError, OSError) as error:
                sys.stderr.write(f"the spare appliance cannot be used: {error}\n")
                self._end_prepared(self._work)
            else:
                return prepared
        elif self._work is not None:
            self._end_prepared(self._work)  # it has one disk, and several are wanted
        return self._start(lambda handle: add_drives(handle, request), request)

    def _end_prepared(self, work: Work) -> None:
        work.handle.close()
        self._work, self._pid = None, 0

    def _prepare(self, request: requests.Prepare) -> None:
        self._prepared = self._start(lambda handle: plugging.add_blank(handle, _folder()), request)

    def _start(
        self, add_disks: Callable[[Any], None], request: requests.Launch | requests.Prepare
    ) -> requests.Launched:
        """Start with KVM, unless that is known to be hopeless; without it if that fails."""
        if request.force_tcg:
            self._start_once(add_disks, request, force_tcg=True)
            return requests.Launched(is_emulated=True)
        try:
            self._start_once(add_disks, request, force_tcg=False)
        except ImageError as error:
            self._losses.clear()
            self._report("KVM failed; starting without it", 0, 0)
            self._start_once(add_disks, request, force_tcg=True)
            return requests.Launched(is_emulated=True, said=error.explanation.said)
        return requests.Launched(is_emulated=False)

    def _start_once(
        self, add_disks: Callable[[Any], None], request: requests.Launch | requests.Prepare, *, force_tcg: bool
    ) -> None:
        handle = guestfs.GuestFS(python_return_dict=True)
        configure(handle, request.cache_dir, force_tcg=force_tcg)
        add_disks(handle)
        bytes_too = ByteHandle(handle)
        bytes_too.on_console(guestfs.EVENT_APPLIANCE, self._on_console)
        self._work = Work(bytes_too, is_look_only=True, report=self._report, send_part=self._send_part)
        try:
            handle.launch()
        except RuntimeError as error:
            said = "".join(self._losses) or str(error)
            self._work = None
            handle.close()  # removes its sockets and temporary files
            raise explained("The appliance that reads images did not start.", said) from error
        self._pid = handle.get_pid()
        self._send(requests.ApplianceStarted(self._pid))

    def _finish(self, work: Work) -> None:
        try:
            work.handle.umount_all()
            self._flush(work)
            work.handle.shutdown()
            self._pid = 0
        except RuntimeError as error:
            raise work.failed("The draft could not be written to the end.", error) from error

    def _flush(self, work: Work) -> None:
        """sync(2) inside the appliance. It says OK even on a dead disk, so the kernel's words count."""
        work.handle.sync()
        if self._losses:
            raise ImageLinkLost(
                "The draft could not be written: the disk below it failed.",
                cause="The link to the host's image broke, or a disk is failing.",
                advice="Open the image again; what was written before is kept in the draft.",
                said="".join(self._losses[:20]),
            )

    def _on_console(self, line: str) -> None:
        if _LOST.search(line):
            self._losses.append(line)
        self._send(requests.Console(line))

    def _report(self, words: str, position: int, total: int) -> None:
        self._send(requests.Moved(self._number, words, position, total))

    def _send_part(self, value: object) -> None:
        self._send(requests.Part(self._number, value))

    def _send(self, message: object) -> None:
        with self._sink_lock:
            self._sink.write(wire.encode(message))
            self._sink.flush()


def _sayable(explanation: Explanation) -> Explanation:
    """The same without bytes of guests' names that cannot be written."""
    e, shown = explanation, names.shown_text
    return dataclasses.replace(
        e, what=shown(e.what), cause=shown(e.cause), advice=shown(e.advice), where=shown(e.where), said=shown(e.said)
    )


def configure(handle: Any, cache_dir: str, *, force_tcg: bool) -> None:
    """Set up a fresh handle: no network, and no recovery process (this one watches over the appliance)."""
    handle.set_recovery_proc(False)
    handle.set_network(False)
    if cache_dir:
        os.makedirs(cache_dir, mode=0o700, exist_ok=True)
        handle.set_cachedir(names.checked_text(cache_dir))
    if force_tcg:
        handle.set_backend_setting("force_tcg", "1")


def add_drives(handle: Any, request: requests.Launch) -> None:
    if request.monitor:
        plugging.add_monitor(handle, names.checked_text(request.monitor))
    for overlay in (request.overlay, *request.more_overlays):
        handle.add_drive(names.checked_text(overlay), format="qcow2", readonly=False)


def _folder() -> str:
    """The private folder that the parent made for this process."""
    return os.environ["TMPDIR"]


def done(work: Work, request: requests.Request) -> object:
    """Do a request on an open image."""
    match request:
        case requests.Look() | requests.Unlock() | requests.Measure() | requests.Inspect():
            return whole.answer(work, request)
        case requests.List(path):
            return listing.list_folder(work, path)
        case requests.Read(path, limit):
            return listing.read_file(work, path, limit)
        case requests.Write(path, data):
            return editing.write_file(work, path, data)
        case requests.Import():
            return carrying.carry_in(work, request) if request.is_bundle else importing.import_paths(work, request)
        case requests.Export(paths, local_folder):
            if request.is_bundle:
                return carrying.carry_out(work, request)
            return exporting.export_paths(work, paths, local_folder)
        case requests.MakeFolder(path):
            editing.make_folder(work, path)
        case requests.Rename(path, new_path):
            editing.rename(work, path, new_path)
        case requests.Delete(paths):
            editing.delete(work, paths)
        case _:
            raise ImageError(f"The appliance cannot do «{type(request).__name__}».")
    return None


def library_version() -> str:
    found = guestfs.GuestFS(python_return_dict=True).version()
    return f"libguestfs {found['major']}.{found['minor']}.{found['release']}"


def build_appliance(cache_dir: str) -> None:
    """libguestfs does so before it starts QEMU; there is none here to start."""
    handle = guestfs.GuestFS(python_return_dict=True)
    configure(handle, cache_dir, force_tcg=True)
    handle.add_drive_scratch(1 << 20)
    handle.set_hv("/bin/false")
    with contextlib.suppress(RuntimeError):
        handle.launch()
    handle.close()


def main() -> None:
    """Keep the pipe to the parent to ourselves: what libraries print on stdout goes to stderr."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(library_version() + "\n")
        return
    if sys.argv[1:2] == ["--build-appliance"]:
        build_appliance(sys.argv[2])
        return
    confine.bound_self()
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    Worker(sys.stdin.buffer, sink).run()


if __name__ == "__main__":
    main()
