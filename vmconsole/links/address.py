# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a person types to a libvirt URI, and between a URI and the fields of a form. Pure; any thread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from vmconsole.inventory.errors import BadAddress
from vmconsole.links.uri import JUMP, READ_ONLY, ConnectionUri, parse_uri

FORM_PARAMETERS = frozenset({"keyfile", JUMP, READ_ONLY})
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def full_address(text: str) -> str:
    """``kvm1``, ``root@kvm1:2222``, ``ssh root@kvm1`` or an IPv6 address as the libvirt URI that is meant.

    A URI stays as it is. What makes no sense gives a URI that ``parse_uri`` refuses with its reason.
    """
    text = text.strip()
    if text.startswith("ssh ") and "://" not in text:
        text = text[4:].strip()
    if text.lower().startswith("ssh://"):
        text = text[6:]
    if not text or _SCHEME.match(text):
        return text
    where, slash, path = text.partition("/")
    user, at, host = where.rpartition("@")
    login = f"{quote(user, safe='%')}@" if at else ""
    return f"qemu+ssh://{login}{_with_brackets(host)}/{path.rstrip('/') if slash and path else 'system'}"


def _with_brackets(host: str) -> str:
    """A bare IPv6 address holds more than one colon; in a URI it stands in brackets."""
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


@dataclass(frozen=True, slots=True)
class AddressForm:
    """The fields of a connection, for those who want them apart."""

    driver: str = "qemu"
    transport: str = "ssh"
    """Empty: the daemon of this computer."""
    user: str = ""
    host: str = ""
    port: int | None = None
    path: str = "/system"
    keyfile: str = ""
    jump: str = ""
    read_only: bool = False
    others: tuple[tuple[str, str], ...] = ()
    """Parameters that have no field."""


def form_of(uri: ConnectionUri) -> AddressForm:
    """The fields of a URI."""
    return AddressForm(
        driver=uri.driver, transport=uri.transport, user=uri.user, host=uri.host, port=uri.port, path=uri.path,
        keyfile=uri.parameter("keyfile"), jump=uri.jump, read_only=uri.read_only,
        others=tuple(pair for pair in uri.parameters if pair[0] not in FORM_PARAMETERS),
    )  # fmt: skip


def address_of(form: AddressForm) -> str:
    """The URI of the fields. Whether it can be right says ``parse_uri``."""
    parameters = [*form.others]
    if form.keyfile:
        parameters.append(("keyfile", form.keyfile))
    if form.jump:
        parameters.append((JUMP, form.jump))
    if form.read_only:
        parameters.append((READ_ONLY, "1"))
    scheme = f"{form.driver}+{form.transport}" if form.transport else form.driver
    login = f"{quote(form.user, safe='')}@" if form.user and form.host else ""
    port = f":{form.port}" if form.port is not None and form.host else ""
    query = "?" + urlencode(parameters, quote_via=quote, safe="/,@:") if parameters else ""
    return f"{scheme}://{login}{_with_brackets(form.host)}{port}{form.path}{query}"


def try_parse(text: str) -> ConnectionUri | None:
    """The URI, or None where it cannot be right (a form that is being filled in)."""
    try:
        return parse_uri(text)
    except BadAddress:
        return None
