# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for all tests. Imports no Qt: the core's tests run with Qt made un-importable."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
pytest_plugins = ["tests.lab_fixture", "tests.v2_fixture", "tests.display"]
# Contracts say what was found when they fail, as tests do.
pytest.register_assert_rewrite("tests.links.contract")
