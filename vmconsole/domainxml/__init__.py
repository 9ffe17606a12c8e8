# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and changing libvirt XML, keeping all that it does not know. Pure functions; any thread."""
