# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the data files are: ``resources/`` beside the package in a checkout, inside the package when installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def resource(name: str) -> Path:
    """Path of ``resources/<name>``, e.g. ``icons/running.svg``."""
    beside = _PACKAGE.parent / "resources"
    return (beside if beside.is_dir() else _PACKAGE / "resources") / name
