# SPDX-License-Identifier: GPL-3.0-or-later
"""What the facts that a host's script tells mean: one function for each step. Pure; any thread.

Facts are those of ``resources/check_host.sh``; one that is missing was not found.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from vmconsole.links.check_steps import Cure, Step, failed, passed, skipped, warning
from vmconsole.links.check_storage import space

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.links.check_facts import HostFound

OLDEST_PYTHON = (3, 6)
"""What the program that reads the figures needs."""
NEEDED_V2 = frozenset({"cpu", "memory", "io"})
NEEDED_V1 = frozenset({"cpu", "cpuacct", "memory", "blkio"})
V1_CONTROLLERS = NEEDED_V1 | {"cpuset", "devices", "freezer", "pids", "perf_event", "net_cls", "net_prio", "hugetlb"}


def login(found: HostFound) -> Step:
    who = f"Logged in as {found['user']} on {found['host']}"
    system = ", ".join(part for part in (found["distribution"], f"kernel {found['kernel']}") if part)
    return passed("login", f"{who} ({system}).")


def socket(found: HostFound) -> Step:
    """Whether a daemon listens, monolithic or modular, and whether libvirt's client gets to it through ssh."""
    path = found["socket"]
    if found["listening"]:
        return _listening(found, path)
    if not path and not found["has_libvirtd"] and not found[f"has_{found['modular']}"]:
        return failed(
            "socket", "check-no-libvirt",
            *found.install(debian="libvirt-daemon-system", fedora="libvirt-daemon-kvm", arch="libvirt"),
        )  # fmt: skip
    if found.is_session:
        return warning("socket", "check-no-session-daemon")
    if path:
        return failed("socket", "check-daemon-dead", *found.start_daemon(), path=path, daemon=found.daemon)
    return failed("socket", "check-no-socket", *found.start_daemon(), folder=found["folder"], daemon=found.daemon)


def _listening(found: HostFound, path: str) -> Step:
    daemon = "modular" if path.endswith(f"{found['modular']}-sock") else "monolithic"
    state = next((found[f"running_{name}"] for name in found.daemons if found[f"running_{name}"]), "")
    if state in {"T", "t", "D"}:
        entry = "check-daemon-on-disk" if state == "D" else "check-daemon-stopped"
        return failed("socket", entry, *found.restart_daemon(), path=path, daemon=found.daemon)
    if not found.is_local and not found["helper"]:
        return failed(
            "socket", "check-no-helper",
            *found.install(debian="netcat-openbsd", fedora="nmap-ncat", arch="openbsd-netcat"),
        )  # fmt: skip
    idle = "" if state else " It is started when it is needed."
    return passed("socket", f"The {daemon} daemon listens at {path}.{idle}")


def permissions(found: HostFound) -> Step:
    user, path = found["user"], found["socket"]
    if not path:
        return skipped("permissions", "There is no socket that could be opened.")
    if found["may_connect"]:
        asks = user != "root" and found["socket_mode"].endswith("rw-") and not found.is_session
        more = " Whether more is allowed is for polkit to say." if asks else ""
        return passed("permissions", f"{user} may open {path}.{more}")
    group = found["libvirt_group"]
    cures = (Cure(found["host"], f"sudo usermod -aG {group} {shlex.quote(user)}"),) if group else ()
    entry = "check-not-in-group" if group else "check-root-alone"
    return failed("permissions", entry, *cures, user=user, path=path, mode=found["socket_mode"])


def cgroups(found: HostFound) -> Step:
    v1 = set(found["v1_options"].split(",")) & V1_CONTROLLERS
    v2 = set(found["v2_controllers"].split())
    layout = "hybrid" if v1 and found["v2"] else "v1" if v1 else "v2" if found["v2"] else ""
    if not layout:
        return warning("cgroups", "check-no-cgroups")
    has = v1 | v2
    missing = NEEDED_V2 - has if layout == "v2" else NEEDED_V1 - has - ({"blkio"} if "io" in has else set())
    told = f"Layout {layout}, with {', '.join(sorted(has)) or 'no controllers'}."
    if not missing:
        return passed("cgroups", told)
    cures = (Cure(found["host"], "grep -H . /proc/cmdline /sys/fs/cgroup/cgroup.controllers"),)
    lost = ", ".join(sorted(missing)).capitalize()
    return warning("cgroups", "check-controllers-missing", *cures, told=told, missing=lost)


def kvm(found: HostFound) -> Step:
    """Whether a virtual CPU can really be made, not only whether /dev/kvm is there."""
    host = found["host"]
    if not found["kvm_device"]:
        module = "kvm_amd" if found["cpu_flag"] == "svm" else "kvm_intel"
        if found["cpu_flag"]:
            return warning("kvm", "check-no-kvm-module", Cure(host, f"sudo modprobe {module}"))
        return warning("kvm", "check-no-kvm-cpu")
    if not found["qemu"]:
        return warning(
            "kvm", "check-no-qemu",
            *found.install(debian="qemu-system", fedora="qemu-kvm", arch="qemu-base"),
        )  # fmt: skip
    if not found["kvm_open"]:
        return skipped("kvm", f"/dev/kvm is there; {found['user']} may not open it, so it was not tried.")
    if found["kvm_status"] == "0":
        return passed("kvm", f"A virtual CPU was made with KVM ({found.qemu_version}).")
    timed_out = found["kvm_status"] == "124"
    said = "QEMU did not answer within 6 s." if timed_out else found["kvm_said"]
    return warning("kvm", "check-kvm-broken", Cure(host, "sudo dmesg | grep -i kvm"), said=said)


def python(found: HostFound) -> Step:
    version, perl = found["python"], f"; perl {found['perl']}" if found["perl"] else ""
    cures = found.install(debian="python3", fedora="python3", arch="python")
    if not version:
        has_perl = f" (perl {found['perl']} is)" if found["perl"] else ""
        return warning("python", "check-no-python", *cures, perl=has_perl)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST_PYTHON:
        return warning("python", "check-old-python", *cures, version=version)
    return passed("python", f"python3 {version}{perl}.")


def qemu_nbd(found: HostFound) -> Step:
    return _image_tool(found, "qemu_nbd", "images on this host cannot be opened")


def qemu_img(found: HostFound) -> Step:
    return _image_tool(found, "qemu_img", "changes to images on this host cannot be applied")


def _image_tool(found: HostFound, key: str, lost: str) -> Step:
    name = key.replace("_", "-")
    if found[key]:
        return passed(key, f"{found[key].removesuffix('.')}.")
    cures = found.install(debian="qemu-utils", fedora="qemu-img", arch="qemu-img", suse="qemu-img")
    return warning(key, "check-no-image-tool", *cures, tool=name, lost=lost)


FINDINGS: dict[str, Callable[[HostFound], Step]] = {
    "login": login,
    "socket": socket,
    "permissions": permissions,
    "cgroups": cgroups,
    "kvm": kvm,
    "python": python,
    "qemu_nbd": qemu_nbd,
    "qemu_img": qemu_img,
    "space": space,
}
"""Part of the script → what it means."""
