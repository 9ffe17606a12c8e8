# SPDX-License-Identifier: GPL-3.0-or-later
"""fstab, os-release, passwd, and lsblk: real-looking text, and hostile text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmconsole.images.child.blocks import lvm_path
from vmconsole.images.child.fstab import Mount, mounts_of, names_of, os_name_of
from vmconsole.images.child.volume import Volume
from vmconsole.images.child.volumes import find_volumes

VOLUMES = (
    Volume("/dev/sda1", "vfat", uuid="ABCD-EF01", label="ESP"),
    Volume("/dev/sda2", "ext4", uuid="1111-2222", label="root"),
    Volume("/dev/sda3", "swap", uuid="3333"),
    Volume("/dev/vg/home", "xfs", uuid="4444"),
    Volume("btrfsvol:/dev/sda5/@var", "btrfs", uuid="5555"),
    Volume("/dev/sda6", "ext4", part_uuid="pu-6", label="a b"),
)


@pytest.mark.parametrize(
    ("line", "device", "folder"),
    [
        ("UUID=1111-2222 / ext4 defaults 0 1", "/dev/sda2", "/"),
        ('UUID="1111-2222"\t/ ext4 defaults', "/dev/sda2", "/"),
        ("UUID=abcd-ef01 /boot/efi vfat umask=0077 0 1", "/dev/sda1", "/boot/efi"),
        ("LABEL=root / ext4", "/dev/sda2", "/"),
        ("LABEL=a\\040b /a\\040b ext4", "/dev/sda6", "/a b"),
        ("PARTUUID=PU-6 /x ext4", "/dev/sda6", "/x"),
        ("/dev/vda2 / ext4", "/dev/sda2", "/"),
        ("/dev/nvme0n1p2 / ext4", "/dev/sda2", "/"),
        ("/dev/mapper/vg-home /home xfs", "/dev/vg/home", "/home"),
        ("/dev/vg/home /home xfs", "/dev/vg/home", "/home"),
        ("/dev/disk/by-uuid/1111-2222 / ext4", "/dev/sda2", "/"),
        ("/dev/disk/by-label/a\\x20b /x ext4", "/dev/sda6", "/x"),
        ("UUID=5555 /var btrfs rw,subvol=/@var 0 0", "btrfsvol:/dev/sda5/@var", "/var"),
    ],
)
def test_a_line_names_a_filesystem(line: str, device: str, folder: str) -> None:
    assert mounts_of(line, VOLUMES) == (Mount(device, folder),)


@pytest.mark.parametrize(
    "line",
    [
        "# UUID=1111-2222 / ext4", "", "proc /proc proc defaults", "UUID=3333 none swap sw", "UUID=3333 /s swap sw",
        "UUID=9999 /gone ext4", "UUID= / ext4", "nfs:/export /mnt nfs", "/dev/vda2", "UUID=1111-2222 /a/../../b ext4",
        "UUID=5555 /var btrfs subvol=@other", "LABEL= / ext4",
    ],
)  # fmt: skip
def test_other_lines_mount_nothing(line: str) -> None:
    assert mounts_of(line, VOLUMES) == ()


def test_outer_folders_are_mounted_first() -> None:
    fstab = "UUID=abcd-ef01 /boot/efi vfat\nUUID=4444 /boot xfs\nUUID=1111-2222 / ext4\n"
    assert [m.folder for m in mounts_of(fstab, VOLUMES)] == ["/", "/boot", "/boot/efi"]


@given(st.text())
def test_no_fstab_breaks_it(text: str) -> None:
    mounts_of(text, VOLUMES)
    os_name_of(text)
    names_of(text)


def test_os_names() -> None:
    assert (
        os_name_of('NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n') == "Debian GNU/Linux 12 (bookworm)"
    )
    assert os_name_of("NAME=Alpine\nVERSION='3.19'") == "Alpine 3.19"
    assert os_name_of("") == ""


def test_the_first_name_of_a_number_wins() -> None:
    assert names_of("root:x:0:0::/root:/bin/sh\ntoor:x:0:\nbad\nweb:x:1000:1000::") == {0: "root", 1000: "web"}


def test_lvm_names_are_those_of_libguestfs() -> None:
    assert lvm_path("/dev/mapper/vg-root") == "/dev/vg/root"
    assert lvm_path("/dev/mapper/my--vg-a--b") == "/dev/my-vg/a-b"
    assert lvm_path("/dev/sda1") == "/dev/sda1"


class Appliance:
    """Answers lsblk as a file says, and list_filesystems as libguestfs would."""

    def __init__(self, lsblk: str, thorough: dict[str, str] | None = None) -> None:
        self.lsblk, self.thorough, self.asked_thoroughly = lsblk, thorough or {}, False

    def debug(self, subcommand: str, arguments: list[str]) -> str:
        if not self.lsblk:
            raise RuntimeError("lsblk: command not found")
        return self.lsblk

    def list_filesystems(self) -> dict[str, str]:
        self.asked_thoroughly = True
        return self.thorough

    def btrfs_subvolume_list(self, device: str) -> list[dict[str, object]]:
        return [{"btrfssubvolume_path": "@home"}, {"btrfssubvolume_path": "a/b"}]

    def vfs_label(self, device: str) -> str:
        return "l"

    vfs_uuid = vfs_label

    def pread_device(self, device: str, count: int, offset: int) -> bytes:
        return bytes(count)


def lsblk(*children: dict[str, object], fstype: str | None = None) -> str:
    disk = {"path": "/dev/sda", "size": 1000, "type": "disk", "fstype": fstype, "label": None, "uuid": None}
    return json.dumps({"blockdevices": [disk | ({"children": list(children)} if children else {})]})


def node(path: str, kind: str | None, *children: dict[str, object]) -> dict[str, object]:
    below = {"children": list(children)} if children else {}
    return {"path": path, "size": 10, "type": "part", "fstype": kind, "label": "L", "uuid": "U"} | below


def test_partitions_and_logical_volumes_are_found_quickly() -> None:
    lvm = node("/dev/sda2", "LVM2_member", node("/dev/mapper/vg-root", "xfs"), node("/dev/mapper/vg-s", "swap"))
    appliance = Appliance(lsblk(node("/dev/sda1", "ext4"), lvm, node("/dev/sda3", None)))
    _, volumes = find_volumes(appliance)  # type: ignore[arg-type]  # it asks for no more than this
    assert [(v.device, v.type) for v in volumes] == [
        ("/dev/sda1", "ext4"), ("/dev/vg/root", "xfs"), ("/dev/vg/s", "swap"), ("/dev/sda3", "unknown"),
    ]  # fmt: skip
    assert not appliance.asked_thoroughly


def test_a_whole_disk_filesystem() -> None:
    devices, volumes = find_volumes(Appliance(lsblk(fstype="ext4")))  # type: ignore[arg-type]  # as above
    assert [d.name for d in devices] == ["/dev/sda"]
    assert [(v.device, v.type) for v in volumes] == [("/dev/sda", "ext4")]


def test_where_nothing_is_seen_quickly_libguestfs_is_asked() -> None:
    appliance = Appliance(lsblk(node("/dev/sda1", None)), {"/dev/sda1": "ext4"})
    _, volumes = find_volumes(appliance)  # type: ignore[arg-type]  # as above
    assert [(v.device, v.type, v.size_bytes) for v in volumes] == [("/dev/sda1", "ext4", 10)]


def test_the_disk_is_found_whichever_name_the_kernel_gave_it() -> None:
    """The appliance's own disk can come up first, and then is the kernel's sda."""
    ours = json.loads(
        lsblk(node("/dev/sda1", "ext4"), node("/dev/sda2", "LVM2_member", node("/dev/mapper/v-l", "xfs")))
    )
    swapped = json.loads(json.dumps(ours).replace("/dev/sda", "/dev/sdb"))
    root = {"path": "/dev/sda", "size": 5, "type": "disk", "fstype": "ext2", "mountpoint": "/"}
    swapped["blockdevices"].insert(0, root)
    for answer in (ours, swapped):
        devices, volumes = find_volumes(Appliance(json.dumps(answer)))  # type: ignore[arg-type]  # as above
        assert [(d.name, d.size_bytes) for d in devices] == [("/dev/sda", 1000)]
        assert [(v.device, v.type) for v in volumes] == [("/dev/sda1", "ext4"), ("/dev/v/l", "xfs")]


def test_subvolumes_of_a_btrfs_keep_its_label() -> None:
    appliance = Appliance(lsblk(node("/dev/sda1", "btrfs")))
    _, volumes = find_volumes(appliance)  # type: ignore[arg-type]  # as above
    devices = ["/dev/sda1", "btrfsvol:/dev/sda1/@home", "btrfsvol:/dev/sda1/a/b"]
    assert [(v.device, v.label, v.uuid) for v in volumes] == [(d, "L", "U") for d in devices]
    assert not appliance.asked_thoroughly


def two_disks(*, swapped: bool) -> str:
    """A volume group and an array over two disks, which the kernel may have found in either order."""
    span, array = node("/dev/mapper/vg-span", "ext4"), node("/dev/md127", "xfs")
    names = ("/dev/sdb", "/dev/sda") if swapped else ("/dev/sda", "/dev/sdb")
    disks = [
        {"path": name, "size": 1000, "type": "disk", "fstype": None, "hctl": f"2:0:{n}:0", "children": [
            node(f"{name}1", "LVM2_member", span), node(f"{name}2", "linux_raid_member", array),
            node(f"{name}3", "ext4" if n else "crypto_LUKS",
                 *([] if n else [node("/dev/mapper/unlocked_sda3", "btrfs") | {"type": "crypt"}])),
        ]}
        for n, name in enumerate(names)
    ]  # fmt: skip
    root = {"path": "/dev/sdc", "size": 5, "type": "disk", "fstype": "ext2", "mountpoint": "/", "hctl": "2:0:2:0"}
    return json.dumps({"blockdevices": [root, *(reversed(disks) if swapped else disks)]})


@pytest.mark.parametrize("swapped", [False, True])
def test_what_lies_on_two_disks_is_found_once_and_disks_keep_their_order(swapped: bool) -> None:
    devices, volumes = find_volumes(Appliance(two_disks(swapped=swapped)))  # type: ignore[arg-type]  # as above
    assert [d.name for d in devices] == ["/dev/sda", "/dev/sdb"]
    assert {v.device: v.disks for v in volumes if not v.device.startswith("btrfsvol:")} == {
        "/dev/vg/span": ("/dev/sda", "/dev/sdb"), "/dev/md127": ("/dev/sda", "/dev/sdb"),
        "/dev/mapper/unlocked_sda3": ("/dev/sda",), "/dev/sdb3": ("/dev/sdb",),
    }  # fmt: skip
    opened = next(v for v in volumes if v.device.startswith("/dev/mapper/"))
    assert opened.container is not None
    assert opened.container.type == "crypto_LUKS"


@pytest.mark.parametrize(
    ("line", "targets", "device"),
    [
        ("/dev/vdb3 /x ext4", ("vda", "vdb"), "/dev/sdb3"),
        ("/dev/vda3 /x ext4", ("sda", "vda"), "/dev/sdb3"),
        ("/dev/nvme1n1p3 /x ext4", ("", ""), "/dev/sdb3"),
        ("/dev/sdb3 /x ext4", ("", ""), "/dev/sdb3"),
        ("/dev/md0 /x xfs", ("vda", "vdb"), "/dev/md127"),
        ("/dev/mapper/vault /x btrfs", ("vda", "vdb"), "/dev/mapper/unlocked_sda3"),
        ("/dev/mapper/luks-U /x btrfs", ("vda", "vdb"), "/dev/mapper/unlocked_sda3"),
        ("/dev/vdc3 /x ext4", ("vda", "vdb"), ""),
        ("/dev/mapper/other /x btrfs", ("vda", "vdb"), ""),
    ],
)
def test_the_guests_names_of_several_disks(line: str, targets: tuple[str, ...], device: str) -> None:
    _, volumes = find_volumes(Appliance(two_disks(swapped=False)))  # type: ignore[arg-type]  # as above
    found = mounts_of(line, volumes, targets=targets, crypttab="# c\nvault UUID=U none luks\nbad\n")
    assert [m.device for m in found] == ([device] if device else [])


def test_without_lsblk_libguestfs_is_asked() -> None:
    _, volumes = find_volumes(Appliance("", {"/dev/sda1": "ext4"}))  # type: ignore[arg-type]  # as above
    assert volumes == (Volume("/dev/sda1", "ext4", label="l", uuid="l"),)
