# SPDX-License-Identifier: GPL-3.0-or-later
"""All Qt. GUI thread."""
