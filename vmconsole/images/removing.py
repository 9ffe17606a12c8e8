# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder is removed with all that is in it, however deep: what came out of a guest's image may be nested a thousand
times, and ``shutil.rmtree`` and ``os.walk`` of Python go down by recursion. Any thread; blocks.
"""

from __future__ import annotations

import contextlib
import os


def remove_tree(folder: str | os.PathLike[str]) -> None:
    """What cannot be removed stays, without a word. Links are not followed."""
    waiting, found = [os.fspath(folder)], []
    while waiting:
        here = waiting.pop()
        found.append(here)
        with contextlib.suppress(OSError), os.scandir(here) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)
    for here in reversed(found):
        with contextlib.suppress(OSError):
            os.rmdir(here)
