# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a changed host key; ssh's own words are OpenSSH 9.2's."""

from __future__ import annotations

from vmconsole.links.host_keys import changed_key

SAID = """\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Someone could be eavesdropping on you right now (man-in-the-middle attack)!
It is also possible that a host key has just been changed.
The fingerprint for the ED25519 key sent by the remote host is
SHA256:pyYEWSTbPvGPVfT4YKEc1dFqKkDBnyuAOYUPRVnRsYc.
Please contact your system administrator.
Add correct host key in /home/ada/.ssh/known_hosts to get rid of this message.
Offending ED25519 key in /home/ada/.ssh/known_hosts:7
  remove with:
  ssh-keygen -f "/home/ada/.ssh/known_hosts" -R "[10.0.0.5]:2222"
Host key for [10.0.0.5]:2222 has changed and you have requested strict checking.
Host key verification failed.
"""


def test_file_line_fingerprint_and_what_to_type() -> None:
    error = changed_key(SAID, host="kvm1")
    assert error is not None
    found = error.explanation
    assert "kvm1" in found.what
    assert "/home/ada/.ssh/known_hosts, line 7" in found.cause
    assert "SHA256:pyYEWSTbPvGPVfT4YKEc1dFqKkDBnyuAOYUPRVnRsYc" in found.cause
    assert "`ssh-keygen -f /home/ada/.ssh/known_hosts -R '[10.0.0.5]:2222'`" in found.advice
    assert found.said == SAID.strip()


def test_with_fewer_words_it_is_explained_all_the_same() -> None:
    error = changed_key("WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!", host="kvm1")
    assert error is not None
    assert "`ssh-keygen -R kvm1`" in error.explanation.advice


def test_other_words_are_none_of_its_business() -> None:
    assert changed_key("Permission denied (publickey).", host="kvm1") is None
