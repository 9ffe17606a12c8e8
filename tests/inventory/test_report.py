# SPDX-License-Identifier: GPL-3.0-or-later
"""«Copy report»: what it holds, and that no secret and no masked name is left in it, whatever they look like."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.inventory.errors import Explanation
from vmconsole.inventory.report import MASK, Names, Report, mask_names, mask_secrets

SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters="'&,;/"), min_size=6)
WORDS = st.text("abcxyz -:.,/\n=", max_size=40)
NAMES = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_.+-]{0,20}", fullmatch=True)
BETWEEN = st.sampled_from([" ", ": ", "\n", "'", '"', "/", " (", "@", ".qcow2 "])


def test_a_report_holds_everything_that_helps() -> None:
    explanation = Explanation(
        "Could not start web1. The virtual network lan is not running.", cause="It was stopped.", advice="Start it.",
        where="kvm1", said="network 'lan' is not active", entry="network-inactive",
    )  # fmt: skip
    report = Report(
        explanation, "2026-11-23 13:00:00 CET", call="virsh start web1", host="qemu+ssh://root@kvm1/system",
        versions=(("vmconsole", "0.1.0"), ("libvirt", "9.0.0")),
    )  # fmt: skip
    assert report.text() == (
        "Problem: Could not start web1. The virtual network lan is not running.\n"
        "Cause: It was stopped.\n"
        "Advice: Start it.\n"
        "At: kvm1\n"
        "Host: qemu+ssh://root@kvm1/system\n"
        "Time: 2026-11-23 13:00:00 CET\n"
        "Call: virsh start web1\n"
        "Catalogue entry: network-inactive\n"
        "Version of vmconsole: 0.1.0\n"
        "Version of libvirt: 9.0.0\n"
        "Original words: network 'lan' is not active"
    )
    masked = report.text(masked=Names(hosts=("kvm1",), guests=("web1",)))
    assert "kvm1" not in masked
    assert "web1" not in masked
    assert "Call: virsh start guest-1" in masked
    assert "qemu+ssh://root@host-1/system" in masked
    assert "network 'lan' is not active" in masked


@pytest.mark.parametrize(
    "text",
    [
        "qemu+tcp://root:S3CRET@kvm1/system",
        "https://u:S3CRET@mirror/x.iso",
        "<graphics type='vnc' port='5900' passwd='S3CRET'/>",
        '<graphics passwd="S3CRET and more">',
        "password=S3CRET",
        "Password: S3CRET",
        "-o encrypt.passphrase=S3CRET,x=1",
        "libssh2 auth_token = S3CRET",
        "Authorization: Bearer S3CRET",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nS3CRET\nS3CRET\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nS3CRET\n(cut off",
        '{"password": "S3CRET"}',
        "--password S3CRET",
    ],
)
def test_known_places_of_secrets(text: str) -> None:
    masked = mask_secrets(text)
    assert "S3CRET" not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        "root@kvm1: Permission denied (publickey,password).",
        "Cannot read CA certificate '/etc/pki/CA/cacert.pem': No such file or directory",
        "Secret not found: no secret with matching uuid '0e0e0e0e-0000-4000-8000-000000000009'",
        "authentication failed: no agent auth methods available",
        "vcpu 9 is out of range; pinning: 3",
        "qemu+ssh://root@kvm1:2222/system",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert mask_secrets(text) == text


@given(before=WORDS, secret=SECRETS, after=WORDS)
def test_no_password_survives_in_an_address_in_xml_or_in_a_setting(before: str, secret: str, after: str) -> None:
    for form in (f"qemu+tcp://root:{secret}@kvm1/system", f"<g passwd='{secret}'/>", f"password={secret} "):
        text = f"{before} {form} {after}"
        masked = mask_secrets(text)
        rest = f"{before}  {after}" + form.replace(secret, "")
        assert secret in rest or secret not in masked
        assert mask_secrets(masked) == masked


@given(
    hosts=st.lists(NAMES, min_size=1, max_size=4),
    guests=st.lists(NAMES, max_size=4),
    parts=st.lists(BETWEEN, min_size=9),
)
def test_no_masked_name_stands_alone_in_the_text(hosts: list[str], guests: list[str], parts: list[str]) -> None:
    names = Names(hosts=hosts, guests=guests)
    text = "".join(f"{part}{name}" for part, name in zip(parts, [*hosts, *guests] * 3, strict=False)) + " end"
    masked = mask_names(text, names)
    gone = re.sub(r"(?:host|guest)-\d+|address", " ", masked)
    for name in {*hosts, *guests} - {"end", "qcow2"}:
        left = re.findall(rf"(?<![A-Za-z0-9_.+-]){re.escape(name)}(?![A-Za-z0-9_.+-])", gone)
        assert not left, (name, masked)


@given(hosts=st.lists(NAMES, min_size=1, max_size=4, unique=True))
def test_a_name_has_one_stand_in_and_others_have_others(hosts: list[str]) -> None:
    names = Names(hosts=hosts)
    single = [mask_names(f"<{name}>", names) for name in hosts]
    again = [mask_names(f"({name}) and ({name})", names) for name in hosts]
    for once, twice in zip(single, again, strict=True):
        inner = once[1:-1]
        assert twice == f"({inner}) and ({inner})"


def test_a_short_name_is_its_host_and_a_longer_word_is_not() -> None:
    names = Names(hosts=("kvm1.example.org", "10.0.0.1"), guests=("a",))
    assert mask_names("kvm1 kvm1.example.org kvm10 xkvm1 10.0.0.1 10.0.0.2 a and a.qcow2", names) == (
        "host-1 host-1 kvm10 xkvm1 host-2 address guest-1 and guest-1.qcow2"
    )


@pytest.mark.parametrize(
    ("where", "hosts", "guests"),
    [
        ("kvm1", ("kvm1",), ()),
        ("web1 on kvm1", ("kvm1",), ("web1",)),
        ("kvm1: /images/web1.qcow2", ("kvm1",), ("web1",)),
        ("/images/web1.qcow2", (), ("web1",)),
        ("", (), ()),
    ],
)
def test_names_that_the_place_tells(where: str, hosts: tuple[str, ...], guests: tuple[str, ...]) -> None:
    assert Names().and_those_of(Explanation("x", where=where)) == Names(hosts, guests)


def test_no_part_of_a_report_keeps_a_secret() -> None:
    explanation = Explanation(
        "password=S3CRET", cause="token=S3CRET", advice="--password S3CRET", said="passwd='S3CRET'"
    )
    report = Report(explanation, "now", call="virsh set-user-password web1 root S3CRET", host="qemu://u:S3CRET@kvm1/")
    assert "S3CRET" not in report.text()
