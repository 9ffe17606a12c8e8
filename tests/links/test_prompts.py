# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh's questions in its own words (OpenSSH 9), and what is understood of them."""

from __future__ import annotations

import pytest

from vmconsole.inventory.ids import HostId
from vmconsole.links.prompts import Answer, Prompt, PromptKind, read_prompt

HOST = HostId("qemu+ssh://root@kvm1/system")
NEW_KEY = """\
The authenticity of host '[10.0.0.5]:2222 ([10.0.0.5]:2222)' can't be established.
ED25519 key fingerprint is SHA256:SXe0bFRuC9XSrkbbWIXLUpI1SMKZR3S2TG9gF+DuHuQ.
This host key is known by the following other names/addresses:
    ~/.ssh/known_hosts:3: kvm9
Are you sure you want to continue connecting (yes/no/[fingerprint])? """


def read(text: str, hint: str = "") -> Prompt:
    return read_prompt(text, hint=hint, host=HOST, name="kvm1")


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("root@10.0.0.5's password: ", "root@10.0.0.5"),
        ("(root@10.0.0.5) Password: ", "root@10.0.0.5"),
        ("(ada@kvm1) ada@kvm1's password: ", "ada@kvm1"),
        ("(ada@fe80::1%eth0) password:", "ada@fe80::1%eth0"),
        ("DOMAIN\\ada@kvm1's password: ", "DOMAIN\\ada@kvm1"),
    ],
)
def test_passwords(text: str, account: str) -> None:
    found = read(text)
    assert (found.kind, found.account) == (PromptKind.PASSWORD, account)
    assert found.secret_name == f"password of {account}"


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("Enter passphrase for key '/root/.ssh/id_ed25519': ", "/root/.ssh/id_ed25519"),
        ("Enter passphrase for key '/home/o'neil/my key': ", "/home/o'neil/my key"),
        ("Enter passphrase for /root/.ssh/id_rsa: ", "/root/.ssh/id_rsa"),
    ],
)
def test_passphrases_belong_to_their_key_and_not_to_a_host(text: str, file: str) -> None:
    found = read(text)
    assert (found.kind, found.key_file) == (PromptKind.PASSPHRASE, file)
    assert found.secret_name == f"passphrase of {file}"


@pytest.mark.parametrize(
    "text",
    [
        "(root@kvm1) Verification code: ",
        "(root@kvm1) One-time password (OATH) for `root': ",
        "(root@kvm1) Current password: ",
        "(root@kvm1) New password: ",
        "Enter PIN for ED25519-SK key /root/.ssh/id: ",
        "Enter root@kvm1's new password: ",
        "",
        "\x00\xff what?",
    ],
)
def test_what_is_good_for_once_has_no_name_to_be_remembered_under(text: str) -> None:
    found = read(text)
    assert found.kind is PromptKind.OTHER
    assert found.secret_name == ""
    assert found.text == text


def test_a_new_host_key() -> None:
    found = read(NEW_KEY)
    assert found.kind is PromptKind.HOST_KEY
    assert found.key_type == "ED25519"
    assert found.fingerprint == "SHA256:SXe0bFRuC9XSrkbbWIXLUpI1SMKZR3S2TG9gF+DuHuQ"
    assert found.notes == (
        "This host key is known by the following other names/addresses:",
        "~/.ssh/known_hosts:3: kvm9",
    )
    assert found.secret_name == ""


def test_hints_of_ssh_decide_before_its_words() -> None:
    assert read("Confirm user presence for key ED25519-SK SHA256:x", "none").kind is PromptKind.NOTICE
    assert read("Allow use of key x?", "confirm").kind is PromptKind.CONFIRM
    assert read("Accept updated hostkeys? (yes/no): ").kind is PromptKind.CONFIRM


def test_an_answer_does_not_show_itself() -> None:
    assert "geheim" not in f"{Answer('geheim')!r} {Answer('geheim')}"
