# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage of the kill tests: a disk with a filesystem, what a draft makes of it, a console, and the killer."""

from __future__ import annotations

import contextlib
import enum
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.images import disks
from tests.images.stand_in import Place
from vmconsole.images import journal
from vmconsole.images.facts import look_at
from vmconsole.links.ssh import LocalShell

VICTIMS = ("console", "host", "ssh", "qemu-img", "qemu-nbd")
SIZE_BYTES = 32 << 20


class Stage(enum.Enum):
    """The words with which the Apply announces each part."""

    ASKING = "Asking"
    COMPARING = "Comparing the draft with the disk"
    CARRYING = "Carrying the draft to the host"
    WRITING = "Writing the image"
    VERIFYING = "Verifying"


class Theatre:
    """``kill`` and ``recover`` as often as wanted. ``close`` once."""

    def __init__(self, folder: Path, *, disks: int = 1) -> None:
        self.place = Place(folder, has_second_disk=disks == 2)
        self.old = self.new = ""
        self._shell = LocalShell()
        self._party: subprocess.Popen[str] | None = None
        self._sshd: subprocess.Popen[bytes] | None = None
        self._lasts: dict[Stage, float] = {}
        self.consoles: set[int] = set()
        """Their process ids."""
        self._run_dir = Path(tempfile.mkdtemp(prefix="vk"))

    # -- setting up --------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        self._make_disk()
        more = ["two"] if self.place.has_second_disk else []
        uri = self._start_sshd()
        command = [
            sys.executable,
            "-m",
            "tests.images.kill_party",
            str(self.place.folder),
            uri,
            str(self._run_dir),
            *more,
        ]
        self._party = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        for link in ("ssh", "local"):  # twice: the first is slower
            assert self.play(link) == "applied"
        assert self.content() == self.new

    def _make_disk(self) -> None:
        """An ext4 as it was and as it shall be; the difference as two ready layers."""
        folder = self.place.folder
        (folder / "ready").mkdir()
        old, new = folder / "old.raw", folder / "new.raw"
        tree = folder / "tree"
        tree.mkdir()
        for number in range(40):
            (tree / f"f{number}").write_bytes(bytes([number + 1]) * 100_000)
        disks.run("truncate", "-s", str(SIZE_BYTES), old)
        disks.run("mkfs.ext4", "-q", "-d", tree, old)
        shutil.copy(old, new)
        (folder / "big").write_bytes(os.urandom(6 << 20))
        orders = [f"rm f{number}" for number in range(0, 40, 3)] + [f"write {folder}/big new-file", "mkdir d"]
        (folder / "orders").write_text("\n".join(orders))
        disks.run("debugfs", "-w", "-f", folder / "orders", new)
        for raw in (old, new):
            disks.run("e2fsck", "-fn", raw)
        disks.run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", old, folder / "template-disk.qcow2")
        self._make_layers(old.read_bytes(), new.read_bytes(), folder / "ready")
        count = len(self.place.images)
        if count > 1:
            shutil.copy(old, folder / "template-data.raw")
            shutil.copytree(folder / "ready", folder / "ready1")
        self.old, self.new = " ".join([disks.fingerprint(old)] * count), " ".join([disks.fingerprint(new)] * count)

    def _make_layers(self, old: bytes, new: bytes, ready: Path) -> None:
        step = 64 * 1024
        changed = [at for at in range(0, SIZE_BYTES, step) if old[at : at + step] != new[at : at + step]]
        backing = ""
        for number, blocks in ((1, changed[: len(changed) // 2]), (2, changed[len(changed) // 2 :])):
            layer = ready / f"layer-{number}.qcow2"
            below = ["-u", "-F", "qcow2", "-b", backing] if backing else []
            disks.run("qemu-img", "create", "-q", "-f", "qcow2", *below, layer, str(SIZE_BYTES))
            orders = []
            for at in blocks:
                piece = self.place.folder / f"piece{at}"
                piece.write_bytes(new[at : at + step])
                orders += ["-c", f"write -s {piece} {at} {step}"]
            disks.run("qemu-io", "-f", "qcow2", *orders, layer)
            backing = layer.name
        for piece in self.place.folder.glob("piece*"):
            piece.unlink()

    def _start_sshd(self) -> str:
        home = self.place.folder / "sshd"
        home.mkdir(mode=0o700)
        for name in ("host", "user"):
            disks.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name)
        shutil.copy(home / "user.pub", home / "keys")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        (home / "config").write_text(
            f"HostKey {home}/host\nListenAddress 127.0.0.1:{port}\nAuthorizedKeysFile {home}/keys\nStrictModes no\n"
            f"PermitRootLogin yes\nUsePAM no\nPidFile none\nMaxSessions 50\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        self._sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", home / "config"], stderr=subprocess.DEVNULL)
        public = " ".join((home / "host.pub").read_text().split()[:2])
        (home / "known").write_text(f"[127.0.0.1]:{port} {public}\n")

        def answers() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return False

        disks.until(answers, what="sshd answers")
        return f"qemu+ssh://root@127.0.0.1:{port}/system?keyfile={home}/user&known_hosts={home}/known"

    # -- playing -----------------------------------------------------------------------------------------------

    def play(self, link: str, *, until: Stage | None = None, part: float = 0.0) -> str:
        """One Apply on a fresh disk. With ``until``: return inside that stage, with the console's process id."""
        self._fresh()
        assert self._party is not None
        assert self._party.stdin is not None
        assert self._party.stdout is not None
        self._party.stdin.write(f"{link}\n")
        self._party.stdin.flush()
        pid, stage, began_at, ended = "", None, 0.0, ""
        for line in self._party.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "pid":
                pid = rest
                self.consoles.add(int(pid))
            elif word == "step" and rest in {s.value for s in Stage} and (stage is None or rest != stage.value):
                now = time.monotonic()
                if stage is not None and until is None:
                    self._lasts[stage] = now - began_at
                stage, began_at = Stage(rest), now
                if stage is until:
                    time.sleep(self._lasts[stage] * part)  # a random moment is what is waited for
                    return pid
            elif word == "end":
                ended = rest
                if stage is not None and until is None:
                    self._lasts[stage] = time.monotonic() - began_at
            elif word == "gone":
                return ended
        raise AssertionError("the console's process ended")

    def kill(self, victim: str, stage: Stage, part: float) -> str:
        """Let an Apply run until that moment and kill somebody. Returns what the console said to it."""
        found = self.play("ssh" if victim == "ssh" else "local", until=stage, part=part)
        if not found.isdecimal():
            return f"not there ({found.split(':')[0]})"
        targets = self._targets(victim, int(found))
        ends_at = time.monotonic() + 1.0
        while not targets and time.monotonic() < ends_at and disks.alive(int(found)):
            targets = self._targets(victim, int(found))
        for pid in targets:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        said = self._await_gone()
        if not targets:
            return f"not there ({said.split(':')[0]})"
        return said.split(":")[0] or "killed"

    def _await_gone(self) -> str:
        assert self._party is not None
        assert self._party.stdout is not None
        ended = ""
        for line in self._party.stdout:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "end":
                ended = rest
                assert not rest.startswith("broken"), rest
            elif word == "gone":
                break
        return ended

    def _targets(self, victim: str, console: int) -> list[int]:
        everything = {pid: (words, cwd) for pid, words, cwd in processes()}
        here = str(self.place.folder).encode()
        ours = [pid for pid, (words, cwd) in everything.items() if here in b" ".join(words) or here in cwd]
        names = {pid: os.path.basename(everything[pid][0][0]) for pid in ours if everything[pid][0][0]}
        party = self._party.pid if self._party is not None else 0
        sshd = self._sshd.pid if self._sshd is not None else 0
        if victim == "console":
            return [console]
        if victim == "ssh":
            return [pid for pid, name in names.items() if name == b"ssh" and b"-M" in everything[pid][0]][:1] or [
                pid for pid, name in names.items() if name == b"ssh"
            ][:1]
        if victim == "host":
            return [pid for pid in ours if pid not in {console, party, sshd, os.getpid()}]
        return [pid for pid, name in names.items() if name == victim.encode()][:1]

    # -- afterwards --------------------------------------------------------------------------------------------

    def recover(self, story: str, *, also_back: bool) -> None:
        """What must be true after any kill, now and after the next Apply."""
        self._settle()
        content = self.content()
        journals = [look_at(self._shell, source).unfinished for source in self.place.source.disks]
        if not any(journals):
            assert content in {self.old, self.new}, f"{story}: the disk is neither old nor new, and there is no journal"
            self._check_filesystem(story)
        assert not any(j.is_spoilt for j in journals if j is not None), (
            f"{story}: our own writing is taken for another's"
        )
        is_new = content == self.new
        work, give = self.place.draft_work(self._shell)
        image = self.place.open(self._shell)
        give(image)
        if image.draft is not None and not image.draft.changes:
            assert is_new, f"{story}: the draft is lost"
            image.close()
        else:
            work.apply(keeps_way_back=True)
        assert self.content() == self.new, f"{story}: the next Apply did not finish it"
        self._check_filesystem(story)
        assert not list(self.place.folder.glob(".vmconsole-apply-*/record.json")), f"{story}: a journal was left"
        if also_back:
            give(None)
            if work.kept_way_back() is not None:
                work.take_back()
                assert self.content() == self.old, f"{story}: what was taken back is not the old disk"
                self._check_filesystem(story)
            else:
                raise AssertionError(f"{story}: there is no way back")

    def content(self) -> str:
        return " ".join(disks.content_hash(image, kind) for image, kind in self.place.images)

    def _check_filesystem(self, story: str) -> None:
        raw = self.place.folder / "checked.raw"
        for image, kind in self.place.images:
            if kind == "qcow2":
                check = ["qemu-img", "check", "-q", "-f", kind, str(image)]
                done = subprocess.run(check, check=False, capture_output=True)
                assert done.returncode in {0, 3}, f"{story}: qemu-img check says {done.returncode} {done.stderr!r}"
            disks.run("qemu-img", "convert", "-U", "-f", kind, "-O", "raw", image, raw)
            disks.run("e2fsck", "-fn", raw)

    def _settle(self) -> None:
        """The host's own work may go on without the console."""
        folders = [look_at(self._shell, source).journal_folder for source in self.place.source.disks]

        def is_quiet() -> bool:
            said = [self._shell.run(journal.poll_command(folder), deadline_s=10).out for folder in folders]
            return not any(out.startswith(b"running") for out in said) and not self._servers()

        disks.until(is_quiet, what="what was begun ends", deadline_s=60)

    def _servers(self) -> list[str]:
        lines = (line for image, _ in self.place.images for line in disks.command_lines(str(image)))
        return [line for line in lines if line.startswith("qemu")]

    def _fresh(self) -> None:
        """The disk as it was, and nothing else."""
        disks.until(lambda: not self._servers(), what="the disk is let go of", deadline_s=60)
        shutil.rmtree(self.place.work, ignore_errors=True)
        for left in self.place.folder.glob(".vmconsole-apply-*"):
            shutil.rmtree(left)
        for image, _ in self.place.images:
            image.unlink(missing_ok=True)
            shutil.copy(self.place.folder / f"template-{image.name}", image)

    def close(self) -> None:
        for process in (self._party, self._sshd):
            if process is not None:
                process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        pipe.close()
        self._shell.close()
        shutil.rmtree(self._run_dir)


def processes() -> list[tuple[int, list[bytes], bytes]]:
    """Number, command line and working folder of every process."""
    found = []
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            found.append((int(name), words, os.readlink(f"/proc/{name}/cwd").encode()))
    return found
