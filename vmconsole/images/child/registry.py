# SPDX-License-Identifier: GPL-3.0-or-later
"""Hives of the Windows registry, by hivex inside the appliance. Child process.

A hive is changed in a copy that then takes its place. A hive whose two sequence numbers differ waits for its log
(Windows was not shut down, or sleeps): to write it would be lost or mixed with the log, so that is refused. Source:
hivex(3), «Hive files», and guestfs(3), «hivex_open».

Names are read from their records, as hivex hands them out as C strings: one with a NUL in it, by which malware hides
from Windows' own editor, would look like another one.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child import registry_records
from vmconsole.images.child.editing import temporary_name
from vmconsole.images.child.listing import regular_file
from vmconsole.images.tool_values import RegistryEdit, RegistryKey, RegistryValue, RegistryVerb
from vmconsole.inventory.errors import ImageDamaged, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmconsole.images.child.handle import Handle, Work

_EPOCH_DIFFERENCE_S = 11_644_473_600
"""From 1601, where Windows counts from, to 1970."""


@dataclass(frozen=True, slots=True)
class _Hive:
    """A hive that hivex has open, and the file that its records are read from: the same bytes."""

    handle: Handle
    file: str
    name: str
    """As the user knows it: changes are made in a copy."""


SUBKEYS_MAX = 5000
VALUES_MAX = 2000
_VALUE_BYTES_MAX = 1_000_000 - 4
"""hivex allocates no more at once (HIVEX_MAX_ALLOCATION in its source)."""
_KEY_BYTES_MAX = 16 * 1024 * 1024
_DIRTY_ADVICE = "Start Windows, shut it down with `shutdown /s /f /t 0`, and open the disk again."


def read_key(work: Work, hive: object, key: tuple[str, ...]) -> RegistryKey:
    file = names.guest_path(hive)
    try:
        is_dirty = _is_dirty(work, file)
        with _opened(work.handle, file, write=False):
            return _key(work, _Hive(work.handle, file, file), key, is_dirty=is_dirty)
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
                    _do(_Hive(work.handle, beside, file), edit)
                    work.handle.hivex_commit(None)  # so that the file has the records that the next edit looks at
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


def _node(hive: _Hive, key: tuple[str, ...]) -> int:
    node = hive.handle.hivex_root()
    for name in key:
        node = _child(hive, node, name)
        if not node:
            raise ImageError("This key is not there (any more).", where=f"{hive.name}: {shown(key)}")
    return node


def _child(hive: _Hive, node: int, name: str) -> int:
    """The subkey of exactly this name; 0 if there is none. hivex itself compares without case and up to a NUL."""
    if registry_records.can_be_asked_for(name):
        found = hive.handle.hivex_node_get_child(node, name)
        if not found or registry_records.key(hive.handle, hive.file, found).name == name:
            return found
    children = (c["hivex_node_h"] for c in hive.handle.hivex_node_children(node))
    return next((c for c in children if registry_records.key(hive.handle, hive.file, c).name == name), 0)


def shown(key: tuple[str, ...]) -> str:
    return "\\".join(key) or "\\"


def _key(work: Work, hive: _Hive, key: tuple[str, ...], *, is_dirty: bool) -> RegistryKey:
    handle, file, node = hive.handle, hive.file, _node(hive, key)
    children = [c["hivex_node_h"] for c in handle.hivex_node_children(node)]
    values = [v["hivex_value_h"] for v in handle.hivex_node_values(node)]
    subkeys = []
    for number, child in enumerate(children[:SUBKEYS_MAX]):
        work.check_cancelled()
        work.move("Reading the registry", number, len(children))
        subkeys.append(registry_records.key(handle, file, child).name)
    is_whole = len(children) <= SUBKEYS_MAX and len(values) <= VALUES_MAX
    found = _values(work, hive, values[:VALUES_MAX])
    at = registry_records.key(handle, file, node).ticks / 10_000_000 - _EPOCH_DIFFERENCE_S
    return RegistryKey(file, key, tuple(subkeys), found, at, is_dirty=is_dirty, is_whole=is_whole)


def _values(work: Work, hive: _Hive, values: list[int]) -> tuple[RegistryValue, ...]:
    """Data that is too long, or too much with what came before it, is left out: this goes over a pipe into a table."""
    found, room = [], _KEY_BYTES_MAX
    for value in values:
        work.check_cancelled()
        record = registry_records.value(hive.handle, hive.file, value)
        if record.size_bytes > min(_VALUE_BYTES_MAX, room):
            found.append(RegistryValue(record.name, record.type, b"", left_out_bytes=record.size_bytes))
            continue
        data = bytes(hive.handle.hivex_value_value(value))
        room -= len(data)
        found.append(RegistryValue(record.name, record.type, data))
    return tuple(found)


def _do(hive: _Hive, edit: RegistryEdit) -> None:
    where = f"{hive.name}: {shown(edit.key)}"
    if not edit.key and edit.verb is not RegistryVerb.SET_VALUE:
        raise ImageError("The root key can neither be added nor deleted.", where=hive.name)
    if edit.verb is RegistryVerb.SET_VALUE:
        value = edit.value
        if value is None or len(value.data) > _VALUE_BYTES_MAX or value.left_out_bytes:
            raise ImageError(f"A registry value has {_VALUE_BYTES_MAX} bytes at most here.", where=where)
        node = _node(hive, edit.key)
        _refuse_odd_names(hive, node, where)
        hive.handle.hivex_node_set_value(node, names.checked_text(value.name), value.type, value.data)
    elif edit.verb is RegistryVerb.ADD_KEY:
        parent, name = _node(hive, edit.key[:-1]), names.checked_text(edit.key[-1])
        if not name or "\\" in name or len(name) > 255:
            raise ImageError("A key's name has 1 to 255 characters and no backslash.", where=name)
        if hive.handle.hivex_node_get_child(parent, name):
            raise ImageError("A key of that name is there already.", where=where)
        hive.handle.hivex_node_add_child(parent, name)
    else:
        hive.handle.hivex_node_delete_child(_node(hive, edit.key))


def _refuse_odd_names(hive: _Hive, node: int, where: str) -> None:
    """hivex writes all values of a key again, each under the name that it knows: one with a NUL would be cut."""
    for value in hive.handle.hivex_node_values(node):
        name = registry_records.value(hive.handle, hive.file, value["hivex_value_h"]).name
        if not registry_records.can_be_asked_for(name):
            raise ImageError(
                "The values of this key cannot be changed.",
                cause=f"One of them is named «{name}», which would be damaged when the key is written.",
                advice="Change it in Windows, or delete the whole key.",
                where=where,
            )
