"""The shape of the code: imports point one way, nothing heavy comes early, the library keeps to itself."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

PACKAGE = ROOT / "ieco_opt"

# Left to right; a package imports only from those before it.
ORDER = (
    "errors",
    "documents",
    "catalog",
    "scenario",
    "results",
    "performance",
    "design_space",
    "programs",
    "solvers",
    "pareto",
    "fleet",
    "heuristics",
    "comparison",
    "explanation",
    "verification",
    "reports",
    "api",
    "cli",
)


def _modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in ORDER)


def _home(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported_homes(path: Path, *, at_import_time_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if at_import_time_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_to_the_left(path: Path) -> None:
    home = _home(path)
    allowed = set(ORDER[: ORDER.index(home) + 1])
    imported = {name.split(".")[1] for name in _imported_homes(path) if name.startswith("ieco_opt.")}
    if home in ("results", "comparison"):
        # Results offer plots and the like; they call reports when asked to, never at import.
        early = _imported_homes(path, at_import_time_only=True)
        assert not [name for name in early if name.startswith("ieco_opt.reports")]
        allowed |= {"reports"}
    packages = {name for name in imported if name in ORDER}
    assert packages <= allowed


def test_only_programs_and_solvers_know_pyomo() -> None:
    users = {
        _home(path)
        for path in _modules()
        if any(name.split(".")[0] in {"pyomo", "highspy"} for name in _imported_homes(path))
    }
    assert users <= {"programs", "solvers", "fleet"}


def test_import_and_help_load_nothing_heavy() -> None:
    script = (
        "import sys, ieco_opt\nfrom ieco_opt.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "print(sorted({'pandas', 'pyomo', 'highspy', 'matplotlib', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_library_neither_prints_nor_configures_logging() -> None:
    for path in _modules():
        if _home(path) == "cli":
            continue
        called = {
            ast.unparse(node.func)
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
            if isinstance(node, ast.Call)
        }
        assert not called & {"print", "logging.basicConfig", "sys.stdout.write", "sys.stderr.write"}, path


def test_no_test_reaches_the_network() -> None:
    with pytest.raises(AssertionError, match="nothing needs a network"):
        socket.create_connection(("127.0.0.1", 9))
