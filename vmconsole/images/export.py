# SPDX-License-Identifier: GPL-3.0-or-later
"""qemu-nbd on the image's host, read-only, its socket made reachable here through the host's one SSH connection.

With its lock, nobody can start the guest while a draft is open; with force-share it only looks at what a running guest
writes. Threads: ``start`` and ``close`` block and belong to the session's thread; ``on_lost`` is called from a thread
of the export, once, if the export ends by itself (the link died, qemu-nbd was killed).
"""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.images import qemu_walls
from vmconsole.images.hints import explained
from vmconsole.images.leftovers import make_folder
from vmconsole.inventory.errors import ConsoleError, ImageDamaged, ImageLinkLost
from vmconsole.links.ending import let_end

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmconsole.images.facts import ImageFacts
    from vmconsole.inventory.errors import ImageError
    from vmconsole.links.base import Shell

BEAT_S = 5.0
PATIENCE_S = 20
"""How long the host waits for a beat before it ends the export: a dead link must not keep an image locked."""
_START_DEADLINE_S = 30.0
_STOP_DEADLINE_S = 5.0


def nbd_command(path: str, image_format: str, *, shares: bool, socket: str, snapshot: str = "") -> str:
    """qemu-nbd for an image, read-only. ``shares`` opens it beside a running guest; else its lock is taken.
    ``snapshot`` is the id of an internal snapshot to serve instead of the present state.

    The format is always said: QEMU's guess would let a guest with a raw disk choose the format (CVE-2010-3851).
    QEMU lets others write beside one who only reads a raw image, unlike with other formats, so blkdebug, which can be
    told what not to share, lies between. ``socket`` is shell text. Sources: qemu-nbd(8); qemu-qmp-ref(7), blkdebug.
    """
    common = f"qemu-nbd --read-only --persistent --shared=4 --socket={socket} --pid-file={socket}.pid --cache=writeback"
    if snapshot:
        common += f" --load-snapshot={shlex.quote('snapshot.id=' + snapshot.replace(',', ',,'))}"
    protocol = "host_device" if path.startswith("/dev/") else "file"
    name = path.replace(",", ",,")
    if shares:
        options = f"driver={image_format},force-share=on,file.driver={protocol},file.filename={name}"
    elif image_format == "raw":
        below = f"file.unshare-child-perms.0=write,file.image.driver={protocol},file.image.filename={name}"
        options = f"driver=raw,file.driver=blkdebug,{below}"
    else:
        return f"{common} --format={shlex.quote(image_format)} -- {shlex.quote(path)}"
    return f"{common} --image-opts {shlex.quote(options)}"


def walls_command(facts: ImageFacts, *, is_local: bool) -> str:
    """Shell lines: ``"$@"`` is what qemu-nbd runs behind, or nothing. It sees the image's files, read-only, and the
    private folder ``$d``, where its number on this machine is written to."""
    bind = "--dev-bind" if facts.is_block_device else "--ro-bind-try"
    words = [bind, facts.path, facts.path]
    for path in facts.below:
        words += ["--ro-bind-try", path, path]
    # The first process of its own world, so that it is what --info-fd names, and can be asked to end.
    # That number it must not change, or we would end another one.
    more = f'"$@" --bind "$d" "$d" --ro-bind "$d/number" "$d/number" {shlex.join(words)} --as-pid-1 --info-fd 8'
    return f'{qemu_walls.begin(is_local=is_local)}\n: >"$d/number"; [ $# = 0 ] || set -- {more}'


