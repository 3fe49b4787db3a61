"""An answer meets limits that are its own figures: asked again with one of them, it is found again."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from random_fleets import numbered_fleet
from random_scenarios import numbered
from ruled_fleets import RULES, ruled_fleet

import ieco_opt
from ieco_opt import Deployment, Scenario, catalog
from ieco_opt.errors import InfeasibleError
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]
Objective = Literal["fastest", "cheapest"]
OBJECTIVES: tuple[Objective, ...] = ("fastest", "cheapest")
EXACT = 1e-9


# --- deployments ------------------------------------------------------------------------------------------------------

DEPLOYMENTS = [range(7000, 7012), pytest.param(range(7012, 7200), marks=pytest.mark.slow)]


def solved(mapping: Mapping, objective: Objective) -> Deployment | None:
    """The optimum; ``None`` where nothing is feasible."""
    try:
        return ieco_opt.solve(Scenario(**mapping), objective=objective)
    except InfeasibleError:
        return None


def powers_are_known(mapping: Mapping) -> bool:
    """Whether power can be limited: of no paper, and of an accelerator whose catalog says it."""
    if mapping.get("fidelity") == "paper":
        return False
    cards = [{"like": each} if isinstance(each, str) else each for each in mapping["accelerators"]]
    return all(catalog.accelerator_from_mapping(each).power_w for each in cards)


def figures_of(found: Deployment, *, power: bool) -> Iterator[tuple[str, float]]:
    """Each limit with the figure that it bounds."""
    yield "min_speed", found.speed_tokens_per_s
    yield "max_cost", found.cost_usd_per_mtok
    yield "min_throughput", found.throughput_tokens_per_s
    yield "max_throughput", found.throughput_tokens_per_s
    if power and found.power_kw is not None:
        yield "max_power_kw", found.power_kw
    if power and found.energy_j_per_token is not None:
        yield "max_energy_j_per_token", found.energy_j_per_token


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("seeds", DEPLOYMENTS, ids=str)
def test_a_deployment_meets_limits_that_are_its_own_figures(objective: Objective, seeds: range) -> None:
    tried = 0
    for seed in seeds:
        mapping = numbered(seed)[0].mapping
        found = solved(mapping, objective)
        if found is None:
            continue
        for name, figure in figures_of(found, power=powers_are_known(mapping)):
            again = solved({**mapping, "limits": {**mapping.get("limits", {}), name: figure}}, objective)
            assert again is not None, (seed, name)
            assert again.speed_tokens_per_s == pytest.approx(found.speed_tokens_per_s, rel=EXACT), (seed, name)
            assert again.cost_usd_per_mtok == pytest.approx(found.cost_usd_per_mtok, rel=EXACT), (seed, name)
            tried += 1
    assert tried > 3 * len(seeds)


# --- fleets -----------------------------------------------------------------------------------------------------------

AT_ONCE = dict.fromkeys(RULES, 2) | {
    "a disaggregated workload has one engine and one cache": 3,
    "prompts run in chunks": 3,
    "prefill instances of some servers have few ranks": 5,
}
"""Seeds of each rule that the default suite tries: of these, the first ones have no plan."""

UNTIL = {
    "prompts run in chunks": 222,
    "prefill instances of some servers have few ranks": 216,
    "no budget": 212,
    "caches stay within a generation in some servers": 215,
    "decode instances of some servers have no draft": 215,
}
"""Seeds before which the slow suite ends, of rules that leave few fleets a plan."""

DRAWN = [
    ("random", range(8000, 8005)),
    pytest.param("random", range(8005, 8060), marks=pytest.mark.slow),
    *((name, range(200, 200 + count)) for name, count in AT_ONCE.items()),
    *(
        pytest.param(name, range(200 + count, UNTIL.get(name, 206)), marks=pytest.mark.slow)
        for name, count in AT_ONCE.items()
    ),
]


def planned(mapping: Mapping) -> FleetPlan | None:
    """The optimum; ``None`` where there is no plan."""
    try:
        return ieco_opt.plan(load_fleet_mapping(mapping))[0]
    except InfeasibleError:
        return None


def with_own_figures(mapping: Mapping, plan: FleetPlan) -> Iterator[tuple[str, Mapping]]:
    """The fleet with one requirement or cap in turn that is what the plan reaches."""
    for at, row in enumerate(plan.workloads):
        figures = {
            "min_speed": row.speed_tokens_per_s,
            "max_time_to_first_token_s": row.time_to_first_token_s,
            "max_instances": max(_replicas(plan, row.workload)),
            "min_instances": min(_replicas(plan, row.workload)),
        }
        for name, figure in figures.items():
            if figure is not None:
                changed = copy.deepcopy(mapping)
                changed["workloads"][at][name] = figure
                yield name, changed
    for name, cap in (
        ("max_usd_per_hour", plan.usd_per_hour),
        ("max_power_kw", plan.power_kw),
        ("max_gpus", plan.gpus),
    ):
        if cap:
            yield name, {**mapping, "limits": {**(mapping.get("limits") or {}), name: cap}}


def _replicas(plan: FleetPlan, workload: str) -> list[int]:
    """Instances of a workload in each phase."""
    rows = [row for row in plan.instances if row.workload == workload]
    return [sum(row.instances for row in rows if row.phase == phase) for phase in {row.phase for row in rows}]


@pytest.mark.parametrize(("drawn", "seeds"), DRAWN, ids=str)
def test_a_plan_meets_requirements_that_are_its_own_figures(drawn: str, seeds: range) -> None:
    tried = 0
    for seed in seeds:
        mapping = numbered_fleet(seed) if drawn == "random" else ruled_fleet(RULES[drawn], seed).mapping
        # Figures are those of the model, so with an error they would not meet the limits that they become.
        mapping.pop("model_error", None)
        found = planned(mapping)
        if found is None:
            continue
        for name, changed in with_own_figures(mapping, found):
            again = planned(changed)
            assert again is not None, (seed, name)
            assert again.objective == pytest.approx(found.objective, rel=EXACT, abs=EXACT), (seed, name)
            tried += 1
    assert tried
