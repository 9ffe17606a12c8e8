# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a running guest is to look only, and says how far what is seen can be trusted."""

from __future__ import annotations

from vmconsole.images.disk import reason_to_look_only
from vmconsole.images.facts import ImageFacts
from vmconsole.images.messages import ImageSource

FACTS = ImageFacts("/srv/web1.qcow2", "qcow2", 1 << 30, "1 2 3", is_block_device=False)


def test_a_running_guests_disk_may_be_a_moment_old() -> None:
    source = ImageSource("/srv/web1.qcow2", "qcow2", guest_name="web1", guest_is_running=True)
    reason = reason_to_look_only(source, FACTS)
    assert reason is not None
    assert "may be a moment old" in reason.cause
    assert reason_to_look_only(ImageSource("/srv/web1.qcow2", "qcow2", guest_name="web1"), FACTS) is None
