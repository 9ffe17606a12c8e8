# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in to real sshds in every way that ssh has here, with a person who is played by the test.

Kerberos is in ``test_login_kerberos``.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.links.login_place import PASSPHRASE, PASSWORD, Client, LoginPlace, Person
from tests.links.recording import QuietSampler, Recorder
from tests.waiting import wait_until
from vmconsole.inventory.errors import AuthenticationFailed, HostKeyChanged, HostKeyUnknown, LinkError, LinkLost
from vmconsole.inventory.facts import HostState
from vmconsole.links.ask_server import AskServer
from vmconsole.links.host_link import HostLink
from vmconsole.links.login import Login
from vmconsole.links.prompts import NoSecrets, Prompt, PromptKind
from vmconsole.links.ssh import SshMaster, SshShell
from vmconsole.links.ssh_account import account_of
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import Lab
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = pytest.mark.lab

DEADLINE_S = 15.0
MakePlace = Callable[..., LoginPlace]


@pytest.fixture
def place(lab: Lab) -> Iterator[MakePlace]:
    """Makes an sshd at port 2222 of kvm1, or of another host."""
    with ExitStack() as stack:

        def make(name: str = "kvm1", **how: object) -> LoginPlace:
            made = LoginPlace(lab.host(name), **how)  # type: ignore[arg-type]  # its own options, by name
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(tmp_path / "client")


