"""Time to first token of the performance model: the formula of docs/fleet.md, and what a cap on it does."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_profiles import random_profile

import ieco_opt
from ieco_opt.errors import InfeasibleError
from ieco_opt.fleet.columns import Candidates
from ieco_opt.fleet.instances import DecodingSetups, PrefillSetups, Service
from ieco_opt.fleet.pricing import build_candidates
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.traffic import Traffic
from ieco_opt.scenario import load_fleet_mapping, resolve_fleet

Mapping = dict[str, Any]

SMALL: Mapping = {"stage_ranks": [1, 2, 4], "pipeline_parallel": [1, 2], "batch": {"max": 256}}
SPECULATION: Mapping = {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 3}
OF_PROFILE: Mapping = {"first_token": {"seconds": 0.3, "prompts_in_the_way": 0.5}}


def drawn(seed: int) -> Mapping:
    """A profile whose constants lie far from the published ones."""
    return random_profile(random.Random(seed))  # noqa: S311


def fleet_of(accelerator: str = "H100-SXM", profile: Mapping | None = None, **workload: Any) -> Mapping:
    asked = {
        "name": "w",
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "requests_per_s": 1.0,
        "prompt_tokens": 2000,
        "output_tokens": 200,
        "serving": ["colocated"],
        "engine": "vllm",
        "design_space": SMALL,
    }
    pool = {"name": "p", "accelerator": accelerator, "gpus": 64, "usd_per_gpu_hour": 2.0, "rented_by": "gpu"}
    calibration = profile or "paper-constants"
    return {"kind": "fleet", "pools": [pool], "workloads": [asked | workload], "profile": calibration}


def candidates_of(mapping: Mapping) -> Candidates:
    resolved = resolve_fleet(load_fleet_mapping(mapping))
    return build_candidates(resolved.workloads[0], resolved.pools)


def decoding(mapping: Mapping) -> DecodingSetups:
    (table,) = candidates_of(mapping).tables
    (setups,) = table.setups
    assert isinstance(setups, DecodingSetups)
    return setups


def times(setups: DecodingSetups, batch: np.ndarray) -> np.ndarray:
    return setups.time_to_first_token_s(setups.alternatives.latency_s(batch), batch)


PRICED = [
    # prompt_tokens, prefix_hit, chunks of vLLM on an H100, drafts, profile, fixed seconds, prompts in the way
    (2000, 0.0, 1, False, None, 0.040, 0.065),
    (30000, 0.25, 3, False, None, 0.040, 0.065),
    (9000, 0.0, 2, True, None, 0.040, 0.065),
    (9000, 0.0, 2, False, OF_PROFILE, 0.3, 0.5),
]


@pytest.mark.parametrize(("prompt", "found", "chunks", "drafts", "profile", "fixed_s", "others"), PRICED)
def test_the_formula(
    prompt: int, found: float, chunks: int, drafts: bool, profile: Mapping | None, fixed_s: float, others: float
) -> None:
    asked = {"speculation": SPECULATION} if drafts else {"model": "Mixtral-8x7B"}
    calibration = None if profile is None else drawn(3) | profile
    setups = decoding(fleet_of(profile=calibration, prompt_tokens=prompt, prefix_hit=found, **asked))
    rows, family = setups.alternatives, setups.family
    if drafts:
        assert (rows.draft_tokens > 0).any()
    else:
        assert ((rows.degrees.attention_data_parallel > 1) & (rows.degrees.pipeline_parallel > 1)).any()
    traffic = Traffic((1 - found) * prompt / chunks, 0.0, 0.0, 0.0, 1.0 / chunks, prompt, found * prompt)
    in_flight = 5.0
    for at in range(len(rows)):
        one = rows.take(np.array([at]))
        groups = one.degrees.attention_data_parallel * one.degrees.pipeline_parallel
        passed = pass_time(family.shape, family.accelerator, one.degrees, traffic).latency_s(groups)[0]
        tokens = int(one.draft_tokens[0])
        if tokens:
            assert family.drafts is not None
            draft = family.drafts.shape
            passed += pass_time(draft, family.accelerator, one.draft_degrees, traffic).latency_s(groups)[0]
        expected = sum(0.7**accepted for accepted in range(max(tokens, 1)))
        batch = in_flight * groups
        by_hand = fixed_s + chunks * passed * (1 + others * in_flight) + expected * one.latency_s(batch)[0]
        took = times(setups.take(np.array([at])), batch)[0]
        assert took == pytest.approx(by_hand, rel=1e-12)


def test_the_pass_that_verifies_joins_states_of_the_prompt_for_its_head() -> None:
    # With the published constants arithmetic hides the reading of what joins states.
    speculation = {"mode": "eagle3", "acceptance": 0.7, "max_draft_tokens": 2}
    setups = decoding(fleet_of(profile=drawn(3), speculation=speculation))
    family, rows = setups.family, setups.alternatives
    assert family.drafts is not None
    at = np.flatnonzero((rows.draft_tokens == 2) & (rows.gpus == 1.0))
    one, traffic = rows.take(at), Traffic(2000.0, 0.0, 0.0, 0.0, 1.0, 2000.0, 0.0)
    assert family.shape.fusing(family.drafts.shape) != family.shape
    by_hand = sum(
        pass_time(shape, family.accelerator, degrees, traffic).latency_s(np.ones(1))[0]
        for shape, degrees in (
            (family.shape.fusing(family.drafts.shape), one.degrees),
            (family.drafts.shape, one.draft_degrees),
        )
    )
    assert setups.prompt_s[at] == pytest.approx(by_hand, rel=1e-12)


def seeded(seed: int) -> Mapping | None:
    return None if seed % 2 else drawn(seed)


@settings(max_examples=30, deadline=None)
@given(
    model=st.sampled_from(["Llama-3.1-8B", "Mixtral-8x7B", "DeepSeek-V2-Lite"]),
    seed=st.integers(0, 10**6),
    engine=st.sampled_from(["vllm", "sglang", "trtllm", "none"]),
    prompt=st.integers(1, 30_000),
    more=st.integers(0, 2500),
    speculating=st.booleans(),
)
def test_it_rises_with_the_batch_and_never_falls_with_the_prompt(
    model: str, seed: int, engine: str, prompt: int, more: int, speculating: bool
) -> None:
    given = {"model": model, "engine": engine, "prompt_tokens": prompt}
    given |= {"speculation": SPECULATION} if speculating and model == "Llama-3.1-8B" else {}
    setups = decoding(fleet_of(profile=seeded(seed), **given))
    low, high, step = (
        column.astype(float)
        for column in (setups.alternatives.batch_min, setups.alternatives.batch_max, setups.alternatives.batch_step)
    )
    next_to_last = np.maximum(low, high - step)
    for before, after in ((low, np.minimum(low + step, high)), (low, high), (next_to_last, high)):
        rose = times(setups, after) > times(setups, before)
        assert (rose | (before == after)).all()
    longer = decoding(fleet_of(profile=seeded(seed), **given | {"prompt_tokens": prompt + more}))
    known = {tuple(key): at for at, key in enumerate(setups.keys().tolist())}
    here = np.array([known[tuple(key)] for key in longer.keys().tolist()], dtype=np.intp)
    assert (longer.prompt_s >= setups.prompt_s[here] * (1 - 1e-12)).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.floats(0.0, 1.2), prompt=st.integers(1, 20_000), listed=st.booleans())
def test_a_cap_is_a_bound_on_the_batch(seed: int, share: float, prompt: int, listed: bool) -> None:
    batches = {"batch": [1, 2, 6, 8, 60, 128, 250]} if listed else {}
    asked = {"prompt_tokens": prompt, "speculation": SPECULATION, "design_space": SMALL | batches}
    setups = decoding(fleet_of(profile=seeded(seed), **asked))
    rows = setups.alternatives
    firsts = times(setups, rows.batch_min.astype(float)), times(setups, rows.batch_max.astype(float))
    cap = float(firsts[0].min() + share * (firsts[1].max() - firsts[0].min()))
    speed = float(np.median(rows.latency_s(rows.batch_max.astype(float))))
    for slowest in (np.inf, speed):
        found = setups.capacities(Service(slowest, cap)).batch
        for at, batch in enumerate(found):
            alone = setups.take(np.array([at]))
            possible = np.arange(rows.batch_min[at], rows.batch_max[at] + 1, rows.batch_step[at])
            if listed:
                possible = possible[np.isin(possible, batches["batch"])]
            every = np.repeat(0, len(possible))
            table = alone.take(every)
            met = times(table, possible.astype(float)) <= cap
            met &= table.alternatives.latency_s(possible.astype(float)) <= slowest
            assert batch == max(possible[met], default=0)
            # No batch above it is in time, so none below it is left out for the cap.
            assert not met[possible > batch].any()
            assert met[possible <= batch].all()


@pytest.mark.parametrize("calibrated", [False, True])
def test_another_chunk_takes_the_constant_part_of_one_more_pass(calibrated: bool) -> None:
    profile = drawn(7) | {"step_s": 0.002} if calibrated else None

    def setups(prompt: int) -> tuple[DecodingSetups, float]:
        one_gpu = {"stage_ranks": [1], "pipeline_parallel": [1]}
        found = decoding(fleet_of(profile=profile, prompt_tokens=prompt, design_space=one_gpu))
        assert len(found.alternatives) == 1
        return found, float(found.prompt_s[0])

    (_, before), (last, whole), (_, cut) = map(setups, (8191, 8192, 8193))
    family = last.family
    traffic = Traffic(8192.0, 0.0, 0.0, 0.0, 1.0, 8192.0, 0.0)
    time = pass_time(family.shape, family.accelerator, last.alternatives.degrees, traffic)
    # Beside long prompts the published constants hide the reading of weights behind arithmetic.
    constant = float(time.kernel_s[0] + (time.memory_fixed_s[0] if calibrated else 0.0))
    token = whole - before
    assert 0.0 < token < constant / 10.0
    assert cut - whole == pytest.approx(constant + token, rel=1e-3)


def test_servers_of_other_chunks_are_kept_apart_under_a_cap() -> None:
    # On an MI300X SGLang takes 16,384 tokens at once and vLLM 8,192, with more room for the cache.
    def best(engine: Any, cap: float | None) -> tuple[float, int]:
        capped = {} if cap is None else {"max_time_to_first_token_s": cap}
        found = candidates_of(fleet_of("MI300X", engine=engine, prompt_tokens=16_000, **capped))
        served = [table.setups[0].capacities(found.service()).requests_per_s for table in found.tables]
        return max(np.concatenate(served)), sum(map(len, served))

    both = ["vllm", "sglang"]
    cap = 0.5
    for alone in both:
        assert best(both, cap)[0] >= best(alone, cap)[0] > 0.0
    assert best("sglang", cap)[0] > best("vllm", cap)[0] * 1.001
    assert best(both, cap)[1] == best("vllm", cap)[1] + best("sglang", cap)[1]
    # Without one nothing but the room for the cache tells them apart.
    assert best(both, None)[1] < best(both, cap)[1]


def test_servers_of_other_chunks_serve_all_classes_of_a_mix() -> None:
    # Of the short class the servers take the prompts alike, of the long class they do not.
    mix = [
        {"name": "short", "share": 1, "prompt_tokens": 500, "output_tokens": 100},
        {"name": "long", "share": 1, "prompt_tokens": 16_000, "output_tokens": 100},
    ]
    asked = {"request_mix": mix, "prompt_tokens": None, "output_tokens": None, "max_time_to_first_token_s": 0.5}
    mapping = fleet_of("MI300X", engine=["vllm", "sglang"], **asked)
    mapping["workloads"][0] = {name: value for name, value in mapping["workloads"][0].items() if value is not None}
    tables = candidates_of(mapping).tables
    assert len(tables) == 2
    for table in tables:
        short, long = (len(setups.degrees.gpus) for setups in table.setups)
        assert short == long > 0


def test_a_pair_takes_the_fixed_time_the_pass_and_the_longer_transfer() -> None:
    profile = drawn(5) | OF_PROFILE
    mapping = fleet_of(profile=profile, serving=["disaggregated"], requests_per_s=0.01)
    candidates = candidates_of(mapping)
    plan = ieco_opt.plan(load_fleet_mapping(mapping))[0]
    prefill, decode = sorted(plan.instances, key=lambda row: row.phase == "decode")
    assert decode.time_to_first_token_s is None
    (setups,) = [each.setups[0] for each in candidates.tables if isinstance(each.setups[0], PrefillSetups)]
    assert isinstance(setups, PrefillSetups)
    moved = setups.family.shape.resident_bytes(2000.0) / setups.family.accelerator.inter_node_bytes_per_s
    assert prefill.kernel_s is not None
    degrees = setups.degrees
    same = (degrees.gpus == prefill.gpus) & (degrees.pipeline_parallel == prefill.batch)
    pass_s = setups.time.take(np.flatnonzero(same)).latency_s(np.array([float(prefill.batch or 0)]))[0]
    expected = 0.3 + pass_s + moved / min(prefill.gpus, decode.gpus)
    assert prefill.time_to_first_token_s == pytest.approx(expected, rel=1e-12)
    fastest = min(setups.time.latency_s(setups.prompts.astype(float)))
    late = mapping | {"workloads": [mapping["workloads"][0] | {"max_time_to_first_token_s": 0.29 + fastest}]}
    with pytest.raises(InfeasibleError):
        ieco_opt.plan(load_fleet_mapping(late))


@pytest.mark.parametrize("engine", ["vllm", "none"])
def test_plans_with_chunks_and_drafts_verify(engine: str) -> None:
    mapping = fleet_of(
        engine=engine,
        prompt_tokens=20_000,
        speculation=SPECULATION,
        min_speed=200,
        max_time_to_first_token_s=5,
    )
    result = ieco_opt.plan(load_fleet_mapping(mapping))
    assert any(row.draft_tokens for row in result[0].instances)
    assert ieco_opt.verify(result).problems == []
    rows = [
        replace(row, time_to_first_token_s=(row.time_to_first_token_s or 0.0) * (1 + 1e-6))
        for row in result[0].instances
    ]
    wrong = replace(result, plans=(replace(result[0], instances=tuple(rows)),))
    found = ieco_opt.verify(wrong).problems
    assert any("time_to_first_token_s" in problem for problem in found)
