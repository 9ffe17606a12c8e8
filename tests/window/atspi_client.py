# SPDX-License-Identifier: GPL-3.0-or-later
"""An assistive program in miniature: commands and answers are JSON lines, vmconsole is driven through AT-SPI.

Runs as a process of its own, as a screen reader does. A command is ``{"do": ..., "role": ..., "name": ...}`` with the
verbs of ``answer``; an answer is ``{"ok": ..., ...}`` or ``{"error": "..."}``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections import deque
from typing import Any

import pyatspi
from gi.repository import GLib

APPLICATION = "vmconsole"
MOST_NODES = 20_000
GONE = (LookupError, RuntimeError, GLib.Error)
"""An element may vanish while the tree is walked."""


def application() -> Any:
    desktop = pyatspi.Registry.getDesktop(0)
    for app in desktop:
        if app is not None and app.name == APPLICATION:
            return app
    raise LookupError(f"no application «{APPLICATION}» on the accessibility bus")


def find(role: str, name: str) -> Any:
    """The first element with this role and name, breadth first; an empty role or name matches any."""
    waiting: deque[Any] = deque([application()])
    for _ in range(MOST_NODES):
        if not waiting:
            break
        node = waiting.popleft()
        with contextlib.suppress(*GONE):
            if node is None:
                continue
            if role in {"", node.getRoleName()} and name in {"", node.name} and node.getRoleName() != "application":
                return node
            waiting.extend(node)
    raise LookupError(f"no {role or 'element'} «{name}»")


def state_names(node: Any) -> list[str]:
    return sorted(pyatspi.stateToString(state) for state in node.getState().getStates())


def say_found(node: Any) -> dict[str, Any]:
    extents = node.queryComponent().getExtents(pyatspi.DESKTOP_COORDS)
    return {
        "role": node.getRoleName(),
        "name": node.name,
        "states": state_names(node),
        "extents": [extents.x, extents.y, extents.width, extents.height],
        "actions": [node.queryAction().getName(i) for i in range(node.queryAction().nActions)] if _acts(node) else [],
    }


def _acts(node: Any) -> bool:
    return "Action" in pyatspi.listInterfaces(node)


def names_below(node: Any) -> list[str]:
    """Names of all elements below, in reading order."""
    found, waiting = [], deque(node)
    for _ in range(MOST_NODES):
        if not waiting:
            break
        child = waiting.popleft()
        with contextlib.suppress(*GONE):
            if child is not None:
                found.append(child.name)
                waiting.extend(child)
    return found


def answer(command: dict[str, Any]) -> dict[str, Any]:
    node = find(command.get("role", ""), command.get("name", ""))
    match command["do"]:
        case "find":
            return {"ok": say_found(node)}
        case "names":
            return {"ok": names_below(node)}
        case "press":
            return {"ok": bool(node.queryAction().doAction(command.get("action", 0)))}
        case "select":
            parent = node.parent
            return {"ok": bool(parent.querySelection().selectChild(node.getIndexInParent()))}
        case "set_text":
            return {"ok": bool(node.queryEditableText().setTextContents(command["text"]))}
        case "set_value":
            node.queryValue().currentValue = command["value"]
            return {"ok": node.queryValue().currentValue}
        case "value":
            return {"ok": node.queryValue().currentValue}
        case "focus":
            return {"ok": bool(node.queryComponent().grabFocus())}
        case other:
            raise ValueError(f"unknown command {other}")


def main() -> None:
    for line in sys.stdin:
        try:
            said = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001  # an answer, whatever the toolkit raised: the test decides what it means
            said = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
