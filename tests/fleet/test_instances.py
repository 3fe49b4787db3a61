"""Every kind of instance against the oracle: its best batch, what it serves, and its parts of the first token."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import pytest
from oracle import Setup, servers, serving

import ieco_opt
from ieco_opt import catalog
from ieco_opt.catalog.types import Model
from ieco_opt.engines.spread import EXCHANGES
from ieco_opt.fleet.columns import Candidates, Column
from ieco_opt.fleet.instances import DecodingSetups
from ieco_opt.fleet.pricing import build_candidates, columns_at
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import load_fleet_mapping, resolve_fleet

Mapping = dict[str, Any]
Key = tuple[str | int, ...]

# Sums are taken in another order than the oracle takes them.
RELATIVE = 1e-12

CASES: dict[str, Mapping] = {
    "dense": {"model": "Llama-3.3-70B", "accelerator": "H100-SXM", "weights": "fp8", "sizes": (2000, 500)},
    "small": {"model": "Qwen3-8B", "accelerator": "L40S", "weights": "bf16", "sizes": (300, 900)},
    "experts": {"model": "Mixtral-8x22B", "accelerator": "A100-SXM-80GB", "weights": "int4", "sizes": (4000, 200)},
    "latent": {"model": "DeepSeek-V2-Lite", "accelerator": "H20-96GB", "weights": "fp8", "sizes": (700, 64)},
    "torus": {
        "model": "Llama-3.1-8B",
        "accelerator": "TPU-v5p",
        "weights": "bf16",
        "sizes": (1000, 1000),
        "engine": "none",
    },
    "nodes of 72": {"model": "gpt-oss-120b", "accelerator": "GB200-NVL72", "weights": "fp4", "sizes": (8000, 1)},
    "speculation": {
        "model": "Llama-3.1-8B",
        "accelerator": "MI300X",
        "weights": "bf16",
        "sizes": (1500, 250),
        "speculation": {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 3},
    },
}
# With the last ones the transfer alone takes too long where a decode instance has few GPUs.
SERVICES: tuple[tuple[float | None, float | None], ...] = (
    *((None, None), (25.0, None), (None, 0.5), (40.0, 0.2)),
    *((None, 0.004), (None, 0.001)),
)


@functools.cache
def _candidates(name: str, min_speed: float | None, first_token_s: float | None) -> Candidates:
    case = CASES[name]
    prompt, output = case["sizes"]
    workload = {
        "name": "w",
        "model": case["model"],
        "weights": [case["weights"]],
        "requests_per_s": 1.0,
        "prompt_tokens": prompt,
        "output_tokens": output,
        "design_space": {"stage_ranks": [1, 2, 4, 16], "pipeline_parallel": [1, 3], "batch": {"max": 700}},
    }
    given = {"min_speed": min_speed, "max_time_to_first_token_s": first_token_s}
    given |= {name: case.get(name) for name in ("speculation", "engine")}
    workload |= {name: value for name, value in given.items() if value is not None}
    pool = {"name": "p", "accelerator": case["accelerator"], "gpus": 4096}
    resolved = resolve_fleet(load_fleet_mapping({"kind": "fleet", "pools": [pool], "workloads": [workload]}))
    return build_candidates(resolved.workloads[0], resolved.pools)


def _service(case: Mapping, min_speed: float | None, first_token_s: float | None) -> serving.Service:
    prompt, output = case["sizes"]
    model, speculation = catalog.model(case["model"]), None
    assert isinstance(model, Model)
    if "speculation" in case:
        given = case["speculation"]
        draft = catalog.model(given["draft_model"])
        assert isinstance(draft, Model)
        speculation = serving.Speculation(draft, given["acceptance"], given["max_draft_tokens"])
    return serving.Service(
        model=model,
        accelerator=catalog.accelerator(case["accelerator"]),
        weights=(case["weights"],),
        request=serving.Request(prompt, output),
        stage_ranks=(1, 2, 4, 16),
        pipeline_parallel=(1, 3),
        batches=serving.DEFAULT_BATCHES[:700],
        min_speed=min_speed,
        max_time_to_first_token_s=first_token_s,
        speculation=speculation,
        engine=case.get("engine", "any"),
    )


def _key(instance: serving.Instance) -> tuple[int, ...]:
    def degrees(setup: Setup | None) -> tuple[int, ...]:
        if setup is None:
            return (0,) * 7
        held = (setup.stage_ranks, setup.pipeline, setup.expert, setup.sigma, setup.redundant)
        # A dense model has no exchange, which is the first of them with servers and the paper's without.
        exchange = setup.exchange or ("all_to_all" if setup.engine == "none" else "none")
        return (*map(int, held), EXCHANGES.index(exchange), int(setup.layout == "2d"))

    decoding = instance.decoding
    return (*degrees(instance.setup), decoding.draft_tokens, *degrees(decoding.draft_setup))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("phase", list(Phase))
def test_instances_are_those_of_the_oracle(name: str, phase: Phase) -> None:
    served = 0
    for min_speed, first_token_s in SERVICES:
        candidates = _candidates(name, min_speed, first_token_s)
        service = _service(CASES[name], min_speed, first_token_s)
        listed = {(one.setup.engine, *_key(one)): one for one in serving.instances(service, phase.value)}
        found: dict[Key, serving.Instance] = {}
        for table in candidates.tables:
            if table.phase is not phase:
                continue
            setups = table.setups[0]
            capacities = setups.capacities(candidates.service())
            for row, key in enumerate(setups.keys()):
                if capacities.batch[row] == 0:
                    continue
                named = (table.engine or "none", *map(int, key))
                found[named] = instance = listed[named]
                assert capacities.batch[row] == instance.batch
                assert capacities.requests_per_s[row] == pytest.approx(instance.capacity_requests_per_s, rel=RELATIVE)
                assert capacities.transfer_s[row] == pytest.approx(instance.transfer_s, rel=RELATIVE)
                if phase is Phase.PREFILL:
                    assert capacities.first_token_s[row] == pytest.approx(instance.pass_s, rel=RELATIVE)
        if phase is Phase.COLOCATED:
            # No cache moves: what several servers run alike is there once, as the one that serves most runs it.
            assert _most_served(found) == _most_served(listed)
            # Under a cap, servers that take prompts in other chunks are told apart.
            chunks = {engine: service.chunks(engine) if first_token_s else 1 for engine, *_ in found}
            alike = {(chunks[engine], *key, servers.sharers(one.setup)) for (engine, *key), one in found.items()}
            assert "speculation" in CASES[name] or len(found) == len(alike)
        else:
            assert found.keys() == listed.keys()
        served += len(found)
    assert served > 20


def _most_served(instances: dict[Key, serving.Instance]) -> dict[object, float]:
    """The most requests/s that some server serves with each setup and each sharing of its weights."""
    most: dict[object, float] = {}
    for (_, *key), instance in instances.items():
        alike = (*key, servers.sharers(instance.setup))
        most[alike] = max(most.get(alike, 0.0), instance.capacity_requests_per_s)
    return most


def test_larger_batches_serve_more_at_less_speed() -> None:
    # What lets a setup be reduced to its largest batch.
    candidates = _candidates("experts", None, None)
    for table in candidates.tables:
        setups = table.setups[0]
        if not isinstance(setups, DecodingSetups):
            continue
        low, high = setups.alternatives.batch_min, setups.alternatives.batch_max
        steps = [setups.at((low + share * (high - low)).astype(int)) for share in (0.0, 0.1, 0.5, 0.9, 1.0)]
        for before, after in itertools.pairwise(steps):
            assert (after.requests_per_s >= before.requests_per_s * (1.0 - RELATIVE)).all()


def test_pools_of_one_accelerator_are_priced_once() -> None:
    # Their prices, rents and sizes differ; what a GPU can do does not.
    def columns(pools: list[Mapping]) -> tuple[Candidates, list[Column]]:
        workload = {
            "name": "w",
            "model": "Llama-3.1-8B",
            "weights": ["fp8"],
            "requests_per_s": 1.0,
            "prompt_tokens": 500,
            "output_tokens": 90,
        }
        resolved = resolve_fleet(load_fleet_mapping({"kind": "fleet", "pools": pools, "workloads": [workload]}))
        candidates = build_candidates(resolved.workloads[0], resolved.pools)
        return candidates, columns_at(candidates, 0, resolved.pools)

    one = {"name": "one", "accelerator": "H100-SXM", "gpus": 16, "usd_per_gpu_hour": 2.0}
    spot = one | {"name": "spot", "usd_per_gpu_hour": 1.0, "rented_by": "gpu", "gpus": 16}
    other = {"name": "other", "accelerator": "H200-SXM", "gpus": 16}
    small = one | {"name": "small", "node_size": 4}
    alone, both = columns([one])[0], columns([one, spot, other, small])[0]
    shared = [table.pools for table in both.tables]
    assert sorted(set(shared)) == [(0, 1), (2,), (3,)]
    assert len(shared) == 3 * len(alone.tables)
    for at, pool in enumerate((one, spot, other, small)):
        expected = [(column.gpus, column.requests_per_s, column.batch) for column in columns([pool])[1]]
        found = columns([one, spot, other, small])[1]
        assert expected
        assert [(each.gpus, each.requests_per_s, each.batch) for each in found if each.pool == at] == expected


def _named(model: str, pool: Mapping, space: Mapping, **fields: Any) -> list[str]:
    """Names of the instance types of the best plan for a demand that one instance meets."""
    workload = {
        "name": "w",
        "model": model,
        "weights": ["fp8"],
        "requests_per_s": 0.1,
        "prompt_tokens": 500,
        "output_tokens": 90,
        "serving": ["colocated"],
        "design_space": {"pipeline_parallel": [1], "batch": {"max": 64}} | space,
    }
    fleet = {"kind": "fleet", "pools": [{"name": "p"} | pool], "workloads": [workload | fields]}
    return [row.instance_type for row in ieco_opt.plan(load_fleet_mapping(fleet))[0].instances]


def test_names_tell_caches_and_copies_of_experts() -> None:
    # Each of the 72 groups has a sequence at least.
    wide = {"stage_ranks": [72], "attention_data_parallel": [72], "expert_parallel": [72], "batch": {"max": 144}}
    rack = {"accelerator": "GB200-NVL72", "gpus": 72}
    assert _named("DeepSeek-V3", rack, wide, kv_cache="fp8") == ["fp8-kv-fp8-tp1-ep72-dp72-r32"]
    one = {"stage_ranks": [1], "attention_data_parallel": [1]}
    card = {"accelerator": "H100-SXM", "gpus": 8}
    assert _named("Llama-3.1-8B", card, one) == ["fp8-tp1"]
    mixed = [{"rest": "fp8", "head": "bf16"}]
    assert _named("Llama-3.1-8B", card, one, kv_cache="fp8", weights=mixed) == ["head=bf16,rest=fp8-kv-fp8-tp1"]


def test_a_cache_in_fp8_is_left_out_on_pools_without_8_bit_arithmetic() -> None:
    workload = {
        "name": "w",
        "model": "Llama-3.1-8B",
        "weights": ["bf16"],
        "kv_cache": ["bf16", "fp8"],
        "requests_per_s": 1.0,
        "prompt_tokens": 500,
        "output_tokens": 90,
    }
    pools = [{"name": name, "accelerator": name, "gpus": 8} for name in ("A100-SXM-80GB", "H100-SXM")]
    resolved = resolve_fleet(load_fleet_mapping({"kind": "fleet", "pools": pools, "workloads": [workload]}))
    candidates = build_candidates(resolved.workloads[0], resolved.pools)
    pairs = {
        (table.pools, table.precision.kv_cache) for table in candidates.tables if len(table.setups[0].degrees.gpus)
    }
    assert pairs == {((0,), "bf16"), ((1,), "bf16"), ((1,), "fp8")}
