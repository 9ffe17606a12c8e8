# SPDX-License-Identifier: GPL-3.0-or-later
"""The only runner of ssh: one OpenSSH master connection per host, and shells over it. Methods block; any thread.

The master is a child in the foreground (``ssh -M -N``). libvirt's RPC, the sampler, forwards and commands are clients
of it, so a host sees one connection and one login. The user's own configuration, agent, jump hosts and known_hosts
apply to the master; the clients read none, as they only talk to the master's socket. Sources: ssh(1), ssh_config(5).
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vmconsole.inventory.errors import BadAddress, ConnectTimeout, LinkError, LinkLost, OperationRefused
from vmconsole.links.base import Completed
from vmconsole.links.children import Child
from vmconsole.links.ending import close_pipes, end, signal_group
from vmconsole.links.host_keys import changed_key
from vmconsole.links.rpc_door import RpcDoor, way_to_daemon
from vmconsole.links.ssh_errors import translate_ssh

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from vmconsole.links.login import Login
    from vmconsole.links.uri import ConnectionUri

SOCKET_PATH_BYTES = 107
"""What fits into ``sockaddr_un`` (unix(7))."""
_SSH_ADDS_BYTES = 17
"""While it makes its socket, ssh appends a dot and 16 letters to the name."""
_LOG_TAIL_BYTES = 8192
_GONE = "the shared connection is gone"
_MASTER_OPTIONS = (
    "-M", "-N", "-T",
    "-o", "ControlPersist=no",  # the user's configuration may say otherwise, and ssh would go into the background
    "-o", "ConnectTimeout=8",
    "-o", "ServerAliveInterval=4",  # interval × (count + 1) = 12 s of silence end it
    "-o", "ServerAliveCountMax=2",
    "-o", "ClearAllForwardings=yes",  # forwards of the user's configuration belong to the user's own sessions
    "-o", "RemoteCommand=none",
    "-o", "StreamLocalBindUnlink=yes",
    "-o", "StreamLocalBindMask=0177",
)  # fmt: skip
_NOBODY_TO_ASK = ("-o", "BatchMode=yes")
_NEVER_ASK = {"SSH_ASKPASS_REQUIRE": "never"}
"""For a jump host's ssh, which is told no options of ours."""


