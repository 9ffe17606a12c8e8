# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyring, against a real Secret Service (gnome-keyring): remembered, found by the next program, forgotten."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.secret_service import SecretService, secret_service
from tests.waiting import no_thread_left
from vmconsole.settings.secrets import NO_KEYRING, SILENT, KeyringSecrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "password of root@kvm1:22"
SECRET = "geheim-41d7"
HOST = "qemu+ssh://root@kvm1/system"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretService]:
    with secret_service(tmp_path) as found:
        for key, value in found.env.items():
            monkeypatch.setenv(key, value)
        yield found


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    (tmp_path / "profile").mkdir()
    return tmp_path / "profile" / "keyring-used"


@pytest.fixture
def keyring(marker: Path) -> Iterator[KeyringSecrets]:
    with no_thread_left():
        found = KeyringSecrets(marker=marker)
        yield found
        found.close()


def remember(keyring: KeyringSecrets, name: str = NAME, host: str = HOST) -> None:
    problems: list[str] = []
    keyring.remember(name, SECRET, host=host, on_problem=problems.append)
    assert keyring.why_not() == ""  # comes after it in the queue
    assert problems == []


def test_what_is_remembered_is_found_by_the_next_program(
    service: SecretService, keyring: KeyringSecrets, marker: Path
) -> None:
    remember(keyring)
    program = (
        "from pathlib import Path\nfrom vmconsole.settings.secrets import KeyringSecrets\n"
        f"keyring = KeyringSecrets(marker=Path({str(marker)!r}))\n"
        f"print(keyring.find({NAME!r}, host={HOST!r})); keyring.close()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == SECRET


def test_what_was_forgotten_is_not_found(service: SecretService, keyring: KeyringSecrets) -> None:
    remember(keyring)
    remember(keyring, "passphrase of /root/.ssh/id_ed25519")
    remember(keyring, "password of root@kvm2:22", host="another")
    assert keyring.forget(HOST).result(10) == 2
    assert keyring.find(NAME, host=HOST) is None
    assert keyring.forget(HOST).result(10) == 0
    assert keyring.find("password of root@kvm2:22", host="another") == SECRET


def test_whoever_uses_a_secret_can_forget_it(service: SecretService, keyring: KeyringSecrets) -> None:
    """One key file serves many hosts."""
    remember(keyring)
    assert keyring.find(NAME, host="another") == SECRET
    assert keyring.forget("another").result(10) == 1
    assert keyring.find(NAME, host=HOST) is None
    assert keyring.forget(HOST).result(10) == 0, "it was gone already, and that is no error"


# keyring leaves its socket to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_locked_keyring_delays_nobody_for_long(service: SecretService, marker: Path) -> None:
    """gnome-keyring asks its user to unlock, and here nobody does."""
    keyring = KeyringSecrets(marker=marker, find_s=0.5)
    remember(keyring)
    service.lock()
    began = time.monotonic()
    assert keyring.find(NAME, host=HOST) is None
    assert time.monotonic() - began < 2.0
    worker = keyring._worker
    keyring.close()
    service.close()  # now nobody asks the user any more, so the thread that waited for that ends
    assert worker is not None
    worker.join(10)
    assert not worker.is_alive()
    gc.collect()


def test_a_keyring_that_hangs_is_said_to_be_silent(service: SecretService, marker: Path) -> None:
    keyring = KeyringSecrets(marker=marker, find_s=0.3)
    free = threading.Event()
    marker.touch()
    stuck = keyring._submit(lambda: free.wait(20))
    try:
        assert keyring.why_not() == SILENT
        assert keyring.find(NAME, host=HOST) is None
    finally:
        free.set()
    assert stuck.result(5)
    assert keyring.why_not() == "", "it answers again"
    keyring.close(timeout_s=5)


def test_without_a_keyring_it_says_so_and_remembers_nothing(
    keyring: KeyringSecrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert keyring.why_not() == NO_KEYRING
    said: list[str] = []
    keyring.remember(NAME, SECRET, host=HOST, on_problem=said.append)
    assert keyring.find(NAME, host=HOST) is None
    assert keyring.why_not() == NO_KEYRING  # comes after it in the queue
    assert len(said) == 1
    assert "could not be remembered" in said[0]
    assert SECRET not in said[0]
    assert keyring.forget(HOST).result(10) == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "nothing is written to a file instead"


def test_a_keyring_that_went_away_refuses_to_forget(
    keyring: KeyringSecrets, marker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    marker.touch()
    with pytest.raises(RuntimeError, match="there is none"):
        keyring.forget(HOST).result(10)


def test_who_never_remembered_anything_is_left_in_peace(service: SecretService, keyring: KeyringSecrets) -> None:
    """Even a look into a locked keyring opens a window of the desktop's."""
    service.lock()
    began = time.monotonic()
    assert keyring.find(NAME, host=HOST) is None
    assert time.monotonic() - began < 0.1


def test_a_keyring_in_plain_files_is_not_used(keyring: KeyringSecrets, monkeypatch: pytest.MonkeyPatch) -> None:
    from keyring import core

    class PlaintextKeyring:
        """As the one of keyrings.alt, which writes a file that anyone can read who may read the user's files."""

    monkeypatch.setattr(core, "load_config", PlaintextKeyring)
    assert keyring.why_not() == NO_KEYRING


def test_a_keyring_that_starts_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/run/bus")
    keyring = KeyringSecrets(marker=tmp_path / "marker", look_again_s=0.0)
    assert keyring.why_not() == NO_KEYRING
    with secret_service(tmp_path):
        assert keyring.why_not() == ""
    keyring.close()


def test_after_close_nothing_is_answered(keyring: KeyringSecrets, marker: Path) -> None:
    keyring.close()
    marker.touch()
    assert keyring.find(NAME, host=HOST) is None
    assert keyring.forget(HOST).cancelled()


def test_logins_go_with_a_connection_to_its_new_address(service: SecretService, keyring: KeyringSecrets) -> None:
    remember(keyring)
    keyring.move(HOST, "qemu+ssh://root@kvm1:2222/system")
    assert keyring.forget(HOST).result(10) == 0
    assert keyring.find(NAME, host="qemu+ssh://root@kvm1:2222/system") == SECRET
    assert keyring.forget("qemu+ssh://root@kvm1:2222/system").result(10) == 1