def export_command(nbd: str, walls: str = "set --") -> str:
    """Shell text that runs ``nbd`` in a private folder, and prints «socket PATH» when it serves, «ended STATUS» after.

    It ends when stdin closes, when no line came for ``PATIENCE_S``, or when qemu-nbd ends. ``walls`` is as of
    ``walls_command``.
    """
    run = f'{qemu_walls.EXPORT_LIMITS}; [ $# = 0 ] || exec 8>"$d/number"; exec "$@" {nbd}'
    return "\n".join(
        [
            "umask 077; export LC_ALL=C",
            't="${XDG_RUNTIME_DIR:-/tmp}"; [ -w "$t" ] || t=/tmp; d=$(mktemp -d "$t/vmconsole.XXXXXX") || exit 70',
            walls,
            'e() { q=$(sed -n \'s/.*"child-pid": *\\([0-9]*\\).*/\\1/p\' "$d/number"); kill ${q:-$p}; }',
            "exec 3<&0",
            f"( {run} ) 3<&- & p=$!",
            '( n=0; while IFS= read -r _; do n=$((n+1)); echo $n > "$d/beat"; done; e ) <&3 2>/dev/null & r=$!',
            "(",
            "  trap 'kill $s; exit' TERM; o=none",
            "  while :; do",
            f"    sleep {PATIENCE_S} & s=$!; wait $s",
            # $$ is the main shell also in here: nothing may stay when it was killed.
            '    n=$(cat "$d/beat"); if [ "$n" = "$o" ] || ! kill -0 $$; then e; kill $r; rm -rf "$d"; exit; fi; o=$n',
            "  done",
            ") </dev/null >/dev/null 2>&1 3<&- & w=$!",
            "exec 3<&-",
            # The socket is there before the image is open; the file with the process id comes last.
            'while [ ! -s "$d/s.pid" ] && kill -0 $p 2>/dev/null; do sleep 0.05; done',
            '[ -s "$d/s.pid" ] && echo "socket $d/s"',
            'wait $p; e=$?; kill $r $w 2>/dev/null; rm -rf "$d"; echo "ended $e"',
        ]
    )  # fmt: skip


class Export:
    """One image served. ``start`` and ``close`` once each."""

    def __init__(
        self, shell: Shell, facts: ImageFacts, *, on_lost: Callable[[ImageError], None], snapshot: str = ""
    ) -> None:
        self._shell, self._facts, self._snapshot = shell, facts, snapshot
        self._on_lost = on_lost
        self._folder = make_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self._remote_socket = ""
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    @property
    def socket(self) -> Path:
        """The socket on this machine."""
        return self._folder / "nbd"

    def start(self, *, shares: bool) -> None:
        """Serve. Raises ImageInUse when the lock is held by another, or another ImageError with QEMU's words."""
        facts = self._facts
        nbd = nbd_command(facts.path, facts.format, shares=shares, socket='"$d/s"', snapshot=self._snapshot)
        walls = walls_command(facts, is_local=self._shell.is_local)
        self._process = self._shell.popen(export_command(nbd, walls))
        # The beats begin at once, or a slow start would look like a dead link.
        self._run(self._beat, "export beat")
        self._remote_socket = self._first_line(self._process)
        self._shell.forward_socket(self.socket, self._remote_socket)
        self._run(self._watch, "export watch")

    def close(self) -> None:
        """End qemu-nbd and wait for it, so that its lock is free. A dead link is not waited for."""
        self._closing.set()
        if self._process is not None:
            let_end(self._process, within_s=_STOP_DEADLINE_S, grace_s=_STOP_DEADLINE_S)
        if self._remote_socket:
            # On a dead link the forward is gone with it.
            with contextlib.suppress(ConsoleError, OSError):
                self._shell.cancel_forward(self.socket, self._remote_socket)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(timeout=_STOP_DEADLINE_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _first_line(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        timer = threading.Timer(_START_DEADLINE_S, process.kill)
        timer.start()
        try:
            line = process.stdout.readline().decode(errors="surrogateescape").rstrip("\n")
        finally:
            timer.cancel()
            timer.join()
        word, _, path = line.partition(" ")
        if word == "socket":
            return path
        said = self._words(process)
        raise explained("The host cannot serve the image.", said, where=self._where(), otherwise=ImageDamaged)

    def _words(self, process: subprocess.Popen[bytes]) -> str:
        self._closing.set()
        with contextlib.suppress(OSError, ValueError):
            if process.stdin is not None:
                process.stdin.close()
        assert process.stderr is not None
        return process.stderr.read().decode(errors="replace")

    def _where(self) -> str:
        return self._facts.path if self._shell.is_local else f"{self._shell.where}: {self._facts.path}"

    def _run(self, work: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _beat(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            while True:
                process.stdin.write(b"\n")
                process.stdin.flush()
                if self._closing.wait(BEAT_S):
                    return

    def _watch(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            rest = process.stdout.read()
        if not self._closing.is_set():
            self._on_lost(
                ImageLinkLost(
                    "The image is not served any more.",
                    cause="The link to the host died, or qemu-nbd there was ended.",
                    advice="Open the image again; the draft is kept.",
                    where=self._where(),
                    said=rest.decode(errors="replace").strip(),
                )
            )
