# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs: what the user can ask of hosts, guests and images."""
