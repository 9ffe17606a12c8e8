# SPDX-License-Identifier: GPL-3.0-or-later
"""The one picture of the fleet. Written by the GUI thread alone."""
