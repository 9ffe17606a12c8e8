# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's limits on one page: the tree of all of them, what is about to change, and what each means. GUI thread."""
