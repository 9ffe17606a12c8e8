# SPDX-License-Identifier: GPL-3.0-or-later
"""BitLocker without an appliance: what the tests' volume is worth, how keys are typed, by what a volume is known."""

from __future__ import annotations

import subprocess
import uuid
from typing import TYPE_CHECKING, cast

import pytest

from tests.images import bitlocker
from vmconsole.images.child import keys, volumes
from vmconsole.images.child.handle import Work
from vmconsole.inventory.errors import ImageUnreadable

if TYPE_CHECKING:
    from pathlib import Path

    from vmconsole.images.child.handle import Handle

KEYS = bitlocker.Keys.of("Pass word 1")
DIGITS = KEYS.recovery_key.replace("-", "")


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bitlocker")
    return bitlocker.make(folder, folder / "volume", KEYS, size_mib=8, label="x", files={"proof.txt": b"x"})


@pytest.mark.parametrize(
    ("key", "opens"), [(KEYS.password, True), (KEYS.recovery_key, True), ("pass word 1", False), (DIGITS, False)]
)
def test_cryptsetup_takes_the_volume_for_a_real_one(volume: Path, key: str, *, opens: bool) -> None:
    command = ["cryptsetup", "open", "--type", "bitlk", "--test-passphrase", "-d", "-", str(volume)]
    tried = subprocess.run(command, input=key.encode(), capture_output=True, check=False)
    assert (tried.returncode == 0) is opens, tried.stderr


@pytest.mark.parametrize(
    "typed", [KEYS.recovery_key, DIGITS, KEYS.recovery_key.replace("-", " "), f" {DIGITS[:20]}\t{DIGITS[20:]}\n"]
)
def test_a_recovery_key_is_understood_however_it_is_typed(typed: str) -> None:
    assert keys.recovery_key(typed) == KEYS.recovery_key


@pytest.mark.parametrize("typed", ["", "a password", DIGITS[:-1], DIGITS + "1", "٣" * 48, "1" * 47 + "x"])
def test_a_password_is_left_as_it_is(typed: str) -> None:
    assert keys.recovery_key(typed) == typed


class Closed:
    """An appliance whose cryptsetup opens nothing."""

    def cryptsetup_open(self, device: str, key: str, mapname: str, *, readonly: bool, crypttype: str) -> None:
        self.asked = (device, key, crypttype)
        raise RuntimeError("cryptsetup_open: cryptsetup exited with status 2: No key available with this passphrase.")


@pytest.mark.parametrize(
    ("kind", "key", "is_advised"),
    [("BitLocker", "Öffne dich", True), ("BitLocker", "Open", False), ("crypto_LUKS", "Öffne dich", False)],
)
def test_a_password_that_cryptsetup_may_misread_is_told_of(kind: str, key: str, *, is_advised: bool) -> None:
    work = Work(cast("Handle", Closed()), is_look_only=True, report=lambda _w, _p, _t: None)
    work.found = ((), (volumes.Volume("/dev/sda", kind),))
    with pytest.raises(ImageUnreadable) as refused:
        keys.unlock(work, "/dev/sda", key)
    explanation = refused.value.explanation
    assert explanation.entry == "image-wrong-passphrase"
    assert ("use the recovery key" in explanation.advice) is is_advised
    assert key not in str(explanation)


def test_a_typed_recovery_key_goes_on_with_its_dashes() -> None:
    appliance = Closed()
    work = Work(cast("Handle", appliance), is_look_only=True, report=lambda _w, _p, _t: None)
    work.found = ((), (volumes.Volume("/dev/sda", "BitLocker"),))
    with pytest.raises(ImageUnreadable):
        keys.unlock(work, "/dev/sda", DIGITS)
    assert appliance.asked == ("/dev/sda", KEYS.recovery_key, "bitlk")


class Disk:
    """A device with these bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def pread_device(self, device: str, count: int, offset: int) -> bytes:
        if not 0 <= offset < 1 << 63:
            raise OverflowError("Python int too large to convert to C long")
        if offset >= len(self.data):
            raise RuntimeError("pread_device: Invalid argument")
        return self.data[offset : offset + count]


def identifier(data: bytes, kind: str = "BitLocker") -> str:
    disk = cast("Handle", Disk(data))
    return volumes._with_identifier(disk, volumes.Volume("/dev/sda", kind)).uuid


def test_a_volume_is_known_by_its_identifier(volume: Path) -> None:
    data = volume.read_bytes()
    assert identifier(data) == str(uuid.UUID(bytes_le=KEYS.identifier))
    assert identifier(data, "ntfs") == ""


@pytest.mark.parametrize("place", [b"\xff" * 8, b"\x00" * 7 + b"\x7f", b"\xf0\xff" + bytes(6)])
def test_a_hostile_header_only_costs_the_convenience(place: bytes) -> None:
    assert identifier(bytes(176) + place + bytes(4000)) in {"", str(uuid.UUID(int=0))}
    assert identifier(b"") == ""
