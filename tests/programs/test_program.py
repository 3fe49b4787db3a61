"""The program by itself: its rows, two solvers, and how solves may end."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from random_scenarios import numbered
from stored_programs import TINY, fastest_under_limits

import ieco_opt
from ieco_opt import Scenario
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.limits import Limits
from ieco_opt.design_space.segments import build_segments
from ieco_opt.errors import InfeasibleError, ScenarioError, SolverError
from ieco_opt.programs.deployment import Decision, Objective, ProgramData, build_program, read_decision
from ieco_opt.results.guarantee import AnswerStatus, GuaranteeKind
from ieco_opt.scenario import resolve
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import load_solver_config
from ieco_opt.solvers.outcome import Outcome, Solution
from ieco_opt.solvers.session import SolverSession, _outcome


def test_speculation_has_a_row_for_each_pair_of_resources() -> None:
    model = program(DRAFTED, Objective.LATENCY)
    pairs = [f"{own}_and_draft_{draft}" for own in ("memory", "arithmetic") for draft in ("memory", "arithmetic")]
    assert list(model.latency) == list(model.step_cost) == pairs


DRAFTED = {
    "engine": "none",
    "model": "Mixtral-8x7B",
    "weights": ["fp8", "bf16"],
    "accelerators": ["H100-SXM", "H200-SXM"],
    "workload": {"context_tokens": 4000, "output_tokens": 500},
    "design_space": {"stage_ranks": [1, 2, 4, 8], "pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 500}},
    "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.8, "max_draft_tokens": 3},
}


def program(mapping: dict[str, Any], objective: Objective) -> Any:
    """Build the program of a scenario; for its cost, one step of the iteration from a dear deployment."""
    space = design_space_of(resolve(Scenario(**mapping)))
    segments = build_segments(space)
    reference = float(np.median(segments.cost_hi)) if objective is Objective.COST else 0.0
    return build_program(
        ProgramData(
            alternatives=segments.alternatives,
            lo=segments.lo,
            hi=segments.hi,
            limits=space.limits,
            objective=objective,
            reference_cost=reference,
        )
    )


def feasible(number: int) -> dict[str, Any] | None:
    """The scenario of a seed, if anything is left of it."""
    mapping = numbered(number)[0].mapping
    return mapping if len(build_segments(design_space_of(resolve(Scenario(**mapping))))) else None


@pytest.mark.usefixtures("cbc")
@pytest.mark.parametrize("objective", Objective)
@pytest.mark.parametrize("mapping", [DRAFTED, *filter(None, map(feasible, range(8)))], ids=lambda item: item["model"])
def test_highs_and_cbc_find_the_same_objective(mapping: dict[str, Any], objective: Objective) -> None:
    found = [
        SolverSession(load_solver_config(name)).solve(program(mapping, objective)).objective
        for name in ("exact", "cbc")
    ]
    # Either may count a binary as 1e-6 away from 0 or 1; the objective of a cost may be a difference of equals.
    assert found[0] == pytest.approx(found[1], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("rounding", [-4e-7, 0.0, 4e-7])
def test_a_decision_is_rounded_and_not_cut_off(rounding: float) -> None:
    # Solvers take integers for whole within 1e-6.
    model = fastest_under_limits()
    names = list(model.segments)
    for name in names:
        model.choose[name].set_value(rounding, skip_validation=True)
        model.group_batch[name].set_value(rounding, skip_validation=True)
    model.choose[names[-1]].set_value(1.0 + rounding, skip_validation=True)
    model.group_batch[names[-1]].set_value(3.0 + rounding, skip_validation=True)
    # Sequences of a group are whole, and the batch those of all groups.
    assert read_decision(model, np.array([1, 4])) == Decision(len(names) - 1, 12)


@pytest.mark.parametrize("limit", [1e-9, 0.5, 1.0])
@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
def test_every_limit_has_its_row_however_small(name: str, limit: float) -> None:
    sited = TINY | {"accelerators": [{"like": TINY["accelerators"][0], "power": {"kg_co2_per_kwh": 0.4}}]}
    sited |= {"workload": {"prompt_tokens": 1000, "output_tokens": 50}}
    space = design_space_of(resolve(Scenario(**sited)))
    segments = build_segments(space)
    data = ProgramData(segments.alternatives, segments.lo, segments.hi, Limits(), Objective.LATENCY)
    rows = [
        {row.name for row in build_program(each).component_objects(pyo.Constraint)}
        for each in (data, replace(data, limits=Limits(**{name: limit})))
    ]
    # Energy and carbon of a step have rows only where they matter.
    assert {row for row in rows[1] - rows[0] if not row.startswith("step_")} == {name}


def test_limits_that_clash_are_infeasible_for_the_solver() -> None:
    model = fastest_under_limits()
    model.min_throughput.deactivate()
    model.latency_us.setub(1.0)
    solution = SolverSession(load_solver_config()).solve(model)
    assert (solution.outcome, solution.has_incumbent) == (Outcome.INFEASIBLE, False)


@pytest.mark.parametrize(
    ("condition", "incumbent", "outcome"),
    [
        ("kOptimal", True, Outcome.OPTIMAL),
        ("kTimeLimit", True, Outcome.FEASIBLE),
        ("kTimeLimit", False, Outcome.NO_SOLUTION),
        ("kInterrupt", True, Outcome.FEASIBLE),
        ("kInterrupt", False, Outcome.NO_SOLUTION),
        ("kInfeasible", False, Outcome.INFEASIBLE),
        ("kUnboundedOrInfeasible", False, Outcome.INFEASIBLE),
        ("optimal", True, Outcome.OPTIMAL),
    ],
)
def test_terminations(condition: str, incumbent: bool, outcome: Outcome) -> None:
    assert _outcome(condition, incumbent=incumbent) is outcome


@pytest.mark.parametrize("condition", ["unknown", "error", "unbounded", "emptyModel", "anything new"])
def test_an_unknown_termination_proves_nothing(condition: str) -> None:
    with pytest.raises(SolverError, match=condition):
        _outcome(condition, incumbent=True)


def test_a_time_limit_leaves_no_deployment() -> None:
    scenario = Scenario(**DRAFTED)
    hurried = SolverConfig(total_time_limit_s=1e-9)
    result = ieco_opt.frontier(scenario, solver_config=hurried)
    assert (result.guarantee.kind, len(result), result.coverage) == (GuaranteeKind.PARTIAL, 0, None)
    assert (result.status, result.stopped) == (AnswerStatus.STOPPED, "time limit")
    assert result.open_regions
    with pytest.raises(SolverError, match="time limit"):
        ieco_opt.solve(scenario, solver_config=hurried, objective="fastest")


def cut_short(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let solves beyond the first few end as if a limit had stopped them with an incumbent."""
    honest = SolverSession.solve

    def solve(session: SolverSession, model: Any, time_limit_s: float | None = None, **given: Any) -> Solution:
        solution = honest(session, model, time_limit_s, **given)
        return (
            replace(solution, outcome=Outcome.FEASIBLE, bound=0.5 * (solution.bound or 0.0))
            if (session.solves > after)
            else solution
        )

    monkeypatch.setattr(SolverSession, "solve", solve)


