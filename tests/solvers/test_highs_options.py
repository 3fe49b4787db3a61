"""Options of HiGHS that may change what an answer means are refused by name, all of them."""

from __future__ import annotations

import highspy
import pytest

import ieco_opt
from ieco_opt.errors import ScenarioError, SolverError
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.highs import _SEARCH_OPTIONS, _TOLERANCES, wrong_options
from ieco_opt.solvers.run import Run
from ieco_opt.solvers.session import _outcome


def options() -> dict[str, object]:
    """Every option that the pinned HiGHS lists, with its default."""
    solver = highspy.Highs()
    names = [name for name in dir(solver.getOptions()) if not name.startswith("_")]
    return {name: solver.getOptionValue(name)[1] for name in names}


def test_every_option_steers_the_search_or_is_refused() -> None:
    listed = options()
    allowed = {name for name, value in listed.items() if not wrong_options({name: value})}
    assert allowed == (_SEARCH_OPTIONS | set(_TOLERANCES)) & listed.keys()
    assert len(listed) > 80
    for name in ("objective_bound", "objective_target", "small_matrix_value", "infinite_bound", "user_bound_scale"):
        assert name not in allowed


@pytest.mark.parametrize("name", sorted(_TOLERANCES))
def test_tolerances_may_be_tighter_only(name: str) -> None:
    assert wrong_options({name: _TOLERANCES[name] / 10.0}) == []
    ((refused, message),) = wrong_options({name: _TOLERANCES[name] * 2.0})
    assert refused == name
    assert "expected at most" in message


@pytest.mark.parametrize("name", ["objective_bound", "objective_target", "solve_relaxation", "write_model_file"])
def test_a_feasible_fleet_is_not_called_infeasible_for_an_option(name: str) -> None:
    values = {"solve_relaxation": True, "write_model_file": "x.lp"}
    config = SolverConfig(options={name: values.get(name, 1.0)})
    with pytest.raises(ScenarioError, match=f"options.{name}: found"):
        Run(config)


def test_packaged_configurations_are_accepted() -> None:
    for name in ("exact", "fast", "fleet"):
        assert ieco_opt.load_solver_config(name).name == name


@pytest.mark.parametrize("condition", ["objectiveLimit", "unbounded", "error", "something new"])
def test_a_termination_that_is_not_understood_is_an_error(condition: str) -> None:
    with pytest.raises(SolverError, match=f"ended with '{condition}', which proves nothing"):
        _outcome(condition, incumbent=True)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("mip_feasibility_tolerance", "1e-9", "a number"),
        ("presolve_mode", "0", "a number"),
        ("mip_detect_symmetry", "true", "true or false"),
    ],
)
def test_numbers_in_quotes_are_none(name: str, value: str, expected: str) -> None:
    assert wrong_options({name: value}) == [(name, f"found '{value}', expected {expected}")]
