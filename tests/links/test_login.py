# SPDX-License-Identifier: GPL-3.0-or-later
"""Who answers ssh's questions, with the real askpass program as ssh runs it; ssh itself is played by the test."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.links.login_place import Person
from tests.waiting import wait_until
from vmconsole.inventory.errors import AuthenticationFailed, LinkLost
from vmconsole.inventory.ids import HostId
from vmconsole.links.ask_server import AskServer
from vmconsole.links.login import Login
from vmconsole.links.prompts import Answer, PromptKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vmconsole.links.prompts import Prompt

HOST = HostId("qemu+ssh://root@kvm1/system")
PASSWORD = "root@kvm1's password: "
NAME = "password of root@kvm1:22"
REFUSED = AuthenticationFailed("refused")
GONE = LinkLost("closed")


class Keyring:
    """Keeps secrets in a dictionary, and what was asked of it."""

    def __init__(self, **known: str) -> None:
        self.known = dict(known)
        self.reason = ""
        self.found: list[str] = []

    def why_not(self) -> str:
        return self.reason

    def find(self, name: str, *, host: str) -> str | None:
        assert host == HOST
        self.found.append(name)
        return self.known.get(name)

    def remember(self, name: str, secret: str, *, host: str, on_problem: Callable[[str], None]) -> None:
        assert host == HOST
        self.known[name] = secret


class Desk:
    """A login with its server, and ssh's side of it: ``ssh(question)`` is (exit status, answer)."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self.folder = folder
        self.keyring = keyring
        self.person: Person | None = None
        self.replies: list[str | Answer | None] = []
        self.server = AskServer(folder)
        self.server.start()
        self.person = Person(self._reply)
        self.patience_s = 30.0
        self.environment: dict[str, str] = {}
        self.login = self.make_login()

    def make_login(self) -> Login:
        return Login(
            HOST, name="kvm1", server=self.server, prompter=self.person, secrets=self.keyring,
            account_of=lambda account, _: f"{account}:22", patience_s=self.patience_s,
        )  # type: ignore[arg-type]  # made in __init__  # fmt: skip

    def _reply(self, prompt: Prompt) -> str | Answer | None:
        if not self.replies:
            raise KeyError
        return self.replies.pop(0)

    @property
    def asked(self) -> list[Prompt]:
        assert self.person is not None
        return self.person.asked

    def begin(self) -> None:
        self.environment = self.login.begin(self.folder)

    def ask_in_background(self, question: str, *, hint: str = "") -> subprocess.Popen[bytes]:
        assert self.environment["SSH_ASKPASS_REQUIRE"] == "force"
        env = {**os.environ, "SSH_ASKPASS_PROMPT": hint}
        return subprocess.Popen([self.environment["SSH_ASKPASS"], question], env=env, stdout=subprocess.PIPE)

    def ssh(self, question: str, *, hint: str = "") -> tuple[int, str]:
        process = self.ask_in_background(question, hint=hint)
        out, _ = process.communicate(timeout=20)
        return process.returncode, out.decode()

    def close(self) -> None:
        assert self.person is not None
        self.person.close()
        self.server.close()
        wait_until(
            lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("ssh question")],
            what="all threads of questions have ended",
        )


@pytest.fixture
def desk(run_dir: Path) -> Iterator[Desk]:
    found = Desk(run_dir, Keyring())
    yield found
    found.close()
    for name in ("token", "askpass"):
        (run_dir / name).unlink(missing_ok=True)


def test_what_the_person_types_is_what_ssh_reads(desk: Desk) -> None:
    desk.replies = ["päss wörd\\ '\"$x"]
    desk.begin()
    assert desk.ssh(PASSWORD) == (0, "päss wörd\\ '\"$x\n")
    (prompt,) = desk.asked
    assert (prompt.kind, prompt.account, prompt.host) == (PromptKind.PASSWORD, "root@kvm1:22", HOST)
    assert not prompt.was_refused


