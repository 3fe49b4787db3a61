"""Who imports whom: the files of a package, and every import in them, whether early, late or by a literal name."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import TypeAlias

Graph: TypeAlias = dict[Path, set[Path]]
"""Files that each file imports; whatever a submodule needs of its own package's ``__init__`` is left out."""

_NAME = re.compile(r"(\w+(?:\.\w+)*)(?::\w+)?")


def import_graph(package: Path) -> Graph:
    """Build the graph of all files below the folder of a package."""
    return {path: _imported_files(path, package) - {path} for path in sorted(package.rglob("*.py"))}


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a file, once."""
    return ast.parse(path.read_text("utf-8"))


def imported_names(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever the import stands, each with what is taken from the module."""
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}:{node.lineno}: a relative import hides where it points"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names |= {text.value for text in node.args[:1] if isinstance(text, ast.Constant)}
    return names


def circles(graph: Graph) -> set[frozenset[Path]]:
    """Sets of files that all import each other, directly or through others."""
    reached = {path: _reached(graph, path) for path in graph}
    return {
        frozenset(other for other in reached[path] if path in reached[other]) for path in graph if path in reached[path]
    }


def without(graph: Graph, edges: Collection[tuple[str, str]], package: Path) -> Graph:
    """Leave edges out, each given by how the names of the two files begin."""

    def left_out(source: Path, target: Path) -> bool:
        names = [path.relative_to(package).as_posix() for path in (source, target)]
        return any(names[0].startswith(start) and names[1].startswith(end) for start, end in edges)

    return {source: {each for each in targets if not left_out(source, each)} for source, targets in graph.items()}


def _imported_files(path: Path, package: Path) -> set[Path]:
    files = set()
    for name in imported_names(path) | set(_literal_names(path)):
        first, *parts = name.split(".")
        if first == package.name:
            # What is imported from a module is a file, or else an object in it.
            found = _file(package, parts) or _file(package, parts[:-1])
            files |= {found} if found else set()
    return files


def _file(package: Path, parts: list[str]) -> Path | None:
    at = package.joinpath(*parts)
    candidates = [at / "__init__.py", *([at.with_suffix(".py")] if parts else [])]
    return next((path for path in candidates if path.is_file()), None)


def _literal_names(path: Path) -> Iterator[str]:
    """Texts that may name modules, in files that import by name: tables of modules, also with an attribute each."""
    if "import_module" not in path.read_text("utf-8"):
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (match := _NAME.fullmatch(node.value)):
            yield match[1]


def _reached(graph: Graph, start: Path) -> set[Path]:
    reached: set[Path] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached
