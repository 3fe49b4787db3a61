"""Deployments that price prompts: every answer against plain enumeration, and against fleets of one instance."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from priced_prompts import Mapping, Priced, drawn, limited, nondominated

import ieco_opt
from ieco_opt import Deployment, Scenario
from ieco_opt.errors import InfeasibleError
from ieco_opt.results.instances import InstanceRow
from ieco_opt.scenario import load_fleet_mapping

ROUNDING = 1e-9
BLOCKS, SCENARIOS = 10, 8
OF_A_WORKLOAD = (
    *("model", "weights", "kv_cache", "engine", "engine_factors", "design_space", "speculation"),
    *("memory_utilization", "memory_reserve_gb"),
)


def _figures(one: Deployment) -> tuple[float, ...]:
    assert one.time_to_first_token_s is not None
    assert one.end_to_end_s is not None
    assert one.requests_per_s is not None
    return (one.latency_s, one.cost_usd_per_mtok, one.time_to_first_token_s, one.end_to_end_s, one.requests_per_s)


def _is_of(one: Deployment, every: list[Priced]) -> bool:
    """Whether the oracle has a deployment of the same accelerator, GPUs and batch with the same figures."""
    return any(
        (each.accelerator, int(each.setup.gpus), each.batch, each.decoding.draft_tokens)
        == (one.accelerator, one.gpus, one.batch, one.draft_tokens)
        and np.allclose(
            _figures(one),
            (each.latency_s, each.cost, each.first_s, each.last_s, each.requests_per_s),
            rtol=ROUNDING,
            atol=0.0,
        )
        for each in every
    )


def _asked(number: int) -> tuple[Mapping, list[Priced]] | None:
    found = drawn(number)
    if found is None or number % 3 == 0:
        return found
    return limited(*found, random.Random(f"limits {number}"))  # noqa: S311 - chance, not secrets


@pytest.mark.parametrize("block", range(BLOCKS))
def test_frontiers_and_answers_are_those_of_the_enumeration(block: int) -> None:
    seen = 0
    for number in range(SCENARIOS * block, SCENARIOS * (block + 1)):
        asked = _asked(number)
        if asked is None:
            continue
        mapping, every = asked
        scenario, expected = Scenario(**mapping), nondominated(every)
        if not expected:
            with pytest.raises(InfeasibleError):
                ieco_opt.frontier(scenario, complete=True)
            continue
        seen += 1
        front = ieco_opt.frontier(scenario, complete=True)
        found = [(each.latency_s, each.cost_usd_per_mtok) for each in front]
        assert np.array(found) == pytest.approx(np.array(expected), rel=ROUNDING), (number, mapping)
        assert all(_is_of(each, every) for each in front), (number, mapping)
        cheapest = ieco_opt.solve(scenario, objective="cheapest")
        assert cheapest.cost_usd_per_mtok == pytest.approx(min(each.cost for each in every), rel=ROUNDING)
        fastest = ieco_opt.solve(scenario, objective="fastest")
        assert fastest.latency_s == pytest.approx(min(each.latency_s for each in every), rel=ROUNDING)
        assert not ieco_opt.verify(front).problems
    assert seen


def test_limits_on_prompts_decide() -> None:
    decided = dict.fromkeys(("max_time_to_first_token_s", "max_end_to_end_s", "requests_per_s"), 0)
    for number in range(BLOCKS * SCENARIOS):
        asked = _asked(number)
        if asked is None or "limits" not in asked[0]:
            continue
        mapping, every = asked
        limits, workload = mapping["limits"], mapping["workload"]
        asked_of = {name: limits.get(name) for name in decided} | {"requests_per_s": workload.get("requests_per_s")}
        found = drawn(number)
        assert found is not None
        for name, limit in asked_of.items():
            if limit is not None:
                others = {key: value for key, value in limits.items() if key != name}
                if name != "requests_per_s" and "requests_per_s" in workload:
                    others["min_throughput"] = workload["requests_per_s"] * workload["output_tokens"]
                free = nondominated([each for each in found[1] if each.meets(others)])
                decided[name] += free != nondominated(every)
    assert min(decided.values()) >= 3, decided


def _given(weights: str) -> str | Mapping:
    """Weights of a row as scenarios give them: formats by part are a mapping there."""
    return dict(part.split("=") for part in weights.split(",")) if "=" in weights else weights


def _fleet(mapping: Mapping, one: Deployment, **design_space: object) -> Mapping:
    """A fleet of one workload, whose one instance has to serve just what the deployment does, as fast and as early."""
    workload = {name: mapping[name] for name in OF_A_WORKLOAD if name in mapping} | {"name": "only"}
    assert one.requests_per_s is not None
    assert one.time_to_first_token_s is not None
    workload |= mapping["workload"] | {
        "requests_per_s": one.requests_per_s * (1.0 - ROUNDING),
        "min_speed": one.speed_tokens_per_s * (1.0 - ROUNDING),
        "max_instances": 1,
        "serving": ["colocated"],
    }
    if design_space:
        workload["max_time_to_first_token_s"] = one.time_to_first_token_s * (1.0 + ROUNDING)
        listed = {name: value for name, value in mapping["design_space"].items() if name != "stage_ranks"}
        workload |= {
            "weights": [_given(one.weights)],
            "kv_cache": [one.kv_cache],
            "design_space": listed | design_space,
        }
    pools = [
        {"name": f"pool {at}", "accelerator": each, "gpus": mapping["design_space"]["max_gpus"], "rented_by": "gpu"}
        for at, each in enumerate(mapping["accelerators"])
        if not design_space or one.accelerator == _named(each)["name"]
    ]
    shared = {name: mapping[name] for name in ("profile",) if name in mapping}
    return {"kind": "fleet", "pools": pools, "workloads": [workload], **shared}


def _named(accelerator: str | Mapping) -> Mapping:
    return {"name": accelerator} if isinstance(accelerator, str) else {"name": accelerator.get("like")} | accelerator


def _points(block: int) -> Iterator[tuple[int, Mapping, Deployment]]:
    """Points of frontiers of random scenarios, three of each at most."""
    for number in range(200 + 6 * block, 200 + 6 * (block + 1)):
        found = drawn(number)
        if found is not None:
            for one in list(ieco_opt.frontier(Scenario(**found[0]), delta=0.5))[:3]:
                yield number, found[0], one


def _instance(fleet: Mapping) -> InstanceRow:
    (row,) = ieco_opt.plan(load_fleet_mapping(fleet)).plans[0].instances
    return row


@pytest.mark.parametrize("block", range(4))
def test_a_deployment_is_a_fleet_of_one_workload_and_one_instance(block: int) -> None:
    alike_in_all = 0
    for number, mapping, one in _points(block):
        row = _instance(
            _fleet(
                mapping,
                one,
                tensor_parallel=[one.parallelism.tensor],
                attention_data_parallel=[one.parallelism.attention_data],
                pipeline_parallel=[one.parallelism.pipeline],
                batch=[one.batch],
            )
        )
        names = ["speed_tokens_per_s", "latency_s", "cost_usd_per_mtok", "throughput_tokens_per_s", "mfu"]
        if (row.engine, row.parallelism, row.exchange) == (one.engine, one.parallelism, one.exchange):
            alike_in_all += 1
            names += ["memory_per_gpu_gb", "time_to_first_token_s", "weights_gb", "cache_gb"]
        alike = {name: getattr(one, name) for name in names}
        assert {name: getattr(row, name) for name in names} == pytest.approx(alike, rel=1e-8), number
        assert (row.instances, row.gpus, row.batch) == (1, one.gpus, one.batch)
        assert row.capacity_requests_per_s == pytest.approx(one.requests_per_s, rel=1e-8)
        assert row.usd_per_hour == pytest.approx(one.usd_per_hour, rel=1e-8)
    assert alike_in_all >= 3


@pytest.mark.parametrize("block", range(4))
def test_what_a_frontier_lists_is_the_cheapest_fleet_that_serves_as_much_as_fast(block: int) -> None:
    # Something cheaper an hour that serves as much as fast would cost less a token, and dominate the point.
    seen = 0
    for number, mapping, one in _points(block):
        seen += 1
        row = _instance(_fleet(mapping, one))
        assert row.usd_per_hour == pytest.approx(one.usd_per_hour, rel=1e-8), number
        assert row.speed_tokens_per_s == pytest.approx(one.speed_tokens_per_s, rel=1e-8), number
    assert seen >= 3


def _small(**changes: object) -> Scenario:
    base: Mapping = {
        "model": "Mixtral-8x7B",
        "weights": ["fp8"],
        "accelerators": ["H100-SXM"],
        "workload": {"prompt_tokens": 2000, "output_tokens": 200},
        "design_space": {"stage_ranks": [2, 4], "pipeline_parallel": [1], "batch": {"min": 1, "max": 256}},
    }
    return Scenario(**base | changes)


@pytest.mark.parametrize("limit", ["max_time_to_first_token_s", "max_end_to_end_s"])
def test_a_looser_limit_is_never_worse_and_a_met_one_changes_nothing(limit: str) -> None:
    column = limit.removeprefix("max_")
    free = ieco_opt.solve(_small(), objective="cheapest")
    costs = []
    for share in (0.5, 0.8, 1.0 + ROUNDING, 2.0):
        most = share * getattr(free, column)
        found = ieco_opt.solve(_small(limits={limit: most}), objective="cheapest")
        assert getattr(found, column) <= most
        costs.append(found.cost_usd_per_mtok)
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[2] == costs[3] == free.cost_usd_per_mtok


def test_limits_hold_with_the_error_of_the_model() -> None:
    for limit in ("max_time_to_first_token_s", "max_end_to_end_s"):
        most = 1.2 * getattr(ieco_opt.solve(_small(), objective="fastest"), limit.removeprefix("max_"))
        nominal = ieco_opt.frontier(_small(limits={limit: most / 1.15}), complete=True)
        held = ieco_opt.frontier(_small(limits={limit: most}, model_error=0.15), complete=True)
        assert [each.batch for each in held] == [each.batch for each in nominal]
        assert held.deployments[-1].cost_usd_per_mtok == nominal.deployments[-1].cost_usd_per_mtok


def test_the_pessimistic_end_of_a_band_is_late_by_the_error() -> None:
    limits = {"max_time_to_first_token_s": 0.6, "max_end_to_end_s": 6.0}
    banded = ieco_opt.frontier(_small(limits=limits, model_error=0.2), complete=True, band=True)
    end = banded.pessimistic_end()
    assert end is not None
    assert len(end) == len(banded) > 3
    for nominal, late in zip(banded, end, strict=True):
        for name in ("latency_s", "time_to_first_token_s", "end_to_end_s", "cost_usd_per_mtok", "usd_per_request"):
            assert getattr(late, name) == pytest.approx(1.2 * getattr(nominal, name), rel=1e-9), name
        assert late.usd_per_hour == pytest.approx(nominal.usd_per_hour, rel=1e-9)
        assert late.time_to_first_token_s is not None
        assert late.time_to_first_token_s <= 0.6
    assert not ieco_opt.verify(banded).problems


def test_energy_counts_what_prompts_draw() -> None:
    site = {"like": "H100-SXM", "power": {"usd_per_kwh": 0.2, "kg_co2_per_kwh": 0.4}}
    # Prompts of twenty times the answer, so that they draw more than all of the decoding.
    asked = _small(accelerators=[site], workload={"prompt_tokens": 4000, "output_tokens": 200})
    whole = ieco_opt.solve(asked, objective="energy")
    alone = ieco_opt.solve(
        _small(accelerators=[site], workload={"context_tokens": 4000, "output_tokens": 200}), objective="energy"
    )
    assert whole.energy_j_per_token is not None
    assert alone.energy_j_per_token is not None
    assert whole.energy_j_per_token > 2.0 * alone.energy_j_per_token
    assert whole.energy_usd_per_mtok is not None
    rent = whole.gpus * 1e6 * 3.0 / 3600.0 / whole.throughput_tokens_per_s
    assert whole.cost_usd_per_mtok > whole.energy_usd_per_mtok + 0.3 * rent
    hourly = whole.cost_usd_per_mtok * whole.throughput_tokens_per_s * 3600.0 / 1e6
    assert whole.usd_per_hour == pytest.approx(hourly, rel=1e-12)


def test_servers_are_told_of_the_prompt() -> None:
    found = ieco_opt.frontier(_small(engine="vllm"), points=2)
    said = str(found.launch(point=1))
    assert "'--max-model-len', '2200'" in said
    assert "'--random-input-len', '2000', '--random-output-len', '200'" in said
