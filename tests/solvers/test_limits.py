"""Limits of time and interrupts: every loop asks, ends at once where it is told to, and the smallest limit counts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo
import pytest
from stopping import Ends, clock, some_of, steps_of

from ieco_opt import Scenario, SolverConfig, load_solver_config
from ieco_opt.design_space.dominance import nondominated
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.segments import build_segments
from ieco_opt.explanation.bounds import bounds_of
from ieco_opt.explanation.pool import build_pool
from ieco_opt.explanation.search import Goal, best
from ieco_opt.fleet.space import build_fleet_space
from ieco_opt.heuristics.pricing import PricedSpace
from ieco_opt.scenario import load_fleet_mapping, resolve, resolve_fleet
from ieco_opt.solvers import run as runs
from ieco_opt.solvers.interrupt import Interrupt, caught_interrupts
from ieco_opt.solvers.outcome import Outcome
from ieco_opt.solvers.run import INTERRUPTED, OUT_OF_TIME, Run, Stopped, running
from ieco_opt.solvers.session import SolverSession

DRAFTED = Scenario(
    model="Mixtral-8x7B",
    weights=["fp8", "bf16"],
    accelerators=["H100-SXM", "H200-SXM"],
    workload={"context_tokens": 2000, "output_tokens": 500},
    design_space={"tensor_parallel": [2, 4, 8], "pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 200}},
    speculation={"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 4},
)
# In fidelity paper a draft model may stand on any ranks, so that under a cap on throughput each setup has its fastest.
CAPPED = Scenario(
    fidelity="paper",
    model="Llama 3 70B",
    accelerators=["H100"],
    workload={"context_tokens": 2000},
    design_space={"stage_ranks": [2, 4, 8], "pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 200}},
    speculation={"draft_model": "Llama 3 8B", "acceptance": 0.7, "max_draft_tokens": 4},
    limits={"max_throughput": 5000.0},
)
DRAWN = design_space_of(resolve(DRAFTED))
SETUPS = sum(len(family.setups) for family in design_space_of(resolve(CAPPED)).families)
FAMILIES, DRAFTS = 4, 3
WORKLOADS, POOLS, PHASES = 3, 3, 3

FLEET = load_fleet_mapping(
    {
        "kind": "fleet",
        "pools": [
            {"name": name, "accelerator": name, "gpus": 64, "usd_per_gpu_hour": 2}
            for name in ("H100-SXM", "H200-SXM", "L40S")
        ],
        "workloads": [
            {
                "name": f"chat {number}",
                "model": "Llama-3.1-8B",
                "weights": ["fp8"],
                "requests_per_s": 20,
                "prompt_tokens": 1000,
                "output_tokens": 200,
                "max_time_to_first_token_s": 2,
                "serving": ["colocated", "disaggregated"],
            }
            for number in range(WORKLOADS)
        ],
    }
)


def priced_space(scenario: Scenario) -> Callable[[Ends], object]:
    return lambda ask: build_segments(design_space_of(resolve(scenario), ask=ask), ask)


def explained(scenario: Scenario) -> Callable[[Ends], object]:
    def work(ask: Ends) -> object:
        pool = build_pool(resolve(scenario), ask)
        return best(pool, bounds_of(resolve(scenario), 16), Goal("preferred", 3.0))

    return work


WORK: dict[str, tuple[Callable[[Ends], object], int]] = {
    "design space": (priced_space(DRAFTED), FAMILIES * (2 + DRAFTS * 2)),
    "cells that may be dominated": (
        lambda ask: nondominated(DRAWN.alternatives, DRAWN.cells, DRAWN.points, DRAWN.limits, ask),
        1,
    ),
    "segments": (lambda ask: build_segments(DRAWN, ask), 3),
    "draft setups one by one": (
        lambda ask: design_space_of(resolve(CAPPED), ask=ask),
        DRAFTS * SETUPS,
    ),
    "pool of all alternatives": (explained(DRAFTED), FAMILIES * (2 + DRAFTS)),
    "setups of a pool one by one": (explained(CAPPED), SETUPS),
    # Workloads that ask alike are priced once: on each accelerator tables, their class, and its requests.
    "prices of a fleet": (lambda ask: build_fleet_space(resolve_fleet(FLEET), ask), POOLS * PHASES * 3),
    "columns of a fleet": (
        lambda ask: build_fleet_space(resolve_fleet(FLEET)).columns(1.0, ask),
        WORKLOADS * (1 + POOLS * PHASES + POOLS),
    ),
    "families of a heuristic": (lambda ask: PricedSpace(resolve(DRAFTED), ask), FAMILIES),
}
"""Work by name, with the steps that its scenario has by itself: one question comes before each."""


@pytest.mark.parametrize("name", WORK)
def test_every_loop_asks_before_each_step_and_ends_where_it_is_told_to(name: str) -> None:
    work, steps = WORK[name]
    asked = steps_of(work)
    assert asked >= steps
    for after in some_of(asked):
        ends = Ends(after)
        with pytest.raises(Stopped):
            work(ends)
        assert ends.asked == after + 1


def test_the_smallest_of_all_limits_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.time, "perf_counter", lambda: 100.0)
    total = SolverConfig(total_time_limit_s=10.0)
    assert Run(total).deadline == 110.0
    assert Run(total, limit_s=3.0).deadline == 103.0
    assert Run(total, limit_s=30.0).deadline == 110.0
    assert Run(SolverConfig(), limit_s=30.0).deadline == 130.0
    assert Run(SolverConfig()).deadline is None
    run = Run(total)
    monkeypatch.setattr(runs.time, "perf_counter", lambda: 105.0)
    assert run.beside().deadline == 110.0
    assert run.beside(limit_s=2.0).deadline == 107.0
    assert run.beside(limit_s=20.0).deadline == 110.0
    assert run.beside(SolverConfig(total_time_limit_s=7.0)).deadline == 107.0
    assert run.beside(SolverConfig(total_time_limit_s=70.0)).deadline == 110.0
    with running(SolverConfig(), within=run) as inner:
        assert (inner.deadline, inner.interrupt) == (110.0, run.interrupt)


def test_a_run_tells_what_it_does_until_it_has_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs.time, "perf_counter", clock(1.0))
    told: list[str] = []
    run = Run(SolverConfig(total_time_limit_s=3.5), doing=told.append)
    run.ask()
    run.ask("pricing")
    run.ask()
    with pytest.raises(Stopped, match=OUT_OF_TIME):
        run.ask("more")
    assert told == ["pricing", "pricing"]


def knapsack() -> Any:
    model = pyo.ConcreteModel()
    model.take = pyo.Var(range(30), domain=pyo.Binary)
    model.room = pyo.Constraint(expr=sum((7 + 3 * i % 11) * model.take[i] for i in range(30)) <= 90)
    model.objective = pyo.Objective(expr=-sum((5 + 5 * i % 13) * model.take[i] for i in range(30)))
    return model


@pytest.mark.parametrize("limits", [(1.0, None), (None, 1.0), (1.0, 50.0), (50.0, 1.0)])
def test_handing_a_program_over_is_part_of_its_limit(
    limits: tuple[float | None, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ieco_opt.solvers import session

    of_each, left = limits
    now, honest = [0.0], session.arrays_of

    def slow(model: Any) -> Any:
        now[0] += 2.0
        return honest(model)

    monkeypatch.setattr(session, "arrays_of", slow)
    monkeypatch.setattr(session.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(session.HighsProgram, "run", lambda _: pytest.fail("no time is left"))
    config = SolverConfig(time_limit_s=of_each)
    assert SolverSession(config).solve(knapsack(), left).outcome is Outcome.NO_SOLUTION


def test_an_interrupt_while_a_program_is_handed_over_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    from ieco_opt.solvers import session

    interrupt, honest = Interrupt(), session.arrays_of

    def interrupted(model: Any) -> Any:
        interrupt.request()
        return honest(model)

    monkeypatch.setattr(session, "arrays_of", interrupted)
    solution = SolverSession(load_solver_config(), interrupt).solve(knapsack())
    assert solution.outcome is Outcome.NO_SOLUTION


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_requests_once_and_interrupts_then(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with running(SolverConfig()) as run:
        run.ask()
        signal.raise_signal(number)
        with pytest.raises(Stopped, match=INTERRUPTED):
            run.ask()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    with caught_interrupts() as interrupt, interrupt.raised_at_once():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert interrupt.requested
    assert signal.getsignal(number) is before
