# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the benchmarks named on the command line, or all: one JSON line each on stdout."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHES = (
    "startup", "running_cost", "limit_latency", "limits_at_once", "image_open", "image_folder", "image_small_files",
    "image_big_files", "faults", "tree_rows", "wall",
)  # fmt: skip
"""Modules beside this one; each has ``measure() -> dict``."""


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHES)}\n")
        return 2
    for name in names or BENCHES:
        measure: Callable[[], dict[str, object]] = importlib.import_module(f"tests.bench.{name}").measure
        sys.stdout.write(json.dumps({"bench": name} | measure(), ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
