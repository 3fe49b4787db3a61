"""Fitting calibration profiles to measurements: robust errors of logarithms, with priors.

The residual of a row is the logarithm of predicted over measured time in units of ``ROW_ERROR``; beyond one unit it
counts linearly (pseudo-Huber). Each constant is fitted as its logarithm and has a prior at the value of its base
profile: what the rows do not say stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.calibration.measurements import Measurements
from ieco_opt.calibration.parameters import ENGINE, FITTED, PAIR, Parameters, parameters_of
from ieco_opt.calibration.pricing import group_rows, stacked_terms
from ieco_opt.catalog.calibration import Calibration, calibration_from_mapping
from ieco_opt.errors import ScenarioError
from ieco_opt.performance.calibrated import Terms, combined
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.rows import take_rows
from ieco_opt.performance.times import PassTime

ROW_ERROR = 0.1
"""Relative error of a row from which on it counts linearly."""

FOLDS = 5

IDENTIFIED = 0.8
"""A constant whose standard error is above this share of its prior's is one that the rows do not say."""

_MOST_STEPS = 40


@dataclass(frozen=True)
class Problem:
    """Rows to fit to; arrays have shape (rows,).

    Attributes
    ----------
    rows
        Positions in the table of measurements.
    configuration
        Number of the configuration of each row.
    """

    profiles: tuple[Calibration, ...]
    parameters: Parameters
    terms: Terms
    rows: NDArray[np.intp]
    batch: Array
    measured: Array
    configuration: NDArray[np.int64]
    left_out: dict[int, str]

    def take(self, kept: NDArray[np.intp]) -> Problem:
        """The same with some of the rows."""
        return Problem(
            self.profiles,
            self.parameters.of_rows(kept),
            take_rows(self.terms, kept),
            self.rows[kept],
            self.batch[kept],
            self.measured[kept],
            self.configuration[kept],
            self.left_out,
        )

    def pass_time(self, logarithms: Array) -> PassTime:
        """Pass of each row as a function of its batch."""
        return combined(self.terms, self.parameters.constants(logarithms))

    def predicted(self, logarithms: Array) -> Array:
        """Time per output token of each row."""
        return self.pass_time(logarithms).latency_s(self.batch)


@dataclass(frozen=True)
class Fit:
    """Fitted constants, in the order of ``Parameters.parameters``.

    ``standard_errors`` are those of the logarithms; ``identified`` where the rows say more than the prior.
    """

    logarithms: Array
    standard_errors: Array
    identified: NDArray[np.bool_]


def problem_of(measurements: Measurements, profiles: Sequence[Calibration], profile_of_row: Sequence[int]) -> Problem:
    """What is to be fitted: ``profile_of_row`` gives the profile of each row of the table, -1 for none.

    Raises
    ------
    ScenarioError
        No row is left; with the reason of the first that was left out.
    """
    found = group_rows(measurements)
    numbers = np.asarray(profile_of_row, dtype=np.intp)
    groups = [group for group in found.groups if numbers[group.rows[0]] >= 0]
    left_out = {int(row): "no profile is fitted for its accelerator" for row in np.flatnonzero(numbers < 0)}
    left_out |= found.left_out
    if not groups:
        reason = left_out[min(left_out)]
        raise ScenarioError.single(f"found no row that can be fitted ({reason})", file=measurements.file)
    by_name = {group.accelerator.name: profiles[int(numbers[group.rows[0]])] for group in groups}
    terms, rows, batch = stacked_terms(groups, lambda accelerator: by_name[accelerator.name])
    table = measurements.rows.iloc[rows]
    models = [group.model for group in groups for _ in group.rows]
    return Problem(
        profiles=tuple(profiles),
        parameters=parameters_of(profiles, numbers[rows], table["engine"].tolist(), models),
        terms=terms,
        rows=rows,
        batch=batch,
        measured=table["time_per_output_token_s"].to_numpy(dtype=float),
        configuration=_configurations(measurements)[rows],
        left_out=left_out,
    )


