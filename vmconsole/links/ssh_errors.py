# SPDX-License-Identifier: GPL-3.0-or-later
"""What ssh prints, as errors of ours. Pure; any thread. The words are OpenSSH's (ssh.c, sshconnect.c, clientloop.c)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vmconsole.inventory import errors
from vmconsole.inventory.errors import LinkError


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    error: type[LinkError]
    what: str
    cause: str = ""
    advice: str = ""


def _rule(pattern: str, error: type[LinkError], what: str, *, cause: str = "", advice: str = "") -> _Rule:
    return _Rule(re.compile(pattern, re.IGNORECASE), error, what, cause, advice)


_RULES = (
    _rule(
        r"REMOTE HOST IDENTIFICATION HAS CHANGED", errors.HostKeyChanged,
        "{host} shows another key than the one that is known.",
        cause="It was installed anew, or somebody stands between you and it.",
        advice="Ask who runs the host. Only then remove the old key with `ssh-keygen -R {host}`.",
    ),
    _rule(
        r"Host key verification failed|No .* host key is known for", errors.HostKeyUnknown,
        "The key of {host} is not known yet.",
        advice="Log in once with `ssh {host}` in a terminal, and compare the fingerprint.",
    ),
    _rule(
        r"UNPROTECTED PRIVATE KEY FILE", errors.AuthenticationFailed,
        "ssh does not use the private key, as others may read it.",
        advice="Close it: `chmod 600` and the key's path.",
    ),
    _rule(
        r"Permission denied \((?P<methods>[^)]*)\)", errors.AuthenticationFailed,
        "{host} refused the login ({methods}).",
        cause="It accepts none of the keys that ssh offered for this user.",
        advice="Check the user name, load the key into the agent, or copy it with `ssh-copy-id {host}`.",
    ),
    _rule(
        r"Too many authentication failures", errors.AuthenticationFailed,
        "{host} refused the login after too many keys.",
        advice="Name the right key: IdentityFile and IdentitiesOnly in ~/.ssh/config, or keyfile= in the address.",
    ),
    _rule(
        r"Temporary failure in name resolution", errors.ConnectTimeout,
        "The name {host} could not be looked up just now.",
        cause="No name server answers: perhaps this computer is not on the network.",
        advice="Check the network; it is tried again by itself.",
    ),
    _rule(
        r"Could not resolve hostname (?P<name>[^:]+)", errors.BadAddress,
        "No host of the name {name} is known.",
        cause="It is not in DNS, in /etc/hosts or in the ssh configuration.",
        advice="Check the spelling, or add a Host entry to ~/.ssh/config.",
    ),
    _rule(
        r"Connection refused", LinkError,
        "{host} refuses SSH connections.",
        cause="sshd does not run there, or listens at another port.",
        advice="Start sshd on the host, or give the port in the address; it is tried again by itself.",
    ),
    _rule(
        r"No route to host|Network is unreachable|Host is down", errors.ConnectTimeout,
        "There is no way to {host}.",
        cause="The host is off, or the network between is cut.",
        advice="Check the host and the network; it is tried again by itself.",
    ),
    _rule(
        r"Timeout, server .* not responding", errors.LinkLost,
        "{host} stopped answering.",
        cause="The host hangs or is off, or the network between is cut.",
        advice="It is tried again by itself.",
    ),
    _rule(
        r"timed out", errors.ConnectTimeout,
        "{host} did not answer in time.",
        cause="The host is off, a firewall drops the packets, or the address is wrong.",
        advice="Check the host and the network; it is tried again by itself.",
    ),
    _rule(
        r"bad configuration option|Bad configuration|unsupported option|Bad owner or permissions", errors.BadAddress,
        "ssh cannot read its configuration.",
        advice="Correct the file that ssh names below.",
    ),
    _rule(
        r"no matching (?P<what>[^.]*?) found", errors.BadAddress,
        "ssh and {host} have no {what} in common.",
        cause="One of them is much older than the other.",
        advice="Allow the old kind for this host in ~/.ssh/config, or bring the host up to date.",
    ),
    _rule(
        r"Connection (?:closed|reset)|Broken pipe|kex_exchange_identification|closed by remote host", errors.LinkLost,
        "{host} closed the connection.",
        cause="sshd was stopped, or turns down new connections (MaxStartups, fail2ban, hosts.deny).",
        advice="Look into sshd's log there; it is tried again by itself.",
    ),
)  # fmt: skip


def translate_ssh(said: str, *, host: str) -> LinkError:
    """The error behind what ssh printed before it ended."""
    said = said.strip()
    for rule in _RULES:
        match = rule.pattern.search(said)
        if match is not None:
            words = {"host": host, **match.groupdict()}
            return rule.error(
                rule.what.format_map(words),
                cause=rule.cause.format_map(words),
                advice=rule.advice.format_map(words),
                where=host,
                said=said,
            )
    return errors.LinkLost(
        f"The SSH connection to {host} ended.", advice="It is tried again by itself.", where=host, said=said
    )
