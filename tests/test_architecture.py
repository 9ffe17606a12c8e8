# SPDX-License-Identifier: GPL-3.0-or-later
"""The import table of ARCHITECTURE.md as a test: who may import whom, and where each foreign library enters."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vmconsole"

ROOMS: dict[str, set[str]] = {
    "inventory": set(),
    "domainxml": {"inventory", "quotas"},
    "metrics": {"inventory"},
    "quotas": {"inventory"},
    "store": {"inventory", "metrics"},
    "links": {"inventory", "domainxml", "metrics", "quotas"},
    "images": {"inventory", "links"},
    "operations": {"inventory", "domainxml", "metrics", "quotas", "links", "images"},
    "settings": {"inventory"},
    "ui": {"inventory", "domainxml", "metrics", "quotas", "store", "links", "images", "operations", "settings"},
}
"""Room → rooms that it may import, itself aside. ``app`` and the top level may import all."""

IMAGES_MAY_USE_OF_LINKS = {f"vmconsole.links.{name}" for name in ("base", "children", "ending", "ssh")}

GATES: dict[str, tuple[str, ...]] = {
    "libvirt": ("vmconsole/links/libvirt_link.py",),
    "libvirt_qemu": ("vmconsole/links/libvirt_link.py",),
    "guestfs": ("vmconsole/images/worker.py",),
    "pyqtgraph": ("vmconsole/ui/charts/plot.py",),
    "keyring": ("vmconsole/settings/secrets.py",),
    "lxml": ("vmconsole/domainxml/",),
    "platformdirs": ("vmconsole/settings/profile.py",),
    "numpy": ("vmconsole/metrics/", "vmconsole/store/", "vmconsole/links/", "vmconsole/ui/"),
    "PySide6": ("vmconsole/ui/", "vmconsole/app/"),
    "shiboken6": ("vmconsole/ui/fleet_model.py",),
    "pygments": ("vmconsole/ui/image_editor/colours.py",),
    "subprocess": ("vmconsole/links/", "vmconsole/images/", "vmconsole/app/"),
}
"""Library → the files, or folders, where it enters."""

STARTS_HOLDING_THE_LOCK = {"Popen", "run", "call", "check_call", "check_output", "getoutput", "getstatusoutput"}
MAY_HOLD_THE_LOCK = {
    "vmconsole/images/keeper.py",  # a process of its own, with one thread
    "vmconsole/app/selftest.py",  # there is no window
}

STANDARD_ONLY = {"inventory", "quotas"}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imports_of(path: Path, *, with_types: bool) -> Iterator[str]:
    """Full names of imported modules. Imports under ``if TYPE_CHECKING`` count for rooms, not for libraries."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in _walk(tree, with_types=with_types):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            if node.module == "vmconsole":
                yield from (f"vmconsole.{alias.name}" for alias in node.names)


