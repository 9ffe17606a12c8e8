# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hypervisor hosts on one machine, for tests: N sets of namespaces, each with sshd, libvirtd and QEMU guests.

    with Lab(Path("/var/tmp/mylab")) as lab:
        lab.up(LabOptions(hosts=2))
        connection = libvirt.open(lab.host("kvm1").uri)

Only the standard library is needed, and root. See cli.py for the command.
"""

from .errors import LabError
from .host import LabHost
from .lab import Lab, LabOptions

__all__ = ["Lab", "LabError", "LabHost", "LabOptions"]
