# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests about the image as a whole: what is in it, how full it is, its locked volumes. Child process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmconsole.images import requests
from vmconsole.images.child import inspecting, keys, measuring, mounts

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Work

WholeRequest = requests.Look | requests.Unlock | requests.Measure | requests.Inspect


def answer(work: Work, request: WholeRequest) -> object:
    """Do it on an open image."""
    match request:
        case requests.Look(is_look_only, only_device, targets):
            work.is_look_only = is_look_only
            return mounts.look(work, only_device, targets)
        case requests.Unlock(device, key):
            keys.unlock(work, device, key)
            return None
        case requests.Measure():
            return measuring.measure(work)
        case requests.Inspect():
            return inspecting.inspect(work)
