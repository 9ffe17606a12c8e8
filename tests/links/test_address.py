# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person types into the one field, and a URI's way into the form and back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmconsole.inventory.errors import BadAddress
from vmconsole.links.address import AddressForm, address_of, form_of, full_address, try_parse
from vmconsole.links.uri import parse_uri

NAMES = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9.-]{0,20}[a-zA-Z0-9])?", fullmatch=True)
USERS = st.text(
    st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12
).filter(lambda user: not user.startswith("-") and not set("%/") & set(user))  # fmt: skip
PORTS = st.none() | st.integers(1, 65535)
PATHS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1).map(lambda text: "/" + text)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("kvm1", "qemu+ssh://kvm1/system"),
        ("root@kvm1:2222", "qemu+ssh://root@kvm1:2222/system"),
        ("  ssh root@kvm1 ", "qemu+ssh://root@kvm1/system"),
        ("ssh://root@kvm1:22", "qemu+ssh://root@kvm1:22/system"),
        ("kvm1/session", "qemu+ssh://kvm1/session"),
        ("kvm1/", "qemu+ssh://kvm1/system"),
        ("2001:db8::7", "qemu+ssh://[2001:db8::7]/system"),
        ("root@[2001:db8::7]:2222", "qemu+ssh://root@[2001:db8::7]:2222/system"),
        ("some one@corp@kvm1", "qemu+ssh://some%20one%40corp@kvm1/system"),
        ("lxc:///system", "lxc:///system"),
        ("", ""),
    ],
)
def test_what_is_typed_is_an_address(typed: str, meant: str) -> None:
    assert full_address(typed) == meant
    if meant:
        assert parse_uri(meant).text == meant


@given(host=NAMES, user=st.none() | USERS, port=PORTS)
def test_user_host_and_port_are_those_that_were_typed(host: str, user: str | None, port: int | None) -> None:
    typed = (f"{user}@" if user else "") + host + (f":{port}" if port else "")
    uri = parse_uri(full_address(typed))
    assert (uri.driver, uri.transport, uri.path) == ("qemu", "ssh", "/system")
    assert (uri.user, uri.host, uri.port) == (user or "", host, port)


@given(st.text(max_size=60))
@example("-oProxyCommand=x")
@example("root@-oProxyCommand=x")
@example("[")
@example("a@[::1")
@example("//")
def test_nothing_that_can_be_typed_breaks_it(typed: str) -> None:
    try:
        uri = parse_uri(full_address(typed))
    except BadAddress as error:
        assert error.explanation.what  # noqa: PT017  # the only error there may be, and it says why
        return
    assert not uri.host.startswith("-")
    assert not uri.user.startswith("-")


@given(
    transport=st.sampled_from(["ssh", "tls", "tcp", "libssh2"]),
    user=st.just("") | USERS,
    host=NAMES,
    port=PORTS,
    path=st.sampled_from(["/system", "/session"]),
    keyfile=st.just("") | PATHS,
    read_only=st.booleans(),
)
def test_a_form_and_its_address_say_the_same(
    transport: str, user: str, host: str, port: int | None, path: str, keyfile: str, read_only: bool
) -> None:
    jump = "root@bastion:2222,second" if transport == "ssh" else ""
    form = AddressForm(
        transport=transport, user=user, host=host, port=port, path=path, keyfile=keyfile, jump=jump,
        read_only=read_only, others=(("socket", "/run/a b"),),
    )  # fmt: skip
    assert form_of(parse_uri(address_of(form))) == form


def test_a_jump_host_goes_to_ssh_and_not_to_libvirt() -> None:
    uri = parse_uri(
        "qemu+ssh://root@kvm1/system?vmconsole_jump=me@bastion:2222,[::1]:22&vmconsole_readonly=1&mode=auto"
    )
    assert uri.ssh_options()[-2:] == ("-J", "me@bastion:2222,[::1]:22")
    assert uri.read_only
    assert uri.for_libvirt() == "qemu+ssh://root@kvm1/system?mode=auto"
    assert uri.for_libvirt(socket="/run/x") == "qemu+unix:///system?socket=%2Frun%2Fx"
    only = parse_uri("qemu:///system?vmconsole_readonly=1")
    assert (only.for_libvirt(), only.is_local_daemon) == ("qemu:///system", True)


@pytest.mark.parametrize(
    "text",
    [
        "qemu+ssh://kvm1/system?vmconsole_jump=-oProxyCommand=touch%20/tmp/x",
        "qemu+ssh://kvm1/system?vmconsole_jump=a,-oProxyCommand=x",
        "qemu+ssh://kvm1/system?vmconsole_jump=-x@host",
        "qemu+ssh://kvm1/system?vmconsole_jump=$(id)",
        "qemu+ssh://kvm1/system?vmconsole_jump=",
        "qemu+tls://kvm1/system?vmconsole_jump=bastion",
        "qemu+ssh://kvm1/system?vmconsole_readonly=yes",
        "qemu+ssh://kvm1/system?vmconsole_colour=red",
    ],
)
def test_parameters_of_our_own_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        parse_uri(text)
    assert try_parse(text) is None
