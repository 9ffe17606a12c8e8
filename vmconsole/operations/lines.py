# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations as virsh command lines, quoted for a shell. Pure functions, any thread."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmconsole.inventory.ids import GuestId


def virsh_line(verb: str, guest: GuestId, name: str, *arguments: str) -> str:
    """``virsh -c URI VERB NAME …``. A name that virsh would take for a number or an option is given as UUID."""
    domain = guest.uuid if name.isdigit() or name.startswith("-") or not name else name
    return shlex.join(["virsh", "-c", guest.host, verb, domain, *arguments])
