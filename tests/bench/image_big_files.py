# SPDX-License-Identifier: GPL-3.0-or-later
"""A big file in and out, against guestfish's upload and download. ``ratio`` is their time over ours: a rate."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

from tests.bench.image_work import done, peer_and_session, seconds

SIZE_BYTES = 128 << 20
RUNS = 3


def measure() -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="vmc-bench-") as name:
        folder = Path(name)
        (folder / "content").mkdir()
        big = folder / "big.bin"
        big.write_bytes(os.urandom(SIZE_BYTES))
        with peer_and_session(folder, folder / "content", size="2G") as (peer, session):
            ins, outs = [], []
            for number in range(RUNS):
                local = folder / f"big{number}.bin"
                os.link(big, local)
                up = peer.time(("upload", [str(local), f"/{local.name}"]), ("sync", []))
                ours_in = seconds(lambda local=local: done(session.import_paths([local], "/")))  # type: ignore[misc]  # bound now
                ins.append((up, ours_in))
                out = folder / f"out{number}"
                out.mkdir()
                down = peer.time(("download", [f"/{local.name}", str(out / "peer")]))
                export = lambda name=local.name, out=out: done(session.export_paths([f"/{name}"], out))  # noqa: E731 - as above
                outs.append((down, seconds(export)))
    mib = SIZE_BYTES >> 20
    return {
        "runs": RUNS,
        "mib": mib,
        "in_mib_s": round(mib / statistics.median(own for _, own in ins), 1),
        "out_mib_s": round(mib / statistics.median(own for _, own in outs), 1),
        "in_ratio": round(statistics.median(peer / own for peer, own in ins), 3),
        "out_ratio": round(statistics.median(peer / own for peer, own in outs), 3),
        "aim": 0.9,
    }
