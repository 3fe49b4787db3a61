"""Tables of measured times per output token."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
"""Columns of numbers that may be left out, with their defaults; all but ``disaggregated`` are above 0."""

OPTIONAL_WORDS = ("config", "kv_cache", "exchange")
"""Columns of words that may be left out. ``config`` tells configurations apart, which are left out together."""

_MOST_FAULTS = 20

Numbers = NDArray[np.float64]


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

    text = read_text(path, expected="a table of measurements in CSV", most_bytes=None)
    cells = csv_table.parse(text, str(path))
    # Lines of nothing but spaces are no rows for pandas.
    lines = [line for line, row in zip(cells.lines, cells.rows, strict=True) if not "".join(row.values()).isspace()]
    # Columns of mixed kinds are refused below with their lines; pandas would only warn.
    table = pd.read_csv(io.StringIO(text), low_memory=False)
    return measurements_of(table, str(path), lines)


def measurements_of(
    table: pd.DataFrame, file: str = "measurements", lines: Sequence[int] | None = None
) -> Measurements:
    """Check a table of measurements and complete what may be left out.

    Parameters
    ----------
    lines
        Line of the file on which each row begins; by default they follow the header without gaps.

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
    checked = _Checked(file, _lines(table, lines), [])
    columns: dict[str, object] = {name: checked.numbers(name, table[name]) for name in NUMBERS}
    for name, default in OPTIONAL.items():
        given = table[name] if name in table.columns else pd.Series(default, index=table.index)
        filled = given.where(given.notna(), default)
        columns[name] = checked.numbers(name, filled, empty=np.isnan(default), zero=default == 0.0)
    for name in WORDS:
        checked.refuse(name, table[name], table[name].isna().to_numpy(), "a name")
    if checked.faults:
        raise ScenarioError(checked.faults[:_MOST_FAULTS])
    words = {name: table[name].astype(str) for name in WORDS}
    for name in OPTIONAL_WORDS:
        cells = table[name] if name in table.columns else pd.Series("", index=table.index)
        words[name] = cells.fillna("").astype(str)
    return Measurements(pd.DataFrame({**words, **columns}, index=table.index).reset_index(drop=True), table, file)


def _lines(table: pd.DataFrame, lines: Sequence[int] | None) -> Sequence[int]:
    # Line 1 of a CSV file holds the names of the columns.
    return range(2, 2 + len(table)) if lines is None or len(lines) != len(table) else lines


@dataclass(frozen=True)
class _Checked:
    """Cells of a table as they are read, and the faults that were found."""

    file: str
    lines: Sequence[int]
    faults: list[Fault]

    def numbers(self, name: str, cells: pd.Series[float], *, empty: bool = False, zero: bool = False) -> Numbers:
        """Numbers of a column: above 0, or also 0; or also missing."""
        import pandas as pd

        values: Numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=float)
        good = np.isfinite(values) & ((values >= 0.0) if zero else (values > 0.0))
        if empty:
            good |= cells.isna().to_numpy()
        self.refuse(name, cells, ~good, "a number from 0 on" if zero else "a number above 0")
        return values

    def refuse(self, name: str, cells: pd.Series[Any], wrong: NDArray[np.bool_], expected: str) -> None:
        """Note the cells of a column that are wrong."""
        for row in np.flatnonzero(wrong)[:_MOST_FAULTS].tolist():
            cell = "an empty cell" if cells.isna().iloc[row] else found(cells.iloc[row])
            message = f"found {cell}, expected {expected}"
            self.faults.append(Fault(self.file, self.lines[row], name, message))
