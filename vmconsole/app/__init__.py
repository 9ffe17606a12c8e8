# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition root: builds every part by constructor arguments, closes in reverse order."""
