# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening encrypted volumes, LUKS and BitLocker, with a key. Child process.

The key comes over the pipe, goes to cryptsetup(8) inside the appliance (whose memory ends with it), and is in no
message, log or error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmconsole.images import names
from vmconsole.images.child.mounts import find_again
from vmconsole.images.child.volume import ENCRYPTED
from vmconsole.inventory.errors import ImageError, ImageUnreadable

if TYPE_CHECKING:
    from vmconsole.images.child.handle import Work

_KINDS = {"crypto_LUKS": "luks", "BitLocker": "bitlk"}
_PREFIX = "unlocked_"
_RECOVERY_DIGITS = 48
_GROUP = 6
_BEYOND_ASCII = (
    "If it is the right one, use the recovery key: older versions of cryptsetup misread BitLocker passwords with "
    "letters beyond ASCII."
)
"""Measured with cryptsetup 2.6.1: it hashes as many UTF-16 units as the password has bytes in UTF-8."""


def unlock(work: Work, device: str, key: str) -> None:
    """Open ``device``. What is inside it is there at the next look. ImageUnreadable, and nothing else changed, if the
    key is wrong."""
    volume = next((v for v in find_again(work) if v.device == device), None)
    if volume is None or volume.type not in ENCRYPTED:
        raise ImageError("There is no locked volume of that name in the image.", where=device)
    if not key:
        raise ImageUnreadable("An empty key opens nothing.", where=device)
    work.report("Unlocking", 0, 0)
    is_bitlocker = volume.type == "BitLocker"
    typed = recovery_key(key) if is_bitlocker else key
    try:
        work.handle.cryptsetup_open(
            device, names.checked_text(typed), _map_name(device), readonly=False, crypttype=_KINDS[volume.type]
        )
        work.handle.lvm_scan(activate=True)
    except RuntimeError as error:
        failed = work.failed(f"{device} was not unlocked.", error, where=device)
        if is_bitlocker and isinstance(failed, ImageError):
            failed.add_advice("" if key.isascii() else _BEYOND_ASCII)
        raise failed from error
    work.found = None


def recovery_key(typed: str) -> str:
    """As cryptsetup wants it, eight groups of six digits with dashes between, if it is one, however it is typed: with
    blanks, or nothing between. A password is as it was."""
    digits = re.sub(r"[\s-]", "", typed)
    if len(digits) != _RECOVERY_DIGITS or not (digits.isascii() and digits.isdecimal()):
        return typed
    return "-".join(digits[at : at + _GROUP] for at in range(0, _RECOVERY_DIGITS, _GROUP))


def _map_name(device: str) -> str:
    """No dash in it, or it would look like a logical volume."""
    return _PREFIX + re.sub(r"[^a-zA-Z0-9]", "_", device.removeprefix("/dev/"))
