"""Power of a GPU in decoding, fitted to measured joules per output token.

The mean power of a GPU is its board power x (idle + busy x u), with u the share of a pass that is neither launches nor
network (docs/performance-model.md, Energy). `benchmarks/calibration.py` prints the errors of energy by these
constants, and writes them into the profiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ieco_opt import catalog
from ieco_opt.calibration.fitting import ROW_ERROR, Problem
from ieco_opt.catalog.calibration import BusyPower, Power

JOULES = "joules_per_output_token"

SPREADS = np.array([0.3, 0.2])
"""Standard errors of the logarithms of the shares of an idle and of a busy GPU about those without measurements."""

BOUNDS = ((0.01, 0.51), (0.5, 1.0))
"""Least and greatest shares of board power that an idle and a busy GPU take."""

SUSPECT = ("MI325X",)
"""Accelerators whose power meters say more than their board power for a quarter of the rows: nothing is fitted."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PoweredRows:
    """Rows of a problem with joules; arrays have shape (rows,).

    Attributes
    ----------
    rows
        Positions in the problem.
    accelerator, profile
        Names in the catalog, and the name of the profile of each.
    joules
        Measured joules per output token of all GPUs.
    joules_a_second
        What a token would take for each second of its time at full board power: GPUs x board power / batch.
    measured_s
        Measured time per output token.
    """

    rows: NDArray[np.intp]
    accelerator: NDArray[np.str_]
    profile: NDArray[np.str_]
    joules: Array
    joules_a_second: Array
    measured_s: Array

    def take(self, kept: NDArray[np.intp]) -> PoweredRows:
        """The same with some of the rows."""
        return PoweredRows(
            self.rows[kept],
            self.accelerator[kept],
            self.profile[kept],
            self.joules[kept],
            self.joules_a_second[kept],
            self.measured_s[kept],
        )


def powered_rows(problem: Problem, table: pd.DataFrame) -> PoweredRows:
    """Rows of a problem that have joules; `table` is the table as it was read, in the order of the problem's rows."""
    joules = table[JOULES].to_numpy(dtype=float) if JOULES in table.columns else np.full(len(table), np.nan)
    rows = np.flatnonzero(np.isfinite(joules))
    known = [catalog.accelerator(str(name)) for name in table["accelerator"].iloc[rows]]
    profiles = {name: each.name for each in problem.profiles for name in each.accelerators}
    board_w = np.array([each.power_w or np.nan for each in known], dtype=float)
    gpus, batch = (table[name].to_numpy(dtype=float)[rows] for name in ("gpus_per_instance", "batch"))
    return PoweredRows(
        rows,
        np.array([each.name for each in known], dtype=np.str_),
        np.array([profiles[each.name] for each in known], dtype=np.str_),
        joules[rows],
        gpus * board_w / batch,
        problem.measured[rows],
    )


def busy_share(problem: Problem, logarithms: Array) -> Array:
    """Share of each row's pass that is neither launches nor network."""
    found = problem.pass_time(logarithms)
    latency = found.latency_s(problem.batch)
    return (latency - found.kernel_s - found.network_s(problem.batch)) / latency


def fitted_powers(powered: PoweredRows, busy: Array) -> dict[str, Power]:
    """Shares of board power by the name of a profile, for those whose accelerators have joules that are not suspect.

    Each accelerator is fitted by itself, shrunk to the shares without measurements. The others of a profile take the
    geometric mean of those that are fitted.
    """
    share = powered.joules / (powered.joules_a_second * powered.measured_s)
    powers = {}
    for profile in np.unique(powered.profile[trusted(powered)]).tolist():
        mine = trusted(powered) & (powered.profile == profile)
        fits = {}
        for name in np.unique(powered.accelerator[mine]).tolist():
            rows = mine & (powered.accelerator == name)
            fits[name] = _fitted(busy[rows], share[rows])
        idle, slope = np.exp(np.mean([np.log([each.idle, each.busy]) for each in fits.values()], axis=0))
        single = fits if len(fits) > 1 else {}
        powers[profile] = Power(idle=_short(idle), busy=_short(slope), accelerators=single)
    return powers


def trusted(powered: PoweredRows) -> NDArray[np.bool_]:
    """Which rows are of accelerators that are not suspect."""
    return ~np.isin(powered.accelerator, SUSPECT)


def _fitted(busy: Array, share: Array) -> BusyPower:
    """Both shares by robust errors of logarithms, as times are fitted."""
    from scipy.optimize import least_squares

    prior = np.log([BusyPower().idle, BusyPower().idle + BusyPower().busy])

    def residuals(point: Array) -> Array:
        idle, full = np.exp(point)
        error = np.log((idle + (full - idle) * busy) / share) / ROW_ERROR
        robust = np.sign(error) * np.sqrt(2.0 * (np.sqrt(1.0 + error**2) - 1.0))
        return np.concatenate([robust, (point - prior) / SPREADS])

    found = least_squares(residuals, prior, bounds=np.log(BOUNDS))
    idle, full = np.exp(found.x)
    return BusyPower(idle=_short(idle), busy=_short(full - idle))


def _short(value: float) -> float:
    return round(float(value), 3)


def energies(powered: PoweredRows, powers: dict[str, Power], busy: Array, seconds: Array) -> Array:
    """Joules per output token by fitted shares, with passes of so many seconds."""
    shares = [
        powers.get(profile, Power()).of(name)
        for profile, name in zip(powered.profile.tolist(), powered.accelerator.tolist(), strict=True)
    ]
    idle, slope = np.array([(each.idle, each.busy) for each in shares]).T
    return np.asarray((idle + slope * busy) * powered.joules_a_second * seconds)


def cross_validated_errors(
    problem: Problem,
    powered: PoweredRows,
    fits: Sequence[tuple[NDArray[np.intp], NDArray[np.intp], Array]],
    *,
    fit_power: bool = True,
) -> tuple[Array, Array]:
    """Relative errors of energy with measured and with predicted times, each shape (rows with joules,).

    Times, busy shares and power are those of a fit to other rows; without `fit_power` the power is that of
    accelerators without measurements.
    """
    with_measured, with_predicted = np.empty((2, len(powered.rows)))
    for inside, outside, logarithms in fits:
        of_all = busy_share(problem, logarithms)[powered.rows]
        kept = np.flatnonzero(np.isin(powered.rows, outside))
        powers = fitted_powers(powered.take(kept), of_all[kept]) if fit_power else {}
        apart = np.flatnonzero(np.isin(powered.rows, inside))
        rows, busy = powered.take(apart), of_all[apart]
        seconds = problem.take(rows.rows).predicted(logarithms)
        with_measured[apart] = energies(rows, powers, busy, rows.measured_s) / rows.joules - 1.0
        with_predicted[apart] = energies(rows, powers, busy, seconds) / rows.joules - 1.0
    return with_measured, with_predicted
