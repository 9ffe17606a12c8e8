# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts child processes without making the other threads wait. Any thread.

``subprocess.Popen`` holds Python's lock until the child has become the new program: it waits for a ``vfork`` (so does
``os.posix_spawn``). On a machine without a processor to spare that took up to 0.26 s, and the window's thread stood
still as long. Here libc's own posix_spawn(3) is called through ctypes, which lets go of the lock; the rest is Popen's.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from vmconsole.links.base import Completed
from vmconsole.links.ending import signal_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SETSIGDEF, _SETSID = 0x04, 0x80  # spawn.h of glibc
_OPAQUE_BYTES = 1024
"""More than any libc's posix_spawnattr_t (336), posix_spawn_file_actions_t (80) and sigset_t (128)."""
_NEEDED = (
    "posix_spawnp", "posix_spawnattr_init", "posix_spawnattr_destroy", "posix_spawnattr_setflags",
    "posix_spawnattr_setsigdefault", "posix_spawn_file_actions_init", "posix_spawn_file_actions_destroy",
    "posix_spawn_file_actions_adddup2", "posix_spawn_file_actions_addclose", "posix_spawn_file_actions_addclosefrom_np",
    "gnu_get_libc_version",
)  # fmt: skip
_PYTHON_IGNORES = (signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that a child must have back as they were (``restore_signals`` of Popen)."""


class Child(subprocess.Popen[bytes]):
    """A Popen in a session of its own, with pipes of bytes. Raises OSError when the program cannot be run."""

    def __init__(
        self, command: Sequence[str], *, stdin: Any = None, stdout: Any = None, stderr: Any = None,
        env: Mapping[str, str] | None = None, pass_fds: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """``pass_fds`` keep their numbers, which are above 2."""
        super().__init__(
            list(command), stdin=stdin, stdout=stdout, stderr=stderr, env=env, pass_fds=tuple(pass_fds),
            start_new_session=True,
        )  # fmt: skip

    def _execute_child(
        self, args: Any, executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any, cwd: Any, env: Any,
        startupinfo: Any, creationflags: Any, shell: Any, *ends: Any,
    ) -> None:  # fmt: skip
        """The one step of Popen's that starts the program. Where libc is another one, Popen's own."""
        libc = _libc()
        if libc is None:
            super()._execute_child(  # type: ignore[misc]  # Popen's inside, so not in the type stubs
                args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell, *ends
            )
            return
        pipes = ends[:6]  # three pairs: the child's end first for its input, last for its output and errors
        try:
            self.pid = _spawn(libc, args, env, (pipes[0], pipes[3], pipes[5]), sorted(pass_fds))
            self._child_created = True
        finally:
            self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # as above


def run(
    command: Sequence[str], *, deadline_s: float, feed: bytes = b"", env: Mapping[str, str] | None = None
) -> Completed:
    """Run to the end. Raises OSError, or ``subprocess.TimeoutExpired`` once it and what it started were killed."""
    with Child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as child:
        try:
            out, err = child.communicate(feed, timeout=deadline_s)
        except subprocess.TimeoutExpired:
            signal_group(child, signal.SIGKILL)
            raise
    return Completed(child.returncode, out, err)


@functools.cache
def _libc() -> ctypes.CDLL | None:
    """None where it is no glibc of 2.34 or later."""
    libc = ctypes.CDLL(None)
    return libc if all(hasattr(libc, name) for name in _NEEDED) else None


def _spawn(
    libc: ctypes.CDLL, command: list[str], env: Mapping[str, str] | None, ends: tuple[int, int, int], passed: list[int]
) -> int:
    """The process id. ``ends`` become 0, 1 and 2 of the child (-1: as here); all but ``passed`` is closed in it."""
    pid, opaque = ctypes.c_int(), ctypes.create_string_buffer
    actions, attributes, signals = opaque(_OPAQUE_BYTES), opaque(_OPAQUE_BYTES), _signal_set()
    high = [_above_standard(end) for end in ends]
    _check(libc.posix_spawn_file_actions_init(actions), command)
    _check(libc.posix_spawnattr_init(attributes), command)
    try:
        for number, end in enumerate(high):
            if end != -1:
                _check(libc.posix_spawn_file_actions_adddup2(actions, end, number), command)
        _check(_close_others(libc, actions, passed), command)
        _check(libc.posix_spawnattr_setsigdefault(attributes, signals), command)
        _check(libc.posix_spawnattr_setflags(attributes, ctypes.c_short(_SETSIGDEF | _SETSID)), command)
        words, variables = _words(command), _words(f"{k}={v}" for k, v in (os.environ if env is None else env).items())
        _check(libc.posix_spawnp(ctypes.byref(pid), words[0], actions, attributes, words, variables), command)
    finally:
        libc.posix_spawnattr_destroy(attributes)
        libc.posix_spawn_file_actions_destroy(actions)
        for end, copy in zip(ends, high, strict=True):
            if copy != end:
                os.close(copy)
    return pid.value


def _close_others(libc: ctypes.CDLL, actions: Any, passed: list[int]) -> int:
    """Close all above 2 but ``passed``. To close what is not open is no failure; a dup2 to itself lets an open file
    through the exec. Source: POSIX, posix_spawn_file_actions_adddup2."""
    first_free = max(passed, default=2) + 1
    codes = [libc.posix_spawn_file_actions_addclose(actions, fd) for fd in set(range(3, first_free)) - set(passed)]
    codes += [libc.posix_spawn_file_actions_adddup2(actions, fd, fd) for fd in passed]
    codes.append(libc.posix_spawn_file_actions_addclosefrom_np(actions, first_free))
    return next(filter(None, codes), 0)


def _above_standard(end: int) -> int:
    """A number that is no target of another end: 0, 1 or 2 may be free in this process."""
    return fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) if end in {0, 1, 2} else end


def _signal_set() -> ctypes.Array[ctypes.c_char]:
    """A sigset_t: one bit for each signal, in unsigned longs."""
    bits = sum(1 << (number - 1) for number in _PYTHON_IGNORES)
    return ctypes.create_string_buffer(ctypes.string_at(ctypes.byref(ctypes.c_ulong(bits)), 8), _OPAQUE_BYTES)


def _words(texts: Any) -> Any:
    encoded = [os.fsencode(text) for text in texts]
    if any(b"\0" in word for word in encoded):
        raise ValueError("a word of a command holds a null byte")
    return (ctypes.c_char_p * (len(encoded) + 1))(*encoded, None)


def _check(code: int, command: list[str]) -> None:
    if code:
        raise OSError(code, os.strerror(code), command[0])
