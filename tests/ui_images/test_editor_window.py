# SPDX-License-Identifier: GPL-3.0-or-later
"""The editor window over a scripted image: what a person sees and does."""

from __future__ import annotations

from typing import Any


def shown_names(window: Any) -> list[str]:
    model = window.browser.model
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def test_it_opens_and_says_what_is_safe(make_editor: Any) -> None:
    window, _ = make_editor()
    assert "draft" in window.banner.headline.text()
    assert "Debian" in window.places.os_name.text()
    assert shown_names(window)[:3] == ["etc", "srv", "usr"]
    assert "web1" in window.windowTitle()
    assert "kvm3" in window.windowTitle()
