# SPDX-License-Identifier: GPL-3.0-or-later
"""``--edit-image``: only the editor, on one disk, with all checks of the whole console. GUI thread.

What cannot be opened is told on stderr, with exit status 1; a word that cannot be right never comes here (status 2).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Slot
from PySide6.QtWidgets import QProgressDialog

from vmconsole.images.facts import look_at
from vmconsole.images.jobs import JobThread
from vmconsole.images.messages import ImageSource
from vmconsole.inventory.errors import BadAddress, ConsoleError, Explanation
from vmconsole.inventory.facts import HostState
from vmconsole.inventory.ids import HostId
from vmconsole.links.ssh import LocalShell
from vmconsole.ui.image_editor.editors import ImageEditors

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from vmconsole.app.edit_target import EditTarget
    from vmconsole.inventory.facts import Disk, Guest, Host
    from vmconsole.links.base import HostVerbs, Shell
    from vmconsole.ui.context import Context

LOCAL_URI = "qemu:///system"
LOCAL_SOCKETS = ("/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock")
DEADLINE_S = 30.0
GUESTS_MS = 10_000
"""How long a guest may take to be listed after its host is connected."""
_EDITABLE = {"disk", "lun"}


class LookingDialog(QProgressDialog):
    """Says what is waited for. It is shown when told to, and hidden for good."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle(self.tr("Image Editor"))
        self.setLabelText(self.tr("Looking at the disk…"))
        self.setRange(0, 0)
        self.setMinimumWidth(420)
        self.setWindowModality(Qt.WindowModality.NonModal)
        self.setAutoClose(False)
        self.reset()  # ends the timer by which it would show itself after 4 s, whatever became of the disk


class EditImageRun(QObject):
    """``start`` once the application runs. ``window`` is there from the beginning, for questions to be asked over."""

    def __init__(self, target: EditTarget, context: Context, leave: Callable[[int], None]) -> None:
        super().__init__()
        self._target, self._context, self._leave = target, context, leave
        self._shell = LocalShell()
        self._jobs = JobThread("look at the image")
        self._host: HostId | None = None
        self._is_over = False
        self.editors = ImageEditors(context, self)
        self.window = LookingDialog()
        self.window.canceled.connect(self._on_cancelled)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.timeout.connect(self._on_no_guest)

    def start(self) -> None:
        """Connect, or open at once."""
        uri = self._target.uri
        if not uri and any(Path(socket).exists() for socket in LOCAL_SOCKETS):
            uri = LOCAL_URI  # this computer's libvirt knows who uses the disk
        if not uri:
            self._look(self._shell, self._open_here)
            return
        self.window.setLabelText(self.tr("Connecting to {uri}…").format(uri=uri))
        self.window.show()
        self._context.bridge.store_changed.connect(self._on_store_changed)
        try:
            self._host = self._context.fleet.add(uri)
        except BadAddress as error:
            self._fail(error.explanation)

    def close(self) -> None:
        self._jobs.close(lambda: None)
        self._shell.close()

    # -- the host ----------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_store_changed(self, _changes: object) -> None:
        host = self._context.store.hosts.get(self._host) if self._host is not None else None
        if self._is_over or host is None:
            return
        if host.state is HostState.CONNECTED:
            self._on_connected(host)
        elif host.state in {HostState.FAILED, HostState.DISCONNECTED, HostState.NOT_ANSWERING} or host.reason:
            self._on_no_host(host)

    def _on_connected(self, host: Host) -> None:
        link = self._context.fleet.link(host.id)
        assert link is not None
        if self._target.path:
            shell = link.shell()
            if shell is not None:
                self._is_over = True
                self._look(shell, lambda: self._open_on(host, self._source_of_path(host)))
            return
        guest = next((g for g in self._context.store.guests_of(host.id).values() if g.name == self._target.guest), None)
        if guest is None:
            if not self._patience.isActive():
                self._patience.start(GUESTS_MS)
            return
        self._is_over = True
        self._patience.stop()
        job = _Describe(guest.id.uuid)
        self._context.bridge.when_done(
            link.submit(job, deadline_s=DEADLINE_S), lambda done: self._on_described(host, done)
        )

    def _on_no_host(self, host: Host) -> None:
        self._is_over = True
        if not self._target.uri:
            self._look(self._shell, self._open_here)  # without libvirt, QEMU's lock alone says who uses it
            return
        self._fail(host.reason or Explanation(f"{host.name} is not connected."))

    @Slot()
    def _on_no_guest(self) -> None:
        assert self._host is not None
        names = sorted(g.name for g in self._context.store.guests_of(self._host).values())
        self._fail(
            Explanation(
                f"There is no guest «{self._target.guest}» on {self._host}.",
                advice=f"Its guests are: {', '.join(names)}." if names else "It has no guests.",
            )
        )

    def _on_described(self, host: Host, done: Future[Guest]) -> None:
        try:
            guest = done.result()
            disk = self._disk_of(guest)
        except ConsoleError as error:
            self._fail(error.explanation)
            return
        link = self._context.fleet.link(host.id)
        shell = link.shell() if link is not None else None
        source = ImageSource(
            disk.source, disk.format, where=host.name, guest_name=guest.name,
            guest_is_running=guest.state.has_process, is_read_only=disk.read_only or disk.device not in _EDITABLE,
            target=disk.target,
        )  # fmt: skip
        if shell is None:
            self._fail(Explanation(f"{host.name} gives no shell, so its images cannot be opened."))
        else:
            self._look(shell, lambda: self._open_on(host, source), source)

    def _disk_of(self, guest: Guest) -> Disk:
        disks = [d for d in guest.disks if d.source.startswith("/")]
        wanted = self._target.disk
        found = [d for d in disks if d.target == wanted] if wanted else [d for d in disks if d.device == "disk"]
        if not found:
            known = ", ".join(d.target for d in disks) or "none"
            raise ConsoleError(
                f"The guest {guest.name} has no disk «{wanted or 'disk'}» that is a file or device of its host.",
                advice=f"Its disks are: {known}.",
            )
        return found[0]

    # -- the image ---------------------------------------------------------------------------------------------

    def _source_of_path(self, host: Host) -> ImageSource:
        return ImageSource(self._target.path, where=host.name if self._target.uri else "")

    def _look(self, shell: Shell, then: Callable[[], None], source: ImageSource | None = None) -> None:
        """Is it an image at all? Then ``then``."""
        found = source or ImageSource(self._target.path)

        def ended(done: Future[object]) -> None:
            try:
                done.result()
                then()
            except ConsoleError as error:
                self._fail(error.explanation)
                return
            self.window.hide()

        looked: Future[object] = self._jobs.submit(lambda: look_at(shell, found))
        self._context.bridge.when_done(looked, ended)

    def _open_on(self, host: Host, source: ImageSource) -> None:
        self.editors.open_on_host(host.id, source)

    def _open_here(self) -> None:
        self.editors.open(ImageSource(self._target.path), self._shell, users=lambda: ())

    @Slot()
    def _on_cancelled(self) -> None:
        self._is_over = True
        self._leave(1)

    def _fail(self, problem: Explanation) -> None:
        self._is_over = True
        sys.stderr.write(f"vmconsole: {problem.text()}\n")
        self._leave(1)


class _Describe:
    """A job for a lane: read one guest's definition."""

    def __init__(self, uuid: str) -> None:
        self._uuid = uuid

    def __call__(self, verbs: HostVerbs) -> Guest:
        return verbs.describe_guest(self._uuid)
