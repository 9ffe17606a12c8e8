# SPDX-License-Identifier: GPL-3.0-or-later
"""Python's garbage collector, kept from holding the window; and what is garbage although it does not see it.

It stops every thread while it walks all objects that live long, and most of those are the program itself: modules,
classes, the window. 110,000 objects, a window with 4,000 guests, took it 39 to 56 ms (Python 3.11, 2 GHz). What is
there when the window is first painted stays until the end, so it is never walked again (``gc.freeze``), and until then
nothing is collected: a start makes next to no garbage.

PySide reads the source of each module that is loaded, to see whether it wishes for another spelling of Qt's names, and
Python's ``linecache`` keeps it: 19 MiB once all tabs are there.
"""

from __future__ import annotations

import gc
import linecache


def hold() -> None:
    """Nothing is collected until ``set_apart``."""
    gc.disable()


def set_apart() -> None:
    """What is there now is never walked again; from here on the rest is, as always. On any thread, as often as much was
    loaded."""
    linecache.clearcache()
    gc.freeze()
    gc.enable()
