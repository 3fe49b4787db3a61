"""Power of GPUs fitted to joules (benchmarks/energy.py), and the shares that the package's profiles have."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from synthetic_rows import rows

from ieco_opt import catalog
from ieco_opt.calibration.fitting import Problem, problem_of
from ieco_opt.calibration.measurements import measurements_of
from ieco_opt.catalog.calibration import BusyPower, Calibration
from ieco_opt.catalog.profiles import calibrations

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def energy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module under test, which is no part of the package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.delitem(sys.modules, "energy", raising=False)
    return import_module("energy")


def logarithms(problem: Problem) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Those of the base profile's own constants."""
    return np.log([each.prior for each in problem.parameters.parameters])


def powered_table(base: Calibration, accelerator: str, power: BusyPower) -> pd.DataFrame:
    """Rows of an accelerator whose joules are those of a known power."""
    table = rows(base).assign(accelerator=accelerator)
    problem = problem_of(measurements_of(table), [base], [0] * len(table))
    table = table.iloc[problem.rows].reset_index(drop=True)
    # Another card is as fast or slower: what is measured is what the model says of it.
    time = problem.predicted(logarithms(problem))
    found = problem.pass_time(logarithms(problem))
    rest = time - found.kernel_s - found.network_s(problem.batch)
    board_w = catalog.accelerator(accelerator).power_w
    assert board_w is not None
    joules = table["gpus_per_instance"] * board_w * (power.idle * time + power.busy * rest) / table["batch"]
    return table.assign(time_per_output_token_s=time, joules_per_output_token=joules)


def fitted_to(energy: ModuleType, base: Calibration, table: pd.DataFrame) -> object:
    problem = problem_of(measurements_of(table), [base], [0] * len(table))
    powered = energy.powered_rows(problem, table.iloc[problem.rows])
    busy = energy.busy_share(problem, logarithms(problem))[powered.rows]
    return energy.fitted_powers(powered, busy)


def test_known_power_is_recovered_from_joules_of_each_accelerator(energy: ModuleType, base: Calibration) -> None:
    known = {"H100-SXM": BusyPower(idle=0.18, busy=0.6), "H200-SXM": BusyPower(idle=0.35, busy=0.5)}
    # So many rows that they outweigh what they are shrunk to.
    table = pd.concat([powered_table(base, *each) for each in known.items()] * 10, ignore_index=True)
    power = fitted_to(energy, base, table)[base.name]
    assert set(power.accelerators) == set(known)
    for name, truth in known.items():
        assert power.of(name).idle == pytest.approx(truth.idle, rel=0.03)
        assert power.of(name).busy == pytest.approx(truth.busy, rel=0.03)
    ends = sorted(each.idle for each in power.accelerators.values())
    assert ends[0] < power.idle < ends[1]


def test_one_accelerator_is_the_profile(energy: ModuleType, base: Calibration) -> None:
    power = fitted_to(energy, base, powered_table(base, "H200-SXM", BusyPower(idle=0.2, busy=0.5)))[base.name]
    assert power.accelerators == {}
    assert (power.idle, power.busy) == pytest.approx((0.2, 0.5), rel=0.05)


def test_no_fit_takes_more_than_the_board_power(energy: ModuleType, base: Calibration) -> None:
    power = fitted_to(energy, base, powered_table(base, "H200-SXM", BusyPower(idle=0.9, busy=1.0)))[base.name]
    assert power.idle + power.busy <= 1.001


def test_suspect_accelerators_are_not_fitted(energy: ModuleType, base: Calibration) -> None:
    table = powered_table(base, "H200-SXM", BusyPower(idle=0.2, busy=0.5))
    energy.SUSPECT = ("H200-SXM",)
    assert fitted_to(energy, base, table) == {}


def test_rows_without_joules_are_left_out(energy: ModuleType, base: Calibration) -> None:
    table = powered_table(base, "H200-SXM", BusyPower())
    table.loc[::2, "joules_per_output_token"] = np.nan
    problem = problem_of(measurements_of(table), [base], [0] * len(table))
    read = table.iloc[problem.rows]
    assert len(energy.powered_rows(problem, read).rows) == int(read["joules_per_output_token"].notna().sum())
    assert len(energy.powered_rows(problem, read.drop(columns="joules_per_output_token")).rows) == 0


def test_energy_is_predicted_apart(energy: ModuleType, base: Calibration) -> None:
    table = powered_table(base, "H200-SXM", BusyPower(idle=0.2, busy=0.5))
    problem = problem_of(measurements_of(table), [base], [0] * len(table))
    powered = energy.powered_rows(problem, table.iloc[problem.rows])
    everything = np.arange(len(problem.rows))
    halves = everything[::2], everything[1::2]
    fits = [(halves[0], halves[1], logarithms(problem)), (halves[1], halves[0], logarithms(problem))]
    fitted, published = (
        energy.cross_validated_errors(problem, powered, fits, fit_power=each) for each in (True, False)
    )
    assert np.abs(fitted).max() < 0.05
    assert np.abs(published).min() > 0.1


@pytest.mark.parametrize("profile", calibrations(), ids=lambda each: each.name)
def test_shipped_power_is_of_the_profiles_own_accelerators_and_within_board_power(profile: Calibration) -> None:
    assert set(profile.power.accelerators) <= set(profile.accelerators)
    for each in (profile.power, *profile.power.accelerators.values()):
        assert each.idle + each.busy <= 1.0
