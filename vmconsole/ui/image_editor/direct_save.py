# SPDX-License-Identifier: GPL-3.0-or-later
"""The X Direct Save protocol (XDS 0.93): the program that files are dropped on says into which folder. GUI thread.

With a list of URIs, files must be complete before the other program may have their names, and programs wait for a list
for some seconds only. With XDS they name their folder when the drop happens, and files may come as slowly as they do.
File managers know it from archive programs: PCManFM, Thunar, Caja, Nemo.

Qt has no XDS: the offer is a property of the window that Qt owns the drag with, and it is put there and read over an
X connection of our own. xcb, because Xlib ends the program over an error, such as a window that is gone.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from PySide6.QtGui import QGuiApplication

from vmconsole.ui.image_editor import uri_list

XDS = "XdndDirectSave0"
_SELECTION, _TEXT = "XdndSelection", "text/plain"
_REPLACE, _ANY_TYPE, _MAX_WORDS = 0, 0, 4096


class _Cookie(ctypes.Structure):
    _fields_ = [("sequence", ctypes.c_uint)]


class _AtomReply(ctypes.Structure):
    """xcb_intern_atom_reply_t and xcb_get_selection_owner_reply_t, which have the same shape."""

    _fields_ = [
        ("type", ctypes.c_uint8), ("pad", ctypes.c_uint8), ("sequence", ctypes.c_uint16), ("length", ctypes.c_uint32),
        ("value", ctypes.c_uint32),
    ]  # fmt: skip


class DirectSave:
    """``offer`` while a drag is on its way; ``folder`` when a program has answered the drop."""

    def __init__(self) -> None:
        self._window = 0

    @staticmethod
    def is_possible() -> bool:
        """Whether this is X11 (not Wayland, which lets nobody do so)."""
        return QGuiApplication.platformName() == "xcb"

    def offer(self, name: str) -> bool:
        """Say that something of that name would be saved. False if nobody can be told."""
        with _Connection() as x:
            self._window = x.owner_of(_SELECTION) if x.is_open else 0
            if self._window:
                x.put(self._window, XDS, _TEXT, os.fsencode(name))
        return self._window != 0

    def folder(self) -> Path | None:
        """The local folder that the other program has chosen."""
        with _Connection() as x:
            uri = x.read(self._window, XDS) if x.is_open and self._window else b""
        local, _ = uri_list.split(uri)
        return local[0].parent if local and local[0].parent.is_dir() else None


class _Connection:
    """An X connection for a few requests."""

    def __init__(self) -> None:
        self._c = ctypes.CDLL(None)
        self._c.free.argtypes = [ctypes.c_void_p]
        try:
            self._xcb = ctypes.CDLL("libxcb.so.1")
        except OSError:
            self._connection = None
            return
        for name in ("xcb_intern_atom", "xcb_get_selection_owner", "xcb_get_property", "xcb_change_property_checked"):
            getattr(self._xcb, name).restype = _Cookie
        for name in ("xcb_connect", "xcb_request_check", "xcb_get_property_reply", "xcb_get_property_value"):
            getattr(self._xcb, name).restype = ctypes.c_void_p
        for name in ("xcb_intern_atom_reply", "xcb_get_selection_owner_reply"):
            getattr(self._xcb, name).restype = ctypes.POINTER(_AtomReply)
        self._connection = ctypes.c_void_p(self._xcb.xcb_connect(None, None))

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._xcb.xcb_disconnect(self._connection)

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._xcb.xcb_connection_has_error(self._connection)

    def owner_of(self, selection: str) -> int:
        cookie = self._xcb.xcb_get_selection_owner(self._connection, self._atom(selection))
        return self._value(self._xcb.xcb_get_selection_owner_reply(self._connection, cookie, None))

    def put(self, window: int, name: str, kind: str, value: bytes) -> None:
        cookie = self._xcb.xcb_change_property_checked(
            self._connection, _REPLACE, window, self._atom(name), self._atom(kind), 8, len(value), value
        )
        self._c.free(self._xcb.xcb_request_check(self._connection, cookie))

    def read(self, window: int, name: str) -> bytes:
        cookie = self._xcb.xcb_get_property(self._connection, 0, window, self._atom(name), _ANY_TYPE, 0, _MAX_WORDS)
        reply = self._xcb.xcb_get_property_reply(self._connection, cookie, None)
        if not reply:
            return b""
        held = ctypes.c_void_p(reply)
        value = self._xcb.xcb_get_property_value(held)
        found = ctypes.string_at(value, self._xcb.xcb_get_property_value_length(held))
        self._c.free(held)
        return found

    def _atom(self, name: str) -> int:
        cookie = self._xcb.xcb_intern_atom(self._connection, 0, len(name), name.encode("ascii"))
        return self._value(self._xcb.xcb_intern_atom_reply(self._connection, cookie, None))

    def _value(self, reply: ctypes._Pointer[_AtomReply]) -> int:
        if not reply:
            return 0
        value = int(reply.contents.value)
        self._c.free(ctypes.cast(reply, ctypes.c_void_p))
        return value
