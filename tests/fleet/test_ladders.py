"""Latencies on rungs: they bound what every setup serves, and answers are those of setups priced one by one."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from ieco_opt.fleet import pricing
from ieco_opt.fleet.instances import DecodingSetups, Service
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.pricing import build_candidates
from ieco_opt.fleet.space import FleetSpace, build_fleet_space
from ieco_opt.fleet.speeds import as_fast_as_possible
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import load_fleet_mapping, resolve_fleet
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import running

Mapping = dict[str, Any]

SERVICES = [Service(*each) for each in ((np.inf, np.inf), (1 / 20, np.inf), (1 / 45, 1.0), (1 / 90, 0.4), (1e-6, 1.0))]


def _fleet(*workloads: Mapping, **others: Any) -> Mapping:
    return {
        "version": 2,
        "kind": "fleet",
        "name": "ladders",
        "pools": [{"name": "p", "accelerator": "H100-SXM", "gpus": 64}],
        "workloads": [
            {"name": f"w{at}", "requests_per_s": 20, "prompt_tokens": 1000, "output_tokens": 200, "min_speed": 20}
            | each
            for at, each in enumerate(workloads)
        ],
        **others,
    }


def _space(mapping: Mapping) -> FleetSpace:
    return build_fleet_space(resolve_fleet(load_fleet_mapping(mapping)))


@pytest.mark.parametrize(
    "workload",
    [
        {"model": "Llama-3.1-8B", "weights": ["fp8"]},
        {"model": "DeepSeek-V2-Lite", "weights": ["fp8"], "design_space": {"batch": [1, 8, 40, 72, 300]}},
        {
            "model": "Llama-3.1-8B",
            "weights": ["bf16"],
            "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 2},
        },
    ],
)
def test_rungs_bound_what_every_setup_serves(workload: Mapping) -> None:
    (candidate,) = _space(_fleet(workload)).candidates
    found = Counter[str]()
    for table in candidate.tables:
        for setups in table.setups:
            for service in SERVICES:
                exact, bounds = setups.capacities(service), setups.bounds(service)
                assert (bounds.least <= exact.requests_per_s * (1 + 1e-12)).all()
                assert (exact.requests_per_s <= bounds.most * (1 + 1e-12)).all()
                rows = np.flatnonzero(bounds.most > 0.0)[::3]
                some = setups.capacities_of(service, rows)
                # Every batch between two rungs, priced at once or bisected: to the last digit.
                for name in ("batch", "requests_per_s", "transfer_s"):
                    assert np.array_equal(getattr(some, name), getattr(exact, name)[rows])
                served = some.batch > 0
                assert np.array_equal(some.busy_s[served], exact.busy_s[rows][served])
                found["tight"] += int((bounds.least > 0.0).sum())
                found["some"] += len(rows)
    assert found["some"] > 100
    assert found["tight"] > 100 or "design_space" in workload


def _drawn(rng: random.Random) -> Mapping:
    """Two workloads on two pools, some of whose energy has a price."""
    workloads = []
    for model in rng.sample(("Llama-3.1-8B", "Qwen3-8B", "DeepSeek-V2-Lite"), 2):
        prompt, output = rng.choice(((2000, 500), (500, 100), (300, 900), (1, 1)))
        workload = {
            "model": model,
            "prompt_tokens": prompt,
            "output_tokens": output,
            "engine": rng.choice(("vllm", "none")),
        }
        workload |= {"weights": ["bf16"], "min_speed": rng.choice((20, 60)), "requests_per_s": rng.choice((2, 40))}
        if rng.random() < 0.6:
            workload["max_time_to_first_token_s"] = rng.choice((0.3, 2))
        workloads.append(workload)
    pools = [
        {"name": name, "accelerator": name, "gpus": 48} for name in rng.sample(("H100-SXM", "MI300X", "H20-96GB"), 2)
    ]
    if rng.random() < 0.5:
        pools[0]["power"] = {"usd_per_kwh": 0.3}
    return _fleet(*workloads, pools=pools)


def _columns(space: FleetSpace) -> list[Any]:
    return [space.columns(factor, beyond=beyond) for factor in (1.0, 1.31, 2.2) for beyond in (False, True)]


def test_bounds_change_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    fleets = [_drawn(random.Random(seed)) for seed in range(4)]  # noqa: S311 - chance, not secrets
    mix = [
        {"name": "a", "share": 1, "prompt_tokens": 500, "output_tokens": 300},
        {"name": "b", "share": 3, "prompt_tokens": 3000, "output_tokens": 60},
    ]
    mixed = _fleet({"model": "Llama-3.1-8B", "weights": ["fp8"], "max_time_to_first_token_s": 1.0, "request_mix": mix})
    for name in ("prompt_tokens", "output_tokens"):
        del mixed["workloads"][0][name]
    fleets.append(mixed)
    bounded = [_columns(_space(each)) for each in fleets]
    monkeypatch.setattr(pricing, "hopeful", lambda table, *_, **__: np.ones(table.count, dtype=bool))
    assert bounded == [_columns(_space(each)) for each in fleets]
    assert sum(len(one) for each in bounded for columns in each for one in columns) > 200


def test_instances_run_at_the_fastest_factor_that_their_batches_attain() -> None:
    space = _space(_fleet({"model": "Llama-3.1-8B", "weights": ["fp8"], "serving": ["colocated"]}))
    with running(solver_config_of("fleet")) as run:
        plan = FleetPlanner(space, run).best()
    assert plan is not None
    (used,) = [at for at, count in enumerate(plan.counts) if count]
    column, count = plan.problem.columns[used], plan.counts[used]
    setups = space.candidates[0].tables[column.origin.table or 0].setups[0]
    assert isinstance(setups, DecodingSetups)
    row = setups.alternatives.take(np.array([column.origin.rows[0]]))
    batch = np.arange(int(row.batch_min[0]), column.batch[0] + 1, int(row.batch_step[0]))
    latency = np.array([row.latency_s(np.array([float(each)]))[0] for each in batch])
    enough = count * batch / (latency * 200.0) / column.margin >= 20.0 * (1 - 1e-9)
    assert 1 < enough.sum() < len(batch)
    fast = as_fast_as_possible(space, plan, space.max_speed_factor())
    assert fast.problem.columns[used].batch == (batch[enough].min(),)
    assert fast.speed_factor == 1.0 / latency[enough].min() / column.margin / 20.0


def test_operating_points_drop_out_at_their_own_speed() -> None:
    point = {"accelerator": "H100-SXM", "gpus": 8, "throughput_requests_per_s": 25}
    points = [{**point, "speed_tokens_per_s": speed} for speed in (33.3, 47.0)]
    space = _space(_fleet({"operating_points": points}))
    with running(solver_config_of("fleet")) as run:
        plan = FleetPlanner(space, run).best()
    assert plan is not None
    (used,) = [at for at, count in enumerate(plan.counts) if count]
    fast = as_fast_as_possible(space, plan, 3.0)
    assert fast.speed_factor == plan.problem.columns[used].origin.points[0].speed_tokens_per_s / 20


def test_workloads_that_ask_the_same_share_their_prices() -> None:
    model = {"model": "Llama-3.1-8B", "weights": ["fp8"], "max_time_to_first_token_s": 2}
    others = ({"min_speed": 55, "requests_per_s": 3}, {"output_tokens": 300}, {"prefix_hit": 0.5}, {"kv_cache": "fp8"})
    space = _space(_fleet(model, *(model | each for each in others), model | {"max_time_to_first_token_s": None}))
    first, *rest = (candidate.tables for candidate in space.candidates)

    def shared(tables: tuple[Any, ...]) -> set[Phase]:
        return {one.phase for one, other in zip(first, tables, strict=True) if one is other}

    # Prefill knows no answers, and only where the first token is limited do servers differ in their chunks.
    everything = set(Phase)
    expected = [everything, {Phase.PREFILL}, set(), set(), {Phase.PREFILL, Phase.DECODE}]
    assert [shared(tables) for tables in rest] == expected
    alone = [build_candidates(each, space.resolved.pools) for each in space.resolved.workloads]
    apart = FleetSpace(space.resolved, tuple(alone), space.pools, space.caps)
    assert space.columns(1.1) == apart.columns(1.1)
    assert {column.workload for column in space.columns()[1]} == {1}
