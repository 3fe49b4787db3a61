"""Measurements from several files and folders, in one table that knows where each row came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ieco_opt.calibration.bench_files import row_of, runs_of
from ieco_opt.calibration.measurements import Measurements, measurements_of, read_measurements
from ieco_opt.calibration.setup import Setups
from ieco_opt.documents import csv_table
from ieco_opt.documents.destinations import kind_of
from ieco_opt.documents.origin import shortened
from ieco_opt.documents.text_file import read_text
from ieco_opt.errors import ScenarioError

if TYPE_CHECKING:
    import pandas as pd

    Source = str | PathLike[str] | pd.DataFrame

ENDINGS = ("csv", "json", "jsonl")
"""Endings of files with measurements; a folder's others are passed over."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row or a file that takes no part, and why."""

    place: str
    reason: str


@dataclass(frozen=True)
class Gathered:
    """Rows of all files, the place of each as file and line, and what was left out while they were read."""

    measurements: Measurements
    places: tuple[str, ...]
    files: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def files_of(path: Path) -> list[tuple[Path, bool]]:
    """Files to read, and whether each was named itself; those of a folder come by name."""
    if not path.is_dir():
        kind_of(path, ENDINGS)
        return [(path, True)]
    inside = sorted(each for each in path.iterdir() if each.suffix.lower().removeprefix(".") in ENDINGS)
    if not inside:
        expected = ", ".join(f".{ending}" for ending in ENDINGS)
        raise ScenarioError.single(f"found no file of {expected}, expected measurements", file=str(path))
    return [(each, False) for each in inside]


def gathered(sources: Source | Sequence[Source], setup: Setups) -> Gathered:
    """Read measurements.

    Parameters
    ----------
    sources
        Files, folders, and tables with the columns of a CSV file of measurements.
    setup
        What the files of benchmarks do not say.

    Raises
    ------
    ScenarioError
        A file that is named itself has faults, a run's setup is said nowhere, or nothing is left.
    """
    import pandas as pd

    parts: list[tuple[Measurements, list[str]]] = []
    left_out: list[LeftOut] = []
    read: set[str] = set()
    for source in [sources] if isinstance(sources, str | PathLike | pd.DataFrame) else sources:
        if isinstance(source, pd.DataFrame):
            name = f"table {len(parts) + 1}"
            read_rows = measurements_of(source, name)
            parts.append((read_rows, [f"{name}: row {row + 1}" for row in range(len(read_rows.rows))]))
            continue
        for path, named in files_of(Path(source)):
            read.add(path.name)
            try:
                parts += _read(path, setup, left_out)
            except _NoMeasurementsError as error:
                if named:
                    raise ScenarioError(error.faults) from None
                left_out.append(LeftOut(str(path), error.faults[0].message))
    if unread := sorted(set(setup.files) - read):
        message = f"found columns of {shortened(unread)}, expected names of files that are read"
        raise ScenarioError.single(message, field="setup")
    if not parts:
        reason = f" ({left_out[0].place}: {left_out[0].reason})" if left_out else ""
        raise ScenarioError.single(f"found no measured rows{reason}, expected some", field="measurements")
    files = tuple(part.file for part, _ in parts)
    rows = pd.concat([part.rows for part, _ in parts], ignore_index=True)
    table = pd.concat([part.table for part, _ in parts], ignore_index=True)
    places = tuple(place for _, listed in parts for place in listed)
    return Gathered(Measurements(rows, table, ", ".join(files)), places, files, tuple(left_out))


class _NoMeasurementsError(ScenarioError):
    """The file itself is not what is expected, whatever else is said."""


def _read(path: Path, setup: Setups, left_out: list[LeftOut]) -> list[tuple[Measurements, list[str]]]:
    file = str(path)
    try:
        if path.suffix.lower() == ".csv":
            lines = csv_table.parse(read_text(path, most_bytes=None), file).lines
            return [(read_measurements(path), [f"{file}:{line}" for line in lines])]
        runs = runs_of(read_text(path, expected="measurements", most_bytes=None), file)
    except ScenarioError as error:
        raise _NoMeasurementsError(error.faults) from None
    import pandas as pd

    rows, places = [], []
    for run in runs:
        place = file if run.line is None else f"{file}:{run.line}"
        if run.figures is None:
            left_out.append(LeftOut(place, run.unusable))
        else:
            rows.append(row_of(run, setup, file, path.name))
            places.append(place)
    return [(measurements_of(pd.DataFrame(rows), file), places)] if rows else []
