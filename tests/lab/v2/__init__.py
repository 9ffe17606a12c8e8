# SPDX-License-Identifier: GPL-3.0-or-later
"""A hypervisor host with systemd and cgroup2 alone, for slow tests: a Debian in a virtual machine, by emulation.

The lab's own hosts have the cgroups of the machine they run on. This one has a kernel, an init and a cgroup tree of its
own. It has the methods of a `LabHost`, so that a test can be run on either.
"""

from .host import V2Host
from .image import RELEASES

__all__ = ["RELEASES", "V2Host"]