class SshMaster:
    """The connection to one host. ``open`` and ``close`` once each; ``on_exit`` is called if it ends by itself."""

    def __init__(
        self,
        uri: ConnectionUri,
        *,
        run_dir: Path,
        on_exit: Callable[[LinkError], None],
        login: Login | None = None,
    ) -> None:
        """``run_dir``: an existing private folder with a short path. ``on_exit`` runs on a thread of the master.
        Without a ``login`` nobody is asked for anything."""
        self._uri = uri
        self._on_exit = on_exit
        self._login = login
        self._run_dir = run_dir
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._is_open = False
        self._closing = False

    @property
    def where(self) -> str:
        return self._uri.display_name

    @property
    def is_alive(self) -> bool:
        """Whether the master runs and is logged in."""
        return self._is_open and self._process is not None and self._process.poll() is None

    @property
    def has_ended(self) -> bool:
        """Whether it was logged in and ended by itself: ``on_exit`` is called, or about to be."""
        with self._lock:
            return (
                self._is_open and not self._closing and self._process is not None and self._process.poll() is not None
            )

    @property
    def folder(self) -> Path:
        """The private folder (mode 0700) of this connection; gone after ``close``."""
        assert self._folder is not None
        return self._folder

    def open(self, *, deadline_s: float) -> None:
        """Log in. Raises a LinkError that says why it did not work. The time that a person takes does not count."""
        try:
            self._await_login(deadline_s)
        except LinkError as error:
            if self._login is not None:
                self._login.end(error)
            raise
        with self._lock:
            self._is_open = True
        threading.Thread(target=self._await_end, name=f"ssh {self.where}", daemon=True).start()
        if self._login is not None:
            self._login.end(None)

    def _await_login(self, deadline_s: float) -> None:
        process, login = self._launch(), self._login
        socket = self.folder / "cm"
        ends_at = time.monotonic() + deadline_s
        while not socket.exists():  # ssh makes its socket once it is logged in
            cancelled = login.cancelled() if login is not None else None
            if cancelled is not None:
                self.close()
                raise cancelled
            if process.poll() is not None:
                raise (login.cancelled() if login is not None else None) or self._end_error()
            if login is not None and login.is_asking:
                ends_at = time.monotonic() + deadline_s
            if time.monotonic() > ends_at:
                raise self._given_up(deadline_s)
            time.sleep(0.02)

    def close(self, *, timeout_s: float = 0.3) -> None:
        """End the connection with all its clients, and remove its folder."""
        with self._lock:
            self._closing = True
            process, folder = self._process, self._folder
        if process is not None:
            end(process, grace_s=timeout_s)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def client(self) -> list[str]:
        """The command line of a client, up to its options: add ``[host, command]``."""
        gone = f"ProxyCommand=echo {_GONE} >&2; exit 1"  # never a second connection of its own
        return [
            self._uri.ssh_program, "-F", "/dev/null", "-S", _escaped(self.folder / "cm"),
            "-o", "ControlMaster=no", "-o", "BatchMode=yes", "-o", gone,
        ]  # fmt: skip

    def host_argument(self) -> str:
        return self._uri.host

    def rpc_door(self) -> RpcDoor:
        """A way for libvirt's RPC that can be shut without ending the master."""
        line = f"exec /bin/sh -c {shlex.quote(way_to_daemon(self._uri))}"
        command = [*self.client(), "-T", "-e", "none", "--", self.host_argument(), line]
        return RpcDoor(self.folder, lambda end, log: _spawn_ssh(command, stdin=end, stdout=end, stderr=log))

    def _given_up(self, deadline_s: float) -> ConnectTimeout:
        said = self._log_tail()
        self.close()
        return ConnectTimeout(
            f"{self.where} did not let us in within {deadline_s:.0f} s.",
            cause="The host or a jump host before it hangs, or a security key waits to be touched.",
            advice="Try `ssh` to it in a terminal; it is tried again by itself.",
            where=self.where,
            said=said,
        )

    def _launch(self) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closing:
                raise LinkLost(f"The connection to {self.where} was closed.", where=self.where)
            self._folder = Path(tempfile.mkdtemp(prefix="h", dir=self._run_dir))
            control = self._folder / "cm"
            if len(os.fsencode(control)) + _SSH_ADDS_BYTES > SOCKET_PATH_BYTES:
                raise BadAddress("The folder for sockets has too long a path.", where=str(self._folder))
            program, login = self._uri.ssh_program, self._login
            options = _MASTER_OPTIONS if login is not None else (*_MASTER_OPTIONS, *_NOBODY_TO_ASK)
            command = [program, *options, "-S", _escaped(control), *self._uri.ssh_options(), self._uri.host]
            asking = login.begin(self._folder) if login is not None else _NEVER_ASK
            with (self._folder / "log").open("wb") as log:
                self._process = _spawn_ssh(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                    environment={**os.environ, **asking},
                )  # fmt: skip
            (self._folder / "pid").write_text(str(self._process.pid), encoding="ascii")  # for ``links.guard``
            return self._process

    def _await_end(self) -> None:
        assert self._process is not None
        self._process.wait()
        with self._lock:
            if self._closing:
                return
        self._on_exit(self._end_error())

    def _end_error(self) -> LinkError:
        with self._lock:
            if self._closing:
                return LinkLost(f"The connection to {self.where} was closed.", where=self.where)
        said = self._log_tail()
        return changed_key(said, host=self.where) or translate_ssh(said, host=self.where)

    def _log_tail(self) -> str:
        try:
            data = (self.folder / "log").read_bytes()
        except OSError:
            return ""
        return data[-_LOG_TAIL_BYTES:].decode(errors="replace").replace("\r", "")


