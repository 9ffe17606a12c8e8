# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether other images are based on one: to change it would destroy them all.

Asked when an image is opened, and again before it is written: a clone or a snapshot that was made meanwhile leaves no
trace on the image itself. ``found`` and ``check_no_base`` block; the session's thread.
"""

from __future__ import annotations

import posixpath
import subprocess
from typing import TYPE_CHECKING

from vmconsole.images.facts import overlays_command, overlays_of
from vmconsole.inventory.errors import Explanation, ImageError, ImageInUse
from vmconsole.links.ending import kill

if TYPE_CHECKING:
    from vmconsole.images.facts import ImageFacts
    from vmconsole.links.base import Shell

_DEADLINE_S = 60.0


class Survey:
    """A look through the images beside one, from now on beside other work. ``close`` once, in any case."""

    def __init__(self, shell: Shell, facts: ImageFacts) -> None:
        self._facts = facts
        self._process = shell.popen(overlays_command(facts.path, is_local=shell.is_local))

    def found(self) -> Explanation | None:
        """Waits for its end. The words, if there are images that are based on it."""
        try:
            out, _ = self._process.communicate(timeout=_DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            raise ImageError(
                "The other images beside this one could not be looked through in time.",
                cause="It must be known that none of them is based on it before it may be edited.",
                where=self._facts.path,
            ) from error
        path = self._facts.path
        based = overlays_of(out.decode(errors="replace"), path, posixpath.dirname(path))
        if not based:
            return None
        return Explanation(
            f"Other images are based on this one: {', '.join(based)}.",
            cause="To change a base image destroys every image that is based on it.",
            advice="Edit the image on top instead, or commit or flatten it first.",
            where=path,
        )

    def close(self) -> None:
        kill(self._process)


def check_no_base(shell: Shell, facts: ImageFacts) -> None:
    """Raises ImageInUse if other images became based on it since it was opened."""
    survey = Survey(shell, facts)
    try:
        found = survey.found()
    finally:
        survey.close()
    if found is not None:
        raise ImageInUse(
            f"{found.what} So nothing is written to it.",
            cause=found.cause,
            advice=f"{found.advice} The draft is kept.",
            where=found.where,
        )
