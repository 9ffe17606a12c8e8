# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab comes and goes without a trace, whatever kills it on the way, and refuses in plain words what it cannot do."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.leftovers import leftovers
from tests.lab.vmlab import Lab, LabError, LabOptions, requirements
from tests.lab.vmlab.processes import wait_until
from tests.lab.vmlab.state import LabDirectory

pytestmark = pytest.mark.lab
COMMAND = Path(__file__).with_name("lab")
BARE = ("--guests", "0")
NOBODY = 65534


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory for a lab of the test's own; what a failed test leaves there is removed."""
    directory = tmp_path / "lab"
    yield directory
    Lab(directory).down()


def name_of(place: Path) -> str:
    return LabDirectory(place).default_name()


def command(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, "--dir", place, *words], capture_output=True, text=True, timeout=60, check=False)


def unwell(done: subprocess.CompletedProcess[str]) -> str:
    """Empty when the command went well."""
    return f"{done.returncode}: {done.stderr}" if done.returncode else ""


def _uuid(uri: str) -> str:
    words = ["virsh", "--connect", uri, "capabilities"]
    text = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout
    return text.partition("<uuid>")[2].partition("</uuid>")[0]


def test_labs_side_by_side_do_not_touch_each_other(lab: Lab, place: Path) -> None:
    """First of all: the session's guests boot while the tests below are at work."""
    with Lab(place) as other:
        other.up(LabOptions(hosts=1, guests=0))
        mine, theirs = lab.host("kvm1"), other.host("kvm1")
        assert mine.address != theirs.address
        assert _uuid(mine.uri) != _uuid(theirs.uri)
        assert set(theirs.domains()) == {"off1"}
    assert set(mine.domains()) == {"g11", "g12", "g13", "off1"}
    assert leftovers(place, name_of(place)) == []


def test_down_leaves_nothing(place: Path) -> None:
    with Lab(place) as lab:
        lab.up(LabOptions(hosts=1, guests=1, load=False))
        assert leftovers(place, name_of(place)), "the search for leftovers must find a lab that is up"
    assert leftovers(place, name_of(place)) == []


def test_down_where_nothing_is_up_is_no_error(place: Path) -> None:
    assert unwell(command(place, "down")) == ""


