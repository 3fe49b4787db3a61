"""Calibration profiles of the catalog: fitted to measured decode times, cross-validated by configuration, and written.

The priors are `benchmarks/calibration_priors/`: one profile a generation. All generations are fitted together, since
they share what is no property of the hardware. Clean rows are those whose prompts run elsewhere, and those with about
920 prompt and 7,370 output tokens.

    .venv/bin/python benchmarks/calibration.py ../shared/measured/decode.csv            # figures
    .venv/bin/python benchmarks/calibration.py ../shared/measured/decode.csv --write    # and the profiles

Where the table has a column `joules_per_output_token`, the power of the profiles is fitted to it too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from energy import SUSPECT, PoweredRows, busy_share, cross_validated_errors, fitted_powers, powered_rows, trusted
from numpy.typing import NDArray

from ieco_opt import catalog
from ieco_opt.calibration.evidence import evidence
from ieco_opt.calibration.fitting import (
    Problem,
    cross_validated,
    fits_to_others,
    fitted,
    problem_of,
    profiles_of_fit,
)
from ieco_opt.calibration.measurements import Measurements, read_measurements
from ieco_opt.calibration.pricing import group_rows, predicted
from ieco_opt.calibration.ranking import ranking_of, regret_of
from ieco_opt.catalog.calibration import Calibration, calibration_from_mapping
from ieco_opt.catalog.profiles import read_calibration
from ieco_opt.documents.yaml_document import yaml_text

HERE = Path(__file__).parent
PROFILES = HERE.parent / "ieco_opt" / "catalog" / "data" / "profiles"
SHUFFLES = 3

Fits = Sequence[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]]
"""Rows that each fit leaves out, those it is made to, and its constants."""


def main() -> None:
    """Print the errors of the fit, cross-validated and leaving models and accelerators out; write it if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", type=Path)
    parser.add_argument("--write", action="store_true", help="write the profiles into the catalog")
    parser.add_argument("--source", default="SemiAnalysis InferenceX, dump of 2026-07-20 (Apache-2.0)")
    arguments = parser.parse_args()
    measurements = read_measurements(arguments.measurements)
    problem = problem_at_priors(measurements)
    table = measurements.rows.iloc[problem.rows].reset_index(drop=True)
    shuffles = [[*fits_to_others(problem, seed=seed)] for seed in range(SHUFFLES)]
    times = [predicted_apart(problem, fits) for fits in shuffles]
    errors = np.stack(times) / problem.measured - 1.0
    clean = _clean(table)
    _print_all(measurements, problem, table, times, errors, clean)
    powered = powered_rows(problem, measurements.table.iloc[problem.rows])
    if len(powered.rows):
        _print_energy(problem, powered, shuffles)
    if arguments.write:
        _write(problem, table, errors, powered, arguments.source)


def problem_at_priors(measurements: Measurements) -> Problem:
    """All generations together, each from its prior."""
    priors = [read_calibration(path) for path in sorted((HERE / "calibration_priors").glob("*.yaml"))]
    return problem_of(measurements, priors, _profile_of_rows(measurements, priors))


def predicted_apart(problem: Problem, fits: Fits) -> NDArray[np.float64]:
    """Time of each row by the fit to other rows that leaves it out."""
    times = np.empty(len(problem.measured))
    for inside, _, logarithms in fits:
        times[inside] = problem.take(inside).predicted(logarithms)
    return times


def _print_all(
    measurements: Measurements,
    problem: Problem,
    table: pd.DataFrame,
    times: Sequence[NDArray[np.float64]],
    errors: NDArray[np.float64],
    clean: NDArray[np.bool_],
) -> None:
    published = predicted(group_rows(measurements), len(measurements.rows), lambda _: None)[problem.rows]
    uncalibrated = published / problem.measured - 1.0
    within = fitted(problem)
    print(f"{len(table)} rows, {problem.configuration.max() + 1} configurations, {len(problem.left_out)} left out")
    print(f"{len(within.logarithms)} parameters, {int(within.identified.sum())} identified; errors in %")
    _line("published constants, clean", uncalibrated[clean])
    _line("published constants, all", uncalibrated)
    fitted_times = problem.predicted(within.logarithms)
    in_sample = fitted_times / problem.measured - 1.0
    _line("in sample, clean", in_sample[clean])
    _line("in sample, all", in_sample)
    _line(f"cross-validated ({SHUFFLES} shuffles), clean", errors[:, clean])
    _line(f"cross-validated ({SHUFFLES} shuffles), all", errors)
    ranked = [ranking_of(table.assign(predicted_time_per_output_token_s=each)).rightly or 0.0 for each in times]
    print(f"pairs that differ by over 20 % ranked rightly: {np.mean(ranked):.1%}")
    _print_regret("in sample", table, [fitted_times])
    _print_regret(f"cross-validated ({SHUFFLES} shuffles)", table, times)
    for column in ("model", "accelerator", "weights", "engine"):
        for name, rows in table.groupby(column).indices.items():
            _line(f"  {column} {name} ({len(rows)})", errors[:, rows])
    for column in ("model", "accelerator"):
        left = cross_validated(problem, table[column].to_numpy()) / problem.measured - 1.0
        _line(f"one {column} left out, clean", left[clean])


