"""What HiGHS is handed is what Pyomo's own interface hands it, but for the rounding of coefficients."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.solvers.highs import Highs
from random_fleets import numbered_fleet
from random_scenarios import numbered
from stored_programs import STORED, to_12_digits

import ieco_opt
from ieco_opt.errors import InfeasibleError, InfeasibleFleetError
from ieco_opt.scenario import Scenario, load_fleet_mapping
from ieco_opt.solvers import session
from ieco_opt.solvers.arrays import ProgramArrays, arrays_of
from ieco_opt.solvers.highs_program import HighsProgram


def ours(arrays: ProgramArrays, path: Path) -> str:
    """The file that HiGHS writes of what we hand it."""
    program = HighsProgram(arrays, {})
    program.solver.writeModel(str(path))
    return to_12_digits(path.read_text())


def theirs(model: Any, path: Path) -> str:
    """The file that HiGHS writes of what Pyomo hands it."""
    solver = Highs()
    solver.set_instance(model)
    solver._solver_model.setOptionValue("log_to_console", False)
    solver._solver_model.writeModel(str(path))
    return to_12_digits(path.read_text())


@pytest.mark.parametrize("stored", STORED, ids=lambda stored: stored.name)
def test_stored_programs_are_the_same_file(stored: Any, tmp_path: Path) -> None:
    model = stored.build()
    assert ours(arrays_of(model), tmp_path / "ours.lp") == theirs(model, tmp_path / "theirs.lp")


@pytest.mark.parametrize("seed", range(12))
def test_every_program_of_a_search_is_the_same_file(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, compared = session.arrays_of, itertools.count()

    def noted(model: Any) -> ProgramArrays:
        arrays = honest(model)
        if not any(variable.fixed for variable in model.component_data_objects(pyo.Var)):
            # Pyomo keeps fixed variables as columns that no row has, and we leave them out.
            assert ours(arrays, tmp_path / "ours.lp") == theirs(model, tmp_path / "theirs.lp")
            next(compared)
        return arrays

    monkeypatch.setattr(session, "arrays_of", noted)
    try:
        if seed % 2:
            ieco_opt.frontier(Scenario(**numbered(seed)[0].mapping), points=5)
        else:
            ieco_opt.plan(load_fleet_mapping(numbered_fleet(seed)))
    except (InfeasibleError, InfeasibleFleetError):
        pass
    assert next(compared) > 0


def test_fixed_variables_are_part_of_the_constants() -> None:
    model = pyo.ConcreteModel()
    model.x, model.y, model.z = pyo.Var(bounds=(0, 9)), pyo.Var(domain=pyo.Binary), pyo.Var(domain=pyo.NonNegativeReals)
    model.row = pyo.Constraint(expr=(1, 2 * model.x + 3 * model.y + 4, 20))
    model.objective = pyo.Objective(expr=5 * model.x - 7 * model.y + 1)
    model.y.fix(1)
    arrays = arrays_of(model)
    assert arrays.variables == [model.x]
    assert (arrays.row_lower[0], arrays.row_upper[0]) == (-6.0, 13.0)
    assert (arrays.cost.tolist(), arrays.offset) == ([5.0], -6.0)


def test_what_is_no_program_of_ours_is_refused() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 1))
    model.objective = pyo.Objective(expr=model.x, sense=pyo.maximize)
    with pytest.raises(ValueError, match="objective: expected an objective that is minimised"):
        arrays_of(model)
    model.objective.sense = pyo.minimize
    model.row = pyo.Constraint(expr=model.x**2 <= 1)
    with pytest.raises(ValueError, match="row: expected a linear expression"):
        arrays_of(model)
