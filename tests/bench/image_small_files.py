# SPDX-License-Identifier: GPL-3.0-or-later
"""2,000 small files brought in, against libguestfs' tar_in of the same (both with what makes them lasting)."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

from tests.bench.image_work import compared, done, peer_and_session, seconds

FILES = 2_000
RUNS = 5


def measure() -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="vmc-bench-") as name:
        folder = Path(name)
        content = folder / "content"
        for number in range(RUNS + 1):
            (content / f"in{number}").mkdir(parents=True)
        files = folder / "files"
        files.mkdir()
        for number in range(FILES):
            (files / f"file{number:04}").write_bytes(b"%4d" % number * 512)
        paths = sorted(files.iterdir())
        with tarfile.open(folder / "files.tar", "w") as tar:
            tar.add(files, ".")
        with peer_and_session(folder, content, size="512M") as (peer, session):
            pairs = []
            for number in range(RUNS + 1):
                into = f"/in{number}"
                floor = peer.time(("tar_in", [str(folder / "files.tar"), into]), ("sync", []))
                pairs.append((floor, seconds(lambda into=into: done(session.import_paths(paths, into)))))  # type: ignore[misc]  # bound now
    return compared(pairs[1:], files=FILES, aim=1.5)
