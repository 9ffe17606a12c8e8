# SPDX-License-Identifier: GPL-3.0-or-later
"""Begin a new layer on the disks of the appliance's QEMU while it runs. Source: QEMU's QMP reference.

Its socket is in the child's private folder; libguestfs passes the option on (guestfs(3), «guestfs_config»). Blocks for
some milliseconds; the session's thread.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from vmconsole.images.qmp import Qmp, QmpError
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_DEADLINE_S = 20.0


def new_layers(monitor: Path, tops: Sequence[Path]) -> None:
    """From now on the appliance writes to these, one for each disk in their order; all change at the same moment.

    The files exist already and lie on those that were written before. Raises ImageError; nothing has changed then.
    """
    try:
        with contextlib.closing(Qmp(monitor, deadline_s=_DEADLINE_S)) as qemu:
            actions = [
                {
                    "type": "blockdev-snapshot-sync",
                    "data": {
                        "node-name": node,
                        "snapshot-node-name": f"layer-{secrets.token_hex(4)}",
                        "snapshot-file": os.fspath(top),
                        "format": "qcow2",
                        "mode": "existing",
                    },
                }
                for node, top in zip(_nodes(qemu), tops, strict=True)
            ]
            qemu.do("transaction", {"actions": actions})
    except (OSError, ValueError, KeyError, TypeError, QmpError) as error:
        raise ImageError("The step could not be kept apart from the next one.", said=str(error)) from error


def _nodes(qemu: Qmp) -> list[str]:
    """What is written now, disk by disk. libguestfs calls its drives hd0, hd1… (lib/launch-direct.c); a disk that
    was plugged later has no such name, and is the only one."""
    found = [
        (block["device"], block["inserted"]["node-name"])
        for block in qemu.do("query-block")
        if block.get("inserted") and block["device"] != "appliance" and block["inserted"]["drv"] == "qcow2"
    ]
    return [node for _, node in sorted(found, key=lambda pair: (len(pair[0]), pair[0]))]
