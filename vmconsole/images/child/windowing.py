# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of files, however big the file is. Child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.handle import CHUNK_BYTES
from vmconsole.images.child.listing import regular_file
from vmconsole.images.tool_values import Window

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Work


def read_window(work: Work, path: object, offset: int, count: int) -> Window:
    """At most 2 MiB from ``offset`` on. Links are followed, inside the guest."""
    file = names.guest_path(path)
    try:
        found = regular_file(work, file)
        data = work.handle.pread(file, min(count, CHUNK_BYTES), max(0, offset)) if offset < found["st_size"] else b""
        return Window(file, offset, data, found["st_size"])
    except RuntimeError as error:
        raise work.failed(f"The file {file} cannot be read.", error) from error
