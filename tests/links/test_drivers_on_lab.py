# SPDX-License-Identifier: GPL-3.0-or-later
"""Other drivers and transports against a real host: containers, a session, TCP, TLS, libssh2, a program."""

from __future__ import annotations

import functools
import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.links.contract import cap_write
from tests.links.other_drivers import container, listening_daemon, lxc_uri, plain_user
from tests.links.recording import Recorder
from vmconsole.inventory.deltas import GuestSeen
from vmconsole.inventory.facts import GuestState, HostState
from vmconsole.inventory.limits import CpuCap
from vmconsole.links.drivers import GUEST_CAP, sampled_guests
from vmconsole.links.host_link import HostLink
from vmconsole.links.sampler import make_sampler
from vmconsole.links.uri import parse_uri
from vmconsole.metrics.figures import Figure
from vmconsole.metrics.frame import Frame, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.vmlab import Lab, LabHost
    from vmconsole.links.libvirt_link import LibvirtLoop
    from vmconsole.metrics.delta import Delta

pytestmark = pytest.mark.lab

SESSION_UUID = "5e550000-0000-4000-8000-000000000001"
SESSION_XML = f"""\
<domain type='qemu'>
  <name>mine</name><uuid>{SESSION_UUID}</uuid>
  <memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>
</domain>
"""


@pytest.fixture
def connect(event_loop: LibvirtLoop, run_dir: Path) -> Iterator[Callable[[str], tuple[HostLink, Recorder]]]:
    """A link as the program makes it, connected."""
    links: list[HostLink] = []

    def to(text: str) -> tuple[HostLink, Recorder]:
        posted, uri = Recorder(), parse_uri(text)
        sampler = functools.partial(make_sampler, guests=sampled_guests(uri))
        link = HostLink(uri, post=posted, event_loop=event_loop, run_dir=run_dir, make_sampler=sampler)
        links.append(link)
        link.start()
        posted.host(HostState.CONNECTED, within_s=40)
        return link, posted

    yield to
    for link in links:
        link.close()


def frame_with(posted: Recorder, source: Source, uuid: str, figure: Figure) -> float:
    """The figure's first value that is more than nothing."""

    def pick(delta: Delta) -> float | None:
        if not isinstance(delta, Frame) or delta.source is not source or uuid not in delta.uuids:
            return None
        value = float(delta.values[delta.uuids.index(uuid), figure])
        return value if value > 0 else None

    return posted.wait_for(pick, within_s=30)


def test_a_container_has_charts_of_its_cgroup_and_no_other_guests(
    lab_host: LabHost, connect: Callable[[str], tuple[HostLink, Recorder]]
) -> None:
    with container(lab_host) as uuid:
        link, posted = connect(lxc_uri(lab_host))
        link.watch(frozenset({uuid}))
        assert 0.02 < frame_with(posted, Source.CGROUP, uuid, Figure.CPU_CORES) < 1.5
        assert 2**16 < frame_with(posted, Source.CGROUP, uuid, Figure.MEMORY_BYTES) < 2**26
        assert frame_with(posted, Source.CGROUP, uuid, Figure.MEMORY_LIMIT_BYTES) == 64 * 2**20
        watched = posted.wait_for(lambda d: d if isinstance(d, Frame) and d.devices.get(uuid) else None)
        assert watched.uuids == (uuid,)
        described = posted.wait_for(lambda d: d.guest if isinstance(d, GuestSeen) and d.guest.described else None)
        assert described.interfaces[0].tap in watched.devices[uuid]
        posted.host_that(lambda h: h.name == "kvm1 (LXC)")
        host = posted.host_that(lambda h: bool(h.cgroup_layout))
        assert host.figures_reason is None
        assert host.caution is None
        assert GUEST_CAP not in host.lacks
        write = cap_write(CpuCap(100_000, 10_000))
        link.submit(lambda verbs: verbs.write_limits(uuid, write, stored=False), deadline_s=10).result(12)
        assert frame_with(posted, Source.CGROUP, uuid, Figure.CPU_CAP_CORES) == pytest.approx(0.1)
        assert frame_with(posted, Source.CGROUP, uuid, Figure.CPU_THROTTLED_SHARE) > 0
        debug = link.debug()
        assert debug.sampler is not None
        assert debug.sampler.frames > 2
        assert debug.sampler.garbled == 0
        assert debug.last_call is not None


def test_a_users_session_has_libvirts_figures_and_says_why(
    lab_host: LabHost, connect: Callable[[str], tuple[HostLink, Recorder]]
) -> None:
    with plain_user(lab_host) as uri:
        run = functools.partial(lab_host.exec, "setpriv", "--reuid=4242", "--regid=100", "--clear-groups", "env",
                                "HOME=/tmp/plain", "virsh", "--quiet", "-c", "qemu:///session")  # fmt: skip
        _, posted = connect(uri)  # libvirt starts the user's own daemon
        assert posted.listing() == ()
        lab_host.exec("tee", "/tmp/mine.xml", stdin=SESSION_XML)
        run("create", "/tmp/mine.xml")
        posted.guest_or_listed_as(SESSION_UUID, GuestState.RUNNING)
        host = posted.host_that(lambda h: h.figures_reason is not None, within_s=30)
        assert host.figures_reason is not None
        assert "no cgroups of their own" in host.figures_reason.what
        assert frame_with(posted, Source.LIBVIRT, SESSION_UUID, Figure.MEMORY_BYTES) > 2**20
        assert frame_with(posted, Source.LIBVIRT, SESSION_UUID, Figure.CPU_CORES) < 3
        named = posted.wait_for(lambda d: d if isinstance(d, Frame) and d.source is Source.CGROUP else None)
        assert np.isnan(named.values).all()
        assert "g11" not in {guest.name for guest in posted.listing()}
        run("destroy", "mine")


