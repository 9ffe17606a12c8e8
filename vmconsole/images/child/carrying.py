# SPDX-License-Identifier: GPL-3.0-or-later
"""From one image into another with all that they are: out into a bundle (``images.bundle``), and in from one.

Child process. Owner, mode, times, attributes, links and holes travel as text and numbers beside the contents, so that
whoever runs the program need not be root, and so that nothing of a guest takes effect on this machine.
"""

from __future__ import annotations

import os
import stat
import tarfile
from typing import TYPE_CHECKING, BinaryIO

from vmconsole.images import bundle, names
from vmconsole.images.bundle import Carried
from vmconsole.images.child import exporting
from vmconsole.images.child.handle import is_file, is_folder, lstat_of
from vmconsole.images.child.importing import Plan, bring, free_or_refused, taken_in
from vmconsole.images.child.local_dress import Tally
from vmconsole.images.child.local_files import Item
from vmconsole.images.child.streams import stream_out
from vmconsole.images.child.tar_stream import Dress
from vmconsole.images.child.unpacking import attributes_of, write_with_holes
from vmconsole.images.hints import explained
from vmconsole.images.messages import Transferred
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Stat, Work
    from vmconsole.images.child.local_dress import Attributes
    from vmconsole.images.requests import Export, Import

BUNDLE = "bundle"
_CHUNK_BYTES = 256 * 1024
_BLOCK = 512


# -- out -------------------------------------------------------------------------------------------------------


def carry_out(work: Work, request: Export) -> Transferred:
    """Make a bundle below the request's folder; its path is the one path of the answer."""
    checked = [names.ordinary_path(path) for path in request.paths]
    folder = os.path.join(request.local_folder, BUNDLE)
    try:
        os.mkdir(folder, 0o700)
        out = _Outgoing(work, folder)
        for path in checked:
            out.take(path)
        bundle.write(folder, out.things)
    except OSError as error:
        raise explained("The files cannot be kept on this machine.", str(error), where=folder) from error
    return Transferred(out.tally.files, out.tally.bytes, (folder,), tuple(out.tally.skipped))


