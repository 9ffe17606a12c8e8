# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's answers: its refusals come as a success of libvirt's with an error inside. Pure functions, any thread."""

from __future__ import annotations

import json

from vmconsole.inventory.errors import OperationRefused


def answered(said: str) -> dict[str, object]:
    """An answer of QEMU or of its agent; an empty one for what is none."""
    try:
        answer = json.loads(said)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def qmp_answer(said: str, *, command: str, where: str) -> object:
    """What is under ``return``. Raises OperationRefused with QEMU's words."""
    answer = answered(said)
    if "return" in answer:
        return answer["return"]
    error = answer.get("error")
    words = str(error.get("desc", "")) if isinstance(error, dict) else said
    raise OperationRefused(
        f"QEMU refused «{command}».", cause="The guest has no such device, or its QEMU does not know the command.",
        advice="Nothing was changed.", where=where, said=words[:500],
    )  # fmt: skip