def _configurations(measurements: Measurements) -> NDArray[np.int64]:
    """Number of the configuration of each row: that of the column ``config``, or what else makes one."""
    table = measurements.rows
    columns = ["model", "weights", "accelerator", "engine", "gpus_per_instance", "tensor_parallel"]
    columns += ["attention_data_parallel", "expert_parallel", "pipeline_parallel", "disaggregated"]
    if (table["config"] != "").all():
        columns = ["config", "model", "accelerator"]
    return np.asarray(table.groupby(columns, sort=False, dropna=False).ngroup().to_numpy())


def fitted(problem: Problem, start: Array | None = None) -> Fit:
    """Fit all parameters of a problem.

    Raises
    ------
    ScenarioError
        SciPy is not installed.
    """
    least_squares = _least_squares()
    listed = problem.parameters.parameters
    prior = np.log([each.prior for each in listed])
    spread = np.array([each.spread for each in listed])
    most = np.log([each.most for each in listed])
    logarithm = np.log(problem.measured)

    def residuals(point: Array) -> Array:
        error = (np.log(problem.predicted(point)) - logarithm) / ROW_ERROR
        robust = np.sign(error) * np.sqrt(2.0 * (np.sqrt(1.0 + error**2) - 1.0))
        return np.concatenate([robust, (point - prior) / spread])

    first = np.minimum(prior if start is None else start, most - 1e-6)
    bounds = (np.full(len(prior), -np.inf), most)
    found = least_squares(residuals, first, bounds=bounds, x_scale=spread, max_nfev=_MOST_STEPS, ftol=1e-6)
    jacobian = np.asarray(found.jac)
    errors = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    return Fit(np.asarray(found.x), errors, errors < IDENTIFIED * spread)


def _least_squares() -> Any:
    try:
        from scipy.optimize import least_squares
    except ModuleNotFoundError:
        message = "fitting needs scipy, which is not installed; install it with pip install 'ieco_opt[calibrate]'"
        raise ScenarioError.single(message) from None
    return least_squares


def cross_validated(problem: Problem, labels: NDArray[Any] | None = None, *, seed: int = 0) -> Array:
    """Time of each row as predicted by a fit to the rows of other labels, shape (rows,); NaN where there is one label.

    ``labels`` and ``seed`` as in :func:`fits_to_others`.
    """
    times = np.full(len(problem.measured), np.nan)
    for inside, _, point in fits_to_others(problem, labels, seed=seed):
        times[inside] = problem.take(inside).predicted(point)
    return times


def fits_to_others(
    problem: Problem, labels: NDArray[Any] | None = None, *, seed: int = 0
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Array]]:
    """Rows of each label, all other rows, and the logarithms of the constants that are fitted to these.

    ``labels`` tell what is left out together; by default a fifth of the configurations, drawn at random.
    """
    if labels is None:
        labels = folds(problem.configuration, seed=seed)
    start = fitted(problem).logarithms
    for label in np.unique(labels):
        inside, outside = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
        if len(outside):
            yield inside, outside, fitted(problem.take(outside), start).logarithms


def folds(numbers: NDArray[np.int64], *, seed: int = 0) -> NDArray[np.int64]:
    """Fold of each row; rows of one number stay together, and there are at least two folds where there can be."""
    found, position = np.unique(numbers, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(found)) % FOLDS
    return np.asarray(fold[position])


def profiles_of_fit(problem: Problem, fit: Fit) -> list[Calibration]:
    """The base profiles with fitted constants, rounded to four digits."""
    mappings = [each.model_dump() for each in problem.profiles]
    by_name = {entry.name: entry for entries in FITTED.values() for entry in entries}
    for parameter, logarithm in zip(problem.parameters.parameters, fit.logarithms, strict=True):
        value = float(f"{np.exp(logarithm):.4g}")
        for profile in parameter.profiles:
            mapping = mappings[profile]
            if parameter.model:
                mapping[PAIR].setdefault(parameter.engine, {})[parameter.model] = value
            elif parameter.engine:
                mapping[ENGINE][parameter.engine] = value
            else:
                entry = by_name[parameter.name]
                (mapping[entry.field] if entry.entry else mapping)[entry.entry or entry.field] = value
    return [calibration_from_mapping(each) for each in mappings]