def test_an_empty_answer_is_an_answer(desk: Desk) -> None:
    desk.replies = [""]
    desk.begin()
    assert desk.ssh("Enter passphrase for key '/k': ") == (0, "\n")
    assert desk.login.cancelled() is None


def test_a_cancel_ends_the_try_and_nobody_is_asked_again_until_the_user_wishes(desk: Desk) -> None:
    desk.replies = [None]
    desk.begin()
    assert desk.ssh(PASSWORD) == (1, "")
    error = desk.login.cancelled()
    assert error is not None
    assert "cancelled" in error.explanation.what
    desk.login.end(error)
    desk.begin()
    assert desk.ssh(PASSWORD) == (1, "")
    assert len(desk.asked) == 1
    assert desk.login.cancelled() is not None, "so the host is not tried again by itself"
    desk.login.end(desk.login.cancelled())
    desk.login.renew()
    desk.begin()
    desk.replies = ["now"]
    assert desk.ssh(PASSWORD) == (0, "now\n")


def test_nobody_answering_is_a_cancel(desk: Desk) -> None:
    desk.patience_s = 0.3
    desk.login = desk.make_login()
    desk.begin()
    began = time.monotonic()
    assert desk.ssh(PASSWORD) == (1, "")
    assert time.monotonic() - began < 5
    error = desk.login.cancelled()
    assert error is not None
    assert "Nobody answered" in error.explanation.what
    assert desk.person is not None
    wait_until(lambda: len(desk.person.withdrawn) == 1, what="the question left the screen")


def test_a_question_is_withdrawn_when_ssh_is_gone(desk: Desk) -> None:
    desk.begin()
    process = desk.ask_in_background("Confirm user presence for key ED25519-SK SHA256:x", hint="none")
    wait_until(lambda: len(desk.asked) == 1, what="asked")
    assert desk.login.is_asking
    assert desk.asked[0].kind is PromptKind.NOTICE
    process.terminate()  # as ssh does when the key was touched
    process.communicate()
    assert desk.person is not None
    wait_until(lambda: len(desk.person.withdrawn) == 1 and not desk.login.is_asking, what="withdrawn")
    assert desk.login.cancelled() is None


def test_a_remembered_secret_is_given_once_and_then_the_person_is_asked(desk: Desk) -> None:
    desk.keyring.known = {NAME: "old"}
    desk.replies = ["new"]
    desk.begin()
    assert desk.ssh(PASSWORD) == (0, "old\n")
    assert desk.asked == []
    assert desk.ssh(PASSWORD) == (0, "new\n")
    assert desk.keyring.found == [NAME]
    assert desk.asked[0].was_refused


def test_a_secret_is_remembered_when_the_login_has_worked_and_not_before(desk: Desk) -> None:
    desk.replies = [Answer("wrong", remember=True), Answer("right", remember=True)]
    desk.begin()
    desk.ssh(PASSWORD)
    assert desk.ssh(PASSWORD) == (0, "right\n")
    assert desk.keyring.known == {}
    desk.login.end(None)
    assert desk.keyring.known == {NAME: "right"}


@pytest.mark.parametrize("error", [REFUSED, GONE])
def test_a_failed_login_remembers_nothing(desk: Desk, error: Exception) -> None:
    desk.replies = [Answer("wrong", remember=True)]
    desk.begin()
    desk.ssh(PASSWORD)
    desk.login.end(error)
    assert desk.keyring.known == {}


def test_without_the_wish_nothing_is_remembered(desk: Desk) -> None:
    desk.replies = ["right"]
    desk.begin()
    desk.ssh(PASSWORD)
    desk.login.end(None)
    assert desk.keyring.known == {}


def test_without_a_keyring_the_prompt_says_why(desk: Desk) -> None:
    desk.keyring.reason = "There is none."
    desk.keyring.known = {NAME: "never looked at"}
    desk.replies = ["typed"]
    desk.begin()
    assert desk.ssh(PASSWORD) == (0, "typed\n")
    assert desk.asked[0].cannot_remember == "There is none."