class SshShell:
    """``links.base.Shell`` over a master."""

    def __init__(self, master: SshMaster) -> None:
        self._master = master
        self._children = _Children()
        self._forwards: set[tuple[Path, str]] = set()

    @property
    def where(self) -> str:
        return self._master.where

    @property
    def is_local(self) -> bool:
        return False

    def rpc_door(self) -> RpcDoor:
        """As ``SshMaster.rpc_door``. Raises LinkLost when there is no connection."""
        self._require_master()
        return self._master.rpc_door()

    def run(self, command: str, *, deadline_s: float, feed: bytes = b"") -> Completed:
        """As ``Shell.run``. The host ends the command too: through ``timeout`` of its coreutils, where it has that."""
        process = self._client(_with_remote_deadline(command, deadline_s))
        return self._checked(_finish(process, deadline_s=deadline_s, feed=feed, where=self.where))

    def popen(self, command: str) -> subprocess.Popen[bytes]:
        return self._client(f"exec /bin/sh -c {shlex.quote(command)}")

    def forward_socket(self, local: Path, remote: str) -> None:
        """As ``Shell.forward_socket``. Raises OperationRefused with ssh's words."""
        self._control("forward", local, remote)
        self._forwards.add((local, remote))

    def cancel_forward(self, local: Path, remote: str) -> None:
        self._forwards.discard((local, remote))
        with contextlib.suppress(OperationRefused):  # it was gone already
            self._control("cancel", local, remote)
        local.unlink(missing_ok=True)

    def close(self) -> None:
        """End what was started and not ended, and remove forwarded sockets. The master's end cancels the forwards."""
        self._children.end_all()
        for local, _ in self._forwards:
            local.unlink(missing_ok=True)
        self._forwards.clear()

    def _client(self, remote_command: str) -> subprocess.Popen[bytes]:
        self._require_master()
        command = [*self._master.client(), "-T", "--", self._master.host_argument(), remote_command]
        return self._children.add(
            _spawn_ssh(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        )

    def _checked(self, done: Completed) -> Completed:
        if done.status != 255:
            return done
        if not self._master.is_alive:
            raise LinkLost(f"The connection to {self.where} ended.", where=self.where, said=_text(done.err))
        if _GONE.encode() in done.err:
            raise OperationRefused(
                f"{self.where} does not allow another session over the same connection.",
                advice="Raise MaxSessions in the host's sshd_config.", where=self.where, said=_text(done.err),
            )  # fmt: skip
        return done

    def _control(self, order: str, local: Path, remote: str) -> None:
        self._require_master()
        if ":" in str(local) or ":" in remote:
            raise OperationRefused("ssh cannot forward a socket with a colon in its path.", where=self.where)
        command = [*self._master.client(), "-O", order, "-L", f"{local}:{remote}", self._master.host_argument()]
        process = _spawn_ssh(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        done = self._checked(_finish(process, deadline_s=5.0, feed=b"", where=self.where))
        if done.status:
            raise OperationRefused(
                f"The socket {remote} could not be forwarded.", where=self.where, said=_text(done.err)
            )

    def _require_master(self) -> None:
        if not self._master.is_alive:
            raise LinkLost(f"There is no connection to {self.where}.", where=self.where)


class LocalShell:
    """``links.base.Shell`` on this machine."""

    def __init__(self) -> None:
        self._children = _Children()
        self._links: set[Path] = set()

    @property
    def where(self) -> str:
        return "this computer"

    @property
    def is_local(self) -> bool:
        return True

    def run(self, command: str, *, deadline_s: float, feed: bytes = b"") -> Completed:
        return _finish(self.popen(command), deadline_s=deadline_s, feed=feed, where=self.where)

    def popen(self, command: str) -> subprocess.Popen[bytes]:
        return self._children.add(
            Child(
                ["/bin/sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        )  # fmt: skip

    def forward_socket(self, local: Path, remote: str) -> None:
        local.unlink(missing_ok=True)
        local.symlink_to(remote)
        self._links.add(local)

    def cancel_forward(self, local: Path, remote: str) -> None:
        del remote  # a symlink knows its end
        self._links.discard(local)
        local.unlink(missing_ok=True)

    def close(self) -> None:
        self._children.end_all()
        for local in list(self._links):
            self.cancel_forward(local, "")


class _Children:
    """Child processes that must not outlive their shell."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._alive: list[subprocess.Popen[bytes]] = []

    def add(self, process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
        with self._lock:
            self._alive = [*(p for p in self._alive if p.poll() is None), process]
        return process

    def end_all(self) -> None:
        with self._lock:
            alive, self._alive = self._alive, []
        for process in alive:
            signal_group(process, signal.SIGTERM)
        for process in alive:
            end(process, grace_s=0.2)


def _spawn_ssh(
    command: list[str],
    *,
    stdin: int | socket.socket,
    stdout: int | socket.socket,
    stderr: int | IO[bytes],
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    try:
        # A session of its own: no terminal to ask on, and Ctrl+C in a terminal does not reach it.
        return Child(command, stdin=stdin, stdout=stdout, stderr=stderr, env=environment)
    except OSError as error:
        raise BadAddress(
            f"The ssh program «{command[0]}» cannot be run.",
            advice="Install OpenSSH's client, or correct command= in the address.", said=str(error),
        ) from error  # fmt: skip


def _with_remote_deadline(command: str, deadline_s: float) -> str:
    run = f"/bin/sh -c {shlex.quote(command)}"
    guarded = (
        f"if command -v timeout >/dev/null; then exec timeout {max(1, round(deadline_s + 0.5))} {run}; fi; exec {run}"
    )
    return f"exec /bin/sh -c {shlex.quote(guarded)}"


def _finish(process: subprocess.Popen[bytes], *, deadline_s: float, feed: bytes, where: str) -> Completed:
    try:
        out, err = process.communicate(feed, timeout=deadline_s)
    except subprocess.TimeoutExpired as error:
        signal_group(process, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # something that it started holds the pipes
            process.communicate(timeout=0.5)
        close_pipes(process)
        raise ConnectTimeout(
            f"A command on {where} did not end within {deadline_s:.0f} s.", where=where, said=""
        ) from error
    return Completed(process.returncode, out, err)


def _escaped(path: Path) -> str:
    """ssh expands per cent signs in a ControlPath."""
    return str(path).replace("%", "%%")


def _text(data: bytes) -> str:
    return data.decode(errors="replace").strip()
