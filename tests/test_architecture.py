"""The shape of the code: imports point one way, nothing heavy comes early, the library keeps to itself."""

from __future__ import annotations

import ast
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from import_graph import circles, import_graph, imported_names, tree_of, without
from places import ROOT

PACKAGE = ROOT / "ieco_opt"
MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_FILE = 400
MOST_CPU_SECONDS_OF_HELP = 0.2

# Left to right; a package imports only from those before it, at import time or later.
ORDER = (
    "errors",
    "defaults",
    "documents",
    "glossary",
    "catalog",
    "engines",
    "scenario",
    "importing",
    "results",
    "performance",
    "calibration",
    "probing",
    "design_space",
    "programs",
    "solvers",
    "pareto",
    "fleet",
    "heuristics",
    "comparison",
    "explanation",
    "verification",
    "sweeping",
    "reports",
    "api",
    "__init__",
    "cli",
    "__main__",
)

GRAPH = import_graph(PACKAGE)


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _home(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", GRAPH, ids=_name)
def test_imports_point_to_the_left(path: Path) -> None:
    allowed = ORDER[: ORDER.index(_home(path)) + 1]
    assert [_name(other) for other in GRAPH[path] if _home(other) not in allowed] == []


def test_no_circle_of_files() -> None:
    assert [sorted(map(_name, circle)) for circle in circles(GRAPH)] == []


@pytest.mark.parametrize(
    "back",
    [
        "import package.first",
        "from package import first",
        "from package.first import VALUE",
        "def late() -> None:\n    from package.first import VALUE",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import package.first",
        "from importlib import import_module\nimport_module('package.first')",
        "from importlib import import_module\nTABLE = {'one': ('package.first:VALUE', 'words')}",
    ],
)
def test_circles_are_found_however_they_are_imported(back: str, tmp_path: Path) -> None:
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    texts = {
        "__init__": "",
        "first": "from package.inner import second",
        "inner/__init__": "",
        "inner/second": back,
        "third": "import package.first",
    }
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    assert circles(import_graph(package)) == {frozenset({package / "first.py", package / "inner" / "second.py"})}
    assert circles(without(import_graph(package), {("inner/", "first")}, package)) == set()


def test_functions_fit_on_a_screen_and_files_are_of_one_subject() -> None:
    long = []
    for path in GRAPH:
        lines = path.read_text("utf-8").count("\n")
        if lines > MOST_LINES_OF_A_FILE:
            long.append(f"{_name(path)}: {lines} lines")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > MOST_LINES_OF_A_FUNCTION:
                    long.append(f"{_name(path)}: {node.name} has {length} lines")
    assert long == []


def test_only_programs_and_solvers_know_pyomo() -> None:
    users = {
        _home(path)
        for path in GRAPH
        if any(name.split(".")[0] in {"pyomo", "highspy"} for name in imported_names(path))
    }
    assert users <= {"programs", "solvers", "fleet"}


def test_only_documents_reads_yaml_json_and_csv() -> None:
    modules, functions = {"json", "csv"}, {"load", "loads", "reader", "DictReader"}
    users = set()
    for path in GRAPH:
        calls = {
            f"{node.value.id}.{node.attr}"
            for node in ast.walk(tree_of(path))
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        }
        names = {tuple(name.split(".")) for name in calls | imported_names(path)}
        if any(name[0] == "yaml" or (name[0] in modules and name[-1] in functions) for name in names):
            users.add(_name(path))
    documents = {"documents/yaml_document.py", "documents/json_document.py", "documents/csv_table.py"}
    assert users == documents


def test_import_and_help_load_nothing_heavy() -> None:
    script = (
        "import sys, ieco_opt\nfrom ieco_opt.cli.main import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        "heavy = {'pandas', 'pyomo', 'highspy', 'matplotlib', 'numpy', 'pydantic', 'yaml', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_one_deployment_needs_neither_tables_nor_answers_about_fleets() -> None:
    script = (
        "import sys\nfrom ieco_opt.cli.main import cli\n"
        f"cli.main(['solve', {str(ROOT / 'scenarios' / 'llama-3.3-70b-h100.yaml')!r}], standalone_mode=False)\n"
        "fleets = {'ieco_opt.results.plan', 'ieco_opt.results.fleet_explanation'}\n"
        "needless = fleets | {'pandas', 'matplotlib', 'numpy.ma'}\n"
        "print(sorted(needless & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_answers_at_once() -> None:
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "ieco_opt", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < MOST_CPU_SECONDS_OF_HELP


def test_the_library_neither_prints_nor_configures_logging() -> None:
    for path in GRAPH:
        if _home(path) in {"cli", "__main__"}:
            continue
        called = {ast.unparse(node.func) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)}
        assert not called & {"print", "logging.basicConfig", "sys.stdout.write", "sys.stderr.write"}, path


def test_no_test_reaches_the_network() -> None:
    with pytest.raises(AssertionError, match="nothing needs a network"):
        socket.create_connection(("127.0.0.1", 9))
