# SPDX-License-Identifier: GPL-3.0-or-later
"""libguestfs for names that are not UTF-8. Child process.

A guest's names are bytes. Here they are ``str`` as ``os.fsdecode`` makes them: a byte that is not UTF-8 is a lone
surrogate. libguestfs' C functions take bytes, and its protocol carries them as they are (XDR strings, guestfs(3)), but
its Python binding refuses such text, or crashes on it inside a list. So a call with such a name, or whose answer
has one, goes to the same C function through ctypes. All others go to the binding.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_CAPSULE = b"guestfs_h"
_NUMBER_CALLS = (
    "chmod", "exists", "lchown", "ln", "ln_s", "lremovexattr", "ls0", "mkdir", "mkdir_mode", "mv", "rename", "rm",
    "rm_f", "rm_rf", "touch", "truncate", "upload", "download", "utimens",
    "aug_set", "aug_clear", "aug_rm", "aug_insert",
)  # fmt: skip
_END_OF_OPTIONS = -1
_STAT_FIELDS = (
    "st_dev", "st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_rdev", "st_size", "st_blksize", "st_blocks",
    "st_atime_sec", "st_atime_nsec", "st_mtime_sec", "st_mtime_nsec", "st_ctime_sec", "st_ctime_nsec",
    "st_spare1", "st_spare2", "st_spare3", "st_spare4", "st_spare5", "st_spare6",
)  # fmt: skip
_STAT_ROW = struct.Struct("@16q48x")
"""The fields of a stat before the spare ones."""
_STATVFS_FIELDS = (
    "bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "fsid", "flag", "namemax",
)  # fmt: skip
_OPTIONS = {
    "tar_in": ("compress", "xattrs", "selinux", "acls"),
    "tar_out": ("compress", "numericowner", "excludes", "xattrs", "selinux", "acls"),
    "copy_attributes": ("all", "mode", "xattributes", "ownership"),
    "is_dir": ("followsymlinks",),
}
"""Optional arguments in the order of their numbers (``GUESTFS_TAR_IN_OPTS_XATTRS`` is 1…), from guestfs(3)."""


class _Stat(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in _STAT_FIELDS]


class _StatList(ctypes.Structure):
    _fields_ = [("len", ctypes.c_uint32), ("val", ctypes.POINTER(_Stat))]


class _StatVfs(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int64) for name in _STATVFS_FIELDS]


class _Xattr(ctypes.Structure):
    _fields_ = [
        ("attrname", ctypes.c_void_p),
        ("attrval_len", ctypes.c_uint32),
        ("attrval", ctypes.c_void_p),
    ]


class _XattrList(ctypes.Structure):
    _fields_ = [("len", ctypes.c_uint32), ("val", ctypes.POINTER(_Xattr))]


class _Dirent(ctypes.Structure):
    _fields_ = [("ino", ctypes.c_int64), ("ftyp", ctypes.c_char), ("name", ctypes.c_void_p)]


class _DirentList(ctypes.Structure):
    _fields_ = [("len", ctypes.c_uint32), ("val", ctypes.POINTER(_Dirent))]


_ON_EVENT = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int, ctypes.c_int,
    ctypes.POINTER(ctypes.c_char), ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t,
)  # fmt: skip
"""guestfs_event_callback of guestfs(3)."""


class ByteHandle:
    """``guestfs.GuestFS`` that takes every name. What it does not know by another road goes to the binding."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._raw = _RawCalls(handle)
        self._roads: dict[str, Callable[..., Any]] = {}

    def on_console(self, event: int, take: Callable[[str], None]) -> None:
        """``take`` is given what the appliance's console says. The binding's own callback ends the process when that
        is not UTF-8, and a guest's names and labels come to be there."""

        def called(*arguments: Any) -> None:
            take(ctypes.string_at(arguments[5], arguments[6]).decode("utf-8", errors="backslashreplace"))

        self._callback = _ON_EVENT(called)  # it must live as long as the handle
        mask, nothing = ctypes.c_uint64(event), ctypes.c_void_p()
        self._raw.number("set_event_callback", self._callback, mask, ctypes.c_int(0), nothing)

    def lstat_rows(self, folder: str, entries: list[str]) -> list[tuple[int, ...]]:
        """As ``lstatnslist``, each without names and spare fields: a dict for each costs as much as the call itself."""
        return self._raw.lstat_rows(folder, entries)

    def __getattr__(self, name: str) -> Any:
        road = self._roads.get(name)
        if road is None:
            road = self._roads[name] = self._road(name)
        return road

    def _road(self, name: str) -> Callable[..., Any]:
        usual = getattr(self._handle, name)
        raw = getattr(self._raw, name, None)

        def call(*args: object, **options: object) -> Any:
            if not _is_plain((args, tuple(options.values()))):
                if raw is None:
                    raise RuntimeError(f"{name}: a name that is not UTF-8 cannot be used here")
                return raw(*args, **options)
            try:
                return usual(*args, **options)
            except UnicodeDecodeError:
                if raw is None:
                    raise
                return raw(*args, **options)

        return call


