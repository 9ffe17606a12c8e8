# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts of a guest's figures, and the CPU limit as a line that can be dragged. GUI thread."""