def _print_regret(what: str, table: pd.DataFrame, times: Sequence[NDArray[np.float64]]) -> None:
    """Print what choices by the predicted times cost, as ``ieco-opt validate`` counts it; means over the shuffles."""
    # How much slower than asked a pick may be sets no regret: ``expected_error`` is of no account here.
    rows = table.assign(mean_batch=table["batch"], expected_error=0.0)
    found = [regret_of(rows.assign(predicted_time_per_output_token_s=each)) for each in times]
    median, p90 = (np.mean([getattr(each, name) for each in found]) for name in ("median", "p90"))
    print(f"decision regret, {what}: median {median:.1%}, 90th {p90:.1%}, {found[0].groups} groups")


def _print_energy(problem: Problem, powered: PoweredRows, shuffles: Sequence[Fits]) -> None:
    """Print errors of energy, cross-validated as times are."""
    print(f"{len(powered.rows)} rows with joules; errors of joules per output token in %")
    counted = trusted(powered)
    for what, fit_power in (("power without measurements", False), ("fitted power", True)):
        errors = np.array([cross_validated_errors(problem, powered, each, fit_power=fit_power) for each in shuffles])
        for at, time in enumerate(("measured", "predicted")):
            _line(f"{what}, {time} times, without {', '.join(SUSPECT)}", errors[:, at, counted])
            for name in np.unique(powered.accelerator).tolist():
                mine = powered.accelerator == name
                _line(f"  accelerator {name} ({mine.sum()})", errors[:, at, mine])


def _line(what: str, errors: NDArray[np.float64]) -> None:
    size = np.abs(errors)
    print(
        f"{what:70s} median {np.median(size):6.1%}  90th {np.quantile(size, 0.9):6.1%}  bias {np.median(errors):+6.1%}"
    )


def _clean(table: pd.DataFrame) -> NDArray[np.bool_]:
    long_answers = (table["output_tokens"] > 5_000) & (table["prompt_tokens"] < 2_000)
    return np.asarray((table["disaggregated"] == 1) | long_answers)


def _profile_of_rows(measurements: Measurements, profiles: Sequence[Calibration]) -> list[int]:
    names = [catalog.accelerator(name).name for name in measurements.rows["accelerator"]]
    numbers = {name: at for at, each in enumerate(profiles) for name in each.accelerators}
    return [numbers.get(name, -1) for name in names]


def _write(
    problem: Problem, table: pd.DataFrame, errors: NDArray[np.float64], powered: PoweredRows, source: str
) -> None:
    accelerators = table["accelerator"].map(lambda name: catalog.accelerator(name).name)
    fit = fitted(problem)
    powers = fitted_powers(powered, busy_share(problem, fit.logarithms)[powered.rows])
    for each in profiles_of_fit(problem, fit):
        rows = np.flatnonzero(accelerators.isin(each.accelerators))
        fitted_on = evidence(problem.take(rows), table.iloc[rows], errors[:, rows], source)
        changes: dict[str, object] = {"fitted_on": fitted_on}
        if each.name in powers:
            joules = int((trusted(powered) & (powered.profile == each.name)).sum())
            sources = {**each.sources, "power": f"fitted to the joules of {joules} rows"}
            changes |= {"power": powers[each.name].model_dump(), "sources": sources}
        moved = calibration_from_mapping(each.model_dump(exclude_defaults=True) | changes)
        header = "# Written by benchmarks/calibration.py --write; the priors are in benchmarks/calibration_priors/.\n"
        text = yaml_text(moved.model_dump(mode="json", exclude_defaults=True))
        (PROFILES / f"{each.name}.yaml").write_text(header + text, encoding="utf-8")


if __name__ == "__main__":
    main()
