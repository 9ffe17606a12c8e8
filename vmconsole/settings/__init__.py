# SPDX-License-Identifier: GPL-3.0-or-later
"""Typed settings below one profile directory."""
