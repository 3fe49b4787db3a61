"""What is called proven of deployments: bounds are checked before they are cut, and accepted gaps show."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from saved_results import DRAFTED, EXPERTS

import ieco_opt
from ieco_opt.design_space import segments
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.errors import SolverError
from ieco_opt.pareto import run
from ieco_opt.pareto.prober import MISMATCH, Prober, within_rounding
from ieco_opt.programs.deployment import Objective
from ieco_opt.results.guarantee import AnswerStatus, Status
from ieco_opt.scenario import resolve
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.outcome import Solution
from ieco_opt.solvers.run import Run
from ieco_opt.solvers.session import SolverSession


def with_bounds(factor: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the solver report bounds that are so much greater or less."""
    honest = SolverSession.solve

    def solve(session: SolverSession, model: Any, time_limit_s: float | None = None, **given: Any) -> Solution:
        solution = honest(session, model, time_limit_s, **given)
        return solution if solution.bound is None else dataclasses.replace(solution, bound=solution.bound * factor)

    monkeypatch.setattr(SolverSession, "solve", solve)


def test_a_bound_within_the_tolerance_of_the_solver_is_the_value() -> None:
    assert within_rounding(1.0 + MISMATCH / 2.0, 1.0) == 1.0
    assert within_rounding(0.9, 1.0) == 0.9
    with pytest.raises(SolverError, match=r"^the solver's bound is 1\.0001 where the performance model gives 1$"):
        within_rounding(1.0001, 1.0)


def test_a_bound_that_excludes_what_was_found_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with_bounds(1.001, monkeypatch)
    with pytest.raises(SolverError, match="the solver's bound is"):
        ieco_opt.solve(ieco_opt.Scenario(**DRAFTED), objective="fastest")


def test_a_gap_wider_than_the_coverage_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with_bounds(0.9, monkeypatch)
    with pytest.raises(SolverError, match=r"^the solver left a gap of 0\.111, more than the coverage of 0\.05$"):
        ieco_opt.frontier(ieco_opt.Scenario(**EXPERTS), delta=0.05)


@pytest.mark.parametrize("objective", ["fastest", "preferred"])
def test_where_a_gap_was_accepted_nothing_is_called_optimal(objective: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with_bounds(0.995, monkeypatch)
    config = SolverConfig(relative_gap=0.01)
    found = run.answer(ieco_opt.Scenario(**EXPERTS), objective=objective, solver_config=config)
    assert found[0].status is Status.FEASIBLE
    assert found.status is AnswerStatus.FEASIBLE
    assert ieco_opt.verify(found).problems == []


def test_the_coverage_of_a_frontier_includes_the_gaps_that_were_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    with_bounds(0.995, monkeypatch)
    accepted = SolverConfig(relative_gap=0.0, accepted_gap=0.02, patience_s=1.0)
    front = ieco_opt.frontier(ieco_opt.Scenario(**EXPERTS), delta=0.01, solver_config=accepted)
    assert front.coverage == 0.02
    assert {each.status for each in front} == {Status.FEASIBLE}
    assert ieco_opt.verify(front).problems == []


def test_what_lines_of_experts_underestimate_is_split_until_truth_and_bound_agree(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # One line from the least batch to the greatest, far below the latency between. A token may cost so little here
    # that neither end is best, but the batch at which arithmetic takes as long as memory.
    monkeypatch.setattr(segments, "CHORD_ERROR", 1.0)
    setup = {"stage_ranks": [8], "attention_data_parallel": [8], "expert_parallel": [8], "pipeline_parallel": [1]}
    mapping = EXPERTS | {
        "engine": "none",
        "workload": {"context_tokens": 10, "output_tokens": 10},
        "design_space": setup | {"batch": {"min": 1, "max": 3000}},
    }
    prober = Prober(design_space_of(resolve(ieco_opt.Scenario(**mapping))), Run(SolverConfig()))
    # Whole groups: as many sequences in each of the 8.
    batch = np.arange(8.0, 3001.0, 8.0)
    part = prober.segments.alternatives.take(np.zeros(len(batch), dtype=int))
    per_token = part.cost_usd_per_mtok(part.latency_s(batch), batch)
    solves = []
    for reference in per_token[-1] * np.linspace(0.1, 1.2, 12):
        before = prober.run.solves
        solved = prober._least(Objective.COST, np.inf, np.inf, reference)
        assert solved is not None
        value = batch * (per_token - reference)
        best = int(np.argmin(value))
        close = {"rel": 0.0, "abs": 1e-6 * batch[best] * per_token[best]}
        assert solved.found.batch * (solved.found.cost - reference) == pytest.approx(value[best], **close)
        assert solved.bound == pytest.approx(value[best], **close)
        solves.append(prober.run.solves - before)
    # Where an end is best the line is exact, and the first solve settles it.
    assert (solves[0], solves[-1]) == (1, 1)
    assert 1 < max(solves) < 10
