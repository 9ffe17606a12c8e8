# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's keyring. The only importer of ``keyring``.

Imported late: finding a backend takes a fifth of a second.
"""

from __future__ import annotations


def backend_name() -> str:
    """Name of the keyring in use, or why none can be used. May block for a moment: not on the GUI thread."""
    import keyring  # late: see above
    from keyring.backends import fail

    backend = keyring.get_keyring()
    if isinstance(backend, fail.Keyring):
        return "none: nothing will be remembered (install gnome-keyring or KWallet and run it in this session)"
    return str(backend.name)
