# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what drivers cannot do, and what an address alone tells about the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.links.recording import QuietSampler, Recorder
from vmconsole.inventory.facts import HostState
from vmconsole.links import uri as uris
from vmconsole.links.drivers import ACTS, DRIVERS, GUEST_CAP, IMAGES, driver_of, marked, sampled_guests, why_no_cgroups
from vmconsole.links.host_link import HostLink
from vmconsole.links.uri import parse_uri

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.links.libvirt_link import LibvirtLoop


def test_every_driver_of_an_address_is_in_the_table() -> None:
    assert set(DRIVERS) == set(uris.DRIVERS)


@pytest.mark.parametrize("name", sorted(DRIVERS))
def test_reasons_are_sentences_about_known_acts(name: str) -> None:
    driver = DRIVERS[name]
    assert set(driver.lacks) <= ACTS
    assert all(reason.endswith(".") and len(reason) > 20 for reason in driver.lacks.values())
    assert (GUEST_CAP in driver.lacks) is (name not in {"qemu", "lxc"})


@pytest.mark.parametrize(
    ("text", "guests"),
    [
        ("qemu:///system", "system"),
        ("qemu+ssh://kvm1/session", "session"),
        ("qemu:///session", "session"),
        ("lxc:///", "lxc"),
        ("lxc+ssh://root@kvm1/system", "lxc"),
    ],
)
def test_whose_guests_the_sampler_looks_for(text: str, guests: str) -> None:
    assert sampled_guests(parse_uri(text)) == guests
    assert why_no_cgroups(parse_uri(text), has_shell=True) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("qemu+ssh://kvm1/system", "kvm1"),
        ("qemu+ssh://kvm1/session", "kvm1 (session)"),
        ("lxc+ssh://kvm1/", "kvm1 (LXC)"),
        ("xen+ssh://kvm1/", "kvm1 (Xen)"),
        ("test:///default", "kvm1 (test)"),
    ],
)
def test_a_host_that_is_listed_twice_has_two_names(text: str, name: str) -> None:
    assert marked("kvm1", parse_uri(text)) == name


@pytest.mark.parametrize(
    ("text", "has_shell", "word"),
    [
        ("qemu+tcp://kvm1/system", False, "qemu+ssh://"),
        ("lxc+tls://kvm1/", False, "lxc+ssh://"),
        ("xen+ssh://root@dom0/", True, "Xen have none"),
        ("test:///default", False, "test driver"),
    ],
)
def test_why_figures_come_from_libvirt_alone(text: str, has_shell: bool, word: str) -> None:
    reason = why_no_cgroups(parse_uri(text), has_shell=has_shell)
    assert reason is not None
    assert word in reason.text()
    assert "SSH" in reason.cause


def test_a_link_says_what_its_driver_lacks_before_it_is_connected(event_loop: LibvirtLoop, run_dir: Path) -> None:
    posted = Recorder()
    link = HostLink(
        parse_uri("test:///default"), post=posted, event_loop=event_loop, run_dir=run_dir,
        make_sampler=lambda _shell, _host, _post, on_state: QuietSampler(on_state),
    )  # fmt: skip
    link.start(connect=False)
    host = posted.host(HostState.DISCONNECTED)
    assert host.lacks == driver_of(parse_uri("test:///default")).lacks
    assert {GUEST_CAP, IMAGES} <= set(host.lacks)
    link.close()