class Console:
    """The console's side: a server for questions, logins, masters; a person with ``replies``."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.server = AskServer(run_dir)
        self.server.start()
        self.replies: Callable[[Prompt], str | None] = lambda _: None
        self.person = Person(lambda prompt: self.replies(prompt))
        self._masters: list[SshMaster] = []

    def answer(self, *texts: str | None) -> None:
        left = list(texts)
        self.replies = lambda _: left.pop(0)

    @property
    def kinds(self) -> list[PromptKind]:
        return [prompt.kind for prompt in self.person.asked]

    def login(self, uri: str) -> Login:
        address = parse_uri(uri)
        return Login(
            address.host_id, name=address.host, server=self.server, prompter=self.person, secrets=NoSecrets(),
            account_of=account_of,
        )  # fmt: skip

    def open(self, uri: str, *, login: Login | None = None, deadline_s: float = DEADLINE_S) -> SshMaster:
        """Log in as the program does, and see that the connection carries a command."""
        master = SshMaster(parse_uri(uri), run_dir=self.run_dir, on_exit=lambda _: None, login=login or self.login(uri))
        self._masters.append(master)
        master.open(deadline_s=deadline_s)
        shell = SshShell(master)
        assert shell.run("echo in", deadline_s=10).out == b"in\n"
        shell.close()
        return master

    def close(self) -> None:
        for master in self._masters:
            master.close()
        self.server.close()
        self.person.close()


@pytest.fixture
def console(run_dir: Path) -> Iterator[Console]:
    found = Console(run_dir)
    yield found
    found.close()


def failure(console: Console, uri: str, **how: object) -> LinkError:
    with pytest.raises(LinkError) as caught:
        console.open(uri, **how)  # type: ignore[arg-type]  # open's own options, by name
    return caught.value


# -- ways to log in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["password", "interactive"])
def test_a_password_at_a_port_of_its_own(place: MakePlace, client: Client, console: Console, how: str) -> None:
    """``password`` and ``keyboard-interactive`` are two methods of ssh; the second goes through PAM."""
    uri = client.add("web", place(**{how: True}))
    console.answer("not-this-one", PASSWORD)
    console.open(uri)
    first, second = console.person.asked
    assert (first.kind, first.was_refused) == (PromptKind.PASSWORD, False)
    assert (second.kind, second.was_refused) == (PromptKind.PASSWORD, True)
    assert second.account.startswith("root@10.")
    assert second.account.endswith(":2222"), "ssh does not say the port, and it belongs to the account"


def test_a_key_with_a_passphrase(place: MakePlace, client: Client, console: Console, tmp_path: Path) -> None:
    key = make_key(tmp_path / "id", PASSPHRASE)
    uri = client.add("web", place(keys=(public(key),)), f"IdentityFile {key}")
    console.answer("not-this-one", PASSPHRASE)
    console.open(uri)
    assert console.kinds == [PromptKind.PASSPHRASE, PromptKind.PASSPHRASE]
    assert [prompt.was_refused for prompt in console.person.asked] == [False, True]
    assert console.person.asked[0].key_file == str(key)


def test_a_key_of_the_address(place: MakePlace, client: Client, console: Console, tmp_path: Path) -> None:
    key = make_key(tmp_path / "id", PASSPHRASE)
    uri = client.add("web", place(keys=(public(key),)))
    console.answer(PASSPHRASE)
    console.open(f"{uri}&keyfile={key}")
    assert console.person.asked[0].key_file == str(key)


def test_an_empty_passphrase_goes_on_to_the_password(
    place: MakePlace, client: Client, console: Console, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "id", PASSPHRASE)
    uri = client.add("web", place(keys=(public(key),), password=True), f"IdentityFile {key}")
    console.answer("", PASSWORD)
    console.open(uri)
    assert console.kinds == [PromptKind.PASSPHRASE, PromptKind.PASSWORD]


def test_a_key_in_the_agent_asks_nobody(
    place: MakePlace, client: Client, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(tmp_path / "id", "")
    uri = client.add("web", place(keys=(public(key),)))
    agent = subprocess.run(["ssh-agent", "-a", str(tmp_path / "agent")], check=True, capture_output=True, text=True)
    pid = int(agent.stdout.split("SSH_AGENT_PID=")[1].split(";")[0])
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    try:
        subprocess.run(["ssh-add", "-q", str(key)], check=True, capture_output=True)
        key.unlink()
        console.open(uri)
    finally:
        os.kill(pid, signal.SIGTERM)
    assert console.kinds == []


def test_through_a_jump_host_with_a_password_at_each(place: MakePlace, client: Client, console: Console) -> None:
    bastion, target = place("kvm2", password=True, port=2200), place("kvm1", password=True)
    client.add("bastion", bastion, "User root")
    uri = client.add("web", target, "ProxyJump bastion")
    console.answer(PASSWORD, PASSWORD)
    console.open(uri)
    accounts = [prompt.account for prompt in console.person.asked]
    assert accounts == [f"root@{bastion.host.address}:2200", f"root@{target.host.address}:2222"]
    assert not any(prompt.was_refused for prompt in console.person.asked)


def test_nothing_of_the_users_ways_to_log_in_is_overruled(client: Client, console: Console, tmp_path: Path) -> None:
    """Kerberos and whatever else the configuration says: no option of ours touches it."""
    program = tmp_path / "ssh"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/said\nexit 255\n')
    program.chmod(0o755)
    failure(console, f"qemu+ssh://web/system?command={program}")
    said = (tmp_path / "said").read_text()
    for word in ("GSSAPI", "Authentication", "Preferred", "BatchMode", "StrictHost", "KnownHosts", "Identity", "-F"):
        assert word not in said


# -- not logged in -----------------------------------------------------------------------------------------------------


def test_a_cancel_is_prompt_and_says_so(place: MakePlace, client: Client, console: Console) -> None:
    uri = client.add("web", place(password=True))
    asked_at: list[float] = []
    console.replies = lambda _: asked_at.append(time.monotonic())
    error = failure(console, uri)
    assert isinstance(error, AuthenticationFailed)
    assert "cancelled" in error.explanation.what
    assert time.monotonic() - asked_at[0] < 1.0
    assert len(console.kinds) == 1


def test_three_wrong_passwords_are_a_refused_login(place: MakePlace, client: Client, console: Console) -> None:
    uri = client.add("web", place(password=True))
    console.replies = lambda _: "wrong"
    assert isinstance(failure(console, uri), AuthenticationFailed)
    assert len(console.kinds) == 3


def test_with_nobody_there_nobody_is_asked(
    place: MakePlace, client: Client, run_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not even by an askpass program of the user's own, as for ``--after``."""
    asked = tmp_path / "asked"
    program = tmp_path / "askpass"
    program.write_text(f"#!/bin/sh\ntouch {asked}\n")
    program.chmod(0o755)
    monkeypatch.setenv("SSH_ASKPASS", str(program))
    monkeypatch.setenv("DISPLAY", ":99")
    client.add("bastion", place("kvm2", password=True), "User root")
    for uri in (client.add("web", place(password=True)), client.add("inner", place(port=2223), "ProxyJump bastion")):
        master = SshMaster(parse_uri(uri), run_dir=run_dir, on_exit=lambda _: None)
        with pytest.raises(LinkError):
            master.open(deadline_s=DEADLINE_S)
        master.close()
    assert not asked.exists()