@pytest.mark.parametrize(
    "moment",
    ["lock", "lab.json", "hosts/kvm1/groups", "hosts/kvm1/pid", "hosts/kvm1/ready.new", "hosts/kvm2/furnish.log"],
)
def test_killed_up_is_cleaned_by_down(place: Path, moment: str) -> None:
    process = subprocess.Popen(
        [COMMAND, "--dir", place, "up", "2", "--guests", "1", "--no-load"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: (place / moment).exists(), timeout_s=30, what=moment, interval_s=0.001)
    finally:
        process.kill()
        process.wait()
    assert unwell(command(place, "down")) == ""
    assert leftovers(place, name_of(place)) == []


def test_killed_up_can_be_taken_up_again(place: Path) -> None:
    process = subprocess.Popen(
        [COMMAND, "--dir", place, "up", "1", "--guests", "1", "--no-load"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: (place / "hosts/kvm1/pid").exists(), timeout_s=30, what="pid", interval_s=0.001)
    finally:
        process.kill()
        process.wait()
    assert unwell(command(place, "up", "1", "--guests", "1", "--no-load")) == ""
    assert Lab(place).host("kvm1").domains() == {"g11": "running", "off1": "shut off"}


def test_down_waits_for_the_last_command_of_a_killed_up(place: Path) -> None:
    """Else that command would make its interface or its guest behind the back of `down`."""
    words = f"from vmlab.state import *; from vmlab.processes import run\nwith LabDirectory('{place}').locked(): "
    words += f"run(['sh', '-c', 'touch {place}/begun; sleep 1; touch {place}.late'])"
    environment = {"PYTHONPATH": str(COMMAND.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(["/usr/bin/python3", "-c", words], env=environment)
    try:
        wait_until(lambda: (place / "begun").exists(), timeout_s=10, what="begun", interval_s=0.001)
    finally:
        process.kill()
        process.wait()
    assert unwell(command(place, "down")) == ""
    assert Path(f"{place}.late").exists()


def test_killed_pid_1_is_seen_and_cleaned(place: Path) -> None:
    assert unwell(command(place, "up", "1", *BARE)) == ""
    pid = Lab(place).host("kvm1").pid()
    assert pid is not None
    pid.kill()
    wait_until(lambda: not pid.is_alive(), timeout_s=5, what="pid 1 gone")
    assert "kvm1 down" in command(place, "status").stdout
    assert unwell(command(place, "up", "1")) == "", "up boots it again"
    assert unwell(command(place, "down")) == ""
    assert leftovers(place, name_of(place)) == []


def test_a_chosen_name_is_the_prefix_of_everything(place: Path) -> None:
    assert unwell(command(place, "up", "1", *BARE, "--name", "mylab")) == ""
    assert {"mylab-br", "mylab-1"} <= set(os.listdir("/sys/class/net"))
    assert unwell(command(place, "down")) == ""
    assert leftovers(place, "mylab") == []


def test_two_labs_cannot_have_one_name(place: Path, tmp_path: Path) -> None:
    """Else taking one down would end the other."""
    with Lab(place) as lab:
        lab.up(LabOptions(hosts=1, guests=0))
        second = command(tmp_path / "second", "up", "1", "--name", name_of(place))
        assert "there already" in second.stderr
        assert unwell(command(tmp_path / "second", "down")) == ""
        assert lab.host("kvm1").domains() == {"off1": "shut off"}


def test_a_lab_whose_directory_was_lost_is_found_by_its_name(place: Path) -> None:
    assert unwell(command(place, "up", "1", *BARE, "--name", "mylab")) == ""
    shutil.rmtree(place)
    assert unwell(command(place, "down", "--name", "mylab")) == ""
    assert leftovers(place, "mylab") == []


def test_the_machine_is_left_as_it_was(place: Path) -> None:
    def state() -> tuple[object, ...]:
        home = Path("~/.ssh").expanduser()
        files = sorted((path.name, path.stat().st_mtime_ns) for path in home.iterdir()) if home.exists() else None
        rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
        forward = Path("/proc/sys/net/ipv4/ip_forward").read_text()
        return (
            files,
            [line for line in rules.splitlines() if line.startswith("-A")],
            forward,
            Path("/run/libvirt").exists(),
        )

    before = state()
    with Lab(place) as lab:
        lab.up(LabOptions(hosts=1, guests=0))
        assert _uuid(lab.host("kvm1").uri)
        lab.host("kvm1").cut("drop")
        assert state() == before
    assert state() == before


def test_nothing_enters_a_host_that_is_not_ready(place: Path) -> None:
    """Its /run may still be the machine's, and with it the machine's libvirtd."""
    with Lab(place) as lab:
        lab.up(LabOptions(hosts=1, guests=0))
        (place / "hosts/kvm1/ready.new").write_text("")
        with pytest.raises(LabError, match="not ready"):
            lab.host("kvm1").exec("true")


# ---- refusals


def test_without_root_it_says_so(place: Path) -> None:
    words = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "/usr/bin/python3", "-c"]
    done = subprocess.run(
        [*words, "from vmlab import Lab; Lab().up()"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(COMMAND.parent), "VMLAB_DIR": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert "run it as root" in done.stderr
    assert not place.exists()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "busybox").touch()
    monkeypatch.setattr(requirements, "SYSTEM_PATH", str(tmp_path))
    with pytest.raises(LabError, match=r"not installed: .*libvirt-daemon-system.*apt-get install .*kmod"):
        requirements.require_everything()


def test_a_directory_that_is_not_a_labs_is_never_removed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    for words in (("up", "1"), ("down",)):
        done = command(tmp_path, *words)
        assert done.returncode == 1
        assert "not a lab's" in done.stderr
    assert precious.exists()


def test_who_calls_sudo_may_own_the_directory_and_connect_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(tempfile.mkdtemp(prefix="lab-of-nobody-", dir="/var/tmp"))  # pytest's own directories are root's alone
    os.chown(place, NOBODY, NOBODY)
    assert "belongs to somebody else" in command(place, "up", "1", *BARE).stderr
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    with Lab(place) as lab:
        lab.up(LabOptions(hosts=1, guests=0))
        os.chown(place / "key", NOBODY, NOBODY)
        words = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", str(lab.ssh_program), "kvm1", "hostname"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, cwd="/")
        assert done.stdout == "kvm1\n", done.stderr
    assert not place.exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("up", "0"), "choose 1 to 99"),
        (("up", "1", "--memory-mib", "8"), "needs 96"),
        (("up", "1", "--name", "Not/This"), "small letters"),
        (("uri", "kvm1"), "the lab is down"),
    ],
)
def test_nonsense_is_refused_before_anything_is_made(place: Path, words: tuple[str, ...], says: str) -> None:
    done = command(place, *words)
    assert done.returncode == 1
    assert says in done.stderr
    assert not place.exists()


def test_a_directory_that_cannot_be_in_a_uri_is_refused(tmp_path: Path) -> None:
    assert "only letters" in command(tmp_path / "a b", "up", "1").stderr
