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
            "socket", "libvirt's daemon is not installed on the host.",
            *found.install(debian="libvirt-daemon-system", fedora="libvirt-daemon-kvm", arch="libvirt"),
        )  # fmt: skip
    if found.is_session:
        return warning("socket", "No session daemon runs yet; libvirt starts it with the first connection.")
    if path:
        what = f"{path} is there, but nothing listens at it: {found.daemon} has stopped or crashed."
    else:
        what = f"There is no socket in {found['folder']}: {found.daemon} does not run."
    return failed("socket", what, *found.start_daemon())


def _listening(found: HostFound, path: str) -> Step:
    daemon = "modular" if path.endswith(f"{found['modular']}-sock") else "monolithic"
    state = next((found[f"running_{name}"] for name in found.daemons if found[f"running_{name}"]), "")
    if state in {"T", "t", "D"}:
        why = "is stopped by a signal" if state != "D" else "waits for a disk that does not answer"
        return failed("socket", f"{path} is there, but {found.daemon} {why}.", *found.restart_daemon())
    if not found.is_local and not found["helper"]:
        return failed(
            "socket", "A daemon listens, but neither virt-ssh-helper nor nc is there to reach its socket through SSH.",
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
    after = " Log in again afterwards." if group else " Connect as root, or correct unix_sock_group in libvirtd.conf."
    return failed("permissions", f"{user} may not open {path} ({found['socket_mode']}).{after}", *cures)


def cgroups(found: HostFound) -> Step:
    v1 = set(found["v1_options"].split(",")) & V1_CONTROLLERS
    v2 = set(found["v2_controllers"].split())
    layout = "hybrid" if v1 and found["v2"] else "v1" if v1 else "v2" if found["v2"] else ""
    if not layout:
        return warning("cgroups", "No control groups are mounted: there are no live figures and no limits.")
    has = v1 | v2
    missing = NEEDED_V2 - has if layout == "v2" else NEEDED_V1 - has - ({"blkio"} if "io" in has else set())
    told = f"Layout {layout}, with {', '.join(sorted(has)) or 'no controllers'}."
    if not missing:
        return passed("cgroups", told)
    lost = f"{', '.join(sorted(missing))} missing: figures and limits of that kind are not there."
    cures = (Cure(found["host"], "grep -H . /proc/cmdline /sys/fs/cgroup/cgroup.controllers"),)
    hint = " Look for cgroup_disable= among the kernel's options."
    return warning("cgroups", f"{told} {lost.capitalize()}{hint}", *cures)


def kvm(found: HostFound) -> Step:
    """Whether a virtual CPU can really be made, not only whether /dev/kvm is there."""
    slow = "Guests run by emulation only, ten to fifty times slower; those of type kvm do not start."
    host = found["host"]
    if not found["kvm_device"]:
        module = "kvm_amd" if found["cpu_flag"] == "svm" else "kvm_intel"
        if found["cpu_flag"]:
            return warning("kvm", f"There is no /dev/kvm. {slow}", Cure(host, f"sudo modprobe {module}"))
        return warning(
            "kvm", f"There is no /dev/kvm, and the CPU shows no VT-x or AMD-V. {slow} Switch virtualization on in the "
            "firmware, or nested virtualization where this host is a guest itself.",
        )  # fmt: skip
    if not found["qemu"]:
        return warning(
            "kvm", "/dev/kvm is there, but no QEMU was found to try it with.",
            *found.install(debian="qemu-system", fedora="qemu-kvm", arch="qemu-base"),
        )  # fmt: skip
    if not found["kvm_open"]:
        return skipped("kvm", f"/dev/kvm is there; {found['user']} may not open it, so it was not tried.")
    if found["kvm_status"] == "0":
        return passed("kvm", f"A virtual CPU was made with KVM ({found.qemu_version}).")
    timed_out = found["kvm_status"] == "124"
    said = "QEMU did not answer within 6 s." if timed_out else found["kvm_said"]
    return warning(
        "kvm", f"/dev/kvm opens, but QEMU cannot make a virtual CPU with it. {slow}",
        Cure(host, "sudo dmesg | grep -i kvm"), said=said,
    )  # fmt: skip


def python(found: HostFound) -> Step:
    version, perl = found["python"], f"; perl {found['perl']}" if found["perl"] else ""
    lost = "there are no live figures from the host's control groups; libvirt's slower ones serve"
    cures = found.install(debian="python3", fedora="python3", arch="python")
    if not version:
        has_perl = f" (perl {found['perl']} is)" if found["perl"] else ""
        return warning("python", f"python3 is not there{has_perl}: {lost}.", *cures)
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers < OLDEST_PYTHON:
        return warning("python", f"python3 is {version}, and 3.6 or newer is needed: {lost}.", *cures)
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
    return warning(key, f"{name} is not there: {lost}.", *cures)


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
