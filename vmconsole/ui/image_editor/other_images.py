# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of all guests of the connected hosts, to choose one from, and the snapshots inside it. GUI thread."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from vmconsole.images.facts import look_at
from vmconsole.images.messages import ImageSnapshot, ImageSource
from vmconsole.images.on_host import located
from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.errors import ConsoleError, HostNotAnswering
from vmconsole.inventory.facts import HostState
from vmconsole.links.drivers import IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.inventory.errors import Explanation
    from vmconsole.inventory.facts import Disk, Guest, Host
    from vmconsole.links.base import Shell
    from vmconsole.ui.context import Context
    from vmconsole.ui.image_editor.desk import ImageDesk

DEADLINE_S = 20.0
DISK_DEVICES = {"disk", "lun"}


class OtherImages:
    """What can be chosen, and where it is. Answers come by callback, unless the editor is closed by then."""

    def __init__(self, context: Context, desk: ImageDesk) -> None:
        self._context, self._desk = context, desk

    def hosts(self) -> tuple[Host, ...]:
        """Those whose disks can be opened now."""
        return tuple(host for host in self._context.store.hosts.values() if self._can_open(host))

    def _can_open(self, host: Host) -> bool:
        link = self._context.fleet.link(host.id)
        is_connected = host.state is HostState.CONNECTED and not host.is_demo and IMAGES not in host.lacks
        return is_connected and link is not None and link.shell() is not None

    def guests(self, host: Host) -> tuple[Guest, ...]:
        found = self._context.store.guests_of(host.id).values()
        return tuple(sorted(found, key=lambda guest: guest.name.casefold()))

    def disks(
        self, guest: Guest, then: Callable[[tuple[Disk, ...]], None], failed: Callable[[Explanation], None]
    ) -> None:
        """The guest's disks that hold files; its definition is read if it was not yet."""
        if guest.described:
            then(_with_files(guest))
            return
        link = self._context.fleet.link(guest.id.host)
        if link is None:
            failed(_not_there(str(guest.id.host)).explanation)
            return
        uuid = guest.id.uuid

        def described(found: Guest) -> None:
            self._context.bridge.post(GuestSeen(found))
            then(_with_files(found))

        asking = link.submit(lambda verbs: verbs.describe_guest(uuid), deadline_s=DEADLINE_S)
        self._desk.ask(asking, described, failed=failed)

    def look(
        self,
        guest: Guest,
        disk: Disk,
        then: Callable[[ImageSource, tuple[ImageSnapshot, ...]], None],
        failed: Callable[[Explanation], None],
    ) -> None:
        """Where the disk really is, and which snapshots are in it."""
        host = self._context.store.hosts.get(guest.id.host)
        link = self._context.fleet.link(guest.id.host)
        shell = link.shell() if link is not None else None
        if host is None or link is None or shell is None:
            failed(_not_there(str(guest.id.host)).explanation)
            return
        source = ImageSource(
            disk.source, disk.format, where=host.name, guest_name=guest.name, is_read_only=True,
            guest_is_running=guest.state.has_process, target=disk.target, host_uri=str(host.id),
        )  # fmt: skip

        def found(whole: ImageSource) -> None:
            self._desk.aside(lambda: _snapshots(shell, whole), lambda answer: tell(whole, answer))

        def tell(whole: ImageSource, answer: tuple[ImageSnapshot, ...] | Explanation) -> None:
            if isinstance(answer, tuple):
                then(whole, answer)
            else:
                failed(answer)

        asking = link.submit(lambda verbs: located(verbs, source), deadline_s=DEADLINE_S)
        self._desk.ask(asking, found, failed=failed)


def _snapshots(shell: Shell, source: ImageSource) -> tuple[ImageSnapshot, ...] | Explanation:
    try:
        return look_at(shell, source).snapshots
    except ConsoleError as error:
        return error.explanation


def _with_files(guest: Guest) -> tuple[Disk, ...]:
    return tuple(d for d in guest.disks if d.source and d.kind != "network" and d.device in DISK_DEVICES)


def _not_there(host: str) -> HostNotAnswering:
    return HostNotAnswering(
        "The host cannot be reached by SSH now.",
        cause="An image is opened through SSH.",
        advice="Wait until the host is connected, and try again.",
        where=host,
    )


def snapshot_of(source: ImageSource, snapshot: ImageSnapshot) -> ImageSource:
    """The source of a state that is kept inside an image."""
    return dataclasses.replace(source, snapshot=snapshot.id, more=())
