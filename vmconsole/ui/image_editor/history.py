# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the user has been in the tree: Back and Forward as in a file manager. Pure values, any thread."""

from __future__ import annotations


class FolderHistory:
    """The folders visited and the place in that list."""

    def __init__(self) -> None:
        self._visited: list[str] = []
        self._at = -1

    @property
    def can_go_back(self) -> bool:
        return self._at > 0

    @property
    def can_go_forward(self) -> bool:
        return self._at < len(self._visited) - 1

    def visit(self, folder: str) -> None:
        """A folder was opened. Going somewhere new forgets what was ahead."""
        if self._at >= 0 and self._visited[self._at] == folder:
            return
        self._visited[self._at + 1 :] = [folder]
        self._at += 1

    def back(self) -> str | None:
        if not self.can_go_back:
            return None
        self._at -= 1
        return self._visited[self._at]

    def forward(self) -> str | None:
        if not self.can_go_forward:
            return None
        self._at += 1
        return self._visited[self._at]
