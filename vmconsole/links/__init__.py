# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host is reached: ssh, libvirt, the cgroup sampler, and scripted hosts. Worker threads."""