class _Outgoing:
    """What has been put into the bundle so far."""

    def __init__(self, work: Work, folder: str) -> None:
        self._work, self._folder = work, folder
        self._count = 0
        self.things: list[Carried] = []
        self.tally = Tally()

    def take(self, path: str) -> None:
        found = lstat_of(self._work.handle, path)
        if found is None:
            raise ImageError("It is not there (any more).", where=path)
        try:
            if is_folder(found):
                self._take_folder(path, names.base(path))
            else:
                self._take_one(path, names.base(path), found)
        except RuntimeError as error:
            raise self._work.failed(f"{path} cannot be read.", error) from error

    def _take_one(self, path: str, name: str, found: Stat) -> None:
        wanted = exporting.attributes(self._work, path, found)
        if stat.S_ISLNK(found["st_mode"]):
            target = self._work.handle.readlinklist(names.parent(path), [names.base(path)])[0]
            self._add(name, wanted, target=target)
        elif is_file(found):
            number, local = self._new_file()
            exporting.copy_content(self._work, path, local, found, self.tally)
            self._add(name, wanted, data=number, size_bytes=os.path.getsize(local))
        else:
            self.tally.skipped.append(f"{names.shown_text(path)}: a device, pipe or socket")

    def _take_folder(self, path: str, top: str) -> None:
        """As one tar stream; big files by themselves, because tar is slow with them."""
        size, big = exporting.measured(self._work, path)
        self.tally.total_bytes = self.tally.bytes + size
        words = f"Reading {names.shown_text(top)}"

        def read(pipe: BinaryIO) -> None:
            with tarfile.open(fileobj=pipe, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
                for member in tar:
                    self._take_member(tar, member, top, words)

        def give(pipe: str) -> None:
            self._work.handle.tar_out(
                path, pipe, numericowner=True, xattrs=True, excludes=exporting.excluded(big)
            )  # fmt: skip

        try:
            stream_out(self._work, read, give)
        except tarfile.TarError as error:
            raise RuntimeError(str(error)) from error
        for name in big:
            file = names.join(path, name)
            found = lstat_of(self._work.handle, file)
            if found is not None:
                self._take_one(file, f"{top}/{name}", found)
        self.tally.total_bytes = 0

    def _take_member(self, tar: tarfile.TarFile, member: tarfile.TarInfo, top: str, words: str) -> None:
        name = _below(top, member.name)
        if member.isdir():
            self._add(name, attributes_of(member))
        elif member.issym():
            self._add(name, attributes_of(member), target=member.linkname)
        elif member.islnk():
            self._add(name, attributes_of(member), same_as=_below(top, member.linkname))
        elif member.isreg():
            number, local = self._new_file()
            source = tar.extractfile(member)
            with open(local, "xb") as into:
                while source is not None and (part := source.read(_CHUNK_BYTES)):
                    write_with_holes(into, part)
                    self.tally.bytes += len(part)
                    self._work.move(words, self.tally.bytes, self.tally.total_bytes)
                into.truncate(member.size)
            self._add(name, attributes_of(member), data=number, size_bytes=member.size)
        else:
            self.tally.skipped.append(f"{names.shown_text(name)}: a device, pipe or socket")

    def _new_file(self) -> tuple[int, str]:
        self._count += 1
        return self._count, os.path.join(self._folder, str(self._count))

    def _add(
        self, name: str, like: Attributes, *, data: int = -1, size_bytes: int = 0, target: str = "", same_as: str = ""
    ) -> None:
        self.things.append(
            Carried(name, like.mode, like.uid, like.gid, like.mtime_ns, size_bytes, like.xattrs, data, target, same_as)
        )
        self.tally.files += not stat.S_ISDIR(like.mode)


def _below(top: str, name: str) -> str:
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ImageError("The image holds a name that leads out of the folder.", where=names.shown_text(name))
    return "/".join([top, *parts])


# -- in --------------------------------------------------------------------------------------------------------


def carry_in(work: Work, request: Import) -> Transferred:
    """Put what a bundle holds into the draft. What is there already is as the request says for each top name."""
    into = names.ordinary_path(request.folder)
    (folder,) = request.local_paths
    try:
        things = bundle.read(folder)
        plan = _planned(work, folder, things, into, request)
        return bring(work, plan, into, request.room_bytes, _as_it_was)
    except RuntimeError as error:
        raise work.failed(f"Nothing can be brought into {into}.", error) from error
    except OSError as error:
        raise explained("What was copied cannot be read.", str(error), where=folder) from error


def _planned(work: Work, folder: str, things: tuple[Carried, ...], into: str, request: Import) -> Plan:
    taken, is_fresh = taken_in(work, into), True
    new_names: dict[str, str | None] = {}
    skipped = []
    tops = bundle.tops(things)
    for thing, conflict in zip(tops, request.answers(len(tops)), strict=True):
        name = new_names[thing.name] = free_or_refused(thing.name, taken, conflict, into)
        if name is None:
            skipped.append(f"{names.shown_text(thing.name)}: is there already")
            continue
        is_fresh = is_fresh and name not in taken
        taken.add(name)
    items = tuple(
        _item(folder, thing, new_names) for thing in things if new_names[thing.name.split("/")[0]] is not None
    )
    return Plan(items, tuple(skipped), is_fresh)


def _item(folder: str, thing: Carried, new_names: dict[str, str | None]) -> Item:
    def renamed(name: str) -> str:
        top, slash, rest = name.partition("/")
        return f"{new_names[top]}{slash}{rest}"

    local = bundle.content(folder, thing)
    blocks = os.lstat(local).st_blocks if thing.data >= 0 else 0
    seconds = thing.mtime_ns // 10**9
    found = os.stat_result(
        (thing.mode, 0, 0, 1, thing.uid, thing.gid, thing.size_bytes, seconds, seconds, seconds),
        {"st_mtime_ns": thing.mtime_ns, "st_blocks": blocks},
    )
    same_as = renamed(thing.same_as) if thing.same_as else ""
    return Item(local, renamed(thing.name), found, thing.xattrs, same_as, target=thing.target, is_exact=True)


def _as_it_was(item: Item) -> Dress:
    return Dress(item.found.st_uid, item.found.st_gid, item.xattrs)
