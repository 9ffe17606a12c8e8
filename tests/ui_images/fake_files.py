# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up tree of files, as a scripted image holds it, and what the parts of a scripted session ask of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from vmconsole.images.messages import EntryKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from vmconsole.images.messages import ChangeVerb


@dataclass
class Node:
    kind: EntryKind
    data: bytes = b""
    target: str = ""
    mode: int = 0o644
    addressable: bool = True
    children: dict[str, Node] = field(default_factory=dict)
    uid: int = 0
    gid: int = 0
    xattrs: dict[str, bytes] = field(default_factory=dict)


def folder(**children: Node) -> Node:
    return Node(EntryKind.FOLDER, mode=0o755, children=dict(children))


def file(data: bytes | str = b"", mode: int = 0o644) -> Node:
    return Node(EntryKind.FILE, data.encode() if isinstance(data, str) else data, mode=mode)


def sample_tree() -> Node:
    top = folder(
        etc=folder(fstab=file("/dev/vda1 / ext4 defaults 0 1\n"), hosts=file("127.0.0.1 localhost\n"), ssh=folder()),
        srv=folder(),
        bin=Node(EntryKind.LINK, target="usr/bin", mode=0o777),
        usr=folder(bin=folder(true=file(b"\x7fELF\x02\x01\x01\x00" + bytes(200), 0o4755))),
    )
    top.children["<b>bold"] = file("not rich\n")
    top.children["line\nbreak"] = file("odd\n")
    top.children["bad-\udcff"] = Node(EntryKind.FILE, b"x")
    return top


class Insides(Protocol):
    """Of ``FakeSession``, for the parts that it is made of."""

    def _do(self, words: str, work: Callable[[], Any]) -> Future[Any]: ...
    def _node(self, path: str) -> Node: ...
    def _file(self, path: str) -> Node: ...
    def _parent(self, path: str) -> tuple[Node, str]: ...
    def _note(self, verb: ChangeVerb, path: str) -> None: ...
