# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds libguestfs' appliance out of this machine's packages, in a run that has no image, and so needs no walls.

Behind the walls the appliance is read-only. It is built on first use and again when packages change; else nothing is
done here. Blocks (some seconds); the session's thread.
"""

from __future__ import annotations

import subprocess
import sys

from vmconsole.images.confine import cache_folder, is_built
from vmconsole.images.hints import explained
from vmconsole.inventory.errors import ImageError
from vmconsole.links.children import run

_DEADLINE_S = 600.0


def build_appliance(cache_dir: str) -> None:
    """Build it where it is missing or old. Raises ImageError."""
    folder = cache_folder(cache_dir)
    if is_built(folder):
        return
    try:
        command = [sys.executable, "-m", "vmconsole.images.worker", "--build-appliance", cache_dir]
        done = run(command, deadline_s=_DEADLINE_S)
    except subprocess.TimeoutExpired as error:
        raise ImageError("The appliance that reads images could not be built in time.", where=str(folder)) from error
    if not (folder / "appliance.d" / "root").exists():
        said = done.err.decode(errors="replace")[-2000:]
        raise explained("The appliance that reads images could not be built.", said, where=str(folder))
