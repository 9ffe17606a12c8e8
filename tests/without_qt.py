# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest plugin of the core's tests: makes Qt un-importable, so that they prove that the core needs none."""

from __future__ import annotations

import sys

assert "PySide6" not in sys.modules, "Qt was imported before the core's tests began"
sys.modules["PySide6"] = None  # type: ignore[assignment]  # None is what the import system documents for «blocked»
