# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the window are given: made once by ``app``, passed down by constructor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmconsole.links.diagnosis import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.spare import Spare
    from vmconsole.links.fleet import Fleet
    from vmconsole.operations.runner import OperationRunner
    from vmconsole.settings.limit_history import LimitHistory
    from vmconsole.settings.profile import Profile
    from vmconsole.settings.secrets import KeyringSecrets
    from vmconsole.store.store import Store
    from vmconsole.ui.bridge import Bridge
    from vmconsole.ui.theme import Theme


@dataclass(frozen=True, slots=True)
class Context:
    store: Store
    """To read only; the bridge alone writes it."""
    bridge: Bridge
    fleet: Fleet
    runner: OperationRunner
    profile: Profile
    """Where settings, history, caches and drafts live, and the typed settings themselves."""
    theme: Theme
    """The colours and icons of all windows."""
    secrets: KeyringSecrets | None = None
    """Remembered logins; None where there are none to be forgotten."""
    limit_history: LimitHistory | None = None
    """What was changed in guests' limits, also before the last start."""
    spare: Spare | None = None
    """An appliance that may be started while the user is still choosing an image; None where none is."""
    diagnose: Callable[..., Diagnosis] = Diagnosis
    """Makes the check of an address; called as ``Diagnosis`` is with ``post``, ``ended`` and ``shell``."""
