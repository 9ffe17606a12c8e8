# SPDX-License-Identifier: GPL-3.0-or-later
"""The editing tools of a scripted session, over its tree in memory. What configuration files and hives mean only Augeas
and hivex know, so what is read is what a test has put there, and edits are only remembered: their windows are tested
with a real appliance, too.
"""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
from typing import TYPE_CHECKING, Any

from tests.ui_images.fake_files import Node, file
from vmconsole.images.messages import ChangeVerb, Entry, EntryKind
from vmconsole.images.tool_requests import FindBytes, MeasureFolders, Search
from vmconsole.images.tool_values import (
    Account,
    Attributes,
    AttributesSet,
    ConfigEdit,
    ConfigTree,
    Digest,
    FoundAt,
    Hit,
    NewAttributes,
    Page,
    RegistryEdit,
    RegistryKey,
    SearchIn,
    Size,
    Surveyed,
    SurveyedFolder,
    Window,
    Xattr,
)
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from tests.ui_images.fake_files import Insides

USERS = (Account("root", 0), Account("web", 33))
GROUPS = (Account("root", 0), Account("www-data", 33))


class FakeTools:
    """Each step of a search looks at one name, so that tests see it come bit by bit."""

    def __init__(self, session: Insides) -> None:
        self._session = session
        self._numbers = itertools.count(1)
        self.running: dict[int, Iterator[Any]] = {}
        self._extras: dict[str, Attributes] = {}
        self.config = ConfigTree("/etc/hosts", "Hosts.lns", ())
        self.keys: dict[tuple[str, ...], RegistryKey] = {}
        self.edits: list[ConfigEdit | RegistryEdit] = []

    def attributes(self, path: str) -> Future[Attributes]:
        return self._session._do(f"attributes {path}", lambda: self._attributes(path))

    def set_attributes(self, paths: Sequence[str], new: NewAttributes) -> Future[AttributesSet]:
        def change() -> AttributesSet:
            for path in paths:
                node = self._session._node(path)
                node.mode = (node.mode & ~new.mode_mask) | (new.mode & new.mode_mask)
                node.uid = node.uid if new.uid is None else new.uid
                node.gid = node.gid if new.gid is None else new.gid
                self._session._note(ChangeVerb.ATTRIBUTES, path)
            return AttributesSet(len(paths))

        return self._session._do(f"attributes {' '.join(paths)} {new.mode:o}", change)

    def set_xattrs(self, path: str, new: Sequence[Xattr], *, remove: Sequence[str] = ()) -> Future[None]:
        def change() -> None:
            node = self._session._node(path)
            node.xattrs = {k: v for k, v in node.xattrs.items() if k not in remove}
            node.xattrs.update({x.name: x.value for x in new})
            self._session._note(ChangeVerb.ATTRIBUTES, path)

        return self._session._do(f"xattrs {path}", change)

    def set_acl(self, path: str, text: str, *, is_default: bool = False) -> Future[None]:
        def change() -> None:
            if "nonsense" in text:
                raise ImageError("This is not a valid ACL.", where=path)
            self._session._note(ChangeVerb.ATTRIBUTES, path)

        return self._session._do(f"acl {path} {text}", change)

    def make_file(self, path: str) -> Future[None]:
        return self._session._do(f"make file {path}", lambda: self._make(path, file()))

    def make_link(self, path: str, target: str, *, is_hard: bool = False) -> Future[None]:
        def make() -> None:
            self._make(path, self._session._node(target) if is_hard else Node(EntryKind.LINK, target=target))

        return self._session._do(f"link {path} {target}", make)

    def read_window(self, path: str, offset: int, count: int) -> Future[Window]:
        def read() -> Window:
            data = self._session._file(path).data
            return Window(path, offset, data[offset : offset + count], len(data))

        return self._session._do(f"window {path} {offset}", read)

    def begin(self, task: Any) -> Future[int]:
        def begin() -> int:
            number = next(self._numbers)
            self.running[number] = self._steps(task)
            return number

        return self._session._do(f"begin {type(task).__name__}", begin)

    def step(self, number: int) -> Future[Page]:
        def step() -> Page:
            try:
                path, found = next(self.running[number])
            except StopIteration:
                del self.running[number]
                return Page((), is_over=True, looked_at=0)
            return Page(tuple(found), is_over=False, looked_at=1, words=path)

        return self._session._do("step", step)

    def drop(self, number: int) -> Future[None]:
        return self._session._do("drop", lambda: self.running.pop(number, None) and None)

    def survey(self, folders: Sequence[str]) -> Future[tuple[SurveyedFolder, ...]]:
        return self._session._do("survey", lambda: tuple(self._survey(folder) for folder in folders))

    def digests(self, paths: Sequence[str]) -> Future[tuple[Digest, ...]]:
        def digest(path: str) -> Digest:
            return Digest(path, hashlib.sha256(self._session._node(path).data).hexdigest())

        return self._session._do("digests", lambda: tuple(map(digest, paths)))

    def read_config(self, path: str, *, lens: str = "") -> Future[ConfigTree]:
        return self._session._do(f"read config {path} {lens}", lambda: self.config)

    def edit_config(self, path: str, lens: str, edits: Sequence[ConfigEdit]) -> Future[ConfigTree]:
        return self._session._do(f"edit config {path} {lens}", lambda: self.edits.extend(edits) or self.config)

    def read_key(self, hive: str, key: tuple[str, ...]) -> Future[RegistryKey]:
        return self._session._do(f"read key {hive}", lambda: self.keys[key])

    def edit_hive(self, hive: str, edits: Sequence[RegistryEdit]) -> Future[None]:
        return self._session._do(f"edit hive {hive}", lambda: self.edits.extend(edits))

    # -- behind it ---------------------------------------------------------------------------------------------

    def _make(self, path: str, node: Node) -> None:
        parent, name = self._session._parent(path)
        if name in parent.children:
            raise ImageError("Something of that name is there already.", where=path)
        parent.children[name] = node
        self._session._note(ChangeVerb.ADDED, path)

    def _attributes(self, path: str) -> Attributes:
        parent, name = self._session._parent(path)
        node = parent.children[name]
        names = {a.number: a.name for a in USERS}
        groups = {a.number: a.name for a in GROUPS}
        return Attributes(
            path, node.kind, node.mode, node.uid, node.gid, names.get(node.uid, str(node.uid)),
            groups.get(node.gid, str(node.gid)), len(node.data), 4096, 1, 77, 1.7e9, 1.7e9, 1.7e9,
            link_target=node.target, xattrs=tuple(Xattr(k, v) for k, v in node.xattrs.items()),
            users=USERS, groups=GROUPS,
        )  # fmt: skip

    def _walk(self, path: str, node: Node) -> Iterator[tuple[str, str, Node]]:
        for name, child in node.children.items():
            below = f"{path.rstrip('/')}/{name}"
            yield below, name, child
            yield from self._walk(below, child)

    def _steps(self, task: Any) -> Iterator[tuple[str, list[Any]]]:
        if isinstance(task, FindBytes):
            at = self._session._file(task.path).data.find(task.wanted, task.start)
            yield task.path, [FoundAt(at)] if at >= 0 else []
        elif isinstance(task, MeasureFolders):
            found = [n for p in task.paths for _, _, n in self._walk(p, self._session._node(p))]
            size = sum(len(n.data) for n in found)
            yield "/", [Size(len(found), 1, size, size)]
        elif isinstance(task, Search):
            for path, name, node in self._walk(task.folder, self._session._node(task.folder)):
                if task.where is SearchIn.NAMES:
                    hit = task.words in name or fnmatch.fnmatch(name, task.words)
                else:
                    hit = task.words.encode() in node.data
                yield path, [Hit(path, Entry(name, node.kind, len(node.data)))] if hit else []

    def _survey(self, path: str) -> SurveyedFolder:
        try:
            node = self._session._node(path)
        except ImageError as error:
            return SurveyedFolder(path, (), error.explanation.what)
        entries = tuple(
            Surveyed(name, n.kind, n.mode, n.uid, n.gid, len(n.data), n.target, str(hash(n.data)))
            for name, n in sorted(node.children.items())
        )
        return SurveyedFolder(path, entries)