def test_the_deadline_waits_for_the_person(place: MakePlace, client: Client, console: Console) -> None:
    uri = client.add("web", place(password=True))

    def slowly(_: Prompt) -> str:
        threading.Event().wait(4.0)
        return PASSWORD

    console.replies = slowly
    console.open(uri, deadline_s=2.5)


def test_a_person_slower_than_sshd_types_only_once(place: MakePlace, client: Client, console: Console) -> None:
    uri = client.add("web", place(password=True, grace_s=1))

    def slowly(_: Prompt) -> str:
        threading.Event().wait(2.5)
        return PASSWORD

    console.replies = slowly
    login = console.login(uri)
    assert isinstance(failure(console, uri, login=login), LinkLost)
    console.open(uri, login=login)
    assert console.kinds == [PromptKind.PASSWORD]


# -- host keys ---------------------------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_shown_and_goes_to_the_known_hosts(
    place: MakePlace, client: Client, console: Console
) -> None:
    there = place(password=True)
    uri = client.add("web", there, known=False)
    console.answer("yes", PASSWORD)
    console.open(uri)
    prompt = console.person.asked[0]
    assert (prompt.kind, prompt.key_type, prompt.fingerprint) == (PromptKind.HOST_KEY, "ED25519", there.fingerprint())
    assert there.public_host_key() in client.known_hosts.read_text()
    console.answer(PASSWORD)
    console.open(uri)
    assert console.kinds.count(PromptKind.HOST_KEY) == 1


def test_a_host_key_that_is_not_accepted_stays_unknown(place: MakePlace, client: Client, console: Console) -> None:
    uri = client.add("web", place(password=True), known=False)
    error = failure(console, uri)
    assert isinstance(error, AuthenticationFailed)
    assert "was not accepted" in error.explanation.what
    assert not client.known_hosts.exists()
    assert console.kinds == [PromptKind.HOST_KEY]


def test_a_user_who_is_never_asked_for_keys_is_not_asked_here(
    place: MakePlace, client: Client, console: Console
) -> None:
    uri = client.add("web", place(password=True), "StrictHostKeyChecking yes", known=False)
    assert isinstance(failure(console, uri), HostKeyUnknown)
    assert console.kinds == []


def test_a_changed_host_key_is_refused_and_explained(place: MakePlace, client: Client, console: Console) -> None:
    there = place(password=True)
    uri = client.add("web", there)
    there.stop()
    shown = there.new_host_key()
    there.start()
    before = client.known_hosts.read_text()
    error = failure(console, uri)
    assert isinstance(error, HostKeyChanged)
    assert f"{client.known_hosts}, line 1" in error.explanation.cause
    assert shown in error.explanation.cause
    name = f"[{there.host.address}]:2222"
    assert f"`ssh-keygen -f {client.known_hosts} -R '{name}'`" in error.explanation.advice
    assert console.kinds == [], "there is no button for it"
    assert client.known_hosts.read_text() == before
    subprocess.run(["ssh-keygen", "-f", str(client.known_hosts), "-R", name], check=True, capture_output=True)
    console.answer("yes", PASSWORD)
    console.open(uri)


