# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration files as trees, by Augeas inside the appliance. Child process.

Augeas keeps every byte that an edit does not concern: comments, spaces, order. It writes the result beside the file
(AUG_SAVE_NEWFILE), and our own writer puts it in place, which keeps hard links, attributes and the old content if
anything fails. Sources: augeas' own documentation of path expressions; guestfs(3), «aug_init».
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.editing import write_file
from vmconsole.images.child.handle import CHUNK_BYTES
from vmconsole.images.child.listing import regular_file
from vmconsole.images.lenses import lens_for
from vmconsole.images.tool_values import ConfigEdit, ConfigNode, ConfigTree, ConfigVerb
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.child.handle import Handle, Work

_FLAGS = 2 | 32 | 64
"""AUG_SAVE_NEWFILE, AUG_NO_LOAD, AUG_NO_MODL_AUTOLOAD (augeas.h)."""
NODES_MAX = 3000
_FILE_BYTES_MAX = 4 * 1024 * 1024
_NEW = ".augnew"
_SPECIAL = frozenset("*?[]\\")
"""Augeas takes a file's name for a pattern."""


def read_config(work: Work, path: object, lens: str) -> ConfigTree:
    file, lens = _file_and_lens(work, names.guest_path(path), lens)
    try:
        with _opened(work, file, lens) as base:
            return _tree(work, file, lens, base)
    except RuntimeError as error:
        raise work.failed(f"The configuration file {file} cannot be read.", error) from error


def edit_config(work: Work, path: object, lens: str, edits: tuple[ConfigEdit, ...]) -> ConfigTree:
    file, lens = _file_and_lens(work, work.writable(path), lens)
    handle = work.handle
    beside = work.writable(file) + _NEW
    try:
        if handle.exists(beside):
            raise ImageError(
                "A file that Augeas would write is there already.", where=beside, advice="Rename or delete it first."
            )
        try:
            with _opened(work, file, lens) as base:
                for edit in edits:
                    _do(handle, base, edit)
                _save(handle, file)
            if handle.exists(beside):  # nothing is written when nothing changed
                write_file(work, file, _whole(handle, beside))
        finally:
            with contextlib.suppress(RuntimeError):
                handle.rm_f(beside)
        with _opened(work, file, lens) as base:
            return _tree(work, file, lens, base)
    except RuntimeError as error:
        raise work.failed(f"The configuration file {file} cannot be changed.", error) from error


def _file_and_lens(work: Work, path: str, lens: str) -> tuple[str, str]:
    """The file itself, links followed, and the lens for it."""
    try:
        found = regular_file(work, path)
        file = work.handle.realpath(path)
    except RuntimeError as error:
        raise work.failed(f"The file {path} cannot be read.", error) from error
    lens = names.checked_text(lens) or lens_for(path) or lens_for(file)
    if not lens:
        raise ImageError(
            "It is not known what kind of configuration file this is.",
            advice="Choose its kind, or edit it as text.",
            where=path,
        )
    if _SPECIAL & set(file):
        raise ImageError("Augeas cannot open a file with *, ?, [, ] or \\ in its name.", where=file)
    if found["st_size"] > _FILE_BYTES_MAX:
        raise ImageError(f"It has more than {_FILE_BYTES_MAX >> 20} MiB.", advice="Edit it as text.", where=file)
    return file, lens


@contextlib.contextmanager
def _opened(work: Work, file: str, lens: str) -> Iterator[str]:
    """Augeas with this file alone; gives the path of its node."""
    handle = work.handle
    work.move(f"Reading {file}", 0, 0)
    handle.aug_init("/", _FLAGS)
    try:
        handle.aug_set("/augeas/load/vmconsole/lens", lens)
        handle.aug_set("/augeas/load/vmconsole/incl", file)
        handle.aug_load()
        found = handle.aug_match("/augeas/files//path")
        bases = [handle.aug_get(node) for node in found]
        problem = _problem(handle)
        if problem or not bases:
            raise ImageError(
                f"This file does not read as {lens.partition('.')[0]}.",
                cause="Its syntax is damaged or unusual, or it is a file of another kind.",
                advice="Choose another kind, or edit it as text.",
                where=file,
                said=problem,
            )
        yield bases[0]
    finally:
        with contextlib.suppress(RuntimeError):
            handle.aug_close()


