# SPDX-License-Identifier: GPL-3.0-or-later
"""What the facts of a host mean: those states that no lab host is in, and the script itself on this machine."""

from __future__ import annotations

import subprocess

import pytest

from vmconsole.inventory.resources import resource
from vmconsole.links.check_facts import HostFound
from vmconsole.links.check_findings import FINDINGS
from vmconsole.links.check_steps import HOST_STEPS, Step, StepState

BASE = {
    "host": "kvm1", "user": "admin", "family": "debian", "systemd": "yes", "modular": "virtqemud",
    "socket": "/run/libvirt/libvirt-sock", "listening": "yes", "has_libvirtd": "yes", "running_libvirtd": "S",
    "helper": "virt-ssh-helper", "folder": "/run/libvirt",
}  # fmt: skip


def step(key: str, *, local: bool = False, session: bool = False, spaces: tuple[str, ...] = (), **facts: str) -> Step:
    found = HostFound(name="kvm1", is_session=session, is_local=local)
    for name, value in {**BASE, **facts}.items():
        if value:
            found.take(name, value)
    for line in spaces:
        found.take("space", line)
    return FINDINGS[key](found)


def commands(found: Step) -> list[tuple[str, str]]:
    return [(cure.machine, cure.command) for cure in found.cures]


@pytest.mark.parametrize(
    ("facts", "state", "word", "command"),
    [
        ({}, StepState.PASSED, "monolithic", None),
        ({"socket": "/run/libvirt/virtqemud-sock"}, StepState.PASSED, "modular", None),
        ({"running_libvirtd": ""}, StepState.PASSED, "started when it is needed", None),
        ({"helper": ""}, StepState.FAILED, "nc", "sudo apt install netcat-openbsd"),
        ({"helper": "", "family": "fedora"}, StepState.FAILED, "nc", "sudo dnf install nmap-ncat"),
        ({"listening": ""}, StepState.FAILED, "nothing listens", "sudo systemctl enable --now libvirtd.socket"),
        ({"listening": "", "socket": "/run/libvirt/virtqemud-sock"}, StepState.FAILED, "virtqemud",
         "sudo systemctl enable --now virtqemud.socket"),
        ({"listening": "", "socket": "", "has_libvirtd": "", "has_virtqemud": "yes"}, StepState.FAILED, "does not run",
         "sudo systemctl enable --now virtqemud.socket"),
        ({"listening": "", "socket": "", "systemd": ""}, StepState.FAILED, "no socket", "sudo libvirtd --daemon"),
        ({"listening": "", "socket": "", "has_libvirtd": ""}, StepState.FAILED, "not installed",
         "sudo apt install libvirt-daemon-system"),
        ({"listening": "", "socket": "", "has_libvirtd": "", "family": "opensuse-leap suse"}, StepState.FAILED,
         "not installed", "sudo zypper install libvirt-daemon-kvm"),
        ({"listening": "", "socket": "", "has_libvirtd": "", "family": "plan9"}, StepState.FAILED, "not installed",
         None),
        ({"running_libvirtd": "T"}, StepState.FAILED, "stopped by a signal", "sudo systemctl restart libvirtd"),
        ({"running_libvirtd": "D"}, StepState.FAILED, "disk", "sudo systemctl restart libvirtd"),
    ],
)  # fmt: skip
def test_the_socket(facts: dict[str, str], state: StepState, word: str, command: str | None) -> None:
    found = step("socket", **facts)
    assert found.state is state
    assert word in found.finding
    assert (commands(found)[:1] or [("", None)])[0][1] == command
    assert all(machine == "kvm1" for machine, _ in commands(found))


def test_a_session_daemon_need_not_run() -> None:
    assert step("socket", session=True, listening="", socket="").state is StepState.WARNING


def test_the_permissions() -> None:
    assert step("permissions", may_connect="yes", socket_mode="srwxrwxrwx").state is StepState.PASSED
    refused = step("permissions", libvirt_group="libvirt", socket_mode="srwxrwx---")
    assert (refused.state, commands(refused)) == (StepState.FAILED, [("kvm1", "sudo usermod -aG libvirt admin")])
    assert "'a;b'" in commands(step("permissions", libvirt_group="libvirt", user="a;b"))[0][1]
    assert step("permissions", socket="").state is StepState.SKIPPED


