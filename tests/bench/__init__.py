# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks: counts and ratios against a peer or a floor measured in the same run. ``packaging/bench [NAME...]``."""
