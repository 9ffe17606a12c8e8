# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest whose disks are a volume of a pool and a block device, on a real host: found, drafted together, applied.

What the window does is done here by hand: the host's link says where a volume lies, and every host is asked for users.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.images import disks
from tests.images.sessions import LAUNCH_S, done, session_on
from tests.lab.vmlab import LabError
from tests.links.recording import QuietSampler, Recorder
from vmconsole.images.messages import ImageMode, ImageSource, SessionState
from vmconsole.images.on_host import located
from vmconsole.inventory.facts import HostState
from vmconsole.links.host_link import HostLink
from vmconsole.links.uri import parse_uri
from vmconsole.operations.image_users import AskedHost, users_of_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.vmlab import LabHost
    from vmconsole.inventory.facts import Guest
    from vmconsole.links.libvirt_link import LibvirtLoop

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]
GUEST, POOL, VOLUME = "volumes", "a pool", "root disk.qcow2"
FSTAB = "/dev/vda / ext4 defaults 0 1\n/dev/vdb /data ext4 defaults 0 2\n"
DISKS = """\
<disk type='volume' device='disk'>
  <driver name='qemu' type='qcow2'/><source pool='{pool}' volume='{volume}'/><target dev='vda' bus='virtio'/>
</disk>
<disk type='block' device='disk'>
  <driver name='qemu' type='raw'/><source dev='{device}'/><target dev='vdb' bus='virtio'/>
</disk>
"""
DOMAIN = """\
<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>{disks}</devices></domain>
"""


@dataclasses.dataclass
class Stage:
    """A host with such a guest, shut off, and the console's link to it."""

    host: LabHost
    link: HostLink
    guest: Guest
    image: Path
    """The volume, as this machine sees it."""
    device: Path

    @property
    def as_asked(self) -> AskedHost:
        return AskedHost(self.guest.id.host, self.host.name, self.link)

    def source(self) -> ImageSource:
        """As the page of the guest's disks makes it."""
        first, second = (
            ImageSource(d.source, d.format, where=self.host.name, guest_name=GUEST, target=d.target)
            for d in self.guest.disks
        )
        together = dataclasses.replace(first, more=(second,))
        return self.link.submit(lambda verbs: located(verbs, together), deadline_s=30).result(30)

    def users(self) -> tuple[str, ...]:
        found = [n for d in self.source().disks for n in users_of_image([self.as_asked], self.guest.id.host, d.path)]
        return tuple(dict.fromkeys(found))


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    raw = tmp_path / "device.raw"
    disks.run("truncate", "-s", "24M", raw)
    disks.run("mkfs.ext4", "-q", "-L", "data", raw)
    device = Path(disks.run("losetup", "--show", "--find", raw).strip())
    yield device
    disks.run("losetup", "--detach", device)


@pytest.fixture
def guest_disks(lab_host: LabHost, device: Path, tmp_path: Path) -> Iterator[Path]:
    folder = lab_host.home / "lib" / "volumes of a pool"
    folder.mkdir()
    (tmp_path / "tree/etc").mkdir(parents=True)
    (tmp_path / "tree/data").mkdir()
    (tmp_path / "tree/etc/fstab").write_text(FSTAB)
    image = disks.ext4(tmp_path / "tree", folder / VOLUME, size="48M")
    lab_host.virsh("pool-create-as", POOL, "dir", "--target", "/var/lib/libvirt/volumes of a pool")
    xml = DOMAIN.format(name=GUEST, disks=DISKS.format(pool=POOL, volume=VOLUME, device=device))
    lab_host.exec("virsh", "define", "/dev/stdin", stdin=xml)  # the host has a /tmp of its own
    yield image
    if lab_host.domains().get(GUEST) == "running":
        lab_host.virsh("destroy", GUEST)
    lab_host.virsh("undefine", GUEST)
    lab_host.virsh("pool-destroy", POOL)
    shutil.rmtree(folder)


@pytest.fixture
def stage(
    lab_host: LabHost, guest_disks: Path, device: Path, event_loop: LibvirtLoop, run_dir: Path
) -> Iterator[Stage]:
    posted = Recorder()
    link = HostLink(
        parse_uri(lab_host.uri), post=posted, event_loop=event_loop, run_dir=run_dir,
        make_sampler=lambda _shell, _host, _post, on_state: QuietSampler(on_state),
    )  # fmt: skip
    link.start()
    try:
        posted.host(HostState.CONNECTED)
        uuid = next(g for g in posted.listing() if g.name == GUEST).id.uuid
        guest = link.submit(lambda verbs: verbs.describe_guest(uuid), deadline_s=30).result(30)
        yield Stage(lab_host, link, guest, guest_disks, device)
    finally:
        link.close()


def test_a_volume_and_a_device_are_found_and_their_user_is_named(stage: Stage) -> None:
    assert [(d.source, d.format) for d in stage.guest.disks] == [
        (f"{POOL}/{VOLUME}", "qcow2"), (str(stage.device), "raw"),
    ]  # fmt: skip
    paths = [disk.path for disk in stage.source().disks]
    assert paths == [f"/var/lib/libvirt/volumes of a pool/{VOLUME}", str(stage.device)]
    own = stage.guest.id.host
    assert [users_of_image([stage.as_asked], own, path) for path in paths] == [(), ()]
    stage.host.virsh("start", GUEST)
    assert [users_of_image([stage.as_asked], own, path) for path in paths] == [(GUEST,), (GUEST,)]


@pytest.mark.appliance
@pytest.mark.slow  # two appliances
def test_both_are_drafted_together_and_applied(stage: Stage, tmp_path: Path) -> None:
    shell = stage.link.shell()
    assert shell is not None
    one = session_on(stage.image, shell, tmp_path / "work", stage.source())
    before = disks.content_hash(stage.image), disks.fingerprint(stage.device)
    overview = done(one.session.open(), deadline_s=LAUNCH_S)
    assert overview.mode is ImageMode.DRAFT, overview.mode_reason
    assert {f.mounted_at for f in overview.filesystems} == {"/", "/data"}
    done(one.session.write_file("/etc/hostname", b"of the volume\n"))
    done(one.session.write_file("/data/notes.txt", b"of the device\n"))
    with pytest.raises(LabError, match="lock"):
        stage.host.virsh("start", GUEST)
    assert (disks.content_hash(stage.image), disks.fingerprint(stage.device)) == before

    one.users = stage.users()
    assert one.users == ()
    done(one.session.apply(), deadline_s=LAUNCH_S)
    assert one.session.state is SessionState.APPLIED
    assert read(stage.image, "/etc/hostname", tmp_path) == "of the volume\n"
    assert read(stage.device, "/notes.txt", tmp_path) == "of the device\n"
    disks.run("qemu-img", "check", stage.image)
    stage.host.virsh("start", GUEST)
    stage.host.virsh("destroy", GUEST)
    done(one.session.take_back(), deadline_s=LAUNCH_S)
    assert (disks.content_hash(stage.image), disks.fingerprint(stage.device)) == before
    journals = ("find", "/var/lib/libvirt", "/var/tmp", "-maxdepth", "2", "-name", ".vmconsole-apply-*")
    left = stage.host.exec(*journals, check=False).stdout
    assert left == ""
    one.session.close()
    assert one.session.wait_closed(30)


def read(image: Path, path: str, folder: Path) -> str:
    """A file of an ext4, by debugfs alone."""
    raw = folder / "read.raw"
    disks.run("qemu-img", "convert", "-U", "-O", "raw", image, raw)
    return disks.run("debugfs", "-R", f"cat {path}", raw)
