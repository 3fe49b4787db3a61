"""`explain`: binding limits that are known beforehand, least changes, clashes, and runner-ups by plain enumeration."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from oracle import OracleScenario, Setup, best, breakdown, enumerate_deployments, servers
from oracle.enumeration import Deployments
from random_scenarios import numbered

import ieco_opt
from ieco_opt import Scenario, ScenarioError, SolverConfig, api
from ieco_opt.catalog.types import Model
from ieco_opt.cli import main
from ieco_opt.errors import InfeasibleError
from ieco_opt.explanation import explain, explainer
from ieco_opt.explanation.bounds import Bounds, Limit
from ieco_opt.reports.text.explanation import outward, render
from ieco_opt.results.deployment import RESOURCES
from ieco_opt.results.explanation import Explanation, LimitEffect

Mapping = dict[str, Any]

OBJECTIVES = ("fastest", "cheapest", "preferred")
EXACT = 1e-9
SLIGHTLY = 1e-6
SETUP = (
    "accelerator",
    "weights",
    "kv_cache",
    "tensor_parallel",
    "tensor_layout",
    "pipeline_parallel",
    "expert_parallel",
    "redundant_experts",
    "attention_data_parallel",
    "draft_tokens",
    "exchange",
)

DENSE: Mapping = {
    "model": "Llama-3.1-8B",
    "profile": "paper-constants",
    "weights": ["bf16", "fp8"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {
        "stage_ranks": [1, 2, 4, 8],
        "pipeline_parallel": [1, 2],
        "attention_data_parallel": [1, 2],
        "batch": {"min": 1, "max": 256},
    },
}
BASES: dict[str, Mapping] = {
    "dense": DENSE,
    "experts": {
        "model": "Mixtral-8x7B",
        "profile": "paper-constants",
        "weights": ["fp8"],
        "accelerators": ["H200-SXM"],
        "workload": {"context_tokens": 2000, "output_tokens": 500},
        "design_space": {
            "stage_ranks": [1, 2, 4, 8],
            "pipeline_parallel": [1],
            "attention_data_parallel": [1, 2],
            "batch": {"min": 1, "max": 128},
        },
    },
    "two accelerators": {**DENSE, "accelerators": ["A100-SXM-80GB", "H100-SXM"], "weights": ["bf16"]},
    "speculation": {
        **DENSE,
        "profile": "paper-constants",
        "weights": ["fp8"],
        "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 3},
    },
    "paper": {
        "fidelity": "paper",
        "model": "Llama 3 8B",
        "accelerators": [{"like": "H100", "name": "H100 with power", "power_w": 700.0}],
        "workload": {"context_tokens": 1000},
        "design_space": {"stage_ranks": [1, 2, 4, 8], "pipeline_parallel": [1], "batch": {"min": 1, "max": 64}},
    },
}

PROMPTS: Mapping = DENSE | {"workload": {"prompt_tokens": 1000, "output_tokens": 200}}

COLUMN = {
    "limits.min_speed": "speed_tokens_per_s",
    "limits.max_cost": "cost_usd_per_mtok",
    "limits.max_throughput": "throughput_tokens_per_s",
    "limits.min_throughput": "throughput_tokens_per_s",
    "limits.max_power_kw": "power_kw",
    "design_space.max_gpus": "gpus",
    "design_space.batch.max": "batch",
    "design_space.batch.min": "batch",
}
"""The column of a deployment that each limit bounds."""

QUESTIONS = (
    ("fastest", "limits.max_cost"),
    ("fastest", "limits.max_power_kw"),
    ("fastest", "limits.min_throughput"),
    ("fastest", "design_space.max_gpus"),
    ("fastest", "design_space.batch.min"),
    ("cheapest", "limits.min_speed"),
    ("cheapest", "limits.max_throughput"),
    ("cheapest", "design_space.batch.max"),
)


def having(mapping: Mapping, **values: object) -> Mapping:
    """Set fields given by their dotted names, with two underscores for a dot."""
    changed = copy.deepcopy(mapping)
    for name, value in values.items():
        *around, last = name.split("__")
        inner = changed
        for key in around:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return changed


def having_limit(mapping: Mapping, limit: str, value: object) -> Mapping:
    return having(mapping, **{limit.replace(".", "__"): value})


def without_limits(mapping: Mapping, *limits: str) -> Mapping:
    """Remove limits the way that a scenario can: by leaving them out, or by the loosest value."""
    loosest = {
        "design_space.max_gpus": 1_000_000,
        "design_space.batch.max": 1_000_000,
        "design_space.batch.min": 1,
        "design_space.batch": {"min": 1, "max": 1_000_000},
        "memory_utilization": 1.0,
    }
    for limit in limits:
        mapping = having_limit(mapping, limit, loosest.get(limit))
    return mapping


def ask(mapping: Mapping, objective: str = "fastest") -> Explanation:
    return explain(Scenario(**mapping), objective=objective)  # type: ignore[arg-type]


def feasible(mapping: Mapping) -> bool:
    """Ask the solver, which knows nothing of explanations."""
    try:
        ieco_opt.solve(Scenario(**mapping), objective="fastest")
    except InfeasibleError:
        return False
    return True


def effect_of(explanation: Explanation, limit: str) -> LimitEffect:
    (effect,) = [each for each in explanation.limits if each.limit == limit]
    return effect


def placed(mapping: Mapping, objective: str, limit: str, *, inside: bool) -> Mapping:
    """Put a limit just inside what the best deployment without it reaches, or far outside."""
    if limit == "design_space.batch.max" and not inside:
        # More than any setup holds.
        return having_limit(mapping, limit, 1_000_000)
    reached = getattr(ieco_opt.solve(Scenario(**mapping), objective=objective), COLUMN[limit])  # type: ignore[arg-type]
    least = Limit(limit).is_least
    if Limit(limit).is_whole:
        nearer = 1 if least else -1
        value: float = reached + nearer if inside else reached * (1 if least else 8)
    else:
        factor = 1.001 if inside else 0.1
        value = reached * (factor if least else 1 / factor)
    return having_limit(mapping, limit, value)


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
@pytest.mark.parametrize(("objective", "limit"), QUESTIONS)
@pytest.mark.parametrize("base", BASES)
def test_names_the_limit_that_binds(base: str, objective: str, limit: str, inside: bool) -> None:
    mapping = placed(BASES[base], objective, limit, inside=inside)
    explanation = ask(mapping, objective)
    assert (limit in explanation.binding) is inside
    if not inside:
        return
    effect = effect_of(explanation, limit)
    assert effect.removed is not None
    assert effect.removed.gain > 0.0
    changed = ieco_opt.solve(Scenario(**without_limits(mapping, limit)), objective=objective)  # type: ignore[arg-type]
    assert effect.removed.deployment.latency_s == pytest.approx(changed.latency_s, rel=EXACT)
    assert effect.removed.deployment.cost_usd_per_mtok == pytest.approx(changed.cost_usd_per_mtok, rel=EXACT)


@pytest.mark.parametrize(("objective", "limit"), [*QUESTIONS, ("cheapest", "memory_utilization")])
def test_one_unit_is_what_the_solver_says_of_the_relaxed_scenario(objective: str, limit: str) -> None:
    if limit == "memory_utilization":
        mapping = having(DENSE, memory_utilization=0.5, design_space__batch__max=4096)
    else:
        mapping = placed(DENSE, objective, limit, inside=True)
    effect = effect_of(ask(mapping, objective), limit)
    assert effect.binds
    assert effect.step
    assert effect.relaxed is not None
    assert effect.relaxed.value is not None
    relaxed = having_limit(mapping, limit, effect.relaxed.value)
    solved = ieco_opt.solve(Scenario(**relaxed), objective=objective)  # type: ignore[arg-type]
    assert effect.relaxed.deployment.latency_s == pytest.approx(solved.latency_s, rel=EXACT)
    assert effect.relaxed.deployment.cost_usd_per_mtok == pytest.approx(solved.cost_usd_per_mtok, rel=EXACT)


def test_tells_from_which_value_on_a_limit_that_comes_in_steps_helps() -> None:
    mapping = having(DENSE, limits__max_power_kw=1.5)
    effect = effect_of(ask(mapping), "limits.max_power_kw")
    assert effect.relaxed is not None
    assert effect.relaxed.gain == 0.0
    assert effect.improves_from == pytest.approx(2.8)
    before = ieco_opt.solve(Scenario(**mapping), objective="fastest").speed_tokens_per_s
    for power, better in ((2.79, False), (effect.improves_from, True)):
        speed = ieco_opt.solve(
            Scenario(**having(mapping, limits__max_power_kw=power)), objective="fastest"
        ).speed_tokens_per_s
        assert (speed > before * (1 + EXACT)) is better


def test_limits_that_bind_only_together() -> None:
    # Four boards of 0.7 kW: neither the limit on GPUs nor that on power lets more in when the other one goes.
    explanation = ask(having(DENSE, design_space__max_gpus=4, limits__max_power_kw=2.8))
    assert explanation.binding == ()
    assert {*explanation.binding_together} == {"design_space.max_gpus", "limits.max_power_kw"}
    assert "bind only together" in render(explanation)


def value_of(table: Any, objective: str) -> Any:
    """What an objective minimises, of a table or of one deployment as a mapping."""
    speed, cost = table["speed_tokens_per_s"], table["cost_usd_per_mtok"]
    return {"fastest": 1.0 / speed, "cheapest": cost, "preferred": cost / speed**3}[objective]


def key_of(row: Mapping, case: OracleScenario | None = None) -> tuple[object, ...]:
    """What is decided but for the batch, and the ranks that share weights: servers that run it alike are one.

    Without a scenario dense layers are taken to be split.
    """
    degrees = (row["stage_ranks"], row["tensor_layout"], row["pipeline_parallel"], row["expert_parallel"])
    run = Setup(*degrees, row["attention_data_parallel"], engine=row["engine"] or "none", exchange=row["exchange"])
    if case is not None and isinstance(case.model, Model):
        run = breakdown.setup_of(row, case.model, next(c for c in case.accelerators if c.name == row["accelerator"]))
    return (*(row[name] for name in SETUP), servers.sharers(run))


def setup_of(deployment: ieco_opt.Deployment) -> tuple[object, ...]:
    return key_of(deployment.to_dict())


def best_by_setup(case: OracleScenario, table: Deployments, objective: str) -> list[float]:
    """Best value of every setup, in order."""
    # A 2-D layout of one rank is the 1-D one under another name.
    layout = np.where(table["stage_ranks"] == 1, "1d", table["tensor_layout"])
    names = ("stage_ranks", "engine", *SETUP)
    columns = [layout if name == "tensor_layout" else table[name] for name in names]
    values: dict[tuple[object, ...], float] = {}
    for *decided, value in zip(*columns, value_of(table, objective), strict=True):
        values[tuple(decided)] = min(value, values.get(tuple(decided), math.inf))
    setups: dict[tuple[object, ...], float] = {}
    for decided, value in values.items():
        key = key_of(dict(zip(names, decided, strict=True)), case)
        setups[key] = min(value, setups.get(key, math.inf))
    return sorted(setups.values())


@pytest.mark.parametrize("block", range(4))
def test_runner_ups_and_binding_limits_are_the_oracles(block: int) -> None:
    removed: dict[str, Mapping] = {
        "limits.min_speed": {"min_speed": None},
        "limits.max_cost": {"max_cost": None},
        "limits.max_throughput": {"max_throughput": None},
        "limits.min_throughput": {"min_throughput": None},
        "limits.max_power_kw": {"max_power_kw": None},
        "design_space.max_gpus": {"max_gpus": 1_000_000},
        "memory_utilization": {"memory_utilization": 1.0},
    }
    for seed in range(1000 + 6 * block, 1006 + 6 * block):
        case, _ = numbered(seed)
        objective = OBJECTIVES[seed % 3]
        refused = case.oracle.refused_field()
        if refused is not None:
            with pytest.raises(ScenarioError, match=f"{re.escape(refused)}: "):
                ask(case.mapping, objective)
            continue
        explanation = ask(case.mapping, objective)
        table = enumerate_deployments(case.oracle)
        assert explanation.feasible == bool(table["batch"].size), case.to_yaml()
        if explanation.chosen is None:
            continue
        expected = best_by_setup(case.oracle, table, objective)[:6]
        found = [explanation.chosen, *(each.deployment for each in explanation.runner_ups)]
        values = [value_of(each.to_dict(), objective) for each in found]
        assert values == pytest.approx(expected, rel=EXACT), case.to_yaml()
        for effect in explanation.limits:
            if effect.limit not in removed:
                continue
            after = best(enumerate_deployments(replace(case.oracle, **removed[effect.limit])), objective)  # type: ignore[arg-type]
            assert after is not None
            reached = effect.removed.deployment if effect.removed else explanation.chosen
            assert value_of(reached.to_dict(), objective) == pytest.approx(value_of(after, objective), rel=EXACT)


def test_runner_ups_lose_what_they_say_and_differ_in_their_setups() -> None:
    explanation = ask(DENSE, "cheapest")
    assert explanation.chosen is not None
    assert len(explanation.runner_ups) == 5
    setups = {setup_of(explanation.chosen)}
    for runner_up in explanation.runner_ups:
        setups.add(setup_of(runner_up.deployment))
        ratio = runner_up.deployment.cost_usd_per_mtok / explanation.chosen.cost_usd_per_mtok
        assert runner_up.loss == pytest.approx(ratio - 1.0, rel=EXACT)
    assert len(setups) == 6


def test_a_configuration_that_two_servers_run_alike_is_one() -> None:
    # Of a dense model vLLM and SGLang run all of these alike; only their reserves differ.
    both, one = ask(having(DENSE, engine=["sglang", "vllm"])), ask(having(DENSE, engine="vllm"))
    assert both.chosen is not None
    assert one.chosen is not None
    decided = [each.to_dict() for each in (both.chosen, *(each.deployment for each in both.runner_ups))]
    alone = [each.to_dict() for each in (one.chosen, *(each.deployment for each in one.runner_ups))]
    assert len({tuple(each[name] for name in SETUP) for each in decided}) == 6
    for found, expected in zip(decided, alone, strict=True):
        assert [found[name] for name in SETUP] == [expected[name] for name in SETUP]
        assert found["engines"] == "sglang,vllm"
        assert found["latency_s"] == pytest.approx(expected["latency_s"], rel=EXACT)


def test_a_configuration_that_two_servers_run_differently_is_two() -> None:
    # With groups vLLM keeps the head once in each of them, SGLang once in all.
    groups = having(BASES["experts"], model="gpt-oss-20b", weights=["mxfp4"], accelerators=["B200-SXM"])
    space = {"stage_ranks": [4], "attention_data_parallel": [2], "expert_parallel": [4], "pipeline_parallel": [1]}
    mapping = groups | {"engine": ["sglang", "vllm"], "design_space": space | {"batch": {"max": 64}}}
    explanation = ask(mapping)
    assert explanation.chosen is not None
    found = [explanation.chosen, *(each.deployment for each in explanation.runner_ups)]
    # SGLang has no all-to-all for this class.
    expected = {("sglang", "all_gather"), ("vllm", "all_gather"), ("vllm", "all_to_all")}
    assert {(each.engine, each.exchange) for each in found} == expected
    assert len(found) == 3


CLASHES: dict[str, tuple[Mapping, set[str]]] = {
    "speed alone": (having(DENSE, limits__min_speed=5000.0), {"limits.min_speed"}),
    "cost alone": (
        having(DENSE, limits__max_cost=0.001),
        {"limits.max_cost"},
    ),
    "speed and cost": (
        having(BASES["experts"], limits__min_speed=300.0, limits__max_cost=0.1),
        {"limits.min_speed", "limits.max_cost"},
    ),
    "speed and cost while speculating": (
        having(BASES["speculation"], limits__min_speed=450.0, limits__max_cost=0.05),
        {"limits.min_speed", "limits.max_cost"},
    ),
    "cost and demand": (
        having(BASES["paper"], limits__max_cost=0.3, limits__max_throughput=500.0),
        {"limits.max_cost", "limits.max_throughput"},
    ),
    "cost and demand while speculating": (
        having(BASES["speculation"], limits__max_cost=0.3, limits__max_throughput=500.0),
        {"limits.max_cost", "limits.max_throughput"},
    ),
    "throughput and power": (
        having(DENSE, limits__min_throughput=15000.0, limits__max_power_kw=0.7),
        {"limits.min_throughput", "limits.max_power_kw"},
    ),
    "first token and throughput": (
        having(PROMPTS, limits__max_time_to_first_token_s=0.056, limits__min_throughput=24000.0),
        {"limits.max_time_to_first_token_s", "limits.min_throughput"},
    ),
    "last token and cost": (
        having(PROMPTS, limits__max_end_to_end_s=0.6, limits__max_cost=0.1),
        {"limits.max_end_to_end_s", "limits.max_cost"},
    ),
    "throughput and power, many batches": (
        having(DENSE, limits__min_throughput=29000.0, limits__max_power_kw=0.7, design_space__batch__max=4096),
        {"limits.min_throughput", "limits.max_power_kw"},
    ),
    "speed and GPUs": (
        having(DENSE, limits__min_speed=400.0, design_space__max_gpus=2),
        {"limits.min_speed", "design_space.max_gpus"},
    ),
    "cost and batches": (
        having(DENSE, limits__max_cost=0.1, design_space__batch__max=4),
        {"limits.max_cost", "design_space.batch.max"},
    ),
    "speed and a least batch": (
        having(DENSE, limits__min_speed=400.0, design_space__batch={"min": 200, "max": 256}),
        {"limits.min_speed", "design_space.batch.min"},
    ),
    "cost and a list of batches": (
        having(DENSE, limits__max_cost=0.1, design_space__batch=[1, 2, 4]),
        {"limits.max_cost", "design_space.batch"},
    ),
    "memory and GPUs": (
        having(DENSE, weights=["bf16"], memory_utilization=0.15, design_space__max_gpus=1),
        {"memory_utilization", "design_space.max_gpus"},
    ),
    "memory and GPUs with a draft": (
        having(
            BASES["speculation"],
            engine="none",
            memory_utilization=0.08,
            design_space__max_gpus=1,
            limits__max_throughput=1000.0,
        ),
        {"memory_utilization", "design_space.max_gpus"},
    ),
}


@pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
@pytest.mark.parametrize("limit", ["max_time_to_first_token_s", "max_end_to_end_s"])
def test_names_the_limit_on_prompts_that_binds(limit: str, inside: bool) -> None:
    best = ieco_opt.solve(Scenario(**PROMPTS), objective="cheapest")
    most = {name: getattr(best, name.removeprefix("max_")) for name in (limit,)}
    place = f"limits.{limit}"
    mapping = having_limit(PROMPTS, place, most[limit] * (0.999 if inside else 1.001))
    explanation = ask(mapping, "cheapest")
    assert (place in explanation.binding) is inside
    if inside:
        (effect,) = (each for each in explanation.limits if each.limit == place)
        assert effect.removed is not None
        assert effect.removed.deployment.cost_usd_per_mtok == pytest.approx(best.cost_usd_per_mtok, rel=1e-9)
        assert effect.improves_from is not None
        assert most[limit] * 0.999 < effect.improves_from <= most[limit] * (1 + 1e-9)


@pytest.mark.parametrize("name", CLASHES)
def test_clashing_limits_are_irreducible(name: str) -> None:
    mapping, expected = CLASHES[name]
    explanation = ask(mapping)
    assert explanation.infeasible_subset is not None
    members = [change.limit for change in explanation.infeasible_subset.members]
    assert {*members} == expected
    present = [str(limit) for limit in (*COLUMN, "memory_utilization") if limit not in members]
    if "design_space.batch" in members or isinstance(mapping["design_space"]["batch"], list):
        present = [limit for limit in present if "batch" not in limit]
    alone = without_limits(mapping, *present)
    assert not feasible(alone)
    for member in members:
        assert feasible(without_limits(alone, member))


def changes(explanation: Explanation) -> Iterator[tuple[str, float]]:
    assert explanation.infeasible_subset is not None
    for change in explanation.infeasible_subset.members:
        assert change.needed is not None
        assert change.deployment is not None
        yield change.limit, change.needed


@pytest.mark.parametrize("name", CLASHES)
def test_least_changes_are_enough_and_less_is_not(name: str) -> None:
    mapping, _ = CLASHES[name]
    for limit, needed in changes(ask(mapping)):
        kind = Limit(limit)
        if kind is Limit.BATCHES:
            listed = mapping["design_space"]["batch"]
            assert feasible(having_limit(mapping, limit, [*listed, int(needed)]))
            assert not feasible(having_limit(mapping, limit, [*listed, *range(listed[-1] + 1, int(needed))]))
            continue
        less = needed * (1 + SLIGHTLY if kind.is_least else 1 - SLIGHTLY)
        if kind.is_whole:
            less = int(needed) + (1 if kind.is_least else -1)
        assert feasible(having_limit(mapping, limit, needed))
        assert not feasible(having_limit(mapping, limit, less))
        printed = yaml.safe_load(outward(kind, needed))
        assert printed == pytest.approx(needed, rel=1e-5)
        assert feasible(having_limit(mapping, limit, printed))


def test_every_kind_of_limit_is_changed_by_some_test() -> None:
    changed = {limit for _, members in CLASHES.values() for limit in members}
    # Those on energy and carbon are changed in tests/exactness/test_energy.py.
    assert changed == {str(limit) for limit in Limit} - {str(Limit.MAX_ENERGY), str(Limit.MAX_CARBON)}


@pytest.mark.parametrize("seed", range(12))
def test_least_changes_of_random_clashes_are_the_oracles(seed: int) -> None:
    case, rng = numbered(2000 + seed)
    free = enumerate_deployments(replace(case.oracle, min_speed=None, max_cost=None, **_NO_OTHER_LIMITS))
    if not free["batch"].size:
        return
    limits = {
        "min_speed": float(free["speed_tokens_per_s"].max()) * rng.choice((0.8, 1.1)),
        "max_cost": float(free["cost_usd_per_mtok"].min()) * rng.choice((0.9, 1.05)),
    }
    mapping = {**case.mapping, "limits": limits}
    oracle = replace(case.oracle, **_NO_OTHER_LIMITS, **limits)

    def exists(**values: float | None) -> bool:
        return bool(enumerate_deployments(replace(oracle, **values))["batch"].size)

    explanation = ask(mapping)
    assert explanation.feasible == exists()
    for change in explanation.infeasible_subset.members if explanation.infeasible_subset else ():
        name = change.limit.removeprefix("limits.")
        if name not in limits:
            continue
        if change.needed is None:
            assert not exists(**{name: None})
            continue
        more, less = (1 - EXACT, 1 + SLIGHTLY) if name == "min_speed" else (1 + EXACT, 1 - SLIGHTLY)
        assert exists(**{name: change.needed * more})
        assert not exists(**{name: change.needed * less})


_NO_OTHER_LIMITS: Mapping = dict.fromkeys(
    (
        *("max_throughput", "min_throughput", "max_power_kw"),
        *("max_energy_j_per_token", "max_carbon_kg_per_mtok"),
    )
)


def test_where_no_single_limit_helps_the_fewest_are_loosened_together() -> None:
    mapping = having(DENSE, limits__min_speed=5000.0, limits__max_cost=0.001, limits__max_power_kw=20.0)
    explanation = ask(mapping)
    assert explanation.infeasible_subset is not None
    assert all(change.needed is None for change in explanation.infeasible_subset.members)
    together = {change.limit: change.needed for change in explanation.infeasible_subset.together}
    assert {*together} == {"limits.min_speed", "limits.max_cost"}
    speed, cost = together["limits.min_speed"], together["limits.max_cost"]
    assert speed is not None
    assert cost is not None
    assert 5000.0 / speed == pytest.approx(cost / 0.001, rel=EXACT)
    assert feasible(having(mapping, limits__min_speed=speed, limits__max_cost=cost))
    less = {"limits__min_speed": speed * (1 + SLIGHTLY), "limits__max_cost": cost * (1 - SLIGHTLY)}
    assert not feasible(having(mapping, **less))
    assert "No relaxation of a single limit helps" in render(explanation)


def test_setups_that_cannot_run_are_nobodys_fault() -> None:
    explanation = ask(
        having(
            DENSE,
            model="Llama-3.1-405B",
            weights=["bf16"],
            design_space__stage_ranks=[1],
            design_space__pipeline_parallel=[1],
        )
    )
    assert explanation.infeasible_subset is not None
    assert explanation.infeasible_subset.members == ()
    assert any("memory" in reason for reason in explanation.infeasible_subset.rejected)
    assert "No limit is to blame" in render(explanation)


@pytest.mark.parametrize("base", BASES)
def test_times_add_up_to_the_latency(base: str) -> None:
    explanation = ask(BASES[base], "cheapest")
    chosen = explanation.chosen
    assert chosen is not None
    seen = [time for time in explanation.times if not time.hidden]
    assert sum(time.seconds for time in seen) == pytest.approx(chosen.latency_s, rel=EXACT)
    assert sum(time.share for time in seen) == pytest.approx(1.0, rel=EXACT)
    for column, resource in RESOURCES.items():
        total = sum(time.seconds for time in explanation.times if time.resource == resource)
        assert total == pytest.approx(getattr(chosen, column), rel=EXACT)
    assert {time.part for time in explanation.times} == ({"model", "draft"} if chosen.draft_tokens else {"model"})


def test_speculation_keeps_model_and_draft_apart() -> None:
    explanation = ask(having(BASES["speculation"], model="Llama-3.3-70B"))
    assert explanation.chosen is not None
    assert explanation.chosen.draft_tokens > 0
    assert len(explanation.times) == 8
    assert "draft: memory" in render(explanation)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_chooses_what_solve_chooses(objective: str) -> None:
    explanation = ask(BASES["two accelerators"], objective)
    solved = ieco_opt.solve(Scenario(**BASES["two accelerators"]), objective=objective)  # type: ignore[arg-type]
    assert explanation.chosen is not None
    assert explanation.confirmed
    assert setup_of(explanation.chosen) == setup_of(solved)
    for name in ("batch", "gpus", "draft"):
        assert getattr(explanation.chosen, name) == getattr(solved, name)


def test_a_stopped_solver_does_not_spoil_an_exact_answer() -> None:
    stopped = SolverConfig(time_limit_s=1e-9)
    explanation = explain(Scenario(**DENSE), solver_config=stopped)
    assert explanation.confirmed is False
    assert (explanation.status, explanation.guarantee.kind) == ("stopped", "partial")
    assert explanation.limits == ask(DENSE).limits
    assert explanation.chosen == ask(DENSE).chosen
    assert "was stopped" in render(explanation)


def test_a_solver_that_contradicts_the_search_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    worse = api.answer(Scenario(**DENSE), objective="cheapest")
    monkeypatch.setattr(explainer.run, "answer", lambda *_, **__: worse)
    with pytest.raises(ieco_opt.SolverError, match="better deployment"):
        ask(DENSE)


@pytest.mark.parametrize("wrong", [{"objective": "slowest"}, {"preference": -1.0}, {"preference": math.nan}])
def test_wrong_arguments(wrong: Mapping) -> None:
    with pytest.raises(ScenarioError, match=next(iter(wrong))):
        explain(Scenario(**DENSE), **wrong)


@pytest.mark.parametrize("name", [*BASES, *CLASHES])
def test_text_fits_80_columns(name: str) -> None:
    mapping = BASES.get(name) or CLASHES[name][0]
    explanation = ask(mapping)
    for width in (60, 80):
        assert max(map(len, render(explanation, width).splitlines())) <= width


def test_numbers_are_rounded_to_the_side_that_helps() -> None:
    assert outward(Limit.MIN_SPEED, 203.5660649) == "203.566"
    assert outward(Limit.MAX_COST, 2.0173891) == "2.01739"
    assert outward(Limit.MAX_COST, 2.0173811) == "2.01739"
    assert outward(Limit.MAX_GPUS, 16) == "16"
    assert outward(Limit.MAX_THROUGHPUT, 1234567.2) == "1234570"
    assert Bounds(max_cost=3.0).present() == (Limit.MAX_COST,)


def call(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    return int(exit_.value.code or 0)


@pytest.fixture
def scenario_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump({"kind": "deployment", **DENSE}), encoding="utf-8")
    return path


def test_command_explains_both_kinds_with_status_0(
    scenario_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"
    assert call("explain", scenario_file, "--objective", "cheapest", "--out", out) == 0
    text, messages = capfd.readouterr()
    assert "Runner-up configurations" in text
    assert messages == ""
    saved = json.loads(out.read_text("utf-8"))
    assert saved["infeasible_subset"] is None
    assert (saved["status"], len(saved["deployments"])) == ("optimal", 1)
    assert saved["question"] == {"kind": "explain", "objective": "cheapest"} | dict.fromkeys(
        ("preference", "against", "delta", "points")
    )
    assert len(saved["runner_ups"]) == 5
    assert call("explain", scenario_file, "--set", "limits.min_speed=5000", "--format", "json") == 0
    printed = json.loads(capfd.readouterr().out)
    assert (printed["status"], printed["deployments"]) == ("infeasible", [])
    infeasible_subset = printed["infeasible_subset"]
    assert [member["limit"] for member in infeasible_subset["members"]] == ["limits.min_speed"]
    needed = infeasible_subset["members"][0]["needed"]
    assert call("solve", scenario_file, "--set", f"limits.min_speed={needed!r}", "--quiet") == 0


def test_command_refuses_wrong_input(scenario_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("explain", scenario_file, "--out", tmp_path / "out.csv") == 2
    assert ".json" in capfd.readouterr().err
    assert call("explain", scenario_file, "--preference", "2") == 2
    assert call("explain", tmp_path / "missing.yaml") == 2
    assert call("explain", scenario_file, "--set", "limits.min_speed=-1") == 2


def test_quiet_with_a_file_says_nothing(scenario_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("explain", scenario_file, "--out", tmp_path / "out.json", "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_an_exponent_beyond_all_numbers_gives_a_file_that_can_be_read(tmp_path: Path) -> None:
    scenario = Scenario(
        fidelity="paper",
        model="Mixtral 8x7B",
        accelerators=["H100"],
        workload={"context_tokens": 1000},
        design_space={"stage_ranks": [2, 4, 8], "pipeline_parallel": [1, 2], "batch": [1, 8, 64, 256]},
        limits={"max_cost": 5},
    )
    found = ieco_opt.explain(scenario, objective="preferred", preference=1e9)
    gains = [limit.removed.gain for limit in found.limits if limit.removed is not None]
    assert 1e300 < max(gains) < math.inf
    found.to_json(tmp_path / "found.json")
    assert ieco_opt.load_result(tmp_path / "found.json") == found


def test_a_rate_that_nothing_serves_is_relaxed_where_it_is_asked_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rate.yaml"
    asked = having(PROMPTS, workload__requests_per_s=1e5)
    path.write_text(yaml.safe_dump({"version": 2, "kind": "deployment"} | asked), "utf-8")
    with pytest.raises(InfeasibleError, match=r"workload.requests_per_s = 100000 requests/s alone excludes"):
        ieco_opt.solve(Scenario(**asked))
    assert call("explain", path) == 0
    said = re.search(r"--set workload.requests_per_s=(\S+)", capfd.readouterr().out)
    assert said is not None
    most = ieco_opt.solve(Scenario(**having(PROMPTS, workload__requests_per_s=float(said[1]))), objective="cheapest")
    assert most.requests_per_s == pytest.approx(float(said[1]), rel=1e-3)


def test_a_configuration_that_is_late_is_told_by_how_much() -> None:
    best = ieco_opt.solve(Scenario(**PROMPTS), objective="cheapest")
    held = best.parallelism
    asked = f"TP{held.tensor},DP{held.attention_data},PP{held.pipeline},B{best.batch}"
    assert best.time_to_first_token_s is not None
    limits = {"max_time_to_first_token_s": 0.9 * best.time_to_first_token_s, "max_end_to_end_s": 0.1}
    late = ieco_opt.explain_configuration(Scenario(**PROMPTS | {"limits": limits}), asked)
    told = [each for verdict in late.verdicts for each in verdict.forbidden]
    assert {each.field for each in told} == {f"limits.{name}" for name in limits}
    found = f"{best.time_to_first_token_s:.4g} s misses limits.max_time_to_first_token_s"
    assert found in {each.text.split(" = ")[0] for each in told}


@pytest.mark.parametrize("name", ["llama-3.3-70b-h100", "llama-3.3-70b-chat", "deepseek-v3-nvl72"])
def test_times_of_calibrated_passes_add_up_where_compute_is_the_longer_part(name: str) -> None:
    explanation = ieco_opt.explain(ieco_opt.load_scenario(f"scenarios/{name}.yaml"), objective="cheapest")
    chosen = explanation.chosen
    assert chosen is not None
    of_model = [time for time in explanation.times if time.part == "model"]
    hidden = [time for time in of_model if time.hidden]
    # What is read of the cache goes on behind nothing, what is read of the weights behind compute.
    assert [time.resource for time in hidden] == ["memory"]
    assert "memory of attention" in render(explanation)
    assert f"{1e3 * hidden[0].seconds:.4f} ms     -     hidden behind compute" in render(explanation)
    seen = [time for time in explanation.times if not time.hidden]
    assert sum(time.seconds for time in seen) == pytest.approx(chosen.latency_s, rel=EXACT)
    memory = sum(time.seconds for time in explanation.times if time.resource == "memory")
    assert memory == pytest.approx(chosen.memory_s, rel=EXACT)


def test_what_prompts_compute_is_hidden_behind_nothing() -> None:
    # With published constants prompts are part of one pass, whose lesser half is hidden; with a profile they are not.
    for profile, seen in (("paper-constants", False), ("auto", True)):
        explained = ieco_opt.explain(Scenario(**PROMPTS | {"profile": profile}), objective="cheapest")
        compute = [each for each in explained.times if each.resource == "compute"]
        if any(each.hidden for each in compute):
            assert any(not each.hidden for each in compute) is seen
            assert ("compute of prompts" in render(explained)) is seen
        else:
            assert any(each.resource == "memory" and each.hidden for each in explained.times)


@pytest.mark.parametrize(
    ("objective", "figures"),
    [
        ("fastest", ("latency_s",)),
        ("cheapest", ("cost_usd_per_mtok",)),
        ("preferred", ("latency_s", "cost_usd_per_mtok")),
        ("energy", ("energy_j_per_token",)),
        ("carbon", ("carbon_kg_per_mtok",)),
    ],
)
def test_terms_of_alternatives_add_up_to_what_they_take(objective: Any, figures: tuple[str, ...]) -> None:
    # Power has a price and carbon, half of the tokens are drafted, and prompts come with them.
    power = {"usd_per_kwh": 0.2, "kg_co2_per_kwh": 0.4, "pue": 1.3}
    mapping = PROMPTS | {
        "profile": "auto",
        "engine": "vllm",
        "accelerators": [{"like": "H100-SXM", "power": power}],
        "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 2},
        "design_space": DENSE["design_space"] | {"stage_ranks": [1, 2]},
    }
    scenario = Scenario(**mapping)
    listed = ieco_opt.alternatives(scenario, within=9.0, count=3, objective=objective)
    explained = ieco_opt.explain(listed)
    one = explain(scenario, objective=objective)
    assert (explained.best.deployments, explained.best.limits) == (one.deployments, one.limits)
    assert [each.rank for each in explained.alternatives] == [1, 2, 3]
    for each, found in zip(explained.alternatives, listed.found, strict=True):
        for taken, figure in zip(each.taken, figures, strict=True):
            wanted = getattr(found.deployment, figure)
            assert taken.amount == pytest.approx(wanted, rel=EXACT)
            assert taken.more == pytest.approx(wanted - getattr(listed[0].deployment, figure), abs=EXACT * wanted)
            assert sum(term.more for term in taken.terms) == pytest.approx(taken.more, abs=EXACT * wanted)
            assert {"launch overhead", "cache", "prompts"} <= {term.term for term in taken.terms}
    assert explained.alternatives[0].taken[0].mostly is None