def _walk(node: ast.AST, *, with_types: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        types_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        if types_only and not with_types:
            continue
        yield child
        yield from _walk(child, with_types=with_types)


def room_of(path: Path) -> str:
    inside = path.relative_to(PACKAGE).parts
    return inside[0] if len(inside) > 1 else ""


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_what_the_table_allows(path: Path) -> None:
    room = room_of(path)
    if room not in ROOMS:
        assert room in {"", "app"}, f"{room} is not in the table"
        return
    for name in imports_of(path, with_types=True):
        parts = name.split(".")
        if parts[0] != "vmconsole" or len(parts) < 2 or parts[1] == "__version__":
            continue
        assert parts[1] == room or parts[1] in ROOMS[room], f"{path}: {room} may not import {name}"
        if room == "images" and parts[1] == "links":
            assert name in IMAGES_MAY_USE_OF_LINKS, f"{path}: of links, images may not use {name}"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_each_library_enters_through_its_gate(path: Path) -> None:
    here = str(path.relative_to(ROOT))
    for name in imports_of(path, with_types=False):
        top = name.split(".")[0]
        if top in GATES:
            assert any(here == gate or (gate.endswith("/") and here.startswith(gate)) for gate in GATES[top]), (
                f"{here} imports {name}; it enters through {GATES[top]}"
            )
        elif room_of(path) in STANDARD_ONLY:
            assert top in sys.stdlib_module_names or top == "vmconsole", f"{here}: {name} is not the standard library"
        else:
            assert top in sys.stdlib_module_names or top == "vmconsole", f"{name} has no gate: add it to the table"


def starts_of(text: str) -> list[int]:
    """The lines in which a program is started by Popen, which holds Python's lock until the program runs."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if (owner == "subprocess" and node.func.attr in STARTS_HOLDING_THE_LOCK) or (
                owner == "os" and node.func.attr.startswith(("popen", "system", "fork", "posix_spawn", "spawn"))
            ):
                found.append(node.lineno)
        if isinstance(node, ast.ImportFrom) and node.module == "subprocess":
            found += [node.lineno for alias in node.names if alias.name in STARTS_HOLDING_THE_LOCK]
    return found


def test_no_program_is_started_with_the_lock_that_the_window_needs() -> None:
    """It is ``vmconsole.links.children`` that starts programs."""
    found = {str(path.relative_to(ROOT)): starts_of(path.read_text("utf-8")) for path in sources()}
    assert {path for path, lines in found.items() if lines} == MAY_HOLD_THE_LOCK


def test_a_start_with_the_lock_is_found() -> None:
    assert starts_of("subprocess.run(['x'])\nsubprocess.Popen('x')\nos.system('x')") == [1, 2, 3]
    assert starts_of("from subprocess import check_output") == [1]
    assert not starts_of("from vmconsole.links.children import run\nrun(['x'])\nx: subprocess.Popen[bytes]")


def module_name(path: Path) -> str:
    inside = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(inside[:-1] if inside[-1] == "__init__" else inside)


def imports_inside(texts: Mapping[str, str]) -> dict[str, set[str]]:
    """Module → those of the given modules that it imports, at its top, inside functions, or for types only."""
    found: dict[str, set[str]] = {}
    for name, text in texts.items():
        wanted: set[str] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                wanted |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
        found[name] = wanted & texts.keys() - {name}
    return found


def circle(texts: Mapping[str, str]) -> tuple[str, ...]:
    """Modules that import each other in a circle, in the order of the imports; empty if there are none."""
    try:
        list(TopologicalSorter(imports_inside(texts)).static_order())
    except CycleError as error:
        return tuple(reversed(error.args[1]))
    return ()


@pytest.mark.parametrize("room", [*ROOMS, "app", "tests"])
def test_no_modules_import_each_other_in_a_circle(room: str) -> None:
    """Nor for types only: what two modules share stands below both. Between rooms it is the table that forbids it."""
    folder = ROOT / "tests" if room == "tests" else PACKAGE / room
    assert not circle({module_name(path): path.read_text("utf-8") for path in folder.rglob("*.py")})


def test_no_rooms_may_import_each_other_in_a_circle() -> None:
    assert [*TopologicalSorter(ROOMS).static_order()]  # CycleError otherwise


def test_a_circle_is_found_wherever_the_import_stands() -> None:
    types = "if TYPE_CHECKING:\n    from a.one import One"
    late = "def f():\n    from a import one"
    assert circle({"a.one": "from a.two import Two", "a.two": types}) in {
        ("a.one", "a.two", "a.one"), ("a.two", "a.one", "a.two"),
    }  # fmt: skip
    assert circle({"a.one": "import a.two", "a.two": "import a.three", "a.three": late})
    assert not circle({"a.one": "import a.two, a.three", "a.two": "import a.three", "a.three": "import os"})


def test_everything_but_the_window_can_be_imported_without_qt() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sources()
        if room_of(path) in ROOMS and room_of(path) != "ui" and path.name not in {"__init__.py", "sampler_remote.py"}
    ]
    program = "import sys; sys.modules['PySide6'] = None\nimport importlib\n" + "\n".join(
        f"importlib.import_module({name!r})" for name in modules
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_every_file_says_its_licence_and_why_it_is_there() -> None:
    for path in sources():
        text = path.read_text(encoding="utf-8")
        if path != PACKAGE / "__init__.py":
            assert text.startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n"), path
        assert ast.get_docstring(ast.parse(text)), f"{path} has no module docstring"


def test_no_file_becomes_the_program() -> None:
    files = [*sources(), *(ROOT / "tests").rglob("*.py")]
    too_long = {str(p.relative_to(ROOT)): n for p in files if (n := p.read_text("utf-8").count("\n")) > 500}
    assert not too_long