def _problem(handle: Handle) -> str:
    """What Augeas found wrong: lens, line and message."""
    parts = []
    for node in handle.aug_match("/augeas//error | /augeas//error/message | /augeas//error/line"):
        value = _value(handle, node)
        if value:
            label = node.rpartition("/")[2]
            parts.append(f"line {value}" if label == "line" else value)
    return "\n".join(parts)


def _value(handle: Handle, node: str) -> str | None:
    try:
        return handle.aug_get(node)
    except RuntimeError as error:
        if "NULL" in str(error):
            return None  # it only holds other nodes
        raise


def _tree(work: Work, file: str, lens: str, base: str) -> ConfigTree:
    found = work.handle.aug_match(f"{base}//*")
    nodes = []
    for number, inner in enumerate(_in_file_order([node.removeprefix(base + "/") for node in found[:NODES_MAX]])):
        work.check_cancelled()
        work.move("Reading the configuration", number, len(found))
        node = f"{base}/{inner}"
        label = inner.rpartition("/")[2].partition("[")[0]
        nodes.append(ConfigNode(inner, label, _value(work.handle, node), inner.count("/") - inner.count("\\/")))
    return ConfigTree(file, lens, tuple(nodes), is_whole=len(found) <= NODES_MAX)


def _in_file_order(paths: list[str]) -> list[str]:
    """Augeas names all children of a node before their own children; a file has each line whole."""
    inside: dict[str, list[str]] = {}
    for path in paths:
        inside.setdefault(path.rpartition("/")[0], []).append(path)
    ordered: list[str] = []
    waiting = inside.get("", [])[::-1]
    while waiting:
        path = waiting.pop()
        ordered.append(path)
        waiting.extend(inside.get(path, [])[::-1])
    return ordered


def _do(handle: Handle, base: str, edit: ConfigEdit) -> None:
    path, label = names.checked_name(edit.path), _escaped(names.checked_name(edit.label))
    node = f"{base}/{path}" if path else base
    if len(handle.aug_match(node)) != 1:
        raise ImageError("This part of the file is not there any more.", where=path, advice="Read it again.")
    if edit.verb is ConfigVerb.DELETE and path:
        handle.aug_rm(node)
    elif edit.verb is ConfigVerb.SET and path:
        _put(handle, node, edit.value)
    elif edit.verb is ConfigVerb.ADD and label:
        _put(handle, f"{node}/{label}[last()+1]", edit.value)
    elif edit.verb is ConfigVerb.ADD_AFTER and label and path:
        handle.aug_insert(node, names.checked_name(edit.label), before=False)
        _put(handle, f"{node}/following-sibling::*[1]", edit.value)
    else:
        raise ImageError("This cannot be done to the whole file.", where=path)


def _put(handle: Handle, node: str, value: str | None) -> None:
    if value is None:
        handle.aug_clear(node)
    else:
        handle.aug_set(node, names.checked_name(value))


def _escaped(label: str) -> str:
    """A label as a step of a path expression: what has a meaning there is escaped."""
    return "".join(f"\\{c}" if c in " \t\\'\"[]|/=()!,*" else c for c in label)


def _save(handle: Handle, file: str) -> None:
    try:
        handle.aug_save()
    except RuntimeError as error:
        said = _problem(handle)
        raise ImageError(
            "This value does not fit this kind of file.",
            cause="The file could not be written so that it would be read again as what you entered.",
            advice="Look at how the other entries are written, or edit the file as text.",
            where=file,
            said=said or str(error),
        ) from error


def _whole(handle: Handle, file: str) -> bytes:
    parts: list[bytes] = []
    while part := handle.pread(file, CHUNK_BYTES, sum(map(len, parts))):
        parts.append(part)
    return b"".join(parts)
