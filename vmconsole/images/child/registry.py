# SPDX-License-Identifier: GPL-3.0-or-later
"""Hives of the Windows registry, by hivex inside the appliance. Child process.

A hive is changed in a copy that then takes its place. A hive whose two sequence numbers differ waits for its log
(Windows was not shut down, or sleeps): to write it would be lost or mixed with the log, so that is refused. Source:
hivex(3), «Hive files», and guestfs(3), «hivex_open».
"""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.editing import temporary_name
from vmconsole.images.child.listing import regular_file
from vmconsole.images.tool_values import RegistryEdit, RegistryKey, RegistryValue, RegistryVerb
from vmconsole.inventory.errors import ImageDamaged, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.child.handle import Handle, Work

_EPOCH_DIFFERENCE_S = 11_644_473_600
"""From 1601, where Windows counts from, to 1970."""
SUBKEYS_MAX = 5000
VALUES_MAX = 2000
_VALUE_BYTES_MAX = 1024 * 1024
_DIRTY_ADVICE = "Start Windows, shut it down with `shutdown /s /f /t 0`, and open the disk again."


def read_key(work: Work, hive: object, key: tuple[str, ...]) -> RegistryKey:
    file = names.guest_path(hive)
    try:
        is_dirty = _is_dirty(work, file)
        with _opened(work.handle, file, write=False):
            node = _node(work.handle, file, key)
            return _key(work, file, key, node, is_dirty=is_dirty)
    except RuntimeError as error:
        raise work.failed(f"The registry hive {file} cannot be read.", error) from error
    except UnicodeDecodeError as error:
        raise ImageDamaged("A name in this key is not text.", where=file) from error


def edit_hive(work: Work, hive: object, edits: tuple[RegistryEdit, ...]) -> None:
    file = work.writable(hive)
    try:
        file = work.writable(work.handle.realpath(file))
        if _is_dirty(work, file):
            raise ImageError(
                "Windows was not shut down cleanly, so this hive must not be changed.",
                cause="Changes of its last run are still in its log, and would be mixed with yours.",
                advice=_DIRTY_ADVICE,
                where=file,
            )
        beside = temporary_name(file)
        try:
            work.handle.cp_a(file, beside)
            with _opened(work.handle, beside, write=True):
                for edit in edits:
                    _do(work.handle, file, edit)
                work.handle.hivex_commit(None)
            work.handle.rename(beside, file)
        finally:
            with contextlib.suppress(RuntimeError):
                work.handle.rm_f(beside)
    except RuntimeError as error:
        raise work.failed(f"The registry hive {file} cannot be changed.", error) from error


def _is_dirty(work: Work, file: str) -> bool:
    regular_file(work, file)
    header = work.handle.pread(file, 12, 0)
    if len(header) < 12 or header[:4] != b"regf":
        raise ImageError("This is not a registry hive.", where=file, advice="Hives are in Windows/System32/config.")
    first, second = struct.unpack("<II", header[4:])
    return bool(first != second)


@contextlib.contextmanager
def _opened(handle: Handle, file: str, *, write: bool) -> Iterator[None]:
    handle.hivex_open(file, write=write)
    try:
        yield
    finally:
        with contextlib.suppress(RuntimeError):
            handle.hivex_close()


def _node(handle: Handle, file: str, key: tuple[str, ...]) -> int:
    node = handle.hivex_root()
    for name in key:
        node = handle.hivex_node_get_child(node, names.checked_text(name))
        if not node:
            raise ImageError("This key is not there (any more).", where=f"{file}: {shown(key)}")
    return node


def shown(key: tuple[str, ...]) -> str:
    return "\\".join(key) or "\\"


def _key(work: Work, file: str, key: tuple[str, ...], node: int, *, is_dirty: bool) -> RegistryKey:
    handle = work.handle
    children = [c["hivex_node_h"] for c in handle.hivex_node_children(node)]
    values = [v["hivex_value_h"] for v in handle.hivex_node_values(node)]
    subkeys = []
    for number, child in enumerate(children[:SUBKEYS_MAX]):
        work.check_cancelled()
        work.move("Reading the registry", number, len(children))
        subkeys.append(handle.hivex_node_name(child))
    is_whole = len(children) <= SUBKEYS_MAX and len(values) <= VALUES_MAX
    found = tuple(_value(handle, v) for v in values[:VALUES_MAX])
    # libguestfs lacks hivex_node_timestamp; a node's handle is the offset of its «nk» record, whose time is at 8.
    record = handle.pread(file, 16, node)
    ticks = int.from_bytes(record[8:16], "little") if record[4:6] == b"nk" else 0
    at = ticks / 10_000_000 - _EPOCH_DIFFERENCE_S
    return RegistryKey(file, key, tuple(subkeys), found, at, is_dirty=is_dirty, is_whole=is_whole)


def _value(handle: Handle, value: int) -> RegistryValue:
    data = handle.hivex_value_value(value)
    return RegistryValue(handle.hivex_value_key(value), handle.hivex_value_type(value), bytes(data))


def _do(handle: Handle, file: str, edit: RegistryEdit) -> None:
    if not edit.key and edit.verb is not RegistryVerb.SET_VALUE:
        raise ImageError("The root key can neither be added nor deleted.", where=file)
    if edit.verb is RegistryVerb.SET_VALUE:
        value = edit.value
        if value is None or len(value.data) > _VALUE_BYTES_MAX:
            raise ImageError("A registry value has 1 MiB at most.", where=f"{file}: {shown(edit.key)}")
        handle.hivex_node_set_value(
            _node(handle, file, edit.key), names.checked_text(value.name), value.type, value.data
        )
    elif edit.verb is RegistryVerb.ADD_KEY:
        parent, name = _node(handle, file, edit.key[:-1]), names.checked_text(edit.key[-1])
        if not name or "\\" in name or len(name) > 255:
            raise ImageError("A key's name has 1 to 255 characters and no backslash.", where=name)
        if handle.hivex_node_get_child(parent, name):
            raise ImageError("A key of that name is there already.", where=f"{file}: {shown(edit.key)}")
        handle.hivex_node_add_child(parent, name)
    else:
        handle.hivex_node_delete_child(_node(handle, file, edit.key))
