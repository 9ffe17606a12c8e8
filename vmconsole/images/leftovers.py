# SPDX-License-Identifier: GPL-3.0-or-later
"""The temporary folder with libguestfs' sockets: a killed process cannot remove it, so its parent does. Any thread.

For root it is always ``/tmp/libguestfsXXXXXX``, whatever the environment says (guestfs(3), «guestfs_get_sockdir»).
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_FOLDER = re.compile(r"(/\S*/libguestfs[A-Za-z0-9]{6})/\S+$")


def socket_folders(pid: int) -> frozenset[str]:
    """libguestfs' folders of the sockets that a process has open; empty if it cannot be looked at."""
    try:
        links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        table = Path(f"/proc/{pid}/net/unix").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    found = set()
    for line in table.splitlines():
        fields = line.split(None, 7)
        place = _FOLDER.match(fields[7]) if len(fields) == 8 and fields[6] in inodes else None
        if place is not None:
            found.add(place.group(1))
    return frozenset(found)
