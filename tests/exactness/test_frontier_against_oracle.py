"""Every answer of the library on random small scenarios, against the oracle's plain enumeration.

The sweep of benchmarks/oracle_sweep.py asks the same of thousands of scenarios.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from oracle import OracleScenario, best, covers, enumerate_deployments, pareto
from oracle.breakdown import breakdown, memory_faults
from oracle.enumeration import Deployments
from oracle.started import DEGREES, named, starting
from random_scenarios import Case, numbered_or_refused, oracle_scenario

import ieco_opt
from ieco_opt import Deployment, Scenario
from ieco_opt.catalog.types import Model
from ieco_opt.errors import InfeasibleError, ScenarioError, SolverError

TOLERANCE = 1e-6
ROUNDING = 1e-9
SPEED, COST = "speed_tokens_per_s", "cost_usd_per_mtok"
DECISION = (*DEGREES, "engine", "exchange", "draft_mode", "draft_model")
TEXTS = ("weights", "kv_cache", "engine", "exchange", "draft_mode", "draft_model")
"""Columns of the decision that the oracle leaves empty in fidelity ``paper``, and those of servers without one."""
FIGURES = (SPEED, COST, "latency_s", "throughput_tokens_per_s", "mfu")
NULLABLE = (
    *("energy_j_per_token", "energy_usd_per_mtok", "carbon_kg_per_mtok"),
    *("time_to_first_token_s", "end_to_end_s", "requests_per_s"),
    *("cost_usd_per_mtok_total", "usd_per_request", "usd_per_hour"),
)
"""Figures that may be null, which are no number for the oracle, or left out."""

OBJECTIVES: tuple[Literal["fastest", "cheapest", "preferred"], ...] = ("fastest", "cheapest", "preferred")

# Few at a time, so that two workers share them evenly.
SCENARIOS = 17
BLOCKS = [*range(6), *(pytest.param(block, marks=pytest.mark.slow) for block in range(6, 12))]


@dataclass(frozen=True, slots=True)
class Questions:
    """How the sweeps of one scenario are asked."""

    delta: float
    points: int
    preference: float


def random_questions(rng: random.Random) -> Questions:
    """Draw how a scenario is asked."""
    return Questions(rng.choice((0.5, 0.1, 0.02)), rng.choice((2, 3, 7, 15)), rng.choice((0.0, 0.5, 3.0)))


def mismatches(case: Case, asked: Questions) -> Iterator[str]:
    """Ask the library everything about one scenario; yields what the oracle does not confirm."""
    table = enumerate_deployments(case.oracle)
    front = pareto(table)
    feasible = bool(table["batch"].size)
    refused = case.oracle.refused_field()
    for name, ask in _asks(case.scenario(), asked).items():
        try:
            answer = ask()
        except InfeasibleError as error:
            if feasible:
                yield f"{name}: {error}, but the oracle has {table['batch'].size} deployments"
            continue
        except ScenarioError as error:
            if refused not in {fault.field for fault in error.faults}:
                yield f"{name}: {error}"
            continue
        except SolverError as error:
            yield f"{name}: {error}"
            continue
        if refused is not None:
            yield f"{name}: found {answer[0]}, but {refused} is to be refused"
        if not feasible:
            yield f"{name}: found {answer[0]}, but the oracle has no feasible deployment"
            continue
        for point in answer:
            yield from (f"{name}: {fault}: {point}" for fault in _point_faults(point, table, case.oracle))
        yield from (f"{name}: {fault}" for fault in _answer_faults(name, answer, asked, table, front))


def _asks(scenario: Scenario, asked: Questions) -> dict[str, Callable[[], Sequence[Deployment]]]:
    def sweep(**options: object) -> Callable[[], Sequence[Deployment]]:
        return lambda: ieco_opt.frontier(scenario, **options).deployments  # type: ignore[arg-type]

    def one(objective: str) -> Callable[[], Sequence[Deployment]]:
        return lambda: [ieco_opt.solve(scenario, objective=objective, preference=asked.preference)]  # type: ignore[arg-type]

    return {
        "complete": sweep(complete=True),
        "adaptive": sweep(delta=asked.delta),
        "sampled": sweep(points=asked.points),
        **{objective: one(objective) for objective in OBJECTIVES},
    }


def _point_faults(point: Deployment, table: Deployments, oracle: OracleScenario) -> Iterator[str]:
    """What is wrong with one deployment by itself."""
    same, columns = np.ones(table["batch"].shape, dtype=bool), point.to_dict()
    for column in DECISION:
        same &= table[column] == (columns[column] or ("" if column in TEXTS else 0))
    rows = np.flatnonzero(same)
    if len(rows) != 1:
        yield f"the oracle has {len(rows)} feasible deployments of this decision"
        return
    for column in FIGURES:
        if not np.isclose(columns[column], table[column][rows[0]], rtol=ROUNDING, atol=0.0):
            yield f"{column} is {columns[column]}, {table[column][rows[0]]} for the oracle"
    for column in NULLABLE:
        known = columns.get(column)
        stated = np.nan if known is None else known
        if not np.isclose(stated, table[column][rows[0]], rtol=ROUNDING, atol=0.0, equal_nan=True):
            yield f"{column} is {known}, {table[column][rows[0]]} for the oracle"
    yield from _memory_faults(columns, oracle)
    yield from _engine_faults({name: values[rows[0]].item() for name, values in table.items()}, columns, oracle)
    speed, cost = table[SPEED] / getattr(point, SPEED), table[COST] / getattr(point, COST)
    no_worse = (speed >= 1.0 - ROUNDING) & (cost <= 1.0 + ROUNDING)
    if (no_worse & ((speed > 1.0 + TOLERANCE) | (cost < 1.0 - TOLERANCE))).any():
        yield "is dominated"
    if point.status != "optimal" or abs(point.gap) > TOLERANCE:
        yield "is not proven"
    if (table[SPEED][cost <= 1.0] > point.bound * (1.0 + ROUNDING)).any():
        yield "the bound is too low"


def _memory_faults(columns: dict[str, Any], oracle: OracleScenario) -> list[str]:
    """What is wrong with the memory of a deployment; the paper has no such columns."""
    if not isinstance(oracle.model, Model):
        return []
    accelerator = next(each for each in oracle.accelerators if each.name == columns["accelerator"])
    draft = oracle.draft_model if isinstance(oracle.draft_model, Model) else None
    expected = breakdown(columns, oracle.reserve, accelerator, oracle.model, draft, oracle.full_tokens)
    return memory_faults(columns, expected)


def _engine_faults(row: dict[str, Any], columns: dict[str, Any], oracle: OracleScenario) -> Iterator[str]:
    """Who starts a deployment, and whether the one that names it has the most room of those that run it alike."""
    if not isinstance(oracle.model, Model):
        return
    every = starting(oracle, row)
    names = ",".join(sorted(each.engine for each in every))
    if (columns["engines"] or "") != names:
        yield f"engines are {columns['engines']}, {names} for the oracle"
    if names and columns["engine"] != named(every, row["engine"]):
        yield f"engine is {columns['engine']}, {named(every, row['engine'])} for the oracle"


def _answer_faults(
    name: str, answer: Sequence[Deployment], asked: Questions, table: Deployments, front: Deployments
) -> Iterator[str]:
    """What is wrong with an answer as a whole."""
    if name in OBJECTIVES:
        yield from _objective_faults(name, answer[0], asked.preference, table)
        return
    speeds = np.array([point.speed_tokens_per_s for point in answer])
    costs = np.array([point.cost_usd_per_mtok for point in answer])
    if (np.diff(speeds) > -1e-12 * speeds[1:]).any() or (np.diff(costs) > -1e-12 * costs[1:]).any():
        yield "points are listed twice or in no order"
    points = {SPEED: speeds, COST: costs}
    if name == "adaptive" and not covers(points, front, asked.delta):
        yield f"does not cover the frontier to {asked.delta}"
    if name == "complete":
        for speed, cost in zip(front[SPEED], front[COST], strict=True):
            if not (np.isclose(speeds, speed, rtol=TOLERANCE) & np.isclose(costs, cost, rtol=TOLERANCE)).any():
                yield f"misses the point of {speed} tokens/s at ${cost}"
        if len(answer) != len(front[SPEED]):
            yield f"has {len(answer)} points, the oracle {len(front[SPEED])}"


def _objective_faults(name: str, point: Deployment, exponent: float, table: Deployments) -> Iterator[str]:
    """Whether the one deployment is as good as the oracle's best, the tie-break included."""
    expected = best(table, name, exponent)  # type: ignore[arg-type]
    assert expected is not None
    speed, cost = float(str(expected[SPEED])), float(str(expected[COST]))
    if name == "preferred":
        found_value = exponent * np.log(point.speed_tokens_per_s) - np.log(point.cost_usd_per_mtok)
        if abs(found_value - (exponent * np.log(speed) - np.log(cost))) > TOLERANCE:
            yield f"the oracle has {expected}"
    elif not np.allclose([point.speed_tokens_per_s, point.cost_usd_per_mtok], [speed, cost], rtol=TOLERANCE, atol=0.0):
        yield f"the oracle has {expected}"


