"""Predicted against measured times per output token: errors, ranks, and what a choice by the model would cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.calibration.measurements import Measurements
from ieco_opt.calibration.pricing import Group, ProfileOf, Rows, group_rows, predicted
from ieco_opt.calibration.ranking import Ranking, Regret, ranking_of, regret_of
from ieco_opt.catalog.calibration import Calibration
from ieco_opt.catalog.expected_error import expected_error
from ieco_opt.catalog.profiles import calibration, calibration_of
from ieco_opt.performance.collectives import Array
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.writing import table_rows
from ieco_opt.scenario.calibrations import AUTOMATIC, PUBLISHED

if TYPE_CHECKING:
    import pandas as pd

BY = ("accelerator", "model", "weights", "engine", "degrees", "batch")
"""What rows are grouped by, one summary each."""

ADDED = (
    "predicted_time_per_output_token_s",
    "error",
    "profile",
    "in_range",
    "expected_error",
    "left_out",
)
"""Columns beside those of the measurements."""

_BATCHES = (2.0, 8.0, 32.0, 128.0, 512.0)
_BATCH_NAMES = (*(f"<= {most:g}" for most in _BATCHES), f"> {_BATCHES[-1]:g}")


@dataclass(frozen=True)
class Validation:
    """A model against measurements.

    Attributes
    ----------
    file
        Where the measurements come from.
    profile
        The choice of profile: ``auto``, a name, a file, or ``paper-constants``.
    table
        The table of measurements as it was read, in its order, with the columns of ``ADDED``:
        ``predicted_time_per_output_token_s``; ``error``, predicted over measured less 1; ``profile``; ``in_range``,
        whether the row lies in what its profile was fitted on; ``expected_error``; and ``left_out``, why a row has no
        prediction, empty where it has one. Columns of the input with these names are computed anew.
    names
        Model and accelerator of each row as the catalog calls them, in the order of ``table``.
    overall, summaries
        Errors of all rows, one line; and by each of ``BY``. Columns: ``rows``; ``median_error`` and ``p90_error`` of
        absolute errors; ``bias``, the median of signed errors; ``within_expected``, the share of rows whose absolute
        error is at most their expected one.
    """

    file: str
    profile: str
    table: pd.DataFrame
    names: pd.DataFrame
    overall: pd.DataFrame
    summaries: dict[str, pd.DataFrame]
    ranking: Ranking
    regret: Regret

    @property
    def left_out(self) -> dict[str, int]:
        """Reasons why rows have no prediction, with their rows, the most first."""
        reasons = self.table["left_out"]
        return {str(reason): int(rows) for reason, rows in reasons[reasons != ""].value_counts().items()}

    def to_dataframe(self) -> pd.DataFrame:
        """Every row of the input, in its order, beside what was predicted."""
        return self.table.copy()

    def to_mapping(self) -> dict[str, Any]:
        """Everything, as a JSON file has it; what is missing is null."""
        return {
            "measurements": self.file,
            "profile": self.profile,
            "overall": next(iter(table_rows(self.overall)), None),
            **{f"by_{name}": table_rows(each) for name, each in self.summaries.items()},
            "ranking": self.ranking.to_mapping(),
            "regret": self.regret.to_mapping(),
            "left_out": self.left_out,
            "rows": table_rows(self.table),
        }


def validate(measurements: Measurements, profile: str = AUTOMATIC) -> Validation:
    """Compare predictions with measurements.

    Parameters
    ----------
    profile
        ``auto``: for each accelerator the profile of the catalog. A name of the catalog, or a .yaml file: that profile
        for every accelerator. ``paper-constants``: the published constants.

    Raises
    ------
    ScenarioError
        The profile is unknown or has faults.
    """
    profile_of = _choice(profile)
    found = group_rows(measurements)
    times = predicted(found, len(measurements.rows), profile_of)
    priced = _priced(measurements, found, profile_of, times)
    known = priced[priced["left_out"] == ""]
    return Validation(
        file=measurements.file,
        profile=profile,
        table=measurements.table.assign(**{name: priced[name].to_numpy() for name in ADDED}),
        names=priced[["model", "accelerator"]],
        overall=_summary(known.assign(all="all rows"), "all"),
        summaries={name: _summary(known, name) for name in BY},
        ranking=ranking_of(known),
        regret=regret_of(known),
    )


def _choice(profile: str) -> ProfileOf:
    if profile == AUTOMATIC:
        return calibration_of
    chosen = None if profile == PUBLISHED else calibration(profile, (AUTOMATIC, PUBLISHED))
    return lambda _: chosen


def _priced(measurements: Measurements, found: Rows, profile_of: ProfileOf, times: Array) -> pd.DataFrame:
    """One line a row, with names of the catalog, what it is grouped by, and the columns of ``ADDED``."""
    rows = measurements.rows
    count = len(rows)
    profiles, degrees = np.full(count, "", dtype=object), np.full(count, "", dtype=object)
    models, accelerators = (rows[name].to_numpy(dtype=object).copy() for name in ("model", "accelerator"))
    in_range, expected = np.zeros(count, dtype=bool), np.full(count, np.nan)
    for group in found.groups:
        at, chosen = group.rows, profile_of(group.accelerator)
        models[at], accelerators[at] = group.model, group.accelerator.name
        profiles[at] = PUBLISHED if chosen is None else chosen.name
        degrees[at] = _degrees(group)
        in_range[at] = _in_range(rows.iloc[at], group, chosen)
        expected[at] = expected_error(chosen, group.accelerator)
    reasons = np.array([found.left_out.get(row, "") for row in range(count)], dtype=object)
    measured = rows["time_per_output_token_s"].to_numpy(dtype=float)
    classes = np.array(_BATCH_NAMES, dtype=object)[np.searchsorted(_BATCHES, rows["batch"].to_numpy(dtype=float))]
    added = (times, times / measured - 1.0, profiles, in_range, expected, reasons)
    return rows.assign(
        model=models,
        accelerator=accelerators,
        degrees=degrees,
        mean_batch=rows["batch"],
        batch=classes,
        **dict(zip(ADDED, added, strict=True)),
    )


def _degrees(group: Group) -> NDArray[Any]:
    """Degrees of each row in short, such as ``TP8 EP8``."""
    degrees = group.degrees
    tensor, groups = degrees.tensor_parallel, degrees.attention_data_parallel
    columns = np.stack([tensor, groups, degrees.pipeline_parallel, degrees.expert_parallel], axis=1)
    return np.array(
        [
            Parallelism(tensor=row[0], attention_data=row[1], pipeline=row[2], expert=row[3], layout="1d").short()
            for row in np.rint(columns).astype(int).tolist()
        ],
        dtype=object,
    )


def _in_range(part: pd.DataFrame, group: Group, profile: Calibration | None) -> NDArray[np.bool_]:
    """Whether each row of a group lies in what its profile was fitted on."""
    if profile is None or profile.fitted_on is None or group.accelerator.name not in profile.accelerators:
        return np.zeros(len(part), dtype=bool)
    fitted, first = profile.fitted_on, part.iloc[0]
    named = {group.model, first["model"]} & {*fitted.models} and first["weights"] in fitted.weights
    gpus, prompt, output = (
        part[name].to_numpy(dtype=float) for name in ("gpus_per_instance", "prompt_tokens", "output_tokens")
    )
    # As it is priced, which is also what profiles say of the rows that they were fitted on.
    per_gpu = group.batch / gpus
    ranges = ((gpus, fitted.gpus), (per_gpu, fitted.batch_per_gpu), (prompt + output / 2.0, fitted.context_tokens))
    inside = np.full(len(part), bool(named))
    for values, (least, most) in ranges:
        # Ends of ranges are written with three digits.
        inside &= (values >= least * (1.0 - _ROUNDING)) & (values <= most * (1.0 + _ROUNDING))
    return inside


_ROUNDING = 5e-3


def _summary(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """Errors by the values of a column, batches by size, others with the most rows first."""
    import pandas as pd

    size = rows["error"].abs()
    errors = pd.DataFrame(
        {by: rows[by], "size": size, "error": rows["error"], "within": size <= rows["expected_error"]}
    )
    grouped = errors.groupby(by, sort=True)
    table = pd.DataFrame(
        {
            "rows": grouped["error"].size(),
            "median_error": grouped["size"].median(),
            "p90_error": grouped["size"].quantile(0.9),
            "bias": grouped["error"].median(),
            "within_expected": grouped["within"].mean(),
        }
    )
    if by == "batch":
        return table.reindex([name for name in _BATCH_NAMES if name in table.index]).rename_axis(by).reset_index()
    return table.sort_values("rows", ascending=False, kind="stable").reset_index()
