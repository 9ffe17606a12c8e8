# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses: what is taken, what is refused and why, and what ssh and libvirt are told."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.inventory.errors import BadAddress
from vmconsole.links.uri import parse_uri


@pytest.mark.parametrize(
    ("text", "driver", "transport", "host", "uses_ssh", "is_local"),
    [
        ("qemu+ssh://root@kvm1:2222/system", "qemu", "ssh", "kvm1", True, False),
        ("qemu+ssh://kvm1/session", "qemu", "ssh", "kvm1", True, False),
        ("qemu:///system", "qemu", "", "", False, True),
        ("qemu:///session", "qemu", "", "", False, True),
        ("qemu+unix:///system?socket=/run/x", "qemu", "unix", "", False, True),
        ("qemu://kvm1/system", "qemu", "tls", "kvm1", False, False),
        ("qemu+tls://kvm1/system", "qemu", "tls", "kvm1", False, False),
        ("qemu+tcp://kvm1:16509/system", "qemu", "tcp", "kvm1", False, False),
        ("qemu+libssh2://u@kvm1/system?known_hosts_verify=auto", "qemu", "libssh2", "kvm1", False, False),
        ("lxc+ssh://kvm1/", "lxc", "ssh", "kvm1", True, False),
        ("xen+ssh://kvm1/", "xen", "ssh", "kvm1", True, False),
        ("lxc:///", "lxc", "", "", False, True),
        ("lxc:///system", "lxc", "", "", False, True),
        ("xen:///system", "xen", "", "", False, True),
        ("qemu+ext://kvm1/system?command=/opt/through", "qemu", "ext", "kvm1", False, False),
        ("qemu+ext:///system?command=/opt/through", "qemu", "ext", "", False, False),
        ("test:///root/fleet.xml", "test", "", "", False, False),
        ("test:///default", "test", "", "", False, False),
        ("  qemu:///system\n", "qemu", "", "", False, True),
    ],
)
def test_addresses_that_are_taken(
    text: str, driver: str, transport: str, host: str, uses_ssh: bool, is_local: bool
) -> None:
    uri = parse_uri(text)
    assert (uri.driver, uri.transport, uri.host) == (driver, transport, host)
    assert (uri.uses_ssh, uri.is_local_daemon) == (uses_ssh, is_local)
    assert uri.host_id == text.strip()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "No address"),
        ("kvm1", "://"),
        ("qemu+ssh://root@kvm1/sys tem", "blank"),
        ("foo:///system", "«foo»"),
        ("qemu+pigeon://kvm1/system", "«pigeon»"),
        ("qemu+ssh:///system", "needs a host"),
        ("qemu+tls:///system", "needs a host"),
        ("qemu+unix://kvm1/system", "no host"),
        ("qemu+ssh://kvm1", "/system"),
        ("qemu+ssh://kvm1/sytem", "/sytem"),
        ("lxc:///session", "/session"),
        ("xen+ssh://kvm1/default", "/default"),
        ("test:///", "Nothing"),
        ("qemu+ext://kvm1/system", "ext"),
        ("qemu+ssh://kvm1:0/system", "Port 0"),
        ("qemu+ssh://kvm1:99999/system", "ort"),
        ("qemu+ssh://kvm1:abc/system", "ort"),
        ("qemu+ssh://root:secret@kvm1/system", "password"),
        ("qemu+ssh://-oProxyCommand=x/system", "host name"),
        ("qemu+ssh://%2doProxyCommand=x/system", "host name"),
        ("qemu+ssh://-l@kvm1/system", "user name"),
        ("qemu+ssh://kvm1;reboot/system", "host name"),
        ("qemu+ssh://[::1/system", "cannot be read"),
        ("qemu+ssh://kvm1/system?mode=fast", "mode"),
        ("qemu+ssh://kvm1/system?no_verify=yes", "no_verify"),
        ("qemu+ssh://kvm1/system?keyfile=", "keyfile"),
        ("qemu+ssh://kvm1/system?command=-x", "command"),
    ],
)
def test_addresses_that_are_refused_say_why(text: str, word: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_uri(text)
    explanation = caught.value.explanation
    assert word in explanation.what
    assert explanation.advice


def test_a_wrong_scheme_is_answered_with_the_list() -> None:
    with pytest.raises(BadAddress) as caught:
        parse_uri("kqemu+ssh://kvm1/system")
    assert "qemu+ssh://user@host/system" in caught.value.explanation.advice
    assert "lxc" in caught.value.explanation.what


def test_what_ssh_must_know_becomes_its_options() -> None:
    uri = parse_uri(
        "qemu+ssh://adm@KVM1:2222/system?keyfile=/k/id&no_verify=1&known_hosts=/k/hosts&command=/opt/my%20ssh"
    )
    assert uri.ssh_program == "/opt/my ssh"
    assert uri.host == "KVM1"
    assert uri.ssh_options() == (
        "-l", "adm", "-p", "2222", "-i", "/k/id", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/k/hosts",
    )  # fmt: skip


def test_what_libvirt_opens_is_a_socket_of_ours() -> None:
    uri = parse_uri("qemu+ssh://adm@kvm1:2222/system?keyfile=/k&socket=/run/s&mode=direct&proxy=native")
    assert uri.for_libvirt(socket="/run/l1/rpc") == "qemu+unix:///system?socket=%2Frun%2Fl1%2Frpc"
    local = parse_uri("lxc:///?mode=direct")
    assert local.for_libvirt(socket="/run/a b") == "lxc+unix:///?socket=%2Frun%2Fa%20b"


def test_a_plus_sign_in_a_path_stays_one() -> None:
    assert parse_uri("qemu+ssh://kvm1/system?keyfile=/a+b").parameter("keyfile") == "/a+b"


def test_an_ipv6_address_keeps_its_brackets() -> None:
    uri = parse_uri("qemu+ssh://[fe80::1]:22/system")
    assert uri.host == "fe80::1"
    assert uri.ssh_options() == ("-p", "22")


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_clear_refusal(text: str) -> None:
    try:
        uri = parse_uri(text)
    except BadAddress as error:
        assert error.explanation.what  # noqa: PT017  both ends are good
    else:
        assert not uri.host.startswith("-")


@given(st.text(string.printable, min_size=1, max_size=40))
def test_no_host_part_becomes_an_option_of_ssh(host: str) -> None:
    try:
        uri = parse_uri(f"qemu+ssh://{host}/system")
    except BadAddress:
        return
    assert not uri.host.startswith("-")
    assert not any(option.startswith("-o") for option in uri.ssh_options()[1::2])
