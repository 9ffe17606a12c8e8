# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted image session: a tree in memory behind the very surface of ``images.session.ImageSession``."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.ui_images.carry_fakes import pack, unpack
from tests.ui_images.fake_files import Node, file, folder, sample_tree
from tests.ui_images.tool_fakes import FakeTools
from vmconsole.images.messages import (
    Applied,
    Change,
    ChangesChanged,
    ChangeVerb,
    Conflict,
    Device,
    Entry,
    EntryKind,
    FileContent,
    Filesystem,
    Folder,
    ImageMode,
    ImageOverview,
    ImageSnapshot,
    ImageSource,
    OldDraft,
    Ownership,
    Progressed,
    SessionState,
    StateChanged,
    Transferred,
    Usage,
)
from vmconsole.images.way_back import WayBack
from vmconsole.inventory.errors import Explanation, ImageError, ImageUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmconsole.images.messages import SessionEvent

SOURCE = ImageSource("/srv/images/web1.qcow2", "qcow2", where="kvm3", guest_name="web1")
RUNNING = Explanation(
    what="web1 is running, so its disk can be looked at only.", advice="Shut it down to edit the disk."
)


class FakeSession:
    """Keeps ImageSession's promises on a thread of its own. ``gate`` cleared holds every request back."""

    def __init__(
        self,
        on_event: Callable[[SessionEvent], None],
        *,
        tree: Node | None = None,
        mode: ImageMode = ImageMode.DRAFT,
        source: ImageSource = SOURCE,
        export_takes_s: float = 0.0,
    ) -> None:
        self.source = source
        self.tree = tree if tree is not None else sample_tree()
        self.mode = mode
        self.state = SessionState.NEW
        self.gate = threading.Event()
        self.gate.set()
        self.fail_next: Exception | None = None
        self.key = ""
        self.is_locked = False
        """There is a third filesystem, which ``key`` opens."""
        self.snapshots: tuple[ImageSnapshot, ...] = ()
        self.old_draft = ""
        self.calls: list[str] = []
        self.closed_with: bool | None = None
        self.thread_names: set[str] = set()
        self._export_takes_s = export_takes_s
        self._on_event = on_event
        self._changes: list[Change] = []
        self._undone: list[Change] = []
        self.back: WayBack | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fake-session")
        self._stop = threading.Event()
        self.tools = FakeTools(self)

    # -- the surface -------------------------------------------------------------------------------------------

    def open(self) -> Future[ImageOverview]:
        return self._do("open", self._open)

    def open_again(self, old_draft: OldDraft) -> Future[ImageOverview]:
        def again() -> ImageOverview:
            self.old_draft = {OldDraft.LOOKED_AT: "shown", OldDraft.TRUSTED: "", OldDraft.REFUSED: "untold"}[old_draft]
            self.mode = ImageMode.DRAFT if old_draft is OldDraft.TRUSTED else ImageMode.LOOK_ONLY
            return self._open()

        return self._do(f"open again {old_draft.value}", again)

    def list_folder(self, path: str, *, on_part: Callable[[Folder], None] | None = None) -> Future[Folder]:
        def listed() -> Folder:
            whole = self._list(path)
            for begin in range(0, len(whole.entries), 1000) if on_part is not None else ():
                on_part(Folder(path, whole.entries[begin : begin + 1000]))
            return whole

        return self._do(f"list {path}", listed)

    def show_filesystem(self, device: str | None) -> Future[ImageOverview]:
        return self._do(f"show {device}", self._overview)

    def unlock(self, device: str, key: str) -> Future[ImageOverview]:
        def unlock() -> ImageOverview:
            if key != self.key:
                raise ImageUnreadable(f"{device} was not unlocked.", entry="image-wrong-passphrase")
            self.is_locked = False
            return self._overview()

        return self._do(f"unlock {device}", unlock)

    def usage(self) -> Future[tuple[Usage, ...]]:
        return self._do("usage", lambda: (Usage("/dev/sda1", 18 << 30, 7 << 30),))

    def read_file(self, path: str, *, limit_bytes: int) -> Future[FileContent]:
        def read() -> FileContent:
            node = self._file(path)
            return FileContent(path, node.data[:limit_bytes], len(node.data), node.mode)

        return self._do(f"read {path}", read)

    def write_file(self, path: str, data: bytes) -> Future[None]:
        def write() -> None:
            parent, name = self._parent(path)
            verb = ChangeVerb.WRITTEN if name in parent.children else ChangeVerb.ADDED
            parent.children.setdefault(name, file()).data = data
            self._note(verb, path, size=len(data))

        return self._do(f"write {path}", write)

    def import_paths(
        self,
        local_paths: Sequence[Path],
        folder: str,
        *,
        conflict: Conflict = Conflict.REFUSE,
        ownership: Ownership = Ownership.FOLDER,
        choices: Sequence[Conflict] = (),
    ) -> Future[Transferred]:
        self.ownership = ownership
        answers = list(choices) or [conflict] * len(local_paths)
        words = " ".join(answer.name for answer in choices)
        return self._do(f"import {words}".strip(), lambda: self._import(list(local_paths), folder, answers))

    def carry_out(self, guest_paths: Sequence[str], local_folder: Path) -> Future[Transferred]:
        def carry() -> Transferred:
            if self._stop.wait(self._export_takes_s):
                raise CancelledError
            return pack(self, guest_paths, local_folder)

        return self._do("carry out", carry)

    def carry_in(self, bundle: Path, folder: str, *, choices: Sequence[Conflict] = ()) -> Future[Transferred]:
        words = " ".join(answer.name for answer in choices)
        return self._do(f"carry in {words}".strip(), lambda: unpack(self, bundle, folder, choices))

    def export_paths(self, guest_paths: Sequence[str], local_folder: Path) -> Future[Transferred]:
        return self._do("export", lambda: self._export(list(guest_paths), local_folder))

    def make_folder(self, path: str) -> Future[None]:
        def make() -> None:
            parent, name = self._parent(path)
            if name in parent.children:
                raise ImageError("The name is taken.", where=path)
            parent.children[name] = folder()
            self._note(ChangeVerb.MADE, path)

        return self._do(f"make {path}", make)

    def rename(self, path: str, new_path: str) -> Future[None]:
        def rename() -> None:
            parent, name = self._parent(path)
            new_parent, new_name = self._parent(new_path)
            if new_name in new_parent.children:
                raise ImageError("The name is taken.", where=new_path)
            new_parent.children[new_name] = parent.children.pop(name)
            self._note(ChangeVerb.RENAMED, path, detail=f"to {new_path}")

        return self._do(f"rename {path} {new_path}", rename)

    def delete(self, paths: Sequence[str]) -> Future[None]:
        def delete() -> None:
            for path in paths:
                parent, name = self._parent(path)
                del parent.children[name]
                self._note(ChangeVerb.DELETED, path)

        return self._do(f"delete {' '.join(paths)}", delete)

    def changes(self) -> tuple[Change, ...]:
        return tuple(self._changes)

    def discard(self) -> Future[ImageOverview]:
        def discard() -> ImageOverview:
            self._changes.clear()
            self._on_event(ChangesChanged(()))
            return self._overview()

        return self._do("discard", discard)

    def undo(self, steps: int = 1) -> Future[ImageOverview]:
        def undo() -> ImageOverview:
            for _ in range(steps):
                self._undone.insert(0, self._changes.pop())
            self._on_event(ChangesChanged(tuple(self._changes), tuple(self._undone)))
            return self._overview()

        return self._do("undo", undo)

    def redo(self, steps: int = 1) -> Future[ImageOverview]:
        def redo() -> ImageOverview:
            for _ in range(steps):
                self._changes.append(self._undone.pop(0))
            self._on_event(ChangesChanged(tuple(self._changes), tuple(self._undone)))
            return self._overview()

        return self._do("redo", redo)

    def way_back(self) -> WayBack | None:
        return self.back

    def take_back(self) -> Future[Applied]:
        def take_back() -> Applied:
            assert self.back is not None
            self.back = replace(self.back, is_taking_back=not self.back.is_taking_back)
            self._say(SessionState.APPLIED, "taken back")
            return Applied(1, 4096, 1.0)

        return self._do("take back", take_back)

    def forget_way_back(self) -> Future[None]:
        def forget() -> None:
            self.back = None

        return self._do("forget way back", forget)

    def apply(self, *, keeps_way_back: bool = True) -> Future[Applied]:
        def apply() -> Applied:
            self._say(SessionState.APPLYING, "writing the disk")
            done = Applied(len(self._changes), 4096, 1.5)
            words = tuple(change.words for change in self._changes)
            self._changes.clear()
            self._on_event(ChangesChanged(()))
            self.back = WayBack("id", "", "", "", "", "", words, "f", 70_000, "") if keeps_way_back else None
            self._say(SessionState.APPLIED, "done")
            return done

        return self._do("apply", apply)

    def cancel(self) -> None:
        self.calls.append("cancel")
        self._stop.set()
        self.gate.set()

    def close(self, *, keep_draft: bool = True) -> None:
        self.closed_with = keep_draft
        self.state = SessionState.CLOSED
        self.cancel()
        self._pool.shutdown(wait=True)

    def wait_closed(self, timeout_s: float) -> bool:
        return self.state is SessionState.CLOSED

    # -- behind it ---------------------------------------------------------------------------------------------

    def _do(self, name: str, job: Callable[[], Any]) -> Future[Any]:
        self.calls.append(name)
        if self.state is SessionState.CLOSED:
            ended: Future[Any] = Future()
            ended.cancel()
            return ended
        self._stop.clear()

        def run() -> Any:
            self.gate.wait(30)
            if self._stop.is_set():
                raise CancelledError
            if self.fail_next is not None:
                error, self.fail_next = self.fail_next, None
                if name == "open":
                    self._say(SessionState.FAILED, "")
                raise error
            return job()

        return self._pool.submit(run)

    def _say(self, state: SessionState, words: str) -> None:
        self.state = state
        self._on_event(StateChanged(state, words))

    def _note(self, verb: ChangeVerb, path: str, *, detail: str = "", size: int = 0) -> None:
        self._undone.clear()
        self._changes.append(Change(len(self._changes) + 1, verb, path, detail, size, time.time()))
        self._on_event(ChangesChanged(tuple(self._changes)))

    def _open(self) -> ImageOverview:
        self._say(SessionState.OPENING, "looking at the image")
        self._say(SessionState.OPENING, "starting the appliance, no KVM here: this takes about 15 s")
        self._say(SessionState.READY if self.mode is ImageMode.DRAFT else SessionState.LOOK_ONLY, "open")
        return self._overview()

    def _overview(self) -> ImageOverview:
        return ImageOverview(
            self.source,
            self.mode,
            None if self.mode is ImageMode.DRAFT else RUNNING,
            "qcow2",
            20 << 30,
            (Device("/dev/sda", 20 << 30),),
            (
                Filesystem("/dev/sda1", "ext4", "root", "0d3a", 19 << 30, "/", is_writable=True),
                Filesystem("/dev/sda2", "swap", "", "77aa", 1 << 30, "", problem="Swap space holds no files."),
                *self._third(),
            ),
            "Debian GNU/Linux 12 (bookworm)",
            has_os_tree=True,
            snapshots=self.snapshots,
            old_draft=self.old_draft,
        )

    def _third(self) -> tuple[Filesystem, ...]:
        if not self.key:
            return ()
        if self.is_locked:
            return (Filesystem("/dev/sda3", "crypto_LUKS", "", "9f", 5 << 30, problem="Locked.", is_locked=True),)
        return (Filesystem("/dev/mapper/unlocked_sda3", "ext4", "vault", "9e", 5 << 30, "/srv", is_writable=True),)

    def _node(self, path: str) -> Node:
        node = self.tree
        for part in (p for p in path.split("/") if p):
            if part not in node.children:
                raise ImageUnreadable(f"{path} is not there.", advice="Reload the folder.", where=path)
            node = node.children[part]
            if node.kind is EntryKind.LINK:
                node = self._node(node.target)
        return node

    def _file(self, path: str) -> Node:
        node = self._node(path)
        if node.kind is not EntryKind.FILE:
            raise ImageUnreadable(f"{path} is not a file.", where=path)
        return node

    def _parent(self, path: str) -> tuple[Node, str]:
        parent, _, name = path.rpartition("/")
        return self._node(parent), name

    def _list(self, path: str) -> Folder:
        node = self._node(path)
        if node.kind is not EntryKind.FOLDER:
            raise ImageUnreadable(f"{path} is not a folder.", where=path)
        return Folder(path, tuple(_entry(name, child) for name, child in node.children.items()))

    def _import(self, paths: list[Path], where: str, answers: list[Conflict]) -> Transferred:
        target, added, skipped, done = self._node(where), [], [], 0
        for path, conflict in zip(paths, answers, strict=True):
            name = path.name
            if name in target.children and conflict is Conflict.REFUSE:
                raise ImageError(f"{name} is there already.", where=where)
            if name in target.children and conflict is Conflict.SKIP:
                skipped.append(f"{name} is there already.")
                continue
            if name in target.children and conflict is Conflict.KEEP_BOTH:
                name = f"{path.stem} (2){path.suffix}"
            data = path.read_bytes()
            self._on_event(Progressed(f"copying {name}", done, 10_000))
            done += len(data)
            target.children[name] = file(data)
            added.append(f"{where.rstrip('/')}/{name}")
            self._note(ChangeVerb.ADDED, added[-1], size=len(data))
        return Transferred(len(added), done, tuple(added), tuple(skipped))

    def _export(self, paths: list[str], local: Path) -> Transferred:
        if self._stop.wait(self._export_takes_s):
            raise CancelledError
        made = [self._export_one(self._node(path), local / path.rpartition("/")[2]) for path in paths]
        return Transferred(len(made), sum(len(self._node(p).data) for p in paths), tuple(map(str, made)))

    def _export_one(self, node: Node, local: Path) -> Path:
        if node.kind is EntryKind.FOLDER:
            local.mkdir()
            for name, child in node.children.items():
                self._export_one(child, local / name)
        else:
            local.write_bytes(node.data)
        return local


def _entry(name: str, node: Node) -> Entry:
    entry = Entry(
        name, node.kind, len(node.data), node.mode, 0, 0, "root", "root", modified_at=1.7e9, link_target=node.target
    )
    return replace(entry, is_addressable=node.addressable)
