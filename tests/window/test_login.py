# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in as a user does: the whole program, a real sshd that wants a password, a real keyring, a screen."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.display import open_display
from tests.links.login_place import PASSWORD, Client, LoginPlace
from tests.secret_service import secret_service
from tests.waiting import wait_until
from tests.window.console import ROOT, Console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.display import Display
    from tests.lab.vmlab import Lab, LabHost

pytestmark = [pytest.mark.lab, pytest.mark.window]

TREE = {"role": "", "name": "Hosts and guests"}
DIALOG = {"role": "dialog", "name": "Log In to web"}
QUIET_S = 4.0
"""Longer than the first waits between tries."""


@pytest.fixture(scope="module")
def screen() -> Iterator[Display]:
    """With a session bus of its own, on which nobody has looked for a keyring yet."""
    with open_display(1280, 800) as found:
        yield found


@pytest.fixture
def place(lab: Lab) -> Iterator[LoginPlace]:
    found = LoginPlace(lab.host("kvm1"), password=True)
    yield found
    found.close()


def field_name(place: LoginPlace) -> str:
    return f"Password for root@{place.host.address}:{place.port}"


def is_shown(console: Console, **what: str) -> bool:
    try:
        return "showing" in console.ask("find", **what)["states"]
    except LookupError:
        return False


def is_listed(console: Console, text: str, *, role: str = "frame", name: str = "vmconsole") -> bool:
    """Somewhere in the window. Elements come and go while an assistive program reads."""
    try:
        return text in str(console.names(role, name))
    except LookupError:
        return False


def wait_connected(console: Console, host: LabHost) -> None:
    wait_until(lambda: is_listed(console, host.guests[0]), within_s=30, what="guests are listed")


def log_in(console: Console, place: LoginPlace, text: str, *, remember: bool = False) -> None:
    console.until("find", **DIALOG)
    console.until("set_text", role="password text", name=field_name(place), text=text)
    if remember:
        console.ask("press", role="check box", name="Remember in the keyring")
    console.ask("press", role="push button", name="Log In")


def forget_login(console: Console, screen: Display) -> None:
    """Of the first host in the tree, by the menu."""
    x, y, *_ = console.until("find", **TREE)["extents"]
    screen.run("xdotool", "mousemove", str(x + 60), str(y + 32), "click", "1")
    wait_until(lambda: is_pressable(console, "Forget Login"), within_s=10, what="the host is selected")
    console.ask("press", role="menu item", name="Forget Login")
    wait_until(lambda: is_listed(console, "its remembered login is forgotten"), within_s=10, what="the event is listed")


def is_pressable(console: Console, name: str) -> bool:
    return "sensitive" in console.until("find", role="menu item", name=name)["states"]


def all_text_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_a_login_is_remembered_found_by_the_next_program_and_forgotten(
    screen: Display, lab: Lab, place: LoginPlace, tmp_path: Path
) -> None:
    uri = Client(tmp_path / "client").add("web", place)  # makes the program that is named in the address
    profile = tmp_path / "profile"
    keyring = tmp_path / "keyring"
    keyring.mkdir()
    with secret_service(keyring, bus=screen.env["DBUS_SESSION_BUS_ADDRESS"]):
        with Console(screen, profile, "--connect", uri) as console:
            log_in(console, place, PASSWORD, remember=True)
            wait_connected(console, place.host)
        with Console(screen, profile, "--connect", uri) as console:
            wait_connected(console, place.host)
            assert not is_shown(console, **DIALOG), "nobody was asked"
            forget_login(console, screen)
            log = console.output()
        with Console(screen, profile, "--connect", uri) as console:
            console.until("find", **DIALOG)
    assert PASSWORD not in log
    assert PASSWORD.encode() not in all_text_below(profile)


