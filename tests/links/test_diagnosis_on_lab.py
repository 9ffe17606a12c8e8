# SPDX-License-Identifier: GPL-3.0-or-later
"""The staged check of real hosts, healthy and broken: what each step says, and that nothing is left."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.links.recording import Recorder
from tests.links.test_on_lab import ssh_connections
from tests.waiting import wait_until
from vmconsole.links.check_steps import HERE, HOST_STEPS, TITLES, Step, StepState
from vmconsole.links.diagnosis import Diagnosis
from vmconsole.links.host_link import HostLink
from vmconsole.links.sampler import make_sampler
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import LabHost
    from vmconsole.links.base import Shell
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = pytest.mark.lab

PASSED, WARNING, FAILED, SKIPPED = StepState.PASSED, StepState.WARNING, StepState.FAILED, StepState.SKIPPED


class Check:
    """Runs one check to its end and remembers all that it posted."""

    def __init__(self, uri: str, *, shell: Shell | None = None) -> None:
        self.posted: list[Step] = []
        self.ended = threading.Event()
        self.diagnosis = Diagnosis(parse_uri(uri), post=self.posted.append, ended=self.ended.set, shell=shell)

    def run(self, *, within_s: float = 90) -> Check:
        self.diagnosis.start()
        assert self.ended.wait(within_s), [step for step in self.posted if step.state is StepState.RUNNING][-1:]
        assert self.diagnosis.join(timeout_s=2)
        return self

    def __getitem__(self, key: str) -> Step:
        return [step for step in self.posted if step.key == key][-1]

    @property
    def states(self) -> dict[str, StepState]:
        return {step.key: step.state for step in self.posted}


@pytest.fixture(autouse=True)
def nothing_is_left(event_loop: LibvirtLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No folder, and no thread of the check. ``event_loop``: libvirt wants it before the first connection."""
    folder = Path(tempfile.mkdtemp(prefix="vmc-", dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    left = list(folder.glob("vmc-*"))
    shutil.rmtree(folder)
    assert left == []
    wait_until(
        lambda: not [t for t in threading.enumerate() if t.name.startswith(("check ", "end check"))],
        what="the check's threads end",
    )


def test_a_healthy_host_step_by_step(lab_host: LabHost) -> None:
    check = Check(lab_host.uri).run()
    expected = dict.fromkeys(TITLES, PASSED) | {"kvm": check["kvm"].state}
    assert check.states == expected, "\n".join(step.text() for step in check.posted)
    first = [step.key for step in check.posted[: len(TITLES)]]
    assert first == list(TITLES), "all steps are listed first, waiting"
    running = [step.key for step in check.posted if step.state is StepState.RUNNING]
    assert running[:3] == ["name", "tcp", "host_key"], "each is told when it begins"
    assert lab_host.name in check["login"].finding
    assert "libvirt" in check["libvirt"].finding
    assert "/run/libvirt/libvirt-sock" in check["socket"].finding
    assert "/var/lib/libvirt/images" in check["space"].finding


def test_kvm_is_believed_only_when_a_virtual_cpu_was_made(lab_host: LabHost) -> None:
    qemu = ("qemu-system-x86_64", "-display", "none", "-machine", "accel=kvm", "-cpu", "max", "-S")
    monitor = lab_host.exec("sh", "-c", f"echo quit | timeout 20 {' '.join(qemu)} -monitor stdio", check=False)
    works = monitor.returncode == 0
    step = Check(lab_host.uri).run()["kvm"]
    assert (step.state is PASSED) == works, step.text()
    if not works:
        assert step.cures[0].machine == lab_host.name
        assert step.said


def test_one_ssh_connection_serves_the_whole_check(lab_host: LabHost) -> None:
    wait_until(lambda: ssh_connections(lab_host) == 0, what="no connection of an earlier test")
    most = 0
    check = Check(lab_host.uri)
    check.diagnosis.start()
    while not check.ended.wait(0.02):
        if "login" in check.states and check.states["login"].is_over:
            most = max(most, ssh_connections(lab_host))
    assert most == 1
    wait_until(lambda: ssh_connections(lab_host) == 0, what="the check's connection has ended")


def test_a_host_that_is_connected_is_checked_over_its_own_connection(
    lab_host: LabHost, event_loop: LibvirtLoop, run_dir: Path
) -> None:
    posted = Recorder()
    link = HostLink(
        parse_uri(lab_host.uri), post=posted, event_loop=event_loop, run_dir=run_dir, make_sampler=make_sampler
    )
    link.start()
    try:
        posted.listing()
        shell = link.shell()
        assert shell is not None
        most = 0
        check = Check(lab_host.uri, shell=shell)
        check.diagnosis.start()
        while not check.ended.wait(0.02):
            if check.states.get("tcp", StepState.WAITING).is_over:
                most = max(most, ssh_connections(lab_host))
        assert most == 1, "no second login"
        assert {state for key, state in check.states.items() if key != "kvm"} == {PASSED}
        assert shell.run("echo on", deadline_s=5).out == b"on\n", "the link's connection is left as it was"
    finally:
        link.close()


def test_libvirtd_that_was_stopped(lab_host: LabHost) -> None:
    lab_host.stop("libvirtd")
    check = Check(lab_host.uri).run()
    assert check["socket"].state is FAILED
    assert "libvirtd has stopped" in check["socket"].finding
    assert (check["socket"].cures[0].machine, "libvirtd" in check["socket"].cures[0].command) == ("kvm1", True)
    assert check["libvirt"].state is SKIPPED
    assert check["python"].state is PASSED, "what can be checked is checked all the same"


def test_libvirtd_that_hangs(lab_host: LabHost) -> None:
    lab_host.freeze()
    began = time.monotonic()
    check = Check(lab_host.uri).run()
    assert time.monotonic() - began < 30
    assert check["socket"].state is FAILED
    assert "stopped by a signal" in check["socket"].finding
    assert check["libvirt"].state is FAILED
    assert "did not answer within 10 s" in check["libvirt"].finding
    assert check["space"].state is PASSED


def test_a_wrong_port(lab_host: LabHost) -> None:
    check = Check(lab_host.uri.replace("@kvm1/", "@kvm1:2222/")).run(within_s=15)
    assert check["name"].state is PASSED
    assert check["tcp"].state is FAILED
    assert "port 2222 refuses" in check["tcp"].finding
    assert {check[key].state for key in ("host_key", "login", *HOST_STEPS)} == {SKIPPED}


def test_a_silent_host(lab_host: LabHost) -> None:
    lab_host.cut("drop")
    check = Check(lab_host.uri).run(within_s=15)
    assert check["tcp"].state is FAILED
    assert "does not answer" in check["tcp"].finding
    assert check["tcp"].cures[0].machine == HERE


def test_an_unknown_host_key_with_its_fingerprint(lab_host: LabHost, tmp_path: Path) -> None:
    (tmp_path / "known").write_text("", encoding="ascii")
    check = Check(f"{lab_host.uri}&known_hosts={tmp_path}/known").run()
    step = check["host_key"]
    assert step.state is FAILED
    there = lab_host.exec("sh", "-c", "for f in /etc/ssh/ssh_host_*.pub; do ssh-keygen -l -f $f; done", check=False)
    fingerprints = [line.split()[1] for line in there.stdout.splitlines()]
    assert any(fingerprint in step.finding for fingerprint in fingerprints) or not fingerprints, step.text()
    assert "SHA256:" in step.finding
    assert check["login"].state is SKIPPED


def test_a_changed_host_key(lab_host: LabHost, tmp_path: Path) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    (tmp_path / "known").write_text(f"{lab_host.address},{lab_host.name} {other}\n")
    check = Check(f"{lab_host.uri}&known_hosts={tmp_path}/known").run()
    assert check["host_key"].state is FAILED
    assert any("ssh-keygen -R" in cure.command for cure in check["host_key"].cures)
    assert check["login"].state is SKIPPED


def test_a_refused_login(lab_host: LabHost) -> None:
    check = Check(lab_host.uri.replace("root@", "nosuchuser@")).run()
    assert check["host_key"].state is PASSED
    assert check["login"].state is FAILED
    assert check["login"].cures[0].machine == HERE
    assert check["socket"].state is SKIPPED


def test_a_host_without_python_and_image_tools(lab_host: LabHost) -> None:
    tools = "$(readlink -f /usr/bin/python3) /usr/bin/qemu-nbd /usr/bin/qemu-img"
    hide = f'for p in {tools}; do mount --bind /dev/null "$p"; done'
    lab_host.exec("sh", "-c", hide)
    try:
        check = Check(lab_host.uri).run()
    finally:
        lab_host.exec("sh", "-c", hide.replace("mount --bind /dev/null", "umount"))
    for key in ("python", "qemu_nbd", "qemu_img"):
        assert check[key].state is WARNING, check[key].text()
        assert check[key].cures[0].machine == "kvm1"
        assert "install" in check[key].cures[0].command
    assert check["libvirt"].state is PASSED


def test_libvirts_own_transports_have_fewer_steps(lab_host: LabHost) -> None:
    check = Check(f"qemu+tcp://{lab_host.address}/system").run(within_s=20)
    assert set(check.states) == {"name", "tcp", "libvirt"}
    assert (check["tcp"].state, check["libvirt"].state) == (FAILED, SKIPPED), "the lab's libvirtd listens to no TCP"
    inside = Check("test:///default").run(within_s=10)
    assert inside.states == {"libvirt": PASSED}


def test_a_check_that_is_closed_says_nothing_more_and_frees_all(lab_host: LabHost) -> None:
    lab_host.freeze()
    check = Check(lab_host.uri)
    check.diagnosis.start()
    wait_until(lambda: check.states.get("libvirt") is StepState.RUNNING, what="libvirt is being asked", within_s=30)
    told = len(check.posted)
    began = time.monotonic()
    check.diagnosis.close()
    assert time.monotonic() - began < 0.1, "closing waits for nothing"
    assert check.diagnosis.join(timeout_s=12)
    assert (len(check.posted), check.ended.is_set()) == (told, False)
    wait_until(lambda: ssh_connections(lab_host) == 0, what="its connection has ended")
