"""Tables of benchmarks, whose columns are told what they hold."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ieco_opt.documents.near import near
from ieco_opt.documents.origin import found, shortened
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.importing.points import Row, distinct, rows_of
from ieco_opt.scenario.fleet import OperatingPoint
from ieco_opt.scenario.operating_points import SHORT_NAMES

_SIZES = ("isl", "osl")

FIELDS: Mapping[str, str] = {
    "accelerator": "name of the catalog",
    "gpus": "GPUs of one instance",
    "throughput_tokens_per_s": "output tokens/s of one instance",
    "throughput_tokens_per_s_per_gpu": "the same of one GPU of it",
    "throughput_requests_per_s": "requests/s of one instance",
    "speed_tokens_per_s": "output tokens/s that one user sees",
    "tpot_ms": "ms for each output token, instead of the speed",
    "tpot_s": "the same in s",
    "time_to_first_token_s": "s to the first token",
    "ttft_s": "the same",
    "ttft_ms": "the same in ms",
    "phase": "colocated, prefill or decode",
    "kind": "name of the instance type",
    "isl": "prompt tokens of a request",
    "osl": "output tokens of a request",
}
"""What a column may hold."""

_INVERSE = {"tpot_ms": 1000.0, "tpot_s": 1.0}
_SCALED = {"ttft_ms": 0.001, "ttft_s": 1.0, "time_to_first_token_s": 1.0, "speed_tokens_per_s": 1.0}
_ONE_OF: Sequence[Sequence[str]] = (
    ("throughput_tokens_per_s", "throughput_tokens_per_s_per_gpu", "throughput_requests_per_s"),
    ("speed_tokens_per_s", "tpot_ms", "tpot_s"),
    ("time_to_first_token_s", "ttft_s", "ttft_ms"),
)


@dataclass(frozen=True, slots=True)
class TableFigures:
    """What was read: operating points, and the sizes of the requests where a column says them."""

    points: tuple[OperatingPoint, ...]
    isl: int | None = None
    osl: int | None = None
    notes: tuple[str, ...] = field(default=())


def read_table(
    path: pathlib.Path,
    columns: Mapping[str, str],
    constants: Mapping[str, str] | None = None,
    where: Mapping[str, str] | None = None,
) -> TableFigures:
    """Read a table of benchmarks.

    Parameters
    ----------
    path
        A CSV file with a header.
    columns
        What columns hold: a key of ``FIELDS`` by the name of the column; the others are ignored.
    constants
        What holds for all rows.
    where
        Text that a column must have for a row to count.

    Raises
    ------
    ScenarioError
        With unknown names, or with the faults of the cells.
    """
    constants, where = dict(constants or {}), dict(where or {})
    header, rows = rows_of(path)
    sources = _sources(header, columns, constants, where, str(path))
    chosen = [row for row in rows if all(row.cells.get(name, "").strip() == text for name, text in where.items())]
    if not chosen:
        left = f" with {', '.join(f'{name}={text}' for name, text in where.items())}" if where else ""
        raise ScenarioError.single(f"found no rows{left}, expected some", file=str(path))
    renamed = [
        Row(row.file, row.line, {name: row.cells.get(column, "") for name, column in sources.items()} | constants)
        for row in chosen
    ]
    sizes = {name: _one_size(renamed, name) for name in _SIZES}
    points = distinct(_point(row) for row in renamed)
    return TableFigures(points, sizes["isl"], sizes["osl"])


def _sources(
    header: Sequence[str], columns: Mapping[str, str], constants: Mapping[str, str], where: Mapping[str, str], file: str
) -> dict[str, str]:
    """Columns by what they hold."""
    faults = []
    for column in dict.fromkeys([*columns, *where]):
        if column not in header:
            close = near(column, header)
            expected = f"perhaps {close}" if close else f"one of {shortened(header)}"
            faults.append(Fault(file, 1, "", f"found no column {found(column)}, expected {expected}"))
    given = [
        *((f"--map {column}", name) for column, name in columns.items()),
        *(("--with", name) for name in constants),
    ]
    names = [SHORT_NAMES.get(name, name) for _, name in given]
    for (option, said), name in zip(given, names, strict=True):
        if name not in FIELDS:
            close = near(said, FIELDS)
            expected = f"perhaps {close}" if close else f"one of {shortened(FIELDS)}"
            faults.append(Fault(None, None, option, f"found {found(said)}, expected {expected}"))
    for group in _ONE_OF:
        alike = [name for name in dict.fromkeys(names) if name in group]
        if len(alike) > 1:
            faults.append(Fault(None, None, "--map", f"found {' and '.join(alike)}, expected one of them"))
    said_twice = {name for name in names if names.count(name) > 1}
    faults += [Fault(None, None, "--map", f"found {name} twice, expected it once") for name in sorted(said_twice)]
    missing = [needed for needed in (("accelerator",), ("gpus",), _ONE_OF[0]) if not set(needed) & set(names)]
    faults += [
        Fault(None, None, "--map", f"found nothing for {' or '.join(needed)}, expected a column or --with")
        for needed in missing
    ]
    if faults:
        raise ScenarioError(faults)
    return {SHORT_NAMES.get(name, name): column for column, name in columns.items()}


def _one_size(rows: Sequence[Row], name: str) -> int | None:
    """The one size of all requests; several need a choice."""
    if name not in rows[0].cells:
        return None
    sizes = {row.whole(name): row for row in reversed(rows)}
    if len(sizes) > 1:
        some = ", ".join(str(size) for size in sorted(sizes))
        other = sizes[sorted(sizes)[1]]
        raise other.fault(name, f"found {some} in the rows, expected one size (--where COLUMN=VALUE chooses rows)")
    return next(iter(sizes))


def _point(row: Row) -> OperatingPoint:
    values: dict[str, object] = {"accelerator": row.accelerator("accelerator"), "gpus": row.whole("gpus")}
    for name in row.cells:
        if not row.cells[name].strip():
            continue
        if name in _INVERSE:
            values["speed_tokens_per_s"] = _INVERSE[name] / row.above_zero(name)
        elif name in _SCALED:
            target = name if name == "speed_tokens_per_s" else "time_to_first_token_s"
            values[target] = _SCALED[name] * row.above_zero(name)
        elif name == "throughput_tokens_per_s_per_gpu":
            values["throughput_tokens_per_s"] = row.above_zero(name) * row.whole("gpus")
        elif name.startswith("throughput_"):
            values[name] = row.above_zero(name)
        elif name in {"phase", "kind"}:
            values[name] = row.text(name)
    values.setdefault("kind", f"{values['gpus']} GPUs, line {row.line}")
    return row.point(**values)
