# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins that fail, by the console's own use of ssh: entry of the catalogue → how to provoke it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vmconsole.inventory.errors import LinkError
from vmconsole.links.ssh import SshMaster
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.vmlab import LabHost
    from vmconsole.inventory.errors import Explanation


def failure(uri: str) -> Explanation:
    run_dir = Path(tempfile.mkdtemp(prefix="vmc-"))  # short, as a socket's path must be
    master = SshMaster(parse_uri(uri), run_dir=run_dir, on_exit=lambda _error: None)
    try:
        master.open(deadline_s=15)
    except LinkError as error:
        return error.explanation
    finally:
        master.close()
        shutil.rmtree(run_dir)
    raise AssertionError("the login worked")


def ssh_with(host: LabHost, folder: Path, options: str) -> Explanation:
    """The lab's ssh with more options; they come first, so that they win."""
    program = folder / "ssh"
    lab_ssh = host.uri.split("command=")[1]
    program.write_text(f'#!/bin/sh\nexec {lab_ssh} {options} "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return failure(host.uri.replace(lab_ssh, str(program)))


def new_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def changed_host_key(host: LabHost, folder: Path) -> Explanation:
    words = new_key(folder / "other").with_suffix(".pub").read_text(encoding="ascii").split()
    known = folder / "known_hosts"
    lab_known = (Path(host.uri.split("command=")[1]).parent.parent / "known_hosts").read_text(encoding="ascii")
    names = [line.split()[0] for line in lab_known.splitlines()]
    known.write_text("".join(f"{name} {words[0]} {words[1]}\n" for name in names), encoding="ascii")
    return ssh_with(host, folder, f"-o UserKnownHostsFile={known} -o HostKeyAlgorithms=ssh-ed25519")


def too_many_keys(host: LabHost, folder: Path) -> Explanation:
    return with_keys(host, folder, [new_key(folder / f"k{number}") for number in range(8)])


def with_keys(host: LabHost, folder: Path, keys: list[Path]) -> Explanation:
    """The lab's configuration with other keys than its own."""
    lab = Path(host.uri.split("command=")[1]).parent.parent / "ssh_config"
    without = [line for line in lab.read_text(encoding="utf-8").splitlines() if "identit" not in line.lower()]
    ours = ["IdentitiesOnly yes", *(f"IdentityFile {key}" for key in keys)]
    (folder / "config").write_text("\n".join([*ours, *without, ""]), encoding="utf-8")
    return plain_ssh(host, folder, f"-F {folder / 'config'}")


def plain_ssh(host: LabHost, folder: Path, options: str) -> Explanation:
    program = folder / "ssh"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/ssh {options} "$@"\n', encoding="utf-8")
    program.chmod(0o700)
    return failure(f"qemu+ssh://root@{host.name}/system?command={program}")


def open_key_file(host: LabHost, folder: Path) -> Explanation:
    """The host accepts the key, so ssh would use it, and finds that others may read it."""
    key = folder / "key"
    for name in ("key", "key.pub"):
        shutil.copy(Path(host.uri.split("command=")[1]).parent.parent / name, folder / name)
    key.chmod(0o644)
    return with_keys(host, folder, [key])


def bad_configuration(host: LabHost, folder: Path) -> Explanation:
    (folder / "config").write_text("Hostnam kvm1\n", encoding="ascii")
    return plain_ssh(host, folder, f"-F {folder / 'config'}")


def answered_with(words: bytes) -> Callable[[LabHost, Path], Explanation]:
    """Something listens at the port that is no SSH server."""

    def act(_host: LabHost, _folder: Path) -> Explanation:
        with socket.create_server(("127.0.0.1", 0)) as server:

            def serve() -> None:
                with contextlib.suppress(OSError), server.accept()[0] as client:
                    client.sendall(words)

            thread = threading.Thread(target=serve)
            thread.start()
            try:
                return failure(f"qemu+ssh://root@127.0.0.1:{server.getsockname()[1]}/system")
            finally:
                thread.join(timeout=5)

    return act


SSH: tuple[tuple[str, Callable[[LabHost, Path], Explanation]], ...] = (
    ("ssh-refused", lambda _h, _f: failure("qemu+ssh://root@127.0.0.1:1/system")),
    ("ssh-host-key-unknown", lambda h, f: ssh_with(
        h, f, "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes")),
    ("ssh-host-key-changed", changed_host_key),
    ("ssh-key-file-open", open_key_file),
    ("ssh-login-refused", lambda h, f: with_keys(h, f, [new_key(f / "key")])),
    ("ssh-too-many-keys", too_many_keys),
    ("ssh-configuration", bad_configuration),
    ("ssh-nothing-in-common", lambda h, f: ssh_with(h, f, "-o KexAlgorithms=diffie-hellman-group1-sha1")),
    ("ssh-not-ssh", answered_with(b"HTTP/1.1 400 Bad Request\r\n\r\n\0\0")),
    ("ssh-closed", answered_with(b"")),
    ("ssh-jump-refused", lambda h, f: ssh_with(h, f, f"-J root@{h.name} -o HostName=127.0.0.1 -p 1")),
)  # fmt: skip
