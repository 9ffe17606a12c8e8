# SPDX-License-Identifier: GPL-3.0-or-later
"""Adding a host: one field, a form for those who want it, hosts that are known already, and a check step by step."""
