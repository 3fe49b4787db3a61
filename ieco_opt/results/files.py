"""Results as files and as the text of files: CSV, JSON and Parquet."""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ieco_opt.documents.destinations import check_folder, kind_of, replace_file, require_library
from ieco_opt.errors import ScenarioError
from ieco_opt.results.decoding import FORMAT, FORMAT_VERSION, from_json
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.tables import to_dataframe
from ieco_opt.scenario.solver_config import SolverConfig

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "KINDS",
    "check_ending",
    "csv_text",
    "from_json",
    "json_text",
    "read",
    "read_text",
    "solver_values",
    "table_to_json",
    "to_csv_text",
    "to_json",
    "write",
    "write_table",
]

KINDS = ("csv", "json", "parquet")
"""Kinds of files, which are also their endings."""


def to_json(frontier: Frontier) -> str:
    """Write a result with its scenario, versions and proofs as strict JSON.

    Infinite bounds become null; :func:`from_json` puts them back.
    """
    statistics = asdict(frontier.statistics)
    values = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "question": frontier.question,
        "guarantee": str(frontier.guarantee),
        "coverage": frontier.coverage,
        "stopped": frontier.stopped,
        "preference": frontier.preference,
        "scenario": frontier.scenario.to_mapping(),
        "deployments": [item.to_dict() for item in frontier.deployments],
        "open_regions": [asdict(box) for box in frontier.open_regions],
        "versions": frontier.versions,
        "solver": solver_values(frontier.solver),
        "counts": asdict(frontier.counts),
        "statistics": statistics,
        "notes": list(frontier.notes),
    }
    return json_text(values)


def json_text(values: object) -> str:
    """Write anything as strict JSON, with null for what is infinite."""
    return json.dumps(_finite(values), indent=2, allow_nan=False) + "\n"


def solver_values(solver: SolverConfig) -> dict[str, Any]:
    """Write a configuration as a mapping; infinite options stay what they are."""
    return asdict(solver) | {"options": {name: _option(value) for name, value in solver.options.items()}}


def _option(value: float | str) -> float | str:
    # Text, because null would read as an option that was not set.
    return str(value) if isinstance(value, float) and math.isinf(value) else value


def _finite(value: Any) -> Any:
    """Replace infinity, at any depth, by what JSON has for it."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read(path: Path) -> Frontier:
    """Read a result from a JSON file.

    Raises
    ------
    ScenarioError
        The file cannot be read or is no result.
    """
    return from_json(read_text(path), str(path))


def read_text(path: Path) -> str:
    """Read the text of a JSON result; errors as of :func:`read`."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        message = f"cannot be read ({error.strerror}); expected a JSON result"
        raise ScenarioError.single(message, file=str(path)) from error
    except UnicodeDecodeError as error:
        message = "found bytes that are not UTF-8; expected a JSON result"
        raise ScenarioError.single(message, file=str(path)) from error


def to_csv_text(frontier: Frontier) -> str:
    """Write one line a deployment, with every digit of every number."""
    return csv_text(to_dataframe(frontier.deployments))


def table_to_json(table: pd.DataFrame) -> str:
    """Write a table as a JSON list with one mapping a row; what is missing or infinite is null."""
    import pandas as pd

    records = [
        {str(name): None if pd.isna(value) else _finite(value) for name, value in row.items()}
        for row in table.to_dict(orient="records")
    ]
    return json_text(records)


def check_ending(path: Path) -> None:
    """Refuse a file that a result could not be written to.

    Raises
    ------
    ScenarioError
        The ending is unknown, its library is missing, or there is no such folder.
    """
    if kind_of(path, KINDS) == "parquet":
        require_library("pyarrow", path)
    check_folder(path)


def write(frontier: Frontier, path: Path, kind: str | None = None) -> None:
    """Write a result to a file, completely or not at all.

    Parameters
    ----------
    kind
        One of ``KINDS``; by default what the ending says.

    Raises
    ------
    ScenarioError
        The kind is unknown, its library is missing, or the file cannot be written.
    """
    if (kind or kind_of(path, KINDS)) == "json":
        replace_file(path, to_json(frontier).encode())
    else:
        write_table(to_dataframe(frontier.deployments), path, kind)


def write_table(table: pd.DataFrame, path: Path, kind: str | None = None) -> None:
    """Write any table to a file, completely or not at all; parameters and errors as of :func:`write`."""
    chosen = kind or kind_of(path, KINDS)
    if chosen == "csv":
        content = csv_text(table).encode()
    elif chosen == "json":
        content = table_to_json(table).encode()
    elif chosen == "parquet":
        require_library("pyarrow", path)
        buffer = io.BytesIO()
        table.to_parquet(buffer, engine="pyarrow", index=False)
        content = buffer.getvalue()
    else:
        message = f"found {chosen!r}, expected one of {', '.join(KINDS)}"
        raise ScenarioError.single(message, file=str(path), field="kind")
    replace_file(path, content)


def csv_text(table: pd.DataFrame) -> str:
    """Write a table as CSV, with every digit of every number."""
    return table.to_csv(index=False, lineterminator="\n")
