# SPDX-License-Identifier: GPL-3.0-or-later
"""A BitLocker volume with an NTFS inside, as Windows 10 makes them: AES-XTS-128, one password, one recovery key.

No tool of Linux makes such a volume, so this one is written here, by the format that Joachim Metz describes in
«BitLocker Drive Encryption (BDE) format» and that cryptsetup(8) reads. What checks it is not this code: cryptsetup and
ntfs-3g.

::

    sector 0          header: which of the three copies of the metadata is where
    sectors 1…15      not used: the real ones are at the «volume header» place, encrypted
    the rest          NTFS, each sector encrypted under its own number
    3 × 64 KiB        metadata, inside files that NTFS keeps for nobody else
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from tests.images import disks

if TYPE_CHECKING:
    from pathlib import Path

SECTOR = 512
CLUSTER = 4096
ROUNDS = 0x100000
_MKNTFS = f"mkntfs -q -f -F -s {SECTOR} -c {CLUSTER} -p 0 -H 0 -S 0".split()
_SIGNATURE = b"-FVE-FS-"
_HEADER_BYTES = 8192
_METADATA_BYTES = 64 * 1024
_KIND = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
"""{4967d63b-2e29-4ad8-8399-f6a339e3d001}: an ordinary encrypted volume."""
_FILETIME = 133_485_408_000_000_000
"""1 January 2024 as Windows counts."""
_XTS_128, _CCM_256, _STRETCHED = 0x8004, 0x2003, 0x1000
_BY_RECOVERY_KEY, _BY_PASSWORD = 0x0800, 0x2000
_PROPERTY, _VMK, _FVEK, _DESCRIPTION, _HEADER_PLACE = 0, 2, 3, 7, 15
_IS_STRING, _IS_STRETCH_KEY, _IS_ENCRYPTED_KEY, _IS_VMK, _IS_PLACE = 2, 3, 5, 8, 15


@dataclass(frozen=True)
class Keys:
    """Everything that is secret of one volume."""

    password: str
    recovery_key: str
    """Eight groups of six digits, each a multiple of eleven."""
    volume: bytes
    """Of the data: two AES-128 keys."""
    master: bytes
    identifier: bytes

    @staticmethod
    def of(password: str) -> Keys:
        """The same for the same password."""
        numbers = struct.unpack("<8H", _secret("recovery", password, 16))
        recovery = "-".join(f"{number * 11:06}" for number in numbers)
        return Keys(password, recovery, _secret("data", password), _secret("master", password),
                    _secret("volume", password, 16))  # fmt: skip


def _secret(what: str, password: str, size: int = 32) -> bytes:
    return hashlib.sha256(f"{what} of {password}".encode()).digest()[:size]


def make(folder: Path, image: Path, keys: Keys, *, size_mib: int, label: str, files: dict[str, bytes]) -> Path:
    """A raw image of a volume with these files in its root. Takes about three seconds of one CPU."""
    ntfs = folder / f"{image.name}.ntfs"
    disks.run("truncate", "-s", f"{size_mib}M", ntfs)
    disks.run(*_MKNTFS, "-L", label, ntfs)
    for name, data in files.items():
        _put(folder, ntfs, name, data)
    places = tuple(sorted(_reserve(folder, ntfs, number) for number in range(3)))
    plain = ntfs.read_bytes()
    ntfs.unlink()
    header_place = places[0] + _METADATA_BYTES
    first = plain[:_HEADER_BYTES]
    sealed = bytearray(_encrypted(plain, 0, keys.volume))
    sealed[:_HEADER_BYTES] = _volume_header(places, len(plain)).ljust(_HEADER_BYTES, b"\0")
    sealed[header_place : header_place + _HEADER_BYTES] = _encrypted(first, header_place // SECTOR, keys.volume)
    metadata = _metadata(keys, places, header_place, len(plain))
    for place in places:
        sealed[place : place + _METADATA_BYTES] = metadata.ljust(_METADATA_BYTES, b"\0")
    image.write_bytes(sealed)
    return image


def _put(folder: Path, ntfs: Path, name: str, data: bytes) -> None:
    source = folder / "to-copy"
    source.write_bytes(data)
    disks.run("ntfscp", "-q", "-f", ntfs, source, name)
    source.unlink()


def _reserve(folder: Path, ntfs: Path, number: int) -> int:
    """Where a file lies that nobody else's data can be in. Bytes from the volume's begin."""
    mark = (hashlib.sha256(b"place %d" % number).digest() * (CLUSTER // 32)) * 20
    _put(folder, ntfs, f"FVE2.{number}", mark)
    place = ntfs.read_bytes().find(mark)
    assert place > 0, "the file lies in pieces"
    assert place % CLUSTER == 0
    return place


def _encrypted(data: bytes, first_sector: int, key: bytes) -> bytes:
    """AES-XTS; the tweak of each sector is its number."""
    found = bytearray()
    for at in range(0, len(data), SECTOR):
        tweak = (first_sector + at // SECTOR).to_bytes(16, "little")
        found += Cipher(algorithms.AES(key), modes.XTS(tweak)).encryptor().update(data[at : at + SECTOR])
    return bytes(found)


def _volume_header(places: tuple[int, ...], size: int) -> bytes:
    """It looks like FAT32's to whoever does not know better."""
    fields = struct.pack("<3s8sHBH", b"\xeb\x58\x90", _SIGNATURE, SECTOR, CLUSTER // SECTOR, 0)
    header = bytearray(fields.ljust(SECTOR, b"\0"))
    header[21] = 0xF8
    struct.pack_into("<I", header, 36, 0x1FE0)
    struct.pack_into("<HH", header, 48, 1, 6)
    header[64:90] = struct.pack("<BBBI11s8s", 0x80, 0, 0x29, size & 0xFFFF, b"NO NAME", b"FAT32")
    header[160:200] = _KIND + struct.pack("<3Q", *places)
    header[510:] = b"\x55\xaa"
    return bytes(header)


def _metadata(keys: Keys, places: tuple[int, ...], header_place: int, size: int) -> bytes:
    entries = b"".join([
        _entry(_DESCRIPTION, _IS_STRING, "TESTPC win 1/1/2024\0".encode("utf-16-le")),
        # A recovery key is told by its form, so whoever tries a password stretches it only once.
        _protected(keys, _BY_RECOVERY_KEY, _of_recovery(keys.recovery_key), b"salt of recovery"),
        _protected(keys, _BY_PASSWORD, _of_password(keys.password), b"salt of password"),
        _entry(_FVEK, _IS_ENCRYPTED_KEY, _wrapped(keys.volume, keys.master, 1, _XTS_128)),
        _entry(_HEADER_PLACE, _IS_PLACE, struct.pack("<QQ", header_place, _HEADER_BYTES)),
    ])  # fmt: skip
    length = 48 + len(entries)
    header = struct.pack("<IIII16sIIQ", length, 1, 48, length, keys.identifier, 10, _XTS_128, _FILETIME)
    block = struct.pack("<8sHHHHQII3QQ", _SIGNATURE, (64 + length + 15) // 16, 2, 4, 4, size, 0,
                        _HEADER_BYTES // SECTOR, *places, header_place)  # fmt: skip
    return block + header + entries


def _entry(kind: int, value: int, data: bytes) -> bytes:
    return struct.pack("<HHHH", 8 + len(data), kind, value, 1) + data


def _protected(keys: Keys, protection: int, initial: bytes, salt: bytes) -> bytes:
    """The master key, to be had with the stretched ``initial``."""
    key = _stretched(initial, salt)
    kept = _entry(_PROPERTY, _IS_ENCRYPTED_KEY, _wrapped(key, keys.master, protection, _CCM_256))
    stretch = _entry(_PROPERTY, _IS_STRETCH_KEY, struct.pack("<I", _STRETCHED) + salt + kept)
    master = _entry(_PROPERTY, _IS_ENCRYPTED_KEY, _wrapped(keys.master, key, protection + 1, _CCM_256))
    about = struct.pack("<16sQHH", hashlib.md5(salt).digest(), _FILETIME, 0, protection)
    return _entry(_VMK, _IS_VMK, about + stretch + master)


def _wrapped(key: bytes, by: bytes, count: int, method: int) -> bytes:
    """Nonce, authentication code, and the encrypted container of ``key``."""
    nonce = struct.pack("<QI", _FILETIME, count)
    container = struct.pack("<IHHI", 12 + len(key), 1, 0, method) + key
    sealed = AESCCM(by, tag_length=16).encrypt(nonce, container, None)
    return nonce + sealed[-16:] + sealed[:-16]


def _of_password(password: str) -> bytes:
    return hashlib.sha256(hashlib.sha256(password.encode("utf-16-le")).digest()).digest()


def _of_recovery(recovery_key: str) -> bytes:
    numbers = [int(group) // 11 for group in recovery_key.split("-")]
    return hashlib.sha256(struct.pack("<8H", *numbers)).digest()


def _stretched(initial: bytes, salt: bytes) -> bytes:
    """A million times SHA-256, to cost whoever guesses."""
    last, rest = bytes(32), initial + salt
    for count in range(ROUNDS):
        last = hashlib.sha256(last + rest + count.to_bytes(8, "little")).digest()
    return last
