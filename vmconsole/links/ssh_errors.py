# SPDX-License-Identifier: GPL-3.0-or-later
"""What ssh prints, as errors of ours, by the catalogue (``resources/errors/ssh.toml``). Pure; any thread."""

from __future__ import annotations

from vmconsole.inventory import errors
from vmconsole.inventory.catalogue import Failure, catalogue
from vmconsole.inventory.errors import LinkError


def translate_ssh(said: str, *, host: str) -> LinkError:
    """The error behind what ssh printed before it ended."""
    said = said.strip()
    if not said:  # killed, or told to be quiet
        what = f"The SSH connection to {host} ended."
        return errors.LinkLost(what, advice="It is tried again by itself.", where=host)
    error = catalogue().explain(
        Failure("ssh", said, host=host),
        where=host,
        otherwise=errors.LinkLost,
        what=f"The SSH connection to {host} ended.",
    )
    assert isinstance(error, LinkError)  # the catalogue's test says so for each entry
    return error
