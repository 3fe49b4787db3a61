"""Tables of measured times per output token."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ieco_opt.documents import csv_table
from ieco_opt.documents.origin import found, shortened
from ieco_opt.documents.text_file import read_text
from ieco_opt.errors import Fault, ScenarioError

if TYPE_CHECKING:
    import pandas as pd

WORDS = ("model", "weights", "accelerator", "engine")
"""Columns of words that every row has; ``engine`` is what the measurement calls its server."""

NUMBERS = ("gpus_per_instance", "prompt_tokens", "output_tokens", "batch", "time_per_output_token_s")
"""Columns of numbers above 0 that every row has."""

OPTIONAL = {
    "tensor_parallel": np.nan,
    "attention_data_parallel": 1.0,
    "expert_parallel": 1.0,
    "pipeline_parallel": 1.0,
    "disaggregated": 0.0,
}
"""Columns of numbers that may be left out, with their defaults."""

OPTIONAL_WORDS = ("config", "kv_cache", "exchange")
"""Columns of words that may be left out. ``config`` tells configurations apart, which are left out together."""

_MOST_FAULTS = 20


@dataclass(frozen=True)
class Measurements:
    """Rows of a table with the columns above, and that table as it was read, one row each in the same order."""

    rows: pd.DataFrame
    table: pd.DataFrame
    file: str


def read_measurements(path: Path) -> Measurements:
    """Read a CSV file of measurements.

    Raises
    ------
    ScenarioError
        The file is missing or no table, lacks columns, or has cells that are no numbers: the first 20 of them.
    """
    import pandas as pd

    text = read_text(path, expected="a table of measurements in CSV")
    csv_table.check(text, str(path))
    table = pd.read_csv(io.StringIO(text))
    return measurements_of(table, str(path))


def measurements_of(table: pd.DataFrame, file: str = "measurements") -> Measurements:
    """Check a table of measurements and complete what may be left out.

    Raises
    ------
    ScenarioError
        As :func:`read_measurements`.
    """
    import pandas as pd

    missing = [name for name in (*WORDS, *NUMBERS) if name not in table.columns]
    if missing:
        expected = f"expected {', '.join((*WORDS, *NUMBERS))}"
        message = f"found no column {', '.join(missing)} among {shortened([*map(str, table.columns)])}, {expected}"
        raise ScenarioError([Fault(file, 1, missing[0], message)])
    if table.empty:
        raise ScenarioError([Fault(file, None, "", "found no rows, expected measurements")])
    faults: list[Fault] = []
    columns: dict[str, object] = {}
    for name in NUMBERS:
        columns[name] = _numbers(table[name], name, file, faults, above=0.0)
    for name, default in OPTIONAL.items():
        given = table[name] if name in table.columns else pd.Series(default, index=table.index)
        given = given.where(given.notna(), default)
        columns[name] = _numbers(given, name, file, faults, above=-1.0, empty=name == "tensor_parallel")
    for name in WORDS:
        _refuse(table, name, table[name].isna().to_numpy(), "a name", file, faults)
    if faults:
        raise ScenarioError(faults[:_MOST_FAULTS])
    words = {name: table[name].astype(str) for name in WORDS}
    for name in OPTIONAL_WORDS:
        cells = table[name] if name in table.columns else pd.Series("", index=table.index)
        words[name] = cells.fillna("").astype(str)
    return Measurements(pd.DataFrame({**words, **columns}, index=table.index).reset_index(drop=True), table, file)


def _numbers(
    cells: pd.Series[float], name: str, file: str, faults: list[Fault], *, above: float, empty: bool = False
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    import pandas as pd

    values: np.ndarray[tuple[int], np.dtype[np.float64]] = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float)
    good = np.isfinite(values) & (values > above)
    if empty:
        good |= cells.isna().to_numpy()
    expected = "a number above 0" if above == 0.0 else "a number from 0 on"
    _refuse(pd.DataFrame({name: cells}), name, ~good, expected, file, faults)
    return values


def _refuse(
    table: pd.DataFrame,
    name: str,
    wrong: np.ndarray[tuple[int], np.dtype[np.bool_]],
    expected: str,
    file: str,
    faults: list[Fault],
) -> None:
    for row in np.flatnonzero(wrong)[:_MOST_FAULTS]:
        cell = table[name].iloc[int(row)]
        # Line 1 of a CSV file holds the names of the columns.
        faults.append(Fault(file, int(row) + 2, name, f"found {found(cell)}, expected {expected}"))
