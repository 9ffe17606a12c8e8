# SPDX-License-Identifier: GPL-3.0-or-later
"""One appliance that is started while the user is still choosing an image.

Starting the appliance is nearly all of the time that opening takes. At most one is kept, for some minutes, and only
where there is memory for it. Threads: every method may be called from any and returns at once; the start has a thread
of its own.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import requests
from vmconsole.images.client import GuestfsClient
from vmconsole.images.kvm import acceleration
from vmconsole.inventory.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT_S = 300.0
LAUNCH_DEADLINE_S = 900.0
NEEDED_BYTES = 2 << 30
"""The appliance may grow to 1.3 GiB (guestfs(3), «memsize»); the rest is for everything else."""
log = logging.getLogger(__name__)


class Spare:
    """``prepare`` when an image may be opened soon; ``client`` when one is; ``close`` at the end."""

    def __init__(self, cache_dir: Path | None = None, *, kept_s: float = KEPT_S) -> None:
        self._cache_dir, self._kept_s = cache_dir, kept_s
        self._lock = threading.Lock()
        self._client: GuestfsClient | None = None
        self._timer: threading.Timer | None = None
        self._threads: list[threading.Thread] = []
        self._is_closed = False
        self._is_started = threading.Event()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of the spare one."""
        client = self._client
        return client.pids if client is not None else ()

    @property
    def is_ready(self) -> bool:
        """Whether its appliance runs, and nobody has it yet."""
        return self._client is not None and self._is_started.is_set()

    def prepare(self) -> None:
        """Start one if there is none; keep the one there is for longer."""
        with self._lock:
            if self._is_closed or (self._client is None and _available_bytes() < NEEDED_BYTES):
                return
            self._keep_longer()
            if self._client is not None:
                return
            self._is_started.clear()
            self._client = client = GuestfsClient(on_progress=_ignore, on_end=self._on_end)
            thread = threading.Thread(target=self._start, args=(client,), name="spare appliance")
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
            thread.start()

    def client(
        self, *, on_progress: Callable[[str, int, int], None], on_end: Callable[[ImageError], None]
    ) -> GuestfsClient:
        """The spare one, ready or on its way, else a new one that is not started. It belongs to the caller."""
        with self._lock:
            client, self._client = self._client, None
            self._stop_timer()
        if client is None or not client.adopt(on_progress=on_progress, on_end=on_end):
            return GuestfsClient(on_progress=on_progress, on_end=on_end)
        return client

    def drop(self) -> None:
        """End the spare one."""
        with self._lock:
            client, self._client = self._client, None
            self._stop_timer()
        if client is not None:
            client.close()

    def close(self) -> None:
        """End it, and start none any more. Waits until nothing is left of it (a second at most)."""
        with self._lock:
            self._is_closed = True
        self.drop()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _start(self, client: GuestfsClient) -> None:
        cache = self._cache_dir / "kvm.json" if self._cache_dir is not None else None
        try:
            client.start()
            force_tcg = not acceleration(cache).works
            cache_dir = str(self._cache_dir) if self._cache_dir is not None else ""
            client.ask(requests.Prepare(force_tcg=force_tcg, cache_dir=cache_dir), deadline_s=LAUNCH_DEADLINE_S)
            self._is_started.set()
        except (ImageError, OSError) as error:
            # Opening an image starts one of its own then, and says what is wrong. Or it was closed meanwhile.
            log.info("no spare appliance: %s", error)
            with self._lock:
                if self._client is client:
                    self._client = None
            # It may have been closed before its process was there.
            client.close()

    def _keep_longer(self) -> None:
        self._stop_timer()
        self._timer = threading.Timer(self._kept_s, self.drop)
        self._timer.daemon = True
        self._timer.start()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_end(self, _error: ImageError) -> None:
        """It died by itself, on its own reader thread: it is forgotten, and closed where that may wait."""
        threading.Thread(target=self.drop, name="spare end").start()


def _ignore(_words: str, _position: int, _total: int) -> None:
    """Nobody waits for a spare one."""


def _available_bytes() -> int:
    """MemAvailable of proc(5); plenty where that is not said."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return NEEDED_BYTES
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), NEEDED_BYTES)
