# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in by a Kerberos ticket (GSSAPI): a real KDC, an sshd that takes nothing else, the user's own ssh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.kerberos_realm import Realm
from tests.links.login_place import Client, LoginPlace
from tests.links.recording import QuietSampler, Recorder
from tests.links.test_login_on_lab import Console, failure
from vmconsole.inventory.errors import AuthenticationFailed
from vmconsole.inventory.facts import HostState
from vmconsole.links.host_link import HostLink
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.vmlab import LabHost
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = pytest.mark.lab
TICKETS_ONLY = "GSSAPIAuthentication yes\nGSSAPIStrictAcceptorCheck no\nPubkeyAuthentication no\n"


@pytest.fixture
def realm(lab_host: LabHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    realm = Realm(lab_host, tmp_path)
    for name, value in realm.environment.items():
        monkeypatch.setenv(name, value)
    yield realm
    realm.close()


@pytest.fixture
def uri(realm: Realm, tmp_path: Path) -> Iterator[str]:
    place = LoginPlace(realm.host, more=TICKETS_ONLY, krb5_config=realm.server_config)
    yield Client(tmp_path / "client").add("web", place, "GSSAPIAuthentication yes")
    place.close()


@pytest.fixture
def console(run_dir: Path) -> Iterator[Console]:
    found = Console(run_dir)
    yield found
    found.close()


def test_a_ticket_logs_in_and_asks_nobody(
    realm: Realm, uri: str, console: Console, event_loop: LibvirtLoop, run_dir: Path
) -> None:
    realm.log_in()
    console.open(uri)
    posted = Recorder()
    link = HostLink(
        parse_uri(uri), post=posted, event_loop=event_loop, run_dir=run_dir, login=console.login(uri),
        make_sampler=lambda _shell, _host, _post, on_state: QuietSampler(on_state),
    )  # fmt: skip
    try:
        link.start()
        posted.host(HostState.CONNECTED, within_s=20)  # libvirt's RPC goes the same way
        assert posted.listing()
    finally:
        link.close()
    assert console.kinds == []


def test_without_a_ticket_it_is_refused_in_words(uri: str, console: Console) -> None:
    error = failure(console, uri)
    assert isinstance(error, AuthenticationFailed)
    assert "gssapi-with-mic" in error.explanation.said
    assert "kinit" in f"{error.explanation.cause} {error.explanation.advice}"
    assert console.kinds == []