# -- the whole link ----------------------------------------------------------------------------------------------------


def test_a_cancelled_host_asks_again_only_when_the_user_does(
    place: MakePlace, client: Client, console: Console, event_loop: LibvirtLoop
) -> None:
    uri = client.add("web", place(password=True))
    posted = Recorder()
    link = HostLink(
        parse_uri(uri), post=posted, event_loop=event_loop, run_dir=console.run_dir, login=console.login(uri),
        make_sampler=lambda _shell, _host, _post, on_state: QuietSampler(on_state),
    )  # fmt: skip
    link.start()
    try:
        failed = posted.host(HostState.FAILED)
        assert failed.retry_at is None
        assert failed.reason is not None
        assert "cancelled" in failed.reason.what
        console.answer(PASSWORD)
        link.connect()
        posted.host(HostState.CONNECTED)
        posted.listing()
        assert console.kinds == [PromptKind.PASSWORD, PromptKind.PASSWORD]
    finally:
        link.close()


def test_closing_while_a_question_is_open_ends_at_once(
    place: MakePlace, client: Client, console: Console, event_loop: LibvirtLoop
) -> None:
    uri = client.add("web", place(password=True))

    def stay_open(_: Prompt) -> str:
        raise KeyError

    console.replies = stay_open
    link = HostLink(
        parse_uri(uri), post=Recorder(), event_loop=event_loop, run_dir=console.run_dir, login=console.login(uri),
        make_sampler=lambda _shell, _host, _post, on_state: QuietSampler(on_state),
    )  # fmt: skip
    link.start()
    wait_until(lambda: bool(console.kinds), what="asked")
    began = time.monotonic()
    link.close()
    assert time.monotonic() - began < 1.0
    wait_until(lambda: len(console.person.withdrawn) == 1, what="the question left the screen")


def test_no_secret_is_ever_where_others_can_read_it(
    place: MakePlace, client: Client, console: Console, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Command lines and environments of all processes all the while, every file of the run folder, and the log."""
    caplog.set_level("DEBUG")
    key = make_key(tmp_path / "id", PASSPHRASE)
    uri = client.add("web", place(keys=(public(key),), password=True), f"IdentityFile {key}", "LogLevel DEBUG3")
    watch = ProcessWatch((PASSWORD, PASSPHRASE))
    watch.start()
    try:
        console.answer(PASSPHRASE, PASSWORD)
        console.open(uri)
        console.answer("", PASSWORD)
        console.open(uri)
    finally:
        watch.close()
    assert watch.looks > 20
    assert watch.found == []
    for path in console.run_dir.rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            assert PASSWORD.encode() not in text, path
            assert PASSPHRASE.encode() not in text, path
    assert PASSWORD not in caplog.text
    assert PASSPHRASE not in caplog.text


class ProcessWatch(threading.Thread):
    """Reads /proc/*/cmdline and environ as fast as it can."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self._secrets = [secret.encode() for secret in secrets]
        self._ended = threading.Event()
        self.looks = 0
        self.found: list[str] = []

    def run(self) -> None:
        while not self._ended.is_set():
            self.looks += 1
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    self._look(Path(entry.path))

    def _look(self, process: Path) -> None:
        for name in ("cmdline", "environ"):
            try:
                data = (process / name).read_bytes()
            except OSError:
                continue  # it ended
            if any(secret in data for secret in self._secrets):
                self.found.append(f"{process}/{name}: {data!r}")

    def close(self) -> None:
        self._ended.set()
        self.join(10)


def make_key(path: Path, passphrase: str) -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-a", "4", "-N", passphrase, "-f", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text()
