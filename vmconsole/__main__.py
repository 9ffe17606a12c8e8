# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point: ``vmconsole`` and ``python -m vmconsole``."""

from __future__ import annotations

import sys

from vmconsole.app import cli


def main() -> int:
    options = cli.parse(sys.argv[1:])
    if options.self_test:
        from vmconsole.app import selftest  # Qt-free path: a machine without a display can still be asked

        return selftest.run()
    from vmconsole.app import main as app  # imported last: --help and --version answer without loading Qt

    return app.run(options)


if __name__ == "__main__":
    sys.exit(main())
