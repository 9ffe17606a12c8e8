# SPDX-License-Identifier: GPL-3.0-or-later
"""Editing disk images: the libguestfs child process, exports of remote disks, drafts."""
