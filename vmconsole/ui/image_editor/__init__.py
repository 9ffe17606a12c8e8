# SPDX-License-Identifier: GPL-3.0-or-later
"""The image editor: a window of its own for the files inside one guest disk. GUI thread."""
