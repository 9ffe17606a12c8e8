# SPDX-License-Identifier: GPL-3.0-or-later
"""A console without a window, as a process of its own that can be stopped or killed: one JSON line per thing posted.

``python -m tests.links.console_program URI...``; ends when its stdin closes.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.inventory import deltas
from vmconsole.links.guard import Guard
from vmconsole.links.host_link import HostLink
from vmconsole.links.libvirt_link import LibvirtLoop
from vmconsole.links.sampler import make_sampler
from vmconsole.links.uri import parse_uri
from vmconsole.metrics.frame import Frame, Source

if TYPE_CHECKING:
    from vmconsole.metrics.delta import Delta


def tell(delta: Delta) -> None:
    """From any thread; a line is written at once."""
    line: dict[str, object] = {"at": time.monotonic(), "kind": type(delta).__name__}
    if isinstance(delta, deltas.HostSeen):
        reason = delta.host.reason
        line |= {"host": delta.host.id, "state": delta.host.state.value, "what": reason.what if reason else ""}
    elif isinstance(delta, deltas.GuestsListed):
        line |= {"host": delta.host, "guests": {guest.name: guest.state.value for guest in delta.guests}}
    elif isinstance(delta, deltas.GuestSeen):
        line |= {"host": delta.guest.id.host, "guests": {delta.guest.name: delta.guest.state.value}}
    elif isinstance(delta, Frame) and delta.source is Source.CGROUP:
        line |= {"host": delta.host, "figures": True, "taken": delta.at}
    else:
        return
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(uris: list[str]) -> None:
    run_dir = Path(tempfile.mkdtemp(prefix="vmc-"))
    with contextlib.ExitStack() as parts:
        guard = Guard(run_dir)
        guard.start()
        parts.callback(guard.close)
        loop = LibvirtLoop()
        loop.start()
        parts.callback(loop.close)
        sys.stdout.write(json.dumps({"run_dir": str(run_dir)}) + "\n")
        for uri in uris:
            link = HostLink(parse_uri(uri), post=tell, event_loop=loop, run_dir=run_dir, make_sampler=make_sampler)
            parts.callback(link.close)
            link.start()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
