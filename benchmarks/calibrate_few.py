"""What twenty measured rows of one's own are worth: the error on the other rows of a family, before and after.

A family is a model on an accelerator with a server, with at least 40 measured rows. Its base is the profile of its
generation fitted to all other rows. From each family 20 rows are drawn, the base is fitted to them as
`ieco-opt calibrate` does, and the median error on the family's other rows is compared, 20 times.

    .venv/bin/python benchmarks/calibrate_few.py ../shared/measured/decode.csv
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ieco_opt import catalog
from ieco_opt.calibration.fitting import Problem, fitted, problem_of, profiles_of_fit
from ieco_opt.calibration.measurements import Measurements, measurements_of, read_measurements
from ieco_opt.catalog.calibration import Calibration
from ieco_opt.catalog.profiles import read_calibration

FAMILY = ["model", "accelerator", "engine"]
LEAST_ROWS = 40
PRIORS = Path(__file__).parent / "calibration_priors"


def main() -> None:
    """Print a line a family, and the median gain over all draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", type=Path)
    parser.add_argument("--base", type=Path, nargs="+", default=sorted(PRIORS.glob("*.yaml")), help="profiles")
    parser.add_argument("--rows", type=int, default=20, help="rows drawn from a family")
    parser.add_argument("--draws", type=int, default=20)
    given = parser.parse_args()
    measurements = read_measurements(given.measurements)
    lines = []
    for base in map(read_calibration, given.base):
        numbers = _numbers(measurements, base)
        if not (numbers >= 0).any():
            continue
        problem = problem_of(measurements, [base], numbers.tolist())
        start = fitted(problem).logarithms
        table = measurements.rows.iloc[problem.rows]
        for family, rows in table.groupby(FAMILY, sort=False).indices.items():
            if len(rows) >= LEAST_ROWS:
                inside = np.asarray(rows, dtype=np.intp)
                errors = _draws(measurements, problem, start, inside, given.rows, given.draws)
                lines.append((" ".join(map(str, family)), len(inside), errors))
                _say(*lines[-1])
    errors = np.concatenate([each for _, _, each in lines])
    _say("all", sum(count for _, count, _ in lines), errors)
    worse = float((errors[:, 1] > errors[:, 0]).mean())
    print(f"median gain {np.median(errors[:, 0] - errors[:, 1]):.1%} points; worse in {worse:.0%} of the draws")


def _numbers(measurements: Measurements, base: Calibration) -> NDArray[np.intp]:
    """0 for rows of the accelerators of a profile, else -1."""
    known = {each: catalog.accelerator(each).name for each in measurements.rows["accelerator"].unique()}
    return np.array([0 if known[each] in base.accelerators else -1 for each in measurements.rows["accelerator"]])


def _draws(
    measurements: Measurements,
    problem: Problem,
    start: NDArray[np.float64],
    inside: NDArray[np.intp],
    count: int,
    draws: int,
) -> NDArray[np.float64]:
    """Median errors on the rows that were not drawn, before and after, shape (draws, 2)."""
    outside = np.setdiff1d(np.arange(len(problem.rows)), inside)
    rest = problem.take(outside)
    [base] = profiles_of_fit(rest, fitted(rest, start))
    family: pd.DataFrame = measurements.table.iloc[problem.rows[inside]]
    own = problem_of(measurements_of(family), [base], [0] * len(inside))
    before = np.log([each.prior for each in own.parameters.parameters])
    random = np.random.default_rng(0)
    errors = np.empty((draws, 2))
    for draw in range(draws):
        order = random.permutation(len(own.rows))
        drawn, others = own.take(order[:count]), own.take(order[count:])
        after = fitted(drawn).logarithms
        errors[draw] = [np.median(np.abs(others.predicted(at) / others.measured - 1.0)) for at in (before, after)]
    return errors


def _say(family: str, rows: int, errors: NDArray[np.float64]) -> None:
    before, after = np.median(errors, axis=0)
    gain = np.median(errors[:, 0] - errors[:, 1])
    print(f"{family:45} {rows:5} rows   before {before:6.1%}   after {after:6.1%}   gain {gain:+6.1%}", flush=True)


if __name__ == "__main__":
    main()
