# SPDX-License-Identifier: GPL-3.0-or-later
"""How a scripted image gives files to another one: a real bundle, also for a scripted image in another program."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

from tests.ui_images.fake_files import Node
from vmconsole.images import bundle
from vmconsole.images.messages import ChangeVerb, Conflict, EntryKind, Transferred
from vmconsole.images.names import free_name
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.ui_images.fake_files import Insides

_KINDS = {EntryKind.FILE: stat.S_IFREG, EntryKind.FOLDER: stat.S_IFDIR, EntryKind.LINK: stat.S_IFLNK}


def pack(session: Insides, paths: Sequence[str], local_folder: Path) -> Transferred:
    place = local_folder / "bundle"
    place.mkdir()
    found = [row for path in paths for row in _walk(path.rpartition("/")[2], _child(session, path))]
    things = []
    for number, (name, node) in enumerate(found):
        if node.kind is EntryKind.FILE:
            (place / str(number)).write_bytes(node.data)
        data = number if node.kind is EntryKind.FILE else -1
        xattrs = tuple(node.xattrs.items())
        mode = _KINDS[node.kind] | node.mode
        things.append(bundle.Carried(name, mode, node.uid, node.gid, 0, len(node.data), xattrs, data, node.target))
    bundle.write(str(place), things)
    return Transferred(len(things), 0, (str(place),))


def _child(session: Insides, path: str) -> Node:
    parent, name = session._parent(path)
    if name not in parent.children:
        raise ImageError("It is not there (any more).", where=path)
    return parent.children[name]


def _walk(name: str, node: Node) -> Iterator[tuple[str, Node]]:
    yield name, node
    for child, below in node.children.items():
        yield from _walk(f"{name}/{child}", below)


def unpack(session: Insides, place: Path, folder: str, choices: Sequence[Conflict]) -> Transferred:
    things = bundle.read(str(place))
    tops = bundle.tops(things)
    answers = dict(zip((t.name for t in tops), choices or [Conflict.REFUSE] * len(tops), strict=True))
    target = session._node(folder)
    made: dict[str, Node] = {}
    placed: list[str] = []
    for thing in things:
        node = made[thing.name] = _node(place, thing)
        above, _, name = thing.name.rpartition("/")
        if above:
            made[above].children[name] = node
    for top in tops:
        name, answer = top.name, answers[top.name]
        if name in target.children and answer is Conflict.REFUSE:
            raise ImageError(f"{name} is there already.", where=folder)
        if name in target.children and answer is Conflict.SKIP:
            continue
        if answer is Conflict.KEEP_BOTH:
            name = free_name(name, set(target.children))
        target.children[name] = made[top.name]
        placed.append(f"{folder.rstrip('/')}/{name}")
        session._note(ChangeVerb.ADDED, placed[-1])
    return Transferred(len(things), 0, tuple(placed))


def _node(place: Path, thing: bundle.Carried) -> Node:
    kind = next(kind for kind, bits in _KINDS.items() if bits == stat.S_IFMT(thing.mode))
    data = Path(bundle.content(str(place), thing)).read_bytes() if thing.data >= 0 else b""
    mode = stat.S_IMODE(thing.mode)
    return Node(kind, data, thing.target, mode, uid=thing.uid, gid=thing.gid, xattrs=dict(thing.xattrs))
