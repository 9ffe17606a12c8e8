# SPDX-License-Identifier: GPL-3.0-or-later
"""``file:`` URIs and local paths whose names need not be UTF-8. Any thread.

QUrl gives back such a name with its bytes replaced, so that no such file would be found: paths are taken from the
bytes of the list itself (RFC 2483, «text/uri-list»; RFC 8089, file URIs), and put into it likewise.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

_LOCAL = (b"file:///", b"file://localhost/")


def split(uri_list: bytes) -> tuple[list[Path], list[str]]:
    """(local paths, URIs of anything else) in a list."""
    local: list[Path] = []
    foreign: list[str] = []
    for line in uri_list.replace(b"\r", b"\n").split(b"\n"):
        uri = line.strip()
        if not uri or uri.startswith(b"#"):
            continue
        start = next((prefix for prefix in _LOCAL if uri.startswith(prefix)), None)
        if start is None:
            foreign.append(uri.decode("utf-8", errors="replace"))
        else:
            local.append(Path(os.fsdecode(unquote_to_bytes(uri[len(start) - 1 :]))))
    return local, foreign


def uri_of(path: str) -> bytes:
    return b"file://" + quote_from_bytes(os.fsencode(path)).encode("ascii")