def _is_plain(value: object) -> bool:
    """Whether the binding can take it."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            return False
    elif isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return True


class _RawCalls:
    """The C functions, under their Python names and with their Python answers. RuntimeError as in the binding."""

    def __init__(self, handle: Any) -> None:
        get = ctypes.pythonapi.PyCapsule_GetPointer
        get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        self._handle = ctypes.c_void_p(get(handle._o, _CAPSULE))  # noqa: SLF001 - the C handle is nowhere else
        self._library = ctypes.CDLL("libguestfs.so.0")
        self._c = ctypes.CDLL(None)
        self._c.free.argtypes = [ctypes.c_void_p]
        for name in _NUMBER_CALLS:
            setattr(self, name, self._numbers(name))
        for name in ("realpath", "readlink", "aug_get"):
            setattr(self, name, self._texts(name))

    # -- how they are called -----------------------------------------------------------------------------------

    def _function(self, name: str, result: Any) -> Any:
        found = getattr(self._library, f"guestfs_{name}")
        found.restype = result
        return found

    def number(self, name: str, *args: object) -> int:
        answer: int = self._function(name, ctypes.c_int)(self._handle, *map(_c_value, args))
        if answer == -1:
            raise self._failed()
        return answer

    def _pointer(self, name: str, result: Any, *args: object) -> Any:
        answer = self._function(name, result)(self._handle, *args)
        if not answer:
            raise self._failed()
        return answer

    def _failed(self) -> RuntimeError:
        last = self._function("last_error", ctypes.c_char_p)(self._handle)
        return RuntimeError((last or b"unknown error").decode("utf-8", errors="backslashreplace"))

    def _numbers(self, name: str) -> Callable[..., int]:
        return lambda *args, **options: self.number(name, *args, *options.values())

    def _texts(self, name: str) -> Callable[..., str]:
        def call(*args: object) -> str:
            answer = self._pointer(name, ctypes.c_void_p, *map(_c_value, args))
            try:
                return os.fsdecode(ctypes.string_at(answer))
            finally:
                self._c.free(answer)

        return call

    def _with_options(self, name: str, args: tuple[object, ...], options: dict[str, object]) -> int:
        numbers: list[object] = []
        for option, value in options.items():
            numbers += [
                _OPTIONS[name].index(option),
                _c_option(value),
            ]
        return self.number(f"{name}_opts" if name != "copy_attributes" else name, *args, *numbers, _END_OF_OPTIONS)

    # -- the calls that are not just a number or a text --------------------------------------------------------

    def tar_in(self, local_file: str, folder: str, **options: object) -> None:
        self._with_options("tar_in", (local_file, folder), options)

    def tar_out(self, folder: str, local_file: str, **options: object) -> None:
        self._with_options("tar_out", (folder, local_file), options)

    def copy_attributes(self, old: str, new: str, **options: object) -> None:
        self._with_options("copy_attributes", (old, new), options)

    def is_dir(self, path: str, **options: object) -> int:
        return self._with_options("is_dir", (path,), options)

    def write(self, path: str, content: bytes) -> None:
        self.number("write", path, ctypes.c_char_p(content), ctypes.c_size_t(len(content)))

    def write_append(self, path: str, content: bytes) -> None:
        self.number("write_append", path, ctypes.c_char_p(content), ctypes.c_size_t(len(content)))

    def pread(self, path: str, count: int, offset: int) -> bytes:
        size = ctypes.c_size_t()
        answer = self._pointer(
            "pread", ctypes.c_void_p, _c_value(path), count, ctypes.c_int64(offset), ctypes.byref(size)
        )
        try:
            return ctypes.string_at(answer, size.value)
        finally:
            self._c.free(answer)

    def statns(self, path: str) -> dict[str, int]:
        return self._one("statns", _Stat, path)

    def lstatns(self, path: str) -> dict[str, int]:
        return self._one("lstatns", _Stat, path)

    def statvfs(self, path: str) -> dict[str, int]:
        return self._one("statvfs", _StatVfs, path)

    def _one(self, name: str, kind: type[ctypes.Structure], path: str) -> dict[str, int]:
        answer = self._pointer(name, ctypes.POINTER(kind), _c_value(path))
        try:
            return _fields_of(answer.contents)
        finally:
            self._c.free(answer)  # guestfs_free_statns is free(3) for a struct without pointers

    def lstatnslist(self, folder: str, entries: list[str]) -> list[dict[str, int]]:
        answer = self._pointer("lstatnslist", ctypes.POINTER(_StatList), _c_value(folder), _c_strings(entries))
        try:
            return [_fields_of(answer.contents.val[n]) for n in range(answer.contents.len)]
        finally:
            self._function("free_statns_list", None)(answer)

    def lstat_rows(self, folder: str, entries: list[str]) -> list[tuple[int, ...]]:
        answer = self._pointer("lstatnslist", ctypes.POINTER(_StatList), _c_value(folder), _c_strings(entries))
        try:
            found = answer.contents
            return list(_STAT_ROW.iter_unpack(ctypes.string_at(found.val, found.len * _STAT_ROW.size)))
        finally:
            self._function("free_statns_list", None)(answer)

    def readdir(self, folder: str) -> list[dict[str, Any]]:
        answer = self._pointer("readdir", ctypes.POINTER(_DirentList), _c_value(folder))
        try:
            found = [answer.contents.val[n] for n in range(answer.contents.len)]
            return [
                {"ino": e.ino, "ftyp": e.ftyp.decode("ascii"), "name": os.fsdecode(ctypes.string_at(e.name))}
                for e in found
            ]
        finally:
            self._function("free_dirent_list", None)(answer)

    def readlinklist(self, folder: str, entries: list[str]) -> list[str]:
        return self._strings("readlinklist", _c_value(folder), _c_strings(entries))

    def aug_match(self, path: str) -> list[str]:
        return self._strings("aug_match", _c_value(path))

    def _strings(self, name: str, *args: object) -> list[str]:
        answer = self._pointer(name, ctypes.POINTER(ctypes.c_void_p), *args)
        found, number = [], 0
        while answer[number]:
            found.append(os.fsdecode(ctypes.string_at(answer[number])))
            self._c.free(answer[number])
            number += 1
        self._c.free(answer)
        return found

    def lgetxattrs(self, path: str) -> list[dict[str, Any]]:
        answer = self._pointer("lgetxattrs", ctypes.POINTER(_XattrList), _c_value(path))
        try:
            found = [answer.contents.val[n] for n in range(answer.contents.len)]
            return [
                {
                    "attrname": os.fsdecode(ctypes.string_at(x.attrname)),
                    "attrval": ctypes.string_at(x.attrval, x.attrval_len) if x.attrval_len else b"",
                }
                for x in found
            ]
        finally:
            self._function("free_xattr_list", None)(answer)


def _fields_of(found: ctypes.Structure) -> dict[str, int]:
    return {name: getattr(found, name) for name, _ in found._fields_}  # type: ignore[misc]  # all are made above, as pairs


def _c_value(value: object) -> object:
    if isinstance(value, str):
        return ctypes.c_char_p(os.fsencode(value))
    if isinstance(value, bytes):
        return ctypes.c_char_p(value)
    if isinstance(value, bool):
        return int(value)
    return ctypes.c_int64(value) if isinstance(value, int) and abs(value) > 0x7FFFFFFF else value


def _c_option(value: object) -> Any:
    return _c_strings(value) if isinstance(value, list) else int(bool(value))


def _c_strings(values: list[str]) -> Any:
    """A NULL-terminated array of C strings; it lives as long as the answer is kept by the caller's frame."""
    return (ctypes.c_char_p * (len(values) + 1))(*(os.fsencode(v) for v in values), None)
