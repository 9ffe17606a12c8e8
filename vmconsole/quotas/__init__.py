# SPDX-License-Identifier: GPL-3.0-or-later
"""Every limit as one table, and a change as a plan that can be undone. Pure; any thread."""