@pytest.mark.parametrize("block", BLOCKS)
def test_every_answer_is_the_oracles(block: int) -> None:
    for number in range(block * SCENARIOS, (block + 1) * SCENARIOS):
        case, rng = numbered_or_refused(number)
        asked = random_questions(rng)
        assert not list(mismatches(case, asked)), f"seed {number}, {asked}\n{case.to_yaml()}"


@pytest.mark.parametrize(
    "limits", [{"max_power_kw": 4.8}, {"min_speed": 1e5}, {"max_cost": 1e-3}, {"min_throughput": 1e8}]
)
def test_limits_at_a_round_value_and_out_of_reach(limits: dict[str, float]) -> None:
    # Twelve boards of 400 W are 4.8 kW, though 12 * 0.4 is a little more in binary.
    mapping = {
        "model": "Llama-3.1-8B",
        "weights": ["bf16"],
        "accelerators": ["A100-SXM-80GB"],
        "workload": {"context_tokens": 1000, "output_tokens": 200},
        "design_space": {
            "stage_ranks": [4],
            "tensor_layout": ["1d"],
            "pipeline_parallel": [3],
            "expert_parallel": "auto",
            "attention_data_parallel": [1, 2],
            "batch": {"min": 1, "max": 60},
            "max_gpus": 12,
        },
        "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 4},
        "limits": limits,
    }
    assert not list(mismatches(Case(mapping, oracle_scenario(mapping)), Questions(0.1, 3, 3.0)))