@pytest.mark.parametrize(
    ("facts", "state", "layout"),
    [
        ({"v2": "/sys/fs/cgroup", "v2_controllers": "cpuset cpu io memory pids"}, StepState.PASSED, "v2"),
        ({"v2": "/sys/fs/cgroup", "v2_controllers": "cpu pids"}, StepState.WARNING, "v2"),
        ({"v1_options": "rw,cpu,cpuacct,rw,memory,rw,blkio"}, StepState.PASSED, "v1"),
        ({"v1_options": "rw,cpu,cpuacct,rw,blkio"}, StepState.WARNING, "v1"),
        ({"v1_options": "rw,cpu,cpuacct,memory,blkio", "v2": "/x"}, StepState.PASSED, "hybrid"),
        ({"v1_options": "rw,name=systemd"}, StepState.WARNING, "No control groups"),
    ],
)
def test_the_control_groups(facts: dict[str, str], state: StepState, layout: str) -> None:
    found = step("cgroups", **facts)
    assert found.state is state
    assert layout in found.finding


@pytest.mark.parametrize(
    ("facts", "state", "word"),
    [
        ({"kvm_device": "yes", "kvm_open": "yes", "qemu": "q", "kvm_status": "0"}, StepState.PASSED, "was made"),
        ({"kvm_device": "yes", "kvm_open": "yes", "qemu": "q", "kvm_status": "1"}, StepState.WARNING, "cannot make"),
        ({"kvm_device": "yes", "kvm_open": "yes", "qemu": "q", "kvm_status": "124"}, StepState.WARNING, "cannot make"),
        ({"kvm_device": "yes", "qemu": "q"}, StepState.SKIPPED, "may not open"),
        ({"kvm_device": "yes"}, StepState.WARNING, "no QEMU"),
        ({"cpu_flag": "svm"}, StepState.WARNING, "no /dev/kvm"),
        ({}, StepState.WARNING, "firmware"),
    ],
)
def test_kvm(facts: dict[str, str], state: StepState, word: str) -> None:
    found = step("kvm", **facts)
    assert found.state is state
    assert word in found.finding
    if facts == {"cpu_flag": "svm"}:
        assert commands(found) == [("kvm1", "sudo modprobe kvm_amd")]


@pytest.mark.parametrize(
    ("version", "state"), [("3.11.2", StepState.PASSED), ("3.6.8", StepState.PASSED), ("3.5.1", StepState.WARNING),
                           ("", StepState.WARNING)],
)  # fmt: skip
def test_python(version: str, state: StepState) -> None:
    found = step("python", python=version, perl="5.36.0")
    assert found.state is state
    assert "5.36.0" in found.finding or version == "3.5.1"


@pytest.mark.parametrize("key", ["qemu_nbd", "qemu_img"])
def test_image_tools(key: str) -> None:
    assert step(key, **{key: "qemu-x version 7.2"}).state is StepState.PASSED
    missing = step(key)
    assert (missing.state, commands(missing)) == (StepState.WARNING, [("kvm1", "sudo apt install qemu-utils")])


@pytest.mark.parametrize(
    ("spaces", "state"),
    [
        (("104857600 52428800 /var/lib/libvirt/images",), StepState.PASSED),
        (("104857600 1048576 /var/lib/libvirt/images", "1048576 900000 /"), StepState.WARNING),
        (("104857600 10 /my pool", "1048576 900000 /"), StepState.FAILED),
        (("nonsense", "0 0 /proc"), StepState.SKIPPED),
        ((), StepState.SKIPPED),
    ],
)
def test_disk_space(spaces: tuple[str, ...], state: StepState) -> None:
    found = step("space", spaces=spaces)
    assert found.state is state
    if state is StepState.FAILED:
        assert "'/my pool'" in commands(found)[0][1]


def test_the_script_says_all_its_parts_in_order_and_changes_nothing() -> None:
    script = str(resource("check_host.sh"))
    for shell in (["dash"], ["busybox", "sh"], ["bash", "--posix"]):
        done = subprocess.run(
            [*shell, script, "qemu", "system", ""], capture_output=True, text=True, timeout=60, check=True
        )
        parts = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("done ")]
        assert parts == ["login", *HOST_STEPS], shell
        assert all(line.split(" ", 1)[0] in {"fact", "done"} for line in done.stdout.splitlines())


def test_the_script_is_clean() -> None:
    subprocess.run(["shellcheck", str(resource("check_host.sh"))], check=True, timeout=60)