def test_an_answer_outlives_a_connection_that_was_closed_meanwhile_by_one_try(desk: Desk) -> None:
    """sshd waits two minutes for a login (LoginGraceTime), and a person may take longer."""
    desk.replies = [Answer("typed", remember=True)]
    desk.begin()
    desk.ssh(PASSWORD)
    desk.login.end(GONE)
    desk.begin()
    assert desk.ssh(PASSWORD) == (0, "typed\n"), "from the try before"
    assert len(desk.asked) == 1
    desk.login.end(None)
    assert desk.keyring.known == {NAME: "typed"}


def test_a_host_that_always_closes_the_connection_does_not_ask_for_ever(desk: Desk) -> None:
    desk.replies = ["one", "two", "three"]
    for _ in range(4):
        desk.begin()
        desk.ssh(PASSWORD)
        desk.login.end(desk.login.cancelled() or GONE)
    assert len(desk.asked) == 1


def test_after_a_login_that_worked_a_person_may_be_asked_again(desk: Desk) -> None:
    desk.replies = ["one", "two"]
    for _ in range(2):
        desk.begin()
        desk.ssh(PASSWORD)
        desk.login.end(None)
    assert len(desk.asked) == 2


def test_only_a_token_of_a_login_under_way_is_heard(desk: Desk) -> None:
    desk.replies = ["x", "y"]
    desk.begin()
    (desk.folder / "token").write_text("0" * 32)
    assert desk.ssh(PASSWORD) == (1, "")
    desk.begin()
    desk.login.end(REFUSED)
    assert desk.ssh(PASSWORD) == (1, "")
    assert desk.asked == []


def test_another_user_is_not_heard_even_with_the_token(desk: Desk) -> None:
    desk.replies = ["x"]
    desk.begin()
    token = (desk.folder / "token").read_text()
    desk.folder.chmod(0o755)  # as it never is
    (desk.folder / "ask").chmod(0o666)
    program = (
        "import socket, sys\nclient = socket.socket(socket.AF_UNIX); client.connect(sys.argv[1])\n"
        "client.sendall(b'%s\\0\\0question\\0' % sys.argv[2].encode()); print(client.recv(9))"
    )
    asked = ["/usr/bin/python3", "-I", "-c", program, str(desk.folder / "ask"), token]
    by_us = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True)
    assert by_us.stdout == "b'+x'\n"
    by_another = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=False, user="nobody")
    assert by_another.stdout in {"b''\n", ""}, "refused, or reset"
    assert len(desk.asked) == 1


def test_nonsense_on_the_socket_harms_nobody(desk: Desk) -> None:
    desk.replies = ["fine"]
    desk.begin()
    for data in (b"", b"\0\0\0", b"x" * 100_000, b"\xff\0\xfe\0\xfd\0"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(desk.folder / "ask"))
            try:
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
            except (BrokenPipeError, ConnectionResetError):
                pass  # it did not listen to the end
    assert desk.ssh(PASSWORD) == (0, "fine\n")


def test_all_that_lies_on_the_disk_is_private(desk: Desk) -> None:
    desk.begin()
    modes = {path.name: path.stat().st_mode & 0o777 for path in desk.folder.iterdir()}
    assert modes == {"ask": 0o600, "token": 0o600, "askpass": 0o700}
    assert desk.folder.stat().st_mode & 0o777 == 0o700


def test_closing_the_server_ends_open_questions(desk: Desk) -> None:
    desk.begin()
    process = desk.ask_in_background(PASSWORD)
    wait_until(lambda: len(desk.asked) == 1, what="asked")
    desk.server.close()
    assert process.communicate(timeout=10)[0] == b""
    assert process.returncode == 1


def test_the_program_that_asks_starts_fast(desk: Desk) -> None:
    desk.keyring.known = {NAME: "old"}
    times = []
    for _ in range(5):
        desk.begin()
        began = time.monotonic()
        desk.ssh(PASSWORD)
        times.append(time.monotonic() - began)
    assert min(times) < 0.3, times
    print(f"askpass: {min(times) * 1000:.0f} ms at best")
