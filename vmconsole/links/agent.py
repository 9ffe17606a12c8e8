# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be said to a guest's agent, and what it answers. Pure functions, any thread."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vmconsole.inventory.agent_programs import is_allowed
from vmconsole.inventory.errors import OperationRefused, Unsupported
from vmconsole.links.qmp import answered

if TYPE_CHECKING:
    from collections.abc import Mapping

AGENT_PATIENCE_S = 10
"""libvirt's own wait for the agent's answer. The caller's deadline must be longer, or the lane would be given up."""


def agent_request(command: str, arguments: Mapping[str, object], *, where: str) -> str:
    """The request as the agent reads it. Raises Unsupported for what is not on the list."""
    if not is_allowed(command, arguments):
        raise Unsupported(f"«{command}» with these arguments is not on the list of what may be asked.", where=where)
    return json.dumps({"execute": command, **({"arguments": dict(arguments)} if arguments else {})})


def agent_answer(said: str, *, command: str, where: str) -> object:
    """What is under ``return``. libvirt has turned the agent's refusals into errors already."""
    answer = answered(said)
    if "return" in answer:
        return answer["return"]
    raise OperationRefused(
        f"The agent's answer to «{command}» could not be read.", cause="What runs in the guest is not QEMU's agent.",
        advice="Nothing is known of what it did: look inside the guest.", where=where, said=said[:500],
    )  # fmt: skip
