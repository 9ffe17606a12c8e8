# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters to rates, history, and the text of cgroup files. numpy; any thread."""