def test_plain_tcp_works_and_warns(lab_host: LabHost, connect: Callable[[str], tuple[HostLink, Recorder]]) -> None:
    lines = (f'listen_addr = "{lab_host.address}"', "listen_tls = 0", "listen_tcp = 1", 'auth_tcp = "none"')
    with listening_daemon(lab_host, *lines):
        link, posted = connect(f"qemu+tcp://{lab_host.address}/system")
        host = posted.host_that(lambda h: h.caution is not None)
        assert host.caution is not None
        assert host.caution.what == "This connection is not encrypted."
        assert "g11" in {guest.name for guest in posted.listing()}
        assert link.shell() is None
        host = posted.host_that(lambda h: h.figures_reason is not None)
        assert host.figures_reason is not None
        assert "SSH" in host.figures_reason.cause
        uuid = next(guest.id.uuid for guest in posted.listing() if guest.name == "g11")
        assert frame_with(posted, Source.LIBVIRT, uuid, Figure.CPU_CORES) < 3
        with container(lab_host) as uuid:  # a driver without bulk statistics
            _, posted = connect(f"lxc+tcp://{lab_host.address}/")
            assert 0.02 < frame_with(posted, Source.LIBVIRT, uuid, Figure.CPU_CORES) < 1.5
            assert 2**16 < frame_with(posted, Source.LIBVIRT, uuid, Figure.MEMORY_BYTES) < 2**26


def test_tls_with_certificates_of_the_users(
    lab_host: LabHost, connect: Callable[[str], tuple[HostLink, Recorder]], tmp_path: Path
) -> None:
    certificates(tmp_path, lab_host.address)
    for name in ("cacert", "servercert", "serverkey"):
        shutil.copy(tmp_path / f"{name}.pem", lab_host.home / "etc-libvirt")
    lines = (f'listen_addr = "{lab_host.address}"', "listen_tls = 1", 'ca_file = "/etc/libvirt/cacert.pem"',
             'cert_file = "/etc/libvirt/servercert.pem"', 'key_file = "/etc/libvirt/serverkey.pem"')  # fmt: skip
    with listening_daemon(lab_host, *lines):
        _, posted = connect(f"qemu+tls://{lab_host.address}/system?pkipath={tmp_path}")
        assert "g11" in {guest.name for guest in posted.listing()}
        assert posted.host_that(lambda h: bool(h.versions)).caution is None


def certificates(folder: Path, address: str) -> None:
    """As libvirt's page «TLS certificates» names them."""
    new = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")

    def make(*words: str | Path) -> None:
        subprocess.run([*new, *words], check=True, capture_output=True)

    make("-subj", "/CN=lab", "-keyout", folder / "cakey.pem", "-out", folder / "cacert.pem",
         "-addext", "keyUsage=critical,keyCertSign")  # fmt: skip
    for name in ("server", "client"):
        make("-subj", f"/CN={address}", "-addext", f"subjectAltName=IP:{address}",
             "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=digitalSignature,keyEncipherment",
             "-addext", f"extendedKeyUsage={name}Auth", "-CA", folder / "cacert.pem", "-CAkey", folder / "cakey.pem",
             "-keyout", folder / f"{name}key.pem", "-out", folder / f"{name}cert.pem")  # fmt: skip


def test_through_libssh2_and_through_a_program_of_the_users(
    lab: Lab, lab_host: LabHost, connect: Callable[[str], tuple[HostLink, Recorder]], tmp_path: Path
) -> None:
    program = tmp_path / "through"
    program.write_text(f"#!/bin/sh\nexec {lab.ssh_program} kvm1 virt-ssh-helper qemu:///system\n")
    program.chmod(0o755)
    known = tmp_path / "known_hosts"
    known.write_text(host_key_line(lab_host))
    key = lab_host.home.parent.parent / "key"
    for uri in (
        f"qemu+ext://kvm1/system?command={program}",
        f"qemu+libssh2://root@{lab_host.address}/system?keyfile={key}&known_hosts={known}&sshauth=privkey&proxy=native",
    ):
        link, posted = connect(uri)
        assert "g11" in {guest.name for guest in posted.listing()}
        assert link.shell() is None
        link.close()


def host_key_line(host: LabHost) -> str:
    kind, key, *_ = (host.home / "etc-ssh" / "host_key.pub").read_text().split()
    return f"{host.address} {kind} {key}\n"
