# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading libvirt's domain XML into facts. lxml enters the program here; pure functions, any thread."""
