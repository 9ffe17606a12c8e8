# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of an address, step by step: each is posted when it begins and when it is over.

One thread does the steps one after another, each with a deadline. What is on the host is told by one script over one
SSH connection: that of the host's link where there is one, else one of the check's own, which ends with it.
"""

from __future__ import annotations

import dataclasses
import logging
import shlex
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import (
    AuthenticationFailed,
    ConsoleError,
    HostKeyChanged,
    HostKeyUnknown,
    HostNotAnswering,
)
from vmconsole.links.check_facts import HostFound
from vmconsole.links.check_findings import FINDINGS
from vmconsole.links.check_libvirt import DEADLINE_S, STARTING_S, ask_libvirt
from vmconsole.links.check_network import connect, fingerprints, look_up, route_of
from vmconsole.links.check_script import HostScript
from vmconsole.links.check_steps import (
    HERE,
    HOST_STEPS,
    Cure,
    Step,
    StepState,
    explained,
    failed,
    passed,
    skipped,
    step_keys,
)
from vmconsole.links.transport import make_transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.links.base import Shell
    from vmconsole.links.check_network import Route
    from vmconsole.links.transport import Transport
    from vmconsole.links.uri import ConnectionUri

_log = logging.getLogger(__name__)
LOGIN_DEADLINE_S = 20.0
SCRIPT_BEFORE_LIBVIRT = ("socket", "permissions")


class _Stopped(Exception):
    """The check was closed."""


class Diagnosis:
    """One check. ``post`` and ``ended`` are called on its thread, until ``close``."""

    def __init__(
        self, uri: ConnectionUri, *, post: Callable[[Step], None], ended: Callable[[], None],
        shell: Shell | None = None, prepare: Callable[[], None] = lambda: None,
        open_transport: Callable[..., Transport] = make_transport,
    ) -> None:  # fmt: skip
        """``shell``: of a link that is connected; it is used, and left open. ``prepare`` is called before libvirt is
        used (its event loop wants to be there first). ``open_transport`` is called as ``make_transport`` is."""
        self._uri = uri
        self._post = post
        self._ended = ended
        self._shell = shell
        self._prepare = prepare
        self._open_transport = open_transport
        self._lock = threading.Lock()
        self._stopped = False
        self._run_dir: Path | None = None
        self._transport: Transport | None = None
        self._script: HostScript | None = None
        self._route: Route | None = None
        self._is_silent = False
        """The script on the host has ended early, or hangs."""
        self._open = dict.fromkeys(step_keys(uri))
        """Steps that are not over, in order."""
        self._found = HostFound(name=uri.display_name, is_session=uri.path == "/session", is_local=uri.is_local_daemon)
        self._ender = threading.Thread(target=self._free, name=f"end check {uri.display_name}", daemon=True)
        self._thread = threading.Thread(target=self._run, name=f"check {uri.display_name}", daemon=True)

    @property
    def has_ended(self) -> bool:
        """It was started, and is over or was closed."""
        return self._stopped and self.join(timeout_s=0)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End it. Nothing is posted afterwards; what waits for the host is freed, and nobody waits here."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            self._ender.start()

    def join(self, *, timeout_s: float) -> bool:
        """Wait until it has ended and let go of all; False if that has not come."""
        ends_at = time.monotonic() + timeout_s
        for thread in (self._ender, self._thread):
            if thread.ident is not None:
                thread.join(max(0.0, ends_at - time.monotonic()))
        return not self._thread.is_alive() and not self._ender.is_alive()

    # -- its thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._check()
        except _Stopped:
            pass
        finally:
            self._free()
            with self._lock:
                is_told = not self._stopped
                self._stopped = True
            if is_told:
                self._ended()

    def _check(self) -> None:
        self._prepare()
        for key in self._open:
            self._tell(Step(key))
        if self._uri.host and not self._network():
            return
        shell = self._log_in()
        if "login" not in self._open:
            self._do("libvirt", lambda: ask_libvirt(self._uri, None))
        elif shell is not None:
            self._look_at_host(shell)

    def _free(self) -> None:
        """End what belongs to the check. From any thread, and twice is no harm."""
        with self._lock:
            script, self._script = self._script, None
            transport, self._transport = self._transport, None
            run_dir, self._run_dir = self._run_dir, None
        if script is not None:
            script.close()
        if transport is not None:
            transport.close()
        if run_dir is not None:
            shutil.rmtree(run_dir, ignore_errors=True)

    # -- the way there -------------------------------------------------------------------------------------------------

    def _network(self) -> bool:
        addresses: tuple[str, ...] = ()

        def name() -> Step:
            nonlocal addresses
            self._route = route_of(self._uri)
            step, addresses = look_up(self._route)
            return step

        if self._do("name", name).state is StepState.FAILED:
            return self._skip_rest("The host's name is not known.")
        route = self._route
        assert route is not None
        if self._do("tcp", lambda: connect(route, addresses)).state is StepState.FAILED:
            return self._skip_rest("The host cannot be reached.")
        return True

    def _log_in(self) -> Shell | None:
        """A shell on the host, or None where there is none."""
        if "host_key" not in self._open:
            return self._local_shell() if self._uri.is_local_daemon else None
        shell = self._shell
        if shell is not None:
            self._over(passed("host_key", "The console is connected to it already, with a key that is known."))
            return shell
        self._tell(Step("host_key", StepState.RUNNING))
        began = time.monotonic()
        try:
            transport = self._own_transport()
            transport.open(deadline_s=LOGIN_DEADLINE_S)
        except ConsoleError as error:
            self._refused(error, took_s=time.monotonic() - began)
            return None
        self._over(passed("host_key", "The host shows the key that is known."))
        return transport.shell

    def _local_shell(self) -> Shell | None:
        transport = self._own_transport()
        transport.open(deadline_s=LOGIN_DEADLINE_S)
        return transport.shell

    def _own_transport(self) -> Transport:
        with self._lock:
            if self._stopped:
                raise _Stopped
            self._run_dir = Path(tempfile.mkdtemp(prefix="vmc-"))
            self._transport = self._open_transport(self._uri, run_dir=self._run_dir, on_exit=lambda _error: None)
            return self._transport

    def _refused(self, error: ConsoleError, *, took_s: float) -> None:
        """ssh did not log in: which of the two steps it was."""
        ssh = Cure(HERE, shlex.join([self._uri.ssh_program, *self._uri.ssh_options(), self._uri.host]))
        if isinstance(error, (HostKeyUnknown, HostKeyChanged)):
            step = explained("host_key", error.explanation, *self._key_cures(error, ssh))
            shown = fingerprints(self._route) if self._route is not None else ()
            more = f" It shows now: {'; '.join(shown)}." if shown else ""
            self._over(dataclasses.replace(step, finding=step.finding + more, took_s=took_s))
            self._skip_rest("The host's key comes first.")
            return
        if isinstance(error, AuthenticationFailed):
            self._over(passed("host_key", "The host shows the key that is known."))
        else:
            self._over(skipped("host_key", "ssh did not come so far."))
        self._over(dataclasses.replace(explained("login", error.explanation, ssh), took_s=took_s))
        self._skip_rest("Nobody is logged in.")

    def _key_cures(self, error: ConsoleError, ssh: Cure) -> tuple[Cure, ...]:
        compare = Cure(self._uri.host, "ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub")
        if isinstance(error, HostKeyUnknown):
            return compare, ssh
        return compare, Cure(HERE, f"ssh-keygen -R {shlex.quote(self._uri.host)}")

    # -- on the host ---------------------------------------------------------------------------------------------------

    def _look_at_host(self, shell: Shell) -> None:
        script = HostScript(shell, self._uri)
        with self._lock:
            if self._stopped:
                raise _Stopped
            self._script = script
            script_error = _failure_of(script.start)
        if script_error is not None or self._part(script, "login").state is StepState.FAILED:
            if script_error is not None:
                self._over(explained("login", script_error.explanation))
            self._skip_rest("No commands can be run on the host.")
            return
        for part in SCRIPT_BEFORE_LIBVIRT:
            self._part(script, part)
        self._libvirt(shell)
        for part in HOST_STEPS[len(SCRIPT_BEFORE_LIBVIRT) :]:
            self._part(script, part)

    def _part(self, script: HostScript, part: str) -> Step:
        def read() -> Step:
            try:
                script.read_part(part, self._found)
            except ConsoleError:
                self._is_silent = True
                raise
            return FINDINGS[part](self._found)

        if self._is_silent:
            self._over(step := skipped(part, "The host tells nothing more."))
            return step

        return self._do(part, read)

    def _libvirt(self, shell: Shell) -> None:
        if not self._found["listening"] and not self._found.is_session:
            self._over(skipped("libvirt", "No daemon listens."))
            return
        patience_s = STARTING_S if self._found.is_asleep else DEADLINE_S
        self._do("libvirt", lambda: ask_libvirt(self._uri, shell, deadline_s=patience_s))

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _do(self, key: str, work: Callable[[], Step]) -> Step:
        """One step from its beginning to its end."""
        self._tell(Step(key, StepState.RUNNING))
        began = time.monotonic()
        try:
            step = work()
        except HostNotAnswering as error:
            step = explained(key, error.explanation, *self._found.restart_daemon())
        except ConsoleError as error:
            step = explained(key, error.explanation)
        except Exception as error:  # noqa: BLE001  # one step that goes wrong must not hide what the others find
            _log.exception("the check's step %s failed", key)
            step = failed(key, "check-step-broke", why=repr(error))
        step = dataclasses.replace(step, took_s=time.monotonic() - began)
        self._over(step)
        return step

    def _over(self, step: Step) -> None:
        self._open.pop(step.key, None)
        self._tell(step)

    def _skip_rest(self, why: str) -> bool:
        """False, for those who go no further."""
        for key in tuple(self._open):
            self._over(skipped(key, why))
        return False

    def _tell(self, step: Step) -> None:
        with self._lock:
            if self._stopped:
                raise _Stopped
            self._post(step)


def _failure_of(work: Callable[[], None]) -> ConsoleError | None:
    try:
        work()
    except ConsoleError as error:
        return error
    return None
