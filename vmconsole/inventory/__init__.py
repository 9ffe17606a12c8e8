# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts about the fleet as frozen values, the errors, and the units. Standard library only; safe on any thread."""
