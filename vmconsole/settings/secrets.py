# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's keyring: remembers logins, finds them, forgets them. The only importer of ``keyring``.

Imported late, and used on one worker thread alone: finding a backend takes a fifth of a second, and a locked keyring
asks its user before it answers, which may take for ever. Callers wait up to a deadline, never the GUI thread. Nothing
of this is written anywhere else: the list of what belongs to a connection lies in the keyring too.

Who never remembers a login is left in peace: a mere look into a keyring that is locked or new opens a window of the
desktop's, so nothing is looked up before the first login was remembered (an empty file in the profile tells).
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import threading
import time
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyring.backend import KeyringBackend

T = TypeVar("T")
log = logging.getLogger(__name__)

SERVICE = "vmconsole"
FIND_S = 5.0
"""A keyring that takes longer is most likely waiting to be unlocked: then the user is asked for the login itself."""
LOOK_AGAIN_S = 10.0
"""A keyring that is missing may be started later."""
NO_KEYRING = "There is no keyring in this session: install gnome-keyring or KWallet, and log in again."
SILENT = "The keyring does not answer; it may be locked."
_NOT_SAFE = ("fail", "null", "plaintext", "keyrings.alt", "chainer")
"""None at all, secrets in files, and a chain in which such ones may be."""


class KeyringSecrets:
    """``close`` once. ``links.prompts.Secrets`` in all that it offers."""

    def __init__(
        self, *, marker: Path, service: str = SERVICE, find_s: float = FIND_S, look_again_s: float = LOOK_AGAIN_S
    ) -> None:
        """``marker``: an empty file that is there when something was remembered."""
        self._marker = marker
        self._service = service
        self._find_s = find_s
        self._look_again_s = look_again_s
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None
        self._closed = False
        self._backend: KeyringBackend | None = None
        self._looked_at = float("-inf")

    def why_not(self) -> str:
        """Why nothing can be remembered, as a sentence, or empty. Blocks for a moment."""
        try:
            usable = self._submit(self._usable).result(self._find_s) is not None
        except (TimeoutError, CancelledError):
            return SILENT
        except RuntimeError as error:
            return f"The keyring cannot be used: {error}."
        return "" if usable else NO_KEYRING

    def find(self, name: str, *, host: str) -> str | None:
        """What was remembered under this name, by whichever connection; from now on it belongs to ``host``, too.
        Blocks for a moment; None also when the keyring does not answer."""
        if not self._marker.exists():
            return None
        job = self._submit(lambda: self._find(name, host))
        try:
            return job.result(self._find_s)
        except (TimeoutError, CancelledError):
            job.cancel()
        except RuntimeError as error:
            log.warning("the keyring could not be read: %s", error)
        return None

    def remember(self, name: str, secret: str, *, host: str, on_problem: Callable[[str], None]) -> None:
        """Begin to store; does not block. ``host``: the connection with which it is forgotten. ``on_problem`` gets a
        sentence, on the worker's thread, when it did not work."""

        def tell(done: Future[None]) -> None:
            if not done.cancelled() and done.exception() is not None:
                on_problem(f"The login could not be remembered: {done.exception()}.")

        self._submit(lambda: self._put(name, secret, host)).add_done_callback(tell)

    def forget(self, host: str) -> Future[int]:
        """Begin to forget the logins of a connection. How many there were; RuntimeError when the keyring refuses."""
        if not self._marker.exists():
            nothing: Future[int] = Future()
            nothing.set_result(0)
            return nothing
        return self._submit(lambda: self._forget(host))

    @property
    def may_know(self) -> bool:
        """Whether anything was ever remembered."""
        return self._marker.exists()

    def move(self, old: str, new: str) -> None:
        """Begin to give a connection's logins to another, whose address has changed; does not block. What goes wrong
        is logged: the logins are found by their account all the same."""

        def tell(done: Future[None]) -> None:
            if not done.cancelled() and done.exception() is not None:
                log.warning("the logins could not be given to the new address: %s", done.exception())

        if self.may_know:
            self._submit(lambda: self._move(old, new)).add_done_callback(tell)

    def close(self, *, timeout_s: float = 0.2) -> None:
        """A job that the keyring keeps waiting is left behind."""
        with self._lock:
            self._closed = True
            worker = self._worker
        self._jobs.put(None)
        if worker is not None:
            worker.join(timeout_s)

    # -- the worker ----------------------------------------------------------------------------------------------------

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                future.cancel()
                return future
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="keyring", daemon=True)
                self._worker.start()
        self._jobs.put(lambda: _run(work, future))
        return future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closed:
            job()

    def _usable(self) -> KeyringBackend | None:
        """The user's keyring, unless it is none or keeps secrets in plain files."""
        now = time.monotonic()
        if self._backend is None and now - self._looked_at >= self._look_again_s:
            self._backend = _find_backend()
            self._looked_at = time.monotonic()
        return self._backend

    def _need(self) -> KeyringBackend:
        backend = self._usable()
        if backend is None:
            raise RuntimeError("there is none")
        return backend

    def _get(self, name: str) -> str | None:
        backend = self._usable()
        return None if backend is None else backend.get_password(self._service, name)

    def _find(self, name: str, host: str) -> str | None:
        found = self._get(name)
        if found is not None:
            self._list(name, host)
        return found

    def _put(self, name: str, secret: str, host: str) -> None:
        self._list(name, host)  # first, so that nothing is stored that could not be forgotten again
        self._need().set_password(self._service, name, secret)
        self._marker.touch()

    def _list(self, name: str, host: str) -> None:
        known = self._names(host)
        if name not in known:
            self._need().set_password(self._service, _list_name(host), json.dumps([*known, name]))

    def _forget(self, host: str) -> int:
        from keyring.errors import PasswordDeleteError  # late: see above

        backend, gone = self._need(), 0
        names = self._names(host)
        for name in names:
            with contextlib.suppress(PasswordDeleteError):  # the user removed it with the keyring's own program
                backend.delete_password(self._service, name)
                gone += 1
        if names:
            backend.delete_password(self._service, _list_name(host))
        return gone

    def _move(self, old: str, new: str) -> None:
        names = self._names(old)
        if names:
            for name in names:
                self._list(name, new)
            self._need().delete_password(self._service, _list_name(old))

    def _names(self, host: str) -> list[str]:
        try:
            found = json.loads(self._get(_list_name(host)) or "[]")
        except ValueError:
            return []
        return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _find_backend() -> KeyringBackend | None:
    """What the user has configured for keyring, else the best that works here. ``keyring.get_keyring`` would do, but
    it looks once in a program's life, and a keyring may be started later."""
    from keyring import backend, core  # late: see above
    from keyring.backends import SecretService

    chosen = core.load_env() or core.load_config()
    if chosen is not None:
        return chosen if _is_safe(type(chosen)) else None
    # The Secret Service first: merely asking KWallet's or libsecret's backend whether it works opens a connection of a
    # C library to the session bus that ends the whole program when the bus goes away.
    first: type[KeyringBackend] = SecretService.Keyring
    if first.viable:
        return first()
    backend.get_all_keyring()  # loads the plugins
    found = [kind for kind in backend.KeyringBackend.get_viable_backends() if _is_safe(kind)]
    best = max(found, key=lambda kind: float(kind.priority), default=None)
    return None if best is None else best()


def _is_safe(kind: type[KeyringBackend]) -> bool:
    name = f"{kind.__module__}.{kind.__name__}".lower()
    return not any(word in name for word in _NOT_SAFE)


def _list_name(host: str) -> str:
    return f"logins of {host}"


def _run(work: Callable[[], T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = work()
    except Exception as error:  # noqa: BLE001  # backends raise errors of D-Bus and of libraries that we do not import
        # The error itself is dropped, as its frames hold the call's arguments, and so a secret.
        future.set_exception(
            RuntimeError(f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        )
    else:
        future.set_result(result)


def backend_name() -> str:
    """Name of the keyring in use, or why none can be used. May block for a moment: not on the GUI thread."""
    import keyring  # late: see above
    from keyring.backends import fail

    backend = keyring.get_keyring()
    if isinstance(backend, fail.Keyring):
        return "none: nothing will be remembered (install gnome-keyring or KWallet and run it in this session)"
    return str(backend.name)
