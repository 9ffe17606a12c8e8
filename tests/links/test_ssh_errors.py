# SPDX-License-Identifier: GPL-3.0-or-later
"""What ssh says, as the error it is. The words are those that OpenSSH 9.2 printed."""

from __future__ import annotations

import pytest

from vmconsole.inventory import errors
from vmconsole.links.ssh_errors import translate_ssh


@pytest.mark.parametrize(
    ("said", "kind", "word"),
    [
        ("ssh: Could not resolve hostname nohost: Name or service not known", errors.BadAddress, "nohost"),
        ("ssh: Could not resolve hostname kvm1: Temporary failure in name resolution", errors.ConnectTimeout, "kvm1"),
        ("ssh: connect to host kvm1 port 22: Connection refused", errors.LinkError, "refuses"),
        ("ssh: connect to host kvm1 port 22: Connection timed out", errors.ConnectTimeout, "in time"),
        ("ssh: connect to host kvm1 port 22: No route to host", errors.ConnectTimeout, "no way"),
        ("Connection timed out during banner exchange\nConnection to 10.0.0.1 port 22 timed out",
         errors.ConnectTimeout, "in time"),
        ("root@kvm1: Permission denied (publickey,password).", errors.AuthenticationFailed, "publickey,password"),
        ("Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures",
         errors.AuthenticationFailed, "too many keys"),
        ("No ED25519 host key is known for kvm1 and you have requested strict checking.\n"
         "Host key verification failed.", errors.HostKeyUnknown, "not known"),
        ("@@@@@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@@@@@\n"
         "Host key verification failed.", errors.HostKeyChanged, "another key"),
        ("@ WARNING: UNPROTECTED PRIVATE KEY FILE!\nroot@kvm1: Permission denied (publickey).",
         errors.AuthenticationFailed, "others may read"),
        ("/home/a/.ssh/config: line 3: Bad configuration option: hostnam", errors.BadAddress, "configuration"),
        ("Timeout, server kvm1 not responding.", errors.LinkLost, "stopped answering"),
        ("kex_exchange_identification: Connection closed by remote host", errors.LinkLost, "closed the connection"),
        ("Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa",
         errors.BadAddress, "host key type"),
        ("", errors.LinkLost, "ended"),
        ("something new", errors.LinkLost, "ended"),
    ],
)  # fmt: skip
def test_ssh_words(said: str, kind: type[errors.LinkError], word: str) -> None:
    error = translate_ssh(said, host="kvm1")
    assert type(error) is kind
    assert word in error.explanation.what
    assert error.explanation.said == said
    assert error.explanation.advice
    assert "{" not in error.explanation.text()