def test_a_cancelled_login_stays_cancelled_and_nothing_of_it_is_written_anywhere(
    screen: Display, lab: Lab, place: LoginPlace, tmp_path: Path
) -> None:
    uri = Client(tmp_path / "client").add("web", place)
    profile = tmp_path / "profile"
    with Console(screen, profile, "--debug", "--connect", uri) as console:
        console.until("find", **DIALOG)
        console.until("set_text", role="password text", name=field_name(place), text=PASSWORD)
        console.process.send_signal(signal.SIGUSR1)  # the report of a crash, with the password in the field
        wait_until(lambda: "Thread" in crash_report(profile), within_s=10, what="the stacks are written")
        assert is_listed(console, field_name(place), **DIALOG)
        assert not is_listed(console, PASSWORD, **DIALOG), "an assistive program hears bullets"
        console.ask("press", role="push button", name="Cancel")
        wait_until(lambda: is_listed(console, "was cancelled"), within_s=10, what="the row says why")
        ends_at = time.monotonic() + QUIET_S
        while time.monotonic() < ends_at:
            assert not is_shown(console, **DIALOG)
        log = console.output()
    assert PASSWORD not in log
    assert PASSWORD.encode() not in all_text_below(profile)


def crash_report(profile: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in profile.rglob("crash.log"))


def test_an_unknown_key_is_accepted_on_the_screen(screen: Display, lab: Lab, place: LoginPlace, tmp_path: Path) -> None:
    client = Client(tmp_path / "client")
    uri = client.add("web", place, known=False)
    with Console(screen, tmp_path / "profile", "--connect", uri) as console:
        console.until("find", role="dialog", name="Unknown Host Key of web")
        console.until("find", role="label", name=f"ED25519 key, fingerprint {place.fingerprint()}")
        console.ask("press", role="push button", name="Accept Key")
        log_in(console, place, PASSWORD)
        wait_connected(console, place.host)
    assert place.public_host_key() in client.known_hosts.read_text()


def run_alone(screen: Display, profile: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """``--after`` with everything that it writes; what it said, and its dump."""
    dump = profile.parent / "dump.json"
    argv = [sys.executable, "-m", "vmconsole", "--profile", str(profile), "--debug", "--after", "8",
            "--dump", str(dump), "--screenshot", str(profile.parent / "window.png"), *arguments]  # fmt: skip
    done = subprocess.run(argv, env=screen.env, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return (done.stdout + done.stderr).decode(), json.loads(dump.read_text())


def test_no_secret_is_found_in_anything_that_is_written_and_a_run_alone_uses_the_keyring_when_allowed(
    screen: Display, lab: Lab, place: LoginPlace, tmp_path: Path
) -> None:
    """A real password, typed into the window: then the log, the dump, the crash report, the settings are searched."""
    uri = Client(tmp_path / "client").add("web", place)
    profile, keyring = tmp_path / "profile", tmp_path / "keyring"
    keyring.mkdir()
    with secret_service(keyring, bus=screen.env["DBUS_SESSION_BUS_ADDRESS"]):
        with Console(screen, profile, "--debug", "--connect", uri) as console:
            log_in(console, place, PASSWORD, remember=True)
            wait_connected(console, place.host)
            console.process.send_signal(signal.SIGUSR1)
            wait_until(lambda: "Thread" in crash_report(profile), within_s=10, what="the stacks are written")
            said = [console.output()]
            arguments = Path(f"/proc/{console.process.pid}/cmdline").read_text() + all_command_lines()
        batch_said, batch = run_alone(screen, profile, "--connect", uri)
        keyring_said, known = run_alone(screen, profile, "--connect", uri, "--use-keyring")
    said += [batch_said, keyring_said, arguments]
    (refused,) = batch["hosts"]
    assert refused["state"] == "failed", "without the word, ssh runs in batch mode"
    (connected,) = known["hosts"]
    assert connected["state"] == "connected"
    assert {guest["name"] for guest in connected["guests"]} >= set(place.host.guests)
    assert (profile / "state" / "keyring-used").exists()
    written = all_text_below(profile) + (tmp_path / "dump.json").read_bytes() + (tmp_path / "window.png").read_bytes()
    assert len(written) > 10_000
    for form in (PASSWORD, base64.b64encode(PASSWORD.encode()).decode(), PASSWORD.encode().hex()):
        assert not any(form in text for text in said)
        assert form.encode() not in written


def test_a_run_alone_says_what_the_keyring_does_not_know(
    screen: Display, lab: Lab, place: LoginPlace, tmp_path: Path
) -> None:
    uri = Client(tmp_path / "client").add("web", place)
    said, dump = run_alone(screen, tmp_path / "profile", "--connect", uri, "--use-keyring")
    assert "nobody is there to be asked" in dump["hosts"][0]["reason"]
    assert "nobody is there to be asked" in said


def all_command_lines() -> str:
    """Of every process, as other users of the machine see them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue  # it has ended
    return "\n".join(found)