def test_the_incumbent_of_a_stopped_solve_is_kept_as_unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_short(0, monkeypatch)
    found = ieco_opt.solve(Scenario(**DRAFTED), objective="fastest")
    assert found.status == "feasible"
    assert found.bound == pytest.approx(2.0 * found.speed_tokens_per_s, rel=1e-5)
    assert found.gap == pytest.approx(1.0, rel=1e-5)


def test_what_a_stopped_sweep_had_proven_stays_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ieco_opt.frontier(Scenario(**DRAFTED), delta=0.1)
    cut_short(8, monkeypatch)
    result = ieco_opt.frontier(Scenario(**DRAFTED), delta=0.1)
    assert (result.guarantee.kind, result.coverage) == (GuaranteeKind.PARTIAL, None)
    assert (result.status, result.stopped) == (AnswerStatus.STOPPED, "a limit ended the solver")
    assert result.open_regions
    proven = {item.latency_s for item in result if item.status == "optimal"}
    assert proven
    assert proven <= {item.latency_s for item in whole}


def test_the_exact_configuration_leaves_no_gap() -> None:
    assert load_solver_config() == load_solver_config("exact")
    assert load_solver_config("exact").relative_gap == 0.0
    complete = ieco_opt.frontier(Scenario(**TINY), complete=True, solver_config="fast")
    assert complete.solver.relative_gap == 0.0
    assert {item.status for item in complete} == {"optimal"}


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("options: {mip_rel_gapp: 0}", "options.mip_rel_gapp"),
        ("options: {presolve: perhaps}", "options.presolve"),
        ("options: {threads: 4}", "options.threads"),
        ("relative_gap: -1", "relative_gap"),
        ("gap: 0", "gap"),
        ("solver: cbc", "solver"),
        ("options: !!python/name:os.system x", "options"),
    ],
)
def test_wrong_options_are_refused(text: str, field: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"solver: highs\n{text}\n")
    with pytest.raises(ScenarioError) as refused:
        load_solver_config(file)
    assert [(fault.file, fault.line, fault.field) for fault in refused.value.faults] == [(str(file), 2, field)]


def test_solver_configurations_follow_yaml_1_2(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("solver: highs\nrelative_gap: 1e-3\noptions: {presolve: on, random_seed: 1e2}\n")
    config = load_solver_config(file)
    assert (config.name, config.relative_gap) == ("mine", 1e-3)
    assert config.options == {"presolve": "on", "random_seed": 100}
    file.write_text("solver: [highs\n")
    with pytest.raises(ScenarioError, match=r"mine\.yaml:2: not valid YAML"):
        load_solver_config(file)


def test_clashing_limits_are_proven_infeasible_without_a_solver() -> None:
    # Nothing may be pruned by what it beats here, since nothing is feasible: only the limit can keep the space small.
    mapping = DRAFTED | {"limits": {"min_speed": 5000.0}}
    with pytest.raises(InfeasibleError, match="min_speed"):
        ieco_opt.solve(Scenario(**mapping), objective="fastest")
