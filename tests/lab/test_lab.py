# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab does what it says: hosts and guests are real, faults bite and can be mended."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.vmlab import Lab, LabError, LabHost
from tests.lab.vmlab.processes import wait_until

pytestmark = pytest.mark.lab
COMMAND = Path(__file__).with_name("lab")


def client(host: LabHost, *words: str, timeout_s: float = 20) -> subprocess.CompletedProcess[str]:
    """virsh on this machine, over ssh, as a console connects."""
    command = ["virsh", "--quiet", "--connect", host.uri, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def ssh(lab: Lab, host: LabHost, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(lab.ssh_program), "-o", "ConnectTimeout=1", host.name, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def qemu_pid(host: LabHost, domain: str) -> str:
    return host.exec("cat", f"/run/libvirt/qemu/{domain}.pid").stdout


# ---- hosts and guests


def test_every_host_has_its_guests_for_a_client(lab: Lab) -> None:
    for number in (1, 2, 3):
        host = lab.host(f"kvm{number}")
        assert host.guests == [f"g{number}1", f"g{number}2", f"g{number}3"]
        listed = client(host, "list", "--all", "--name").stdout.split()
        assert set(listed) == {*host.guests, host.off_guest}
        assert host.domains()[host.off_guest] == "shut off"
        assert client(host, "hostname").stdout.strip() == host.name


def test_a_host_has_pools_a_network_and_shared_storage(lab: Lab) -> None:
    first, second = lab.host("kvm1"), lab.host("kvm2")
    assert client(first, "pool-list", "--name").stdout.split() == ["default", "shared"]
    assert client(first, "net-list", "--name").stdout.split() == ["default"]
    assert "off1.qcow2" in client(first, "vol-list", "default").stdout
    first.exec("touch", "/mnt/seen-by-both")
    assert "seen-by-both" in second.exec("ls", "/mnt").stdout
    first.exec("rm", "/mnt/seen-by-both")


def test_a_host_sees_only_itself(lab: Lab) -> None:
    host = lab.host("kvm1")
    assert host.exec("hostname").stdout == "kvm1\n"
    assert "kvm2" not in host.exec("ps", "-A", "-o", "args").stdout
    assert str(lab.directory) not in host.exec("ls", "/root", "/tmp", "/run").stdout


def test_a_guests_cgroup_is_below_its_hosts(lab: Lab) -> None:
    """The host sees its own group as the root of the tree; the machine sees all of it below that group."""
    host = lab.host("kvm1")
    seen_inside = host.exec("cat", f"/proc/{qemu_pid(host, 'g11')}/cgroup").stdout
    assert "kvm1" not in seen_inside
    assert "/.." not in seen_inside
    controller = "cpu" if Path("/sys/fs/cgroup/cpu").exists() else "unified"
    assert list(host.cgroup(controller, "machine").glob("qemu-*g11*"))


def test_hosts_reach_each_other_by_name_for_migration(lab: Lab) -> None:
    assert lab.host("kvm1").exec("ssh", "kvm3", "hostname").stdout == "kvm3\n"


def test_the_agent_answers_and_passes_on_the_exit_status(lab: Lab) -> None:
    host = lab.host("kvm1")
    host.wait_for_agent("g11")
    assert (
        host.guest("g11", "hostname; cat '/mnt/home/alice/Grüße an alle.txt'")
        == "g11\na name with blanks and umlauts\n"
    )
    with pytest.raises(LabError, match="exit status 3"):
        host.guest("g11", "exit 3")


def test_a_guest_command_that_never_ends_is_given_up(lab: Lab) -> None:
    host = lab.host("kvm1")
    host.wait_for_agent("g11")
    with pytest.raises(LabError, match="still running after 1 s"):
        host.guest("g11", "sleep 60", timeout_s=1)


def test_the_serial_console_and_the_screen_are_there(lab: Lab) -> None:
    host = lab.host("kvm1")
    host.wait_for_agent("g11")
    assert host.virsh("ttyconsole", "g11").startswith("/dev/pts/")
    assert host.virsh("vncdisplay", "g11").startswith("127.0.0.1:")
    banner = host.exec("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/5900; head -c 4 <&3").stdout
    assert banner == "RFB "


# ---- load


def stats(host: LabHost, domain: str, group: str) -> dict[str, int]:
    lines = host.virsh("domstats", domain, f"--{group}").splitlines()
    pairs = [line.strip().partition("=")[::2] for line in lines if "=" in line]
    return {key: int(value) for key, value in pairs if value.isdigit()}


def cpu_share(host: LabHost, domain: str, *, over_s: float = 1.0) -> float:
    """CPUs that the guest's QEMU uses, from its cgroup on this machine."""
    machine = host.cgroup("cpuacct", "machine")
    file = next(machine.glob(f"*{domain}*")) / "cpuacct.usage"
    began, before = time.monotonic(), int(file.read_text())
    wait_until(lambda: time.monotonic() - began >= over_s, timeout_s=over_s + 5, what="the clock")
    return (int(file.read_text()) - before) / 1e9 / (time.monotonic() - began)


def test_cpu_load_shows_in_the_cgroup_and_ends(lab: Lab) -> None:
    host = lab.host("kvm1")
    host.wait_for_agent("g11")
    wait_until(lambda: cpu_share(host, "g11") < 0.3, timeout_s=60, what="g11 idle before")
    host.load("g11", "cpu", 100)
    wait_until(lambda: cpu_share(host, "g11") > 0.4, timeout_s=20, what="g11 busy")
    host.load("g11", "cpu", 0)
    wait_until(lambda: cpu_share(host, "g11") < 0.3, timeout_s=20, what="g11 idle again")


def test_disk_and_network_load_show_in_the_counters(lab: Lab) -> None:
    host = lab.host("kvm1")
    host.wait_for_agent("g12")
    before = stats(host, "g12", "block") | stats(host, "g12", "interface")
    host.load("g12", "disk", 512)
    host.load("g12", "net", 100)

    def moved() -> bool:
        now = stats(host, "g12", "block") | stats(host, "g12", "interface")
        grown = {key: now[key] - before[key] for key in now}
        disk = min(grown["block.0.wr.bytes"], grown["block.0.rd.bytes"])
        network = min(grown["net.0.rx.bytes"], grown["net.0.tx.bytes"])
        return disk > 1 << 20 and network > 100 << 10

    wait_until(moved, timeout_s=40, what="disk and network counters of g12", interval_s=0.3)
    host.guest("g12", "load off")


def test_memory_load_shows_in_the_guest(lab: Lab) -> None:
    host = lab.host("kvm1")
    host.wait_for_agent("g13")
    free = "awk '/MemAvailable/ {print $2}' /proc/meminfo"
    before_kib = int(host.guest("g13", free))
    host.load("g13", "mem", 24)
    assert before_kib - int(host.guest("g13", free)) > 20 << 10
    host.load("g13", "mem", 0)


# ---- faults


def test_frozen_libvirtd_hangs_its_clients_while_ssh_answers(lab: Lab, lab_host: LabHost) -> None:
    lab_host.freeze()
    assert lab_host.daemons()["libvirtd"] == "frozen"
    with pytest.raises(subprocess.TimeoutExpired):
        client(lab_host, "list", timeout_s=1.5)
    assert ssh(lab, lab_host, "true").returncode == 0
    lab_host.thaw()
    assert client(lab_host, "list").returncode == 0


def test_dead_libvirtd_leaves_the_guests_alone(lab_host: LabHost) -> None:
    pid = qemu_pid(lab_host, "g11")
    lab_host.stop("libvirtd")
    assert client(lab_host, "list").returncode != 0
    lab_host.start()
    assert client(lab_host, "domstate", "g11").stdout.strip() == "running"
    assert qemu_pid(lab_host, "g11") == pid


def test_libvirtd_started_again_is_in_the_hosts_groups(lab_host: LabHost) -> None:
    lab_host.stop("libvirtd")
    lab_host.start("libvirtd")
    assert "/.." not in lab_host.exec("sh", "-c", "cat /proc/$(cat /run/libvirtd.pid)/cgroup").stdout


def test_dead_sshd_refuses(lab: Lab, lab_host: LabHost) -> None:
    lab_host.stop("sshd")
    assert "refused" in ssh(lab, lab_host, "true").stderr
    lab_host.start("sshd")
    assert ssh(lab, lab_host, "true").returncode == 0


def test_dead_virtlogd_is_started_again(lab_host: LabHost) -> None:
    lab_host.stop("virtlogd")
    assert lab_host.daemons()["virtlogd"] == "stopped"
    lab_host.start("virtlogd")
    assert lab_host.daemons()["virtlogd"] == "running"


@pytest.mark.parametrize(
    ("how", "says"), [("drop", "timed out"), ("reject", "refused"), ("down", "timed out|No route")]
)
def test_a_cut_does_what_it_says_and_mends(lab: Lab, lab_host: LabHost, how: str, says: str) -> None:
    lab_host.cut(how)  # type: ignore[arg-type] # a literal in the line above
    failed = ssh(lab, lab_host, "true")
    assert any(part in failed.stderr for part in says.split("|")), failed.stderr
    assert ssh(lab, lab.host("kvm2"), "true").returncode == 0
    lab_host.mend()
    assert ssh(lab, lab_host, "true").returncode == 0


def test_a_crash_ends_everything_and_boot_keeps_disks_and_definitions(lab: Lab, lab_host: LabHost) -> None:
    lab_host.exec("touch", "/var/lib/libvirt/images/kept")
    lab_host.crash()
    assert lab_host.pid() is None
    assert client(lab_host, "list").returncode != 0
    with pytest.raises(LabError, match="down"):
        lab_host.exec("true")
    lab_host.boot()
    assert set(lab_host.domains().values()) == {"shut off"}
    assert client(lab_host, "list", "--name").returncode == 0
    lab_host.exec("rm", "/var/lib/libvirt/images/kept")
    lab_host.repair()
    assert [lab_host.domains()[name] for name in lab_host.guests] == ["running"] * 3


def test_status_tells_programs_what_is_wrong(lab: Lab, lab_host: LabHost) -> None:
    lab_host.freeze()
    lab_host.cut("drop")
    done = subprocess.run(
        [sys.executable, COMMAND, "--dir", lab.directory, "status", "--json"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=dict(os.environ),
    )
    first, second, _ = json.loads(done.stdout)["hosts"]
    assert (first["state"], first["daemons"]["libvirtd"], first["cut"]) == ("up", "frozen", "drop")
    assert (second["daemons"]["libvirtd"], second["cut"], second["uri"]) == ("running", None, lab.host("kvm2").uri)
    assert {"name": "g21", "state": "running"} in second["guests"]
