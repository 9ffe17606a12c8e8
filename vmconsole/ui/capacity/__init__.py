# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's capacity against its promises, and who takes what. GUI thread."""
