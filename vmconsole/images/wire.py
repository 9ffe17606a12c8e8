# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages as JSON lines: one message, one line, ASCII only, so that no guest name can break the framing. Any thread.

A dataclass becomes ``{"$": "ClassName", field…}``, an enum ``{"$": "ClassName", "=": value}``, bytes ``{"$b":
base64}``. Only classes of ``messages``, ``requests``, ``tool_values``, ``tool_requests``, and ``Explanation`` are made
from what is read.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import json

from vmconsole.images import messages, requests, tool_requests, tool_values
from vmconsole.inventory.errors import Explanation

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def _known_classes() -> dict[str, type]:
    modules = (messages, requests, tool_values, tool_requests)
    values = [*(value for module in modules for value in vars(module).values()), Explanation]
    classes = [v for v in values if isinstance(v, type)]
    return {c.__name__: c for c in classes if dataclasses.is_dataclass(c) or issubclass(c, enum.Enum)}


_CLASSES = _known_classes()


class BadMessage(ValueError):
    """A line that is not a message."""


def encode(message: object) -> bytes:
    """One line, newline included."""
    return json.dumps(_plain(message), separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def decode(line: bytes) -> object:
    """The message in a line. Raises BadMessage."""
    try:
        return _made(json.loads(line))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        # Not the line itself: it may hold a key, and this ends in an error report.
        raise BadMessage(f"not a message: {len(line)} bytes, {type(error).__name__}") from None


def _plain(value: object) -> Json:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return {"$b": base64.b64encode(value).decode("ascii")}
    if isinstance(value, enum.Enum):
        return {"$": type(value).__name__, "=": _plain(value.value)}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if dataclasses.is_dataclass(value) and type(value).__name__ in _CLASSES:
        fields = {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"$": type(value).__name__, **fields}
    raise TypeError(f"cannot travel: {type(value).__name__}")


def _made(value: Json) -> object:
    if isinstance(value, list):
        return tuple(_made(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "$b" in value:
        return base64.b64decode(str(value["$b"]), validate=True)
    made = _CLASSES[str(value["$"])]
    if issubclass(made, enum.Enum):
        return made(value["="])
    return made(**{name: _made(item) for name, item in value.items() if name != "$"})
