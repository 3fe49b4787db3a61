"""A profile moved by a user's own measurements: which rows, what moved, and how good it is on rows kept apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from ieco_opt import catalog
from ieco_opt.calibration.evidence import evidence
from ieco_opt.calibration.fitting import Fit, Problem, cross_validated, fitted, folds, problem_of, profiles_of_fit
from ieco_opt.calibration.gathering import Gathered, LeftOut, gathered
from ieco_opt.calibration.setup import Setups, setup_of
from ieco_opt.catalog.calibration import Calibration, calibration_from_mapping
from ieco_opt.catalog.profiles import calibration, calibration_of
from ieco_opt.defaults import CALIBRATED
from ieco_opt.documents.json_document import json_text
from ieco_opt.documents.origin import Origin, found, shortened
from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.errors import ScenarioError
from ieco_opt.results.writing import table_rows

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.calibration.gathering import Source
    from ieco_opt.performance.collectives import Array

_Made = TypeVar("_Made")

LEAST_ROWS = 2
FEW_ROWS = 10
"""Fewer rows than these move a profile hardly better than no row."""

BASE, FITTED, CROSS_VALIDATED = "base", "fitted", "cross-validated"
"""The predictions that are compared: with the base, with the fit to the same rows, with fits to other rows."""

MEASURED = "time_per_output_token_s"
PREDICTED = {
    BASE: "base_time_per_output_token_s",
    FITTED: "fitted_time_per_output_token_s",
    CROSS_VALIDATED: "cross_validated_time_per_output_token_s",
}
"""Columns of the predictions."""


@dataclass(frozen=True)
class Calibrated:
    """What a calibration gives.

    Attributes
    ----------
    profile, base
        The new profile, and the one that it was moved from.
    rows
        Fitted rows: the columns of measurements, the row's place in ``row``, and predictions in ``PREDICTED``.
    errors
        Median and 90th percentile of the absolute relative error, and bias (its signed median), one row a prediction.
    constants
        Fitted constants: ``base``, ``fitted``, ``standard_error_factor`` (times or over), ``identified``.
    left_out
        Rows and files that took no part, and why.
    kept_together
        What cross-validation leaves out together: ``configuration``, or ``row`` where all are of one configuration.
    """

    profile: Calibration
    base: Calibration
    rows: pd.DataFrame
    errors: pd.DataFrame
    constants: pd.DataFrame
    left_out: tuple[LeftOut, ...]
    kept_together: str

    @property
    def before(self) -> pd.DataFrame:
        """The fitted rows as the base predicts them."""
        return self._predicted(BASE)

    @property
    def after(self) -> pd.DataFrame:
        """The fitted rows as the new profile predicts them."""
        return self._predicted(FITTED)

    def _predicted(self, which: str) -> pd.DataFrame:
        table = self.rows.drop(columns=list(PREDICTED.values()))
        time = self.rows[PREDICTED[which]]
        return table.assign(predicted_time_per_output_token_s=time, relative_error=time / table[MEASURED] - 1.0)

    def profile_text(self) -> str:
        """The new profile as YAML."""
        return yaml_text(self.profile.model_dump(mode="json", exclude_defaults=True))

    def to_json(self) -> str:
        """Everything but the rows, as JSON."""
        return json_text(
            {
                "profile": self.profile.model_dump(mode="json", exclude_defaults=True),
                "base": self.base.name,
                "kept_together": self.kept_together,
                "errors": table_rows(self.errors),
                "constants": table_rows(self.constants),
                "left_out": [{"place": each.place, "reason": each.reason} for each in self.left_out],
            }
        )

    def notes(self) -> list[str]:
        """What to know of rows, cross-validation, and constants that the rows do not say."""
        lines = [f"left out: {line}" for line in _by_reason(self.left_out)]
        if len(self.rows) < FEW_ROWS:
            lines.append(f"{len(self.rows)} rows were fitted; {FEW_ROWS} or more are better")
        if self.kept_together != "configuration":
            lines.append("all rows are of one configuration: cross-validation leaves out single rows of it")
        unsaid = self.constants.loc[~self.constants["identified"], "name"].tolist()
        if unsaid:
            lines.append(f"the rows say little of {shortened(unsaid)}: these rest on the base profile")
        return lines


def calibrate(
    measurements: Source | Sequence[Source],
    *,
    profile: Calibration | str | PathLike[str] | None = None,
    setup: Setups | Mapping[str, object] | None = None,
    name: str = CALIBRATED,
) -> Calibrated:
    """Fit a profile to measurements, with a prior at its base.

    Parameters
    ----------
    measurements
        Files, folders or tables, one or several.
    profile
        The base: a profile, its name or file; ``None``: that of the package for the accelerators of the rows.
    setup
        What the files of benchmarks do not say of their runs; also as a mapping, as a file of it would be.
    name
        What to call the new profile.

    Raises
    ------
    ScenarioError
        A file has faults, rows need several profiles, too few are left, or SciPy is not installed.
    """
    setups = setup if isinstance(setup, Setups) else setup_of(setup or {}, Origin())
    found_rows = gathered(measurements, setups)
    base, numbers, reasons = _based(found_rows, profile)
    problem = problem_of(found_rows.measurements, [base], numbers.tolist())
    if len(problem.rows) < LEAST_ROWS:
        message = f"found {len(problem.rows)} row that can be fitted, expected at least {LEAST_ROWS}"
        raise ScenarioError.single(message, file=found_rows.measurements.file)
    fit = fitted(problem)
    alone = len(np.unique(problem.configuration)) < 2
    labels = folds(np.arange(len(problem.rows))) if alone else folds(problem.configuration)
    apart = cross_validated(problem, labels)
    predictions = {
        BASE: problem.predicted(np.log([each.prior for each in problem.parameters.parameters])),
        FITTED: problem.predicted(fit.logarithms),
        CROSS_VALIDATED: apart,
    }
    left_out = {row: reasons.get(row, reason) for row, reason in problem.left_out.items()}
    listed = tuple(LeftOut(found_rows.places[row], left_out[row]) for row in sorted(left_out))
    return Calibrated(
        profile=_profile(problem, fit, base, name, found_rows, apart),
        base=base,
        rows=_rows(problem, found_rows, predictions),
        errors=_errors(predictions, problem.measured),
        constants=_constants(problem, fit),
        left_out=(*found_rows.left_out, *listed),
        kept_together="row" if alone else "configuration",
    )


def _based(
    rows: Gathered, profile: Calibration | str | PathLike[str] | None
) -> tuple[Calibration, NDArray[np.intp], dict[int, str]]:
    """The base, which rows are fitted (0) and which are not (-1), and why not."""
    table = rows.measurements.rows
    known = {name: _accelerator(name) for name in table["accelerator"].unique()}
    base = calibration(str(profile)) if isinstance(profile, str | PathLike) else profile
    if base is None:
        base = _shipped([name for name in known.values() if name is not None])
    listed = {*base.accelerators, *base.like}
    # A base that is taken for other accelerators than it was fitted on moves to those of the rows.
    is_elsewhere = not listed & set(known.values())
    reasons: dict[int, str] = {}
    numbers = np.zeros(len(table), dtype=np.intp)
    for row, spelt in enumerate(table["accelerator"]):
        name = known[spelt]
        if name is not None and name not in listed and not is_elsewhere:
            reasons[row] = f"found the accelerator {name}, expected one of {base.name} ({shortened(sorted(listed))})"
            numbers[row] = -1
    return base, numbers, reasons


def _accelerator(name: str) -> str | None:
    try:
        return catalog.accelerator(name).name
    except ScenarioError:
        return None


def _shipped(accelerators: Sequence[str]) -> Calibration:
    """The one profile of the package for all accelerators of the rows that have one."""
    by_profile: dict[str, list[str]] = {}
    bases: dict[str, Calibration] = {}
    for name in accelerators:
        base = calibration_of(catalog.accelerator(name))
        if base is not None:
            bases[base.name] = base
            by_profile.setdefault(base.name, []).append(name)
    if len(bases) == 1:
        return next(iter(bases.values()))
    if not bases:
        message = f"found no profile of the accelerators {shortened(accelerators) or 'of the rows'}"
    else:
        needed = "; ".join(f"{name}: {', '.join(of)}" for name, of in by_profile.items())
        message = f"found rows that need several profiles ({needed})"
    expected = "expected one profile: name it (a name or a .yaml file), or split the rows"
    raise ScenarioError.single(f"{message}, {expected}", field="profile")


def _profile(problem: Problem, fit: Fit, base: Calibration, name: str, rows: Gathered, apart: Array) -> Calibration:
    table = rows.measurements.rows.iloc[problem.rows]
    own = sorted({catalog.accelerator(each).name for each in table["accelerator"].unique()})
    theirs = (*base.accelerators, *base.like)
    like = [each for each in theirs if each not in own] if set(theirs) & set(own) else []
    source = ", ".join(Path(each).name for each in rows.files)
    fitted_on = evidence(problem, table, apart / problem.measured - 1.0, source)
    [moved] = _checked(lambda: profiles_of_fit(problem, fit), rows.measurements.file)
    kept = {"name": name, "accelerators": own, "like": like, "fitted_on": fitted_on, "sources": {}}
    return _checked(lambda: calibration_from_mapping(moved.model_dump() | kept), "")


def _checked(make: Callable[[], _Made], file: str) -> _Made:
    """Make a profile; rows that no constants within bounds fit, and names that are none, are wrong input."""
    try:
        return make()
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        message = f"found {found(first['input'])}, which no profile may have: {first['msg']}"
        raise ScenarioError.single(message, file=file or None, field=field) from None


def _rows(problem: Problem, rows: Gathered, predictions: dict[str, Array]) -> pd.DataFrame:
    table = rows.measurements.rows.iloc[problem.rows].reset_index(drop=True)
    table.insert(0, "row", [rows.places[row] for row in problem.rows])
    for which, name in PREDICTED.items():
        table[name] = predictions[which]
    order = np.argsort(problem.rows, kind="stable")
    return table.iloc[order].reset_index(drop=True)


def _errors(predictions: dict[str, Array], measured: Array) -> pd.DataFrame:
    import pandas as pd

    listed = []
    for which, times in predictions.items():
        error = times / measured - 1.0
        median, p90 = float(np.median(np.abs(error))), float(np.quantile(np.abs(error), 0.9))
        bias = float(np.median(error))
        listed.append({"prediction": which, "rows": len(error), "median": median, "p90": p90, "bias": bias})
    return pd.DataFrame(listed)


def _constants(problem: Problem, fit: Fit) -> pd.DataFrame:
    import pandas as pd

    listed = problem.parameters.parameters
    return pd.DataFrame(
        {
            "name": [each.name for each in listed],
            "base": [each.prior for each in listed],
            "fitted": np.exp(fit.logarithms),
            "standard_error_factor": np.exp(fit.standard_errors),
            "identified": fit.identified,
        }
    )


def _by_reason(left_out: Sequence[LeftOut]) -> list[str]:
    """One line a reason, with how many rows have it and the first of them."""
    places: dict[str, list[str]] = {}
    for each in left_out:
        places.setdefault(each.reason, []).append(each.place)
    lines = []
    for reason, listed in places.items():
        more = f" and {len(listed) - 1} more" if len(listed) > 1 else ""
        lines.append(f"{listed[0]}{more}: {reason}")
    return lines
