# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in the guestfs child process beside ``images.worker``: plain functions on a handle, on the child's main
thread.
"""
