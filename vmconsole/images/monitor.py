# SPDX-License-Identifier: GPL-3.0-or-later
"""A word with the appliance's QEMU while it runs: begin a new layer on its disks. Source: QEMU's QMP reference.

Its socket is in the child's private folder; libguestfs passes the option on (guestfs(3), «guestfs_config»). Blocks for
some milliseconds; the session's thread.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import BufferedRWPair
    from pathlib import Path
    from typing import Any

MONITOR = "qmp"
"""Name of the socket in the child's folder."""
_DEADLINE_S = 20.0


def new_layers(monitor: Path, tops: Sequence[Path]) -> None:
    """From now on the appliance writes to these, one for each disk in their order; all change at the same moment.

    The files exist already and lie on those that were written before. Raises ImageError; nothing has changed then.
    """
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(_DEADLINE_S)
        try:
            connection.connect(os.fspath(monitor))
            with connection.makefile("rwb") as stream:
                _Talk(stream).switch(tops)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ImageError("The step could not be kept apart from the next one.", said=str(error)) from error


class _Talk:
    def __init__(self, stream: BufferedRWPair) -> None:
        self._stream = stream

    def switch(self, tops: Sequence[Path]) -> None:
        self._next()  # the greeting
        self._ask("qmp_capabilities")
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
            for node, top in zip(self._nodes(), tops, strict=True)
        ]
        self._ask("transaction", {"actions": actions})

    def _nodes(self) -> list[str]:
        """What is written now, disk by disk. libguestfs calls its drives hd0, hd1… (lib/launch-direct.c); a disk that
        was plugged later has no such name, and is the only one."""
        found = [
            (block["device"], block["inserted"]["node-name"])
            for block in self._ask("query-block")
            if block.get("inserted") and block["device"] != "appliance" and block["inserted"]["drv"] == "qcow2"
        ]
        return [node for _, node in sorted(found, key=lambda pair: (len(pair[0]), pair[0]))]

    def _ask(self, order: str, arguments: object = None) -> Any:
        message = {"execute": order} | ({"arguments": arguments} if arguments is not None else {})
        self._stream.write(json.dumps(message).encode() + b"\n")
        self._stream.flush()
        while True:
            answer = self._next()
            if "error" in answer:
                raise ValueError(f"{order}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def _next(self) -> dict[str, Any]:
        line = self._stream.readline()
        if not line:
            raise ValueError("the appliance ended")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found
