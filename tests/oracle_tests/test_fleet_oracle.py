"""The oracle of fleets against examples small enough to work by hand; nothing here calls the solver."""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracle import Setup, calibrated, deployable, heads, serving
from oracle.breakdown import breakdown
from oracle.fleet import (
    Kind,
    Need,
    Runs,
    TooLargeError,
    _engine_faults,
    _stated_first_token,
    alike_kinds,
    cover_rows,
    fewest_nodes,
    kinds,
    read,
    service,
    simulate,
    slices_fit,
    solve,
)
from oracle.fleet_levels import best_plan, deciding, greatest_factor, levels, phase_slack
from oracle.serving import Decoding, Instance, Request, Service, Speculation
from random_fleets import numbered_fleet, numbered_larger_fleet, numbered_level_fleet, random_fleet
from random_profiles import pass_profile
from small_chip import CHIP, DENSE

from ieco_opt import catalog
from ieco_opt.catalog.attention import AttentionBlock, GroupedQueryAttention
from ieco_opt.catalog.types import Accelerator, Model

Mapping = dict[str, Any]

# So much bandwidth that only arithmetic counts.
COUNTING = replace(CHIP, hbm_bytes_per_s=1e12)
ONE_GPU = Setup(1, "1d", 1, 1, 1)
# Per token, in operations of 8 bits: 5 x 2 x (192 + 384) for the layers, 4 x 80 for the unembedding, which is done in
# 16 bits at half the rate; 5 x 4 x 8 per token attended to, in 16 bits too.
PER_TOKEN, PER_ATTENDED = 6400, 320
# Bytes of a weight of 8 bits with its scale, of the unembedding, and of the norms.
EIGHT, UNEMBEDDING, NORMS = 8.03 / 8, 160, 160
WEIGHTS = 5 * (192 + 384) * EIGHT + 2 * UNEMBEDDING + NORMS
HOPPER: Any = calibrated.profile_of("hopper-2026-07", catalog.accelerator("H100-SXM"))
KERNEL_S = 4 * 5 * 1e-6
# A prompt of ten tokens in a pass of its own.
PROMPT_S = 0.08002


def small_service(accelerator: Accelerator = COUNTING, **changes: Any) -> Service:
    given: Mapping = {
        "model": DENSE,
        "accelerator": accelerator,
        "weights": ("fp8",),
        "request": Request(10, 20),
        "tensor_parallel": (1,),
        "pipeline_parallel": (1,),
        "attention_data_parallel": (1,),
        "engine": "none",
    }
    return Service(**given | changes)


# --- instances --------------------------------------------------------------------------------------------------------


def test_prefill_by_hand() -> None:
    one = serving.price(small_service(), "prefill", "fp8", ONE_GPU, 1)
    passed = KERNEL_S + (10 * PER_TOKEN + PER_ATTENDED * 10 * 10 / 2) / 1e6
    assert one.latency_s == pytest.approx(passed, rel=1e-12)
    assert passed == pytest.approx(PROMPT_S, rel=1e-12)
    assert one.pass_s == pytest.approx(0.04 + PROMPT_S, rel=1e-12)
    # 5 layers x 16 bytes x 10 tokens over 1e5 bytes/s.
    assert one.transfer_s == pytest.approx(0.008, rel=1e-12)
    assert one.capacity_requests_per_s == pytest.approx(1 / passed, rel=1e-12)
    assert one.speed_tokens_per_s is None


def test_prefill_reads_no_cache() -> None:
    one = serving.price(small_service(CHIP), "prefill", "fp8", ONE_GPU, 1)
    feed_forward = 5 * 3 * (EIGHT * 8 * 16 + 2 * 10 * (8 + 16))
    attention = 5 * (EIGHT * 192 + 2 * 10 * ((8 + 16) + (8 + 8)))
    moved = feed_forward + attention + NORMS + UNEMBEDDING
    assert one.latency_s == pytest.approx(KERNEL_S + moved / 8e4, rel=1e-12)


def test_prefill_is_as_fast_as_its_network() -> None:
    slow = replace(COUNTING, inter_node_bytes_per_s=1e3)
    one = serving.price(small_service(slow), "prefill", "fp8", ONE_GPU, 1)
    assert one.transfer_s == pytest.approx(0.8, rel=1e-12)
    assert one.capacity_requests_per_s == pytest.approx(1 / 0.8, rel=1e-12)


def test_prefill_of_a_pipeline_holds_a_prompt_in_each_stage() -> None:
    found = serving.instances(small_service(pipeline_parallel=(1, 2), batches=np.array([7])), "prefill")
    assert {(one.setup.pipeline, one.batch) for one in found} == {(1, 1), (2, 2)}
    two = next(one for one in found if one.batch == 2)
    assert two.capacity_requests_per_s == pytest.approx(2 / two.latency_s, rel=1e-12)
    assert two.transfer_s == pytest.approx(0.004, rel=1e-12)


def stages(phase: serving.Phase, engine: str) -> set[int]:
    """Pipeline stages of the instances of a phase, of a server that may have one or two."""
    lists: Mapping = {"pipeline_parallel": (1, 2), "batches": np.array([8])}
    # The small chip is nobody's, and servers run those of a vendor; what they keep for themselves would leave no room.
    card = replace(COUNTING, vendor="nvidia")
    found = serving.instances(small_service(card, engine=engine, memory_reserve_gb=0.0, **lists), phase)
    return {int(one.setup.pipeline) for one in found}


@pytest.mark.parametrize(
    ("engine", "prefill", "decode"),
    [("none", {1, 2}, {1, 2}), ("vllm", {1}, {1}), ("sglang", {1, 2}, {1}), ("trtllm", {1, 2}, {1, 2})],
)
def test_instances_apart_of_some_servers_have_one_stage(engine: str, prefill: set[int], decode: set[int]) -> None:
    assert (stages("prefill", engine), stages("decode", engine)) == (prefill, decode)
    assert stages("colocated", engine) == {1, 2}


# Two layers with four KV heads after three with two.
UNEVEN = replace(
    DENSE,
    blocks=(
        AttentionBlock(3, DENSE.blocks[0].attention),
        AttentionBlock(2, GroupedQueryAttention(query_heads=4, kv_heads=4, head_width=2)),
    ),
)


@pytest.mark.parametrize("engine", ["none", "vllm", "sglang", "trtllm"])
@pytest.mark.parametrize(("model", "alike"), [(DENSE, True), (UNEVEN, False)])
def test_instances_apart_of_tensorrt_llm_have_one_number_of_kv_heads(engine: str, model: Model, alike: bool) -> None:
    card = replace(COUNTING, vendor="nvidia")
    wanted = small_service(card, model=model, engine=engine, memory_reserve_gb=0.0, tensor_parallel=(1, 2))
    setup = replace(ONE_GPU, engine=engine, exchange="")
    for phase in ("colocated", "prefill", "decode"):
        served = alike or engine != "trtllm" or phase == "colocated"
        found = serving.instances(wanted, phase)  # type: ignore[arg-type]
        assert {one.setup.tensor_parallel for one in found} == ({1, 2} if served else set())
        one = serving.price(wanted, phase, "fp8", setup, 1)  # type: ignore[arg-type]
        assert any("does not exist" in fault for fault in serving.faults(wanted, one)) != served
        # Nor does a row of one name the server.
        if engine != "none":
            assert (_engine_faults(wanted, one, {"engines": engine}) == []) == served


@pytest.mark.parametrize(("engine", "most"), [("none", 4), ("vllm", 2), ("sglang", 4), ("trtllm", 4)])
def test_prefill_instances_of_vllm_have_no_more_ranks_than_kv_heads(engine: str, most: int) -> None:
    # Four query heads and two KV heads: on four ranks there are two copies of each.
    card = replace(COUNTING, vendor="nvidia")
    wanted = small_service(card, engine=engine, memory_reserve_gb=0.0, tensor_parallel=(1, 2, 4))
    ranks: Mapping = {}
    for phase in ("colocated", "prefill", "decode"):
        found = serving.instances(wanted, phase)  # type: ignore[arg-type]
        ranks[phase] = max(one.setup.tensor_parallel for one in found)
        for one in found:
            assert serving.faults(wanted, one) == []
    assert ranks == {"colocated": 4, "prefill": most, "decode": 4}
    four = serving.price(wanted, "prefill", "fp8", replace(Setup(4, "1d", 1, 1, 1), engine=engine, exchange=""), 1)
    assert any("does not exist" in fault for fault in serving.faults(wanted, four)) == (most == 2)


@pytest.mark.parametrize(("engine", "drafts"), [("none", True), ("vllm", False), ("sglang", True), ("trtllm", True)])
def test_decode_instances_of_vllm_have_no_draft(engine: str, drafts: bool) -> None:
    card = replace(COUNTING, vendor="nvidia")
    speculation = Speculation(DENSE, 0.5, 2)
    wanted = small_service(card, engine=engine, memory_reserve_gb=0.0, speculation=speculation)
    setup = replace(ONE_GPU, engine=engine, exchange="")
    decoding = Decoding(setup, 2, speculation.expected_tokens(2))
    for phase, taken in (("colocated", True), ("prefill", False), ("decode", drafts)):
        found = serving.instances(wanted, phase)  # type: ignore[arg-type]
        assert {one.decoding.draft_tokens for one in found} == ({0, 2} if taken else {0})
        one = serving.price(wanted, phase, "fp8", setup, 1, decoding)  # type: ignore[arg-type]
        assert any("has no draft" in fault for fault in serving.faults(wanted, one)) != taken


# One class that has an MTP layer in every server, and one that has EAGLE-3 heads in every server.
MULTI = replace(DENSE, hf_architecture="DeepseekV3ForCausalLM", mtp_layers=1)
LLAMA = replace(DENSE, hf_architecture="LlamaForCausalLM")
DRAFTS = {
    "draft_model": (LLAMA, DENSE),
    "mtp": (MULTI, heads.mtp(MULTI)),
    "eagle3": (LLAMA, heads.eagle3(LLAMA)),
    "given eagle3": (LLAMA, heads.given_eagle3(LLAMA, DENSE)),
}


@pytest.mark.parametrize("mode", DRAFTS)
@pytest.mark.parametrize("engine", ["none", "vllm", "sglang", "trtllm"])
def test_decode_instances_of_tensorrt_llm_have_no_head(engine: str, mode: str) -> None:
    model, draft = DRAFTS[mode]
    speculation = Speculation(draft, 0.5, 2)
    changes: Mapping = {"model": model, "speculation": speculation, "engine": engine, "memory_reserve_gb": 0.0}
    wanted = small_service(replace(COUNTING, vendor="nvidia"), **changes)
    setup = replace(ONE_GPU, engine=engine, exchange="")
    decoding = Decoding(setup, 2, speculation.expected_tokens(2))
    apart = engine in ("none", "sglang") or (engine == "trtllm" and mode == "draft_model")
    for phase, taken in (("colocated", True), ("prefill", False), ("decode", apart)):
        found = serving.instances(wanted, phase)  # type: ignore[arg-type]
        assert {one.decoding.draft_tokens for one in found} == ({0, 2} if taken else {0})
        one = serving.price(wanted, phase, "fp8", setup, 1, decoding)  # type: ignore[arg-type]
        assert any("has no draft" in fault for fault in serving.faults(wanted, one)) != taken
        # Nor does a row of one name the server.
        if engine != "none" and phase != "prefill":
            assert (_engine_faults(wanted, one, {"engines": engine}) == []) == taken


def engine_faults(phase: serving.Phase, ranks: int, draft_tokens: int, engines: str) -> list[str]:
    """What is wrong with the engines that a row names, of instances that vLLM and TensorRT-LLM may start."""
    speculation = Speculation(DENSE, 0.5, 2)
    lists: Mapping = {"tensor_parallel": (1, 2, 4), "memory_reserve_gb": 0.0, "speculation": speculation}
    wanted = small_service(replace(COUNTING, vendor="nvidia"), engine=("vllm", "trtllm"), **lists)
    setup = replace(Setup(ranks, "1d", 1, 1, 1), engine="trtllm", exchange="")
    decoding = Decoding(setup, draft_tokens, 1.5) if draft_tokens else Decoding()
    one = serving.price(wanted, phase, "fp8", setup, 1, decoding)
    return _engine_faults(wanted, one, {"engines": engines})


@pytest.mark.parametrize(
    ("phase", "ranks", "draft_tokens", "engines"),
    [
        *[("prefill", 2, 0, "trtllm,vllm"), ("prefill", 4, 0, "trtllm"), ("decode", 4, 0, "trtllm,vllm")],
        *[("decode", 1, 2, "trtllm"), ("decode", 4, 2, "trtllm"), ("decode", 1, 0, "trtllm,vllm")],
    ],
)
def test_engines_of_instances_apart_are_those_that_start_them_apart(
    phase: serving.Phase, ranks: int, draft_tokens: int, engines: str
) -> None:
    for named in ("trtllm", "trtllm,vllm", "vllm"):
        assert (engine_faults(phase, ranks, draft_tokens, named) == []) == (named == engines)


def degrees(phase: serving.Phase, **lists: Any) -> set[tuple[int, int]]:
    """TP and DP of the instances of a phase, whose model has four heads."""
    found = serving.instances(small_service(**lists), phase)
    return {(int(one.setup.tensor_parallel), int(one.setup.sigma)) for one in found}


def test_degrees_of_the_phases() -> None:
    groups: Mapping = {"attention_data_parallel": (1, 2, 3)}
    alone: Mapping = {"tensor_parallel": (1, 2), **groups}
    assert degrees("decode", **alone) == {(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)}
    # A prompt is in one group, so the ranks of a prefill stage are its tensor-parallel degree.
    assert degrees("prefill", **alone) == {(1, 1), (2, 1)}
    both: Mapping = {**alone, "stage_ranks": (2, 3, 4)}
    assert degrees("colocated", **both) == {(1, 2), (1, 3), (2, 1), (2, 2)}
    assert degrees("prefill", **both) == {(2, 1)}
    stages: Mapping = {"tensor_parallel": None, "stage_ranks": (3, 4, 6), **groups}
    assert degrees("decode", **stages) == {(1, 3), (2, 2), (2, 3), (4, 1)}
    assert degrees("prefill", **stages) == {(4, 1)}
    neither: Mapping = {"tensor_parallel": None, **groups}
    assert degrees("decode", **neither) == {(1, 1), (1, 2), (2, 1), (2, 2), (4, 1), (4, 2)}
    assert degrees("prefill", **neither) == {(1, 1), (2, 1), (4, 1)}


def test_a_draft_stands_on_the_tensor_ranks_of_the_model() -> None:
    # Two GPUs of the model as two groups or as one, or as two stages, which take no draft.
    lists: Mapping = {"tensor_parallel": (1, 2), "attention_data_parallel": (1, 2), "pipeline_parallel": (1, 2)}
    found = serving.instances(small_service(speculation=Speculation(DENSE, 0.5, 2), max_gpus=2, **lists), "decode")
    drafted = [(one.setup, one.decoding.draft_setup) for one in found if one.decoding.draft_tokens]
    assert [main for main, _ in drafted] == [small for _, small in drafted]
    places = sorted((int(main.tensor_parallel), int(main.sigma), int(main.pipeline)) for main, _ in drafted)
    assert places == [(1, 1, 1), (1, 2, 1), (2, 1, 1)]


def test_colocated_by_hand() -> None:
    one = serving.price(small_service(), "colocated", "fp8", ONE_GPU, 4)
    # Half a prompt token comes with each generated one and attends to 5 tokens on average; the generated one to 20.
    latency = KERNEL_S + 4 * (1.5 * PER_TOKEN + PER_ATTENDED * 22.5) / 1e6
    assert one.latency_s == pytest.approx(latency, rel=1e-12)
    assert one.speed_tokens_per_s == pytest.approx(1 / latency, rel=1e-12)
    assert one.capacity_requests_per_s == pytest.approx(4 / (latency * 20), rel=1e-12)
    # The prompt in a pass of its own, prompts of the four sequences in the way, and the pass of the token.
    assert one.pass_s == pytest.approx(0.04 + PROMPT_S * (1 + 0.065 * 4) + latency, rel=1e-12)
    assert one.transfer_s == 0


def test_the_first_token_waits_for_prompts_of_its_own_group_and_stage() -> None:
    wide = small_service(replace(COUNTING, intra_node_bytes_per_s=1e30, inter_node_bytes_per_s=1e30))
    two_groups = Setup(2, "1d", 1, 1, 2)
    two_stages = Setup(1, "1d", 2, 1, 1)
    for setup in (two_groups, two_stages):
        one = serving.price(wide, "colocated", "fp8", setup, 8)
        load = serving.passing(wide, 10, 0, 1, (0, 0))
        prompt = float(deployable.evaluate(DENSE, wide.accelerator, setup, "fp8", np.array(2.0), load).latency_s)
        expected = 0.04 + prompt * (1 + 0.065 * 4) + one.latency_s
        assert one.pass_s == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("engine", "gib", "name", "tokens"),
    [
        *[("sglang", 15, "card", 2048), ("sglang", 24, "card", 4096), ("sglang", 48, "card", 4096)],
        *[("sglang", 80, "card", 8192), ("sglang", 180, "card", 16_384)],
        *[("vllm", 48, "card", 2048), ("vllm", 80, "card", 8192), ("vllm", 80, "my A100", 2048)],
        *[("trtllm", 180, "my A100", 8192), ("trtllm", 69, "card", 2048)],
    ],
)
def test_prompts_run_in_chunks(engine: str, gib: float, name: str, tokens: int) -> None:
    card = replace(COUNTING, hbm_bytes=gib * 2**30, name=name)
    for prompt, hit, chunks in (
        *[(tokens, 0, 1), (tokens + 1, 0, 2), (3 * tokens, 0, 3), (2 * tokens, 0.5, 1), (4 * tokens, 0.25, 3)],
        (1, 0, 1),
    ):
        wanted = small_service(card, request=Request(prompt, 20), engine=engine, prefix_hit=hit)
        setup = replace(ONE_GPU, engine=engine)
        one, two = (serving.price(wanted, "colocated", "fp8", setup, batch) for batch in (1, 3))
        new = (1 - hit) * prompt
        load = serving.passing(wanted, new / chunks, 0, 1 / chunks, (0, 0))
        passed = float(deployable.evaluate(DENSE, card, setup, "fp8", np.array(1.0), load).latency_s)
        # The launches are those of every chunk; the arithmetic is that of one prompt.
        assert chunks * passed == pytest.approx((chunks - 1) * KERNEL_S + whole(wanted, setup), rel=1e-12)
        assert one.pass_s == pytest.approx(0.04 + chunks * passed * 1.065 + one.latency_s, rel=1e-12)
        assert two.pass_s == pytest.approx(0.04 + chunks * passed * 1.195 + two.latency_s, rel=1e-12)
        alone = serving.price(replace(wanted, engine="none"), "colocated", "fp8", ONE_GPU, 1)
        assert alone.pass_s == pytest.approx(0.04 + whole(wanted, setup) * 1.065 + one.latency_s, rel=1e-12)


def whole(wanted: Service, setup: Setup) -> float:
    """Seconds of a pass with all of a prompt that is not found."""
    load = serving.passing(wanted, wanted.new_tokens, 0, 1, (0, 0))
    return float(deployable.evaluate(DENSE, wanted.accelerator, setup, "fp8", np.array(1.0), load).latency_s)


def test_a_profile_may_have_another_first_token() -> None:
    profile = pass_profile(random.Random(3))  # noqa: S311 - chance, not secrets
    given = small_service(profile=profile)
    plain = serving.price(given, "colocated", "fp8", ONE_GPU, 4)
    prompt = (plain.pass_s - 0.04 - plain.latency_s) / 1.26
    for constants, expected in (
        ({"seconds": 0.5}, 0.5 + prompt * 1.26),
        ({"prompts_in_the_way": 0.25}, 0.04 + prompt * 2),
        ({"seconds": 0, "prompts_in_the_way": 0}, prompt),
    ):
        other = replace(given, profile=profile | {"first_token": constants})
        one = serving.price(other, "colocated", "fp8", ONE_GPU, 4)
        assert one.pass_s == pytest.approx(expected + one.latency_s, rel=1e-12)
        prefill = serving.price(other, "prefill", "fp8", ONE_GPU, 1)
        assert prefill.pass_s == pytest.approx(constants.get("seconds", 0.04) + prefill.latency_s, rel=1e-12)


def test_colocated_reads_the_cache_once() -> None:
    one = serving.price(small_service(CHIP), "colocated", "fp8", ONE_GPU, 4)
    # Six tokens go through the matrices; four sequences of 20 tokens are read.
    feed_forward = 5 * 3 * (EIGHT * 8 * 16 + 2 * 6 * (8 + 16))
    attention = 5 * (EIGHT * 192 + 2 * 6 * ((8 + 16) + (8 + 8)))
    cache = 5 * 16 * 20 * 4
    moved = feed_forward + attention + cache + NORMS + UNEMBEDDING
    assert one.latency_s == pytest.approx(KERNEL_S + moved / 8e4, rel=1e-12)


def test_decode_by_hand() -> None:
    one = serving.price(small_service(), "decode", "fp8", ONE_GPU, 4)
    latency = KERNEL_S + 4 * (PER_TOKEN + PER_ATTENDED * 20) / 1e6
    assert one.latency_s == pytest.approx(latency, rel=1e-12)
    assert one.capacity_requests_per_s == pytest.approx(4 / (latency * 20), rel=1e-12)
    assert (one.pass_s, one.transfer_s) == (0, pytest.approx(0.008, rel=1e-12))


def test_decoding_is_as_fast_as_its_network() -> None:
    slow = replace(COUNTING, inter_node_bytes_per_s=100)
    assert serving.price(small_service(slow), "decode", "fp8", ONE_GPU, 4).capacity_requests_per_s == 1 / 8


@pytest.mark.parametrize(("phase", "absorbed"), [("colocated", 0.75), ("decode", 0.0)])
def test_speculation_by_hand(phase: serving.Phase, absorbed: float) -> None:
    # With two draft tokens and acceptance 1/2, a pass yields 1.5 tokens and 0.75 prompt tokens have to be absorbed.
    speculation = Speculation(DENSE, 0.5, 2)
    decoding = Decoding(ONE_GPU, 2, speculation.expected_tokens(2))
    assert decoding.expected == 1.5
    one = serving.price(small_service(speculation=speculation), phase, "fp8", ONE_GPU, 4, decoding)
    model = KERNEL_S + 4 * ((2 + absorbed) * PER_TOKEN + PER_ATTENDED * (2 * 20 + absorbed * 5)) / 1e6
    # The draft proposes one of the two, so all of those prompt tokens come with its one pass.
    draft = KERNEL_S + 4 * (1.75 * PER_TOKEN + PER_ATTENDED * (20 + 0.75 * 5)) / 1e6
    latency = (model + draft) / 1.5
    assert one.latency_s == pytest.approx(latency, rel=1e-12)
    # The prompt goes through both, and the tokens of a whole round come first.
    first = 0.04 + 2 * PROMPT_S * (1 + 0.065 * 4) + 1.5 * latency
    assert one.pass_s == pytest.approx(first if phase == "colocated" else 0, rel=1e-12)


def test_a_certain_draft_yields_all_its_tokens() -> None:
    assert Speculation(DENSE, 1, 4).expected_tokens(3) == 3


# --- planning with the error ------------------------------------------------------------------------------------------


def test_instances_meet_their_limits_with_the_error() -> None:
    one = small_service(error=0.25)
    nominal = serving.price(one, "colocated", "fp8", ONE_GPU, 22)
    assert nominal == serving.price(small_service(), "colocated", "fp8", ONE_GPU, 22)
    late = replace(one, max_time_to_first_token_s=nominal.pass_s * 1.25)
    assert [found.batch for found in serving.instances(late, "colocated")] == [22]
    slow = replace(one, min_speed=(nominal.speed_tokens_per_s or 0.0) / 1.25)
    assert [found.batch for found in serving.instances(slow, "colocated")] == [22]
    prefill = serving.price(one, "prefill", "fp8", ONE_GPU, 1)
    for cap, met in ((1.2501, True), (1.2499, False)):
        first = (prefill.pass_s + prefill.transfer_s) * cap
        assert bool(serving.instances(replace(one, max_time_to_first_token_s=first), "prefill")) == met
        found = serving.faults(replace(one, max_time_to_first_token_s=first), prefill)
        assert any("too late" in fault for fault in found) == (not met)


def test_demand_is_met_with_the_error() -> None:
    given = fleet([pool(rented_by="gpu")], [priced(serving=["colocated"])])
    case = read(given)
    each = max(kinds(case, case.workloads[0]), key=lambda kind: kind.capacity[0] / kind.gpus)
    for error, profile in ((0.2, "auto"), ("profile", "auto"), ("profile", "paper-constants")):
        planned = given | {"profile": profile}
        expected = {0.2: 0.2, "profile": HOPPER["fitted_on"]["p90_error"] if profile == "auto" else 0.3}[error]  # type: ignore[index]
        case = read(planned | {"model_error": error})
        found = kinds(case, case.workloads[0])
        assert {kind.error for kind in found} == {expected}
        each = max(found, key=lambda kind: kind.capacity[0] / kind.gpus)
        assert each.sure_capacity[0] == pytest.approx(each.capacity[0] / (1 + expected))
        # Two of the best kind serve up to twice its sure capacity, and no more.
        for share, instances in ((0.999, 2), (1.001, 3)):
            planned["workloads"] = [priced(serving=["colocated"], requests_per_s=2 * share * each.sure_capacity[0])]
            answer = solve(planned | {"model_error": error, "objective": "gpus"})
            assert answer is not None
            assert (answer.gpus == 2 * each.gpus) == (instances == 2)


def test_operating_points_are_taken_as_they_are() -> None:
    rows = [point(1, 10, speed_tokens_per_s=20, time_to_first_token_s=2)]
    wanted = workload(*rows, rate=10, min_speed=20, max_time_to_first_token_s=2)
    assert cost(fleet([pool(rented_by="gpu")], [wanted]) | {"model_error": 1}) == 1


def test_a_pair_is_in_time_with_the_error_of_its_prefill() -> None:
    kind: Mapping = {"workload": "w", "pool": 0, "gpus": 1, "capacity": (1.0,)}
    prefill = Kind(**kind, phase="prefill", pass_s=(1.0,), transfer_s=(0.5,), error=0.5)
    decode = Kind(**kind, phase="decode", pass_s=(0.0,), transfer_s=(1.0,), error=2.0)
    assert prefill.pairs_with(decode, 3.0)
    assert not prefill.pairs_with(decode, 2.9)
    listed = replace(prefill, error=0.0, rows=({},))
    assert listed.pairs_with(decode, 1.5)


# --- factors of servers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "asked", "own"),
    [
        *[("vllm", False, True), (["vllm"], False, True), (["vllm", "sglang"], False, False), ("any", False, False)],
        *[("any", True, True), ("none", True, False)],
    ],
)
def test_launches_of_one_server_take_its_factor(engine: Any, asked: bool, own: bool) -> None:
    given = fleet([pool()], [priced(serving=["decode"], engine=engine, engine_factors=asked)])
    case = read(given)
    wanted = service(case, case.workloads[0], 0, Request(2000, 200))
    setup = replace(ONE_GPU, engine="none" if engine == "none" else "vllm")
    generic = replace(wanted, engine=("vllm", "sglang"), engine_factors=False)
    one, other = (serving.price(each, "decode", "fp8", setup, 8).latency_s for each in (wanted, generic))
    # The factor is on the launches of 32 layers.
    expected = (HOPPER["engines"]["vllm"] - 1) * 32 * HOPPER["layer_s"]
    assert expected != 0
    assert one - other == pytest.approx(expected if own else 0, abs=1e-12)


def test_memory_sets_the_batch() -> None:
    # 80 bytes a token, 9e4 bytes for use.
    (colocated,) = serving.instances(small_service(), "colocated")
    assert colocated.batch == (90_000 - WEIGHTS) // (80 * 30)
    (decode,) = serving.instances(small_service(), "decode")
    assert decode.batch == colocated.batch
    speculating = serving.instances(small_service(speculation=Speculation(DENSE, 0.5, 2)), "decode")
    assert [one.batch for one in speculating] == [36, (90_000 - 2 * WEIGHTS) // (2 * 80 * 30)]
    tight = small_service(memory_utilization=(WEIGHTS + 80 * 10 + 1) / 1e5)
    assert serving.instances(tight, "prefill")
    assert not serving.instances(tight, "decode")
    assert not serving.instances(replace(tight, memory_utilization=(WEIGHTS + 80 * 10 - 1) / 1e5), "prefill")


def test_speed_and_time_to_first_token_set_the_batch() -> None:
    # A sequence takes 12,800e-6 s of a step.
    (fast,) = serving.instances(small_service(min_speed=1 / (KERNEL_S + 10.5 * 12_800e-6)), "decode")
    assert fast.batch == 10
    (exact,) = serving.instances(small_service(min_speed=fast.speed_tokens_per_s), "decode")
    assert exact.batch == 10
    one = small_service()
    capped = replace(one, max_time_to_first_token_s=serving.price(one, "colocated", "fp8", ONE_GPU, 22).pass_s)
    assert [found.batch for found in serving.instances(capped, "colocated")] == [22]
    assert not serving.instances(replace(one, max_time_to_first_token_s=0.1200), "prefill")
    assert serving.instances(replace(one, max_time_to_first_token_s=0.1281), "prefill")


def test_the_largest_batch_is_the_best_one() -> None:
    rng = random.Random(5)  # noqa: S311 - chance, not secrets
    names = ("Llama-3.1-8B", "Qwen3-30B-A3B", "DeepSeek-V2-Lite", "Mixtral-8x7B")
    for _ in range(12):
        model = catalog.model(rng.choice(names))
        assert isinstance(model, Model)
        wanted = Service(
            model=model,
            accelerator=catalog.accelerator(rng.choice(("H100-SXM", "MI300X", "L40S"))),
            weights=("fp8",),
            request=Request(rng.choice((1, 500, 5000)), rng.choice((1, 50, 1000))),
            tensor_parallel=(1, 2, 4),
            stage_ranks=(1, 2, 8),
            pipeline_parallel=(1, 3),
            attention_data_parallel=(1, 2),
            batches=np.arange(1, 513),
            min_speed=rng.choice((None, 10, 50)),
            max_time_to_first_token_s=rng.choice((None, 0.1, 1)),
        )
        for phase in ("colocated", "decode"):
            for one in serving.instances(wanted, phase):
                assert not serving.faults(wanted, one)
                smaller = [serving.price(wanted, phase, "fp8", one.setup, batch) for batch in range(1, one.batch, 37)]
                assert max([0.0, *(each.capacity_requests_per_s for each in smaller)]) <= one.capacity_requests_per_s
                larger = serving.price(wanted, phase, "fp8", one.setup, one.batch + 1)
                assert one.batch == 512 or serving.faults(wanted, larger)


# --- nodes and demand -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node_size", "remainders", "nodes"),
    [
        (8, (), 0),
        (8, ((6, 1), (4, 1)), 2),
        (8, ((4, 2),), 1),
        (8, ((5, 3), (3, 3)), 3),
        (8, ((3, 5),), 3),
        (8, ((6, 2), (4, 2), (2, 2)), 3),
        # Filling by size would put 4 + 4 together and need five nodes.
        (12, ((6, 2), (5, 2), (4, 6)), 4),
        (10, ((5, 2), (4, 2), (3, 4)), 3),
    ],
)
def test_fewest_nodes(node_size: int, remainders: tuple[tuple[int, int], ...], nodes: int) -> None:
    assert fewest_nodes(node_size, remainders) == nodes


def test_two_classes_on_special_kinds() -> None:
    # Each kind is good at one class; alone, a kind takes 10 / 10 + 10 / 2 instances.
    rows = cover_rows(np.array([[10.0, 2.0], [2.0, 10.0]]), (10.0, 10.0))

    def served(*counts: int) -> bool:
        return bool(np.all(rows @ np.array(counts) >= 1 - 1e-9))

    assert served(1, 1)
    assert served(6, 0)
    assert not served(5, 0)
    assert not served(0, 5)
    assert not served(1, 0)


def test_cover_rows_agree_with_fine_slices() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        capacities = rng.uniform(0.5, 5, size=(2, 3)) * (rng.random((2, 3)) < 0.8)
        demands, counts = rng.uniform(1, 6, size=3), rng.integers(0, 5, size=2)
        with np.errstate(divide="ignore"):
            loads = (demands[:, np.newaxis] / 12 / capacities.T).tolist()
        rows = cover_rows(capacities, demands.tolist())
        served = bool(np.all(rows @ counts >= 1 - 1e-9))
        if slices_fit(loads, 12, counts.tolist()):
            assert served
        # Rounding to slices adds at most one slice of each class to a kind, which is less than an instance.
        assert np.max(np.array(loads), where=np.isfinite(loads), initial=0) <= 1
        if served:
            assert slices_fit(loads, 12, (counts + 3).tolist())


# --- small fleets -----------------------------------------------------------------------------------------------------


def pool(name: str = "p", gpus: int = 32, price: float = 1, **changes: Any) -> Mapping:
    given = {"name": name, "accelerator": "H100-SXM", "gpus": gpus, "usd_per_gpu_hour": price, "power_w": 1000}
    return given | changes


def workload(*points: Mapping, rate: float = 1, name: str = "w", **changes: Any) -> Mapping:
    sizes = {"prompt_tokens": 100, "output_tokens": 10}
    return {"name": name, "requests_per_s": rate, **sizes, "operating_points": list(points)} | changes


def point(gpus: int, rate: float = 1, **changes: Any) -> Mapping:
    return {"accelerator": "H100-SXM", "gpus": gpus, "throughput_requests_per_s": rate} | changes


def fleet(pools: list[Mapping], workloads: list[Mapping], **limits: Any) -> Mapping:
    return {"kind": "fleet", "pools": pools, "workloads": workloads, "limits": limits}


def cost(scenario: Mapping) -> float | None:
    answer = solve(scenario)
    return None if answer is None else answer.usd_per_hour


def test_whole_instances_on_whole_nodes() -> None:
    # 3.5 requests/s take four instances of 2 GPUs, which fill a node; 4.1 take a second node.
    assert cost(fleet([pool()], [workload(point(2), rate=3.5)])) == 8
    assert cost(fleet([pool()], [workload(point(2), rate=4)])) == 8
    assert cost(fleet([pool()], [workload(point(2), rate=4.1)])) == 16
    assert cost(fleet([pool(rented_by="gpu")], [workload(point(2), rate=4.1)])) == 10


def test_throughput_in_tokens() -> None:
    row = {"pool": "p", "gpus": 8, "throughput_tokens_per_s": 20}
    assert cost(fleet([pool()], [workload(row, rate=3)])) == 16


def test_headroom_is_part_of_the_demand() -> None:
    # 10 x 1.1 is a little more than 11 in floating point.
    assert cost(fleet([pool()], [workload(point(8, 11), rate=10, headroom=0.1)])) == 8
    assert cost(fleet([pool()], [workload(point(8, 11), rate=10, headroom=0.11)])) == 16


def six_and_four(**changes: Any) -> Mapping:
    return fleet([pool(**changes)], [workload(point(6), name="six"), workload(point(4), name="four")])


def test_six_and_four_gpus_need_two_nodes_of_eight() -> None:
    assert cost(six_and_four()) == 16
    assert cost(six_and_four(rented_by="gpu")) == 10
    assert cost(six_and_four(gpus=15)) is None
    assert cost(six_and_four(gpus=15, rented_by="gpu")) == 10
    # The node that is left over has 4 GPUs, then 3.
    assert cost(six_and_four(gpus=12, rented_by="gpu")) == 10
    assert cost(six_and_four(gpus=11, rented_by="gpu")) is None
    assert cost(six_and_four(node_size=10)) == 10


def test_twelve_gpus_share_the_node_of_their_remainders() -> None:
    twelve = workload(point(12), rate=2)
    assert cost(fleet([pool()], [twelve])) == 24
    assert cost(fleet([pool(gpus=23)], [twelve])) is None
    assert cost(fleet([pool()], [twelve, workload(point(5), name="five")])) == 32
    # One whole node and half of the partial one each would do, but there is only one partial node.
    assert cost(fleet([pool(gpus=20, rented_by="gpu")], [workload(point(12))])) == 12
    assert cost(fleet([pool(gpus=12, rented_by="gpu")], [workload(point(12))])) == 12
    assert cost(fleet([pool(gpus=20, rented_by="gpu")], [twelve])) is None


def test_owned_gpus_cost_nothing_more() -> None:
    six = [workload(point(6), rate=2)]
    assert cost(fleet([pool(owned_gpus=10)], six)) == 6
    assert cost(fleet([pool(owned_gpus=10, rented_by="gpu")], six)) == 2
    assert cost(fleet([pool(owned_gpus=20)], six)) == 0
    # What is owned in one pool does not pay for another.
    assert cost(fleet([pool(owned_gpus=8, gpus=8), pool("q", price=3)], six)) == 24


def modes(**changes: Any) -> Mapping:
    rows = [point(8, 10), point(2, 10, phase="prefill"), point(4, 10, phase="decode")]
    return workload(*rows, rate=10, **changes)


def test_the_cheaper_mode_is_taken() -> None:
    by_gpu = [pool(rented_by="gpu")]
    assert cost(fleet(by_gpu, [modes()])) == 6
    assert cost(fleet(by_gpu, [modes(serving=["colocated"])])) == 8
    # Two replicas are wanted in each phase.
    assert cost(fleet(by_gpu, [modes(min_instances=2)])) == 12
    assert cost(fleet(by_gpu, [modes(min_instances=2, serving=["colocated"])])) == 16
    assert cost(fleet(by_gpu, [modes(min_instances=2, max_instances=2, requests_per_s=21)])) is None
    # Prefill alone serves nobody.
    assert cost(fleet(by_gpu, [workload(point(2, phase="prefill"))])) is None


def test_modes_are_not_mixed() -> None:
    rows = [point(2, 1), point(1, 1, phase="prefill"), point(1, 1, phase="decode")]
    by_gpu = [pool(rented_by="gpu")]
    # 1.5 requests/s take two instances of each phase of a mode.
    answer = solve(fleet(by_gpu, [workload(*rows, rate=1.5, max_instances=2)]))
    assert answer is not None
    assert answer.usd_per_hour == 4
    assert {key[1] for key in answer.instances} in ({"colocated"}, {"prefill", "decode"})


def test_slow_points_are_left_out() -> None:
    rows = [point(1, speed_tokens_per_s=20), point(2, speed_tokens_per_s=30), point(8)]
    by_gpu = [pool(rented_by="gpu")]
    assert cost(fleet(by_gpu, [workload(*rows)])) == 1
    assert cost(fleet(by_gpu, [workload(*rows, min_speed=30)])) == 2
    assert cost(fleet(by_gpu, [workload(*rows, min_speed=31)])) == 8
    faster = solve(fleet(by_gpu, [workload(*rows, min_speed=20)]), speed_factor=1.5)
    assert faster is not None
    assert faster.objective == 2
    first = [point(1, time_to_first_token_s=2), point(3, time_to_first_token_s=1)]
    assert cost(fleet(by_gpu, [workload(*first, max_time_to_first_token_s=1)])) == 3


def test_pools_of_a_workload() -> None:
    pools = [pool("p", price=1), pool("q", price=2), pool("r", price=3, accelerator="MI300X")]
    assert cost(fleet(pools, [workload(point(8))])) == 8
    assert cost(fleet(pools, [workload(point(8), pools=["q", "r"])])) == 16
    assert cost(fleet(pools, [workload(point(8), pools=["r"])])) is None
    assert cost(fleet(pools, [workload({"pool": "r", "gpus": 8, "throughput_requests_per_s": 1})])) == 24


def test_caps() -> None:
    by_gpu = [pool("p", price=1, power_w=2000, rented_by="gpu"), pool("q", price=2, power_w=500, rented_by="gpu")]
    four = [workload(point(1), rate=4)]
    assert cost(fleet(by_gpu, four)) == 4
    # Each GPU that moves to the more expensive pool saves 1.5 kW.
    assert cost(fleet(by_gpu, four, max_power_kw=5)) == 6
    assert cost(fleet(by_gpu, four, max_power_kw=5, max_usd_per_hour=5.9)) is None
    assert cost(fleet(by_gpu, four, max_power_kw=1.9)) is None
    assert cost(fleet([by_gpu[0] | {"max_power_kw": 6}, by_gpu[1]], four)) == 5
    assert cost(fleet(by_gpu, four, max_gpus=4)) == 4
    assert cost(fleet(by_gpu, four, max_gpus=3)) is None
    # Whole nodes count, not the GPUs at work on them.
    assert cost(fleet([pool()], four, max_gpus=7)) is None


def test_among_equals_the_cheapest() -> None:
    pools = [pool("p", price=2), pool("q", price=1.5), pool("r", price=1, power_w=1001)]
    wanted = fleet(pools, [workload(point(5))])
    power = solve(wanted | {"objective": "power"})
    assert power is not None
    assert (power.objective, power.usd_per_hour) == (8, 12)
    gpus = solve(wanted | {"objective": "gpus"})
    assert gpus is not None
    assert (gpus.objective, gpus.usd_per_hour, gpus.power_kw) == (8, 8, pytest.approx(8.008))


def mix(capacity: Mapping, rate: float, **changes: Any) -> Mapping:
    """A workload of two equal classes; capacity gives kind -> (GPUs, requests/s of each class)."""
    rows = [
        point(gpus, rates[number], kind=kind, request_class=name)
        for kind, (gpus, *rates) in capacity.items()
        for number, name in enumerate(("long", "short"))
        if rates[number]
    ]
    classes = [
        {"name": "long", "share": 2, "prompt_tokens": 1000, "output_tokens": 10},
        {"name": "short", "share": 2, "prompt_tokens": 10, "output_tokens": 10},
    ]
    return {"name": "w", "requests_per_s": rate, "request_mix": classes, "operating_points": rows} | changes


def test_classes_share_instances() -> None:
    by_gpu = [pool(rented_by="gpu")]
    # 5 of each class keep half of one instance and all of another half busy.
    assert cost(fleet(by_gpu, [mix({"a": (3, 10, 10)}, 10)])) == 3
    assert cost(fleet(by_gpu, [mix({"a": (3, 10, 10)}, 10.1)])) == 6
    # Each kind is good at one class: one instance of each serves 10 + 10, six of one kind would be needed.
    assert cost(fleet(by_gpu, [mix({"a": (1, 10, 2), "b": (2, 2, 10)}, 20)])) == 3
    assert cost(fleet(by_gpu, [mix({"a": (1, 10, 2)}, 20)])) == 6
    assert cost(fleet(by_gpu, [mix({"a": (1, 10, 0)}, 20)])) is None


def test_slices_go_to_one_kind() -> None:
    # There is one GPU in each of two pools, and each serves 10 requests/s.
    pools = [pool("p", gpus=1), pool("q", gpus=1)]
    pools = [one | {"rented_by": "gpu"} for one in pools]
    wanted = mix({"a": (1, 10, 10)}, 20)
    assert cost(fleet(pools, [wanted])) == 2
    assert cost(fleet(pools, [wanted | {"slices": 1}])) == 2
    uneven = copy.deepcopy(wanted)
    uneven["request_mix"][0]["share"] = 6
    # 15 of one class and 5 of the other: in one piece, 15 are too many for a GPU; in halves, 7.5 + 2.5 fill each.
    assert cost(fleet(pools, [uneven])) == 2
    assert cost(fleet(pools, [uneven | {"slices": 1}])) is None
    assert cost(fleet(pools, [uneven | {"slices": 2}])) == 2
    uneven["request_mix"][0]["share"] = 14
    # 17.5 of one class: halves of 8.75 leave room for halves of the other; two thirds are too many for a GPU.
    assert cost(fleet(pools, [uneven | {"slices": 2}])) == 2
    assert cost(fleet(pools, [uneven | {"slices": 3}])) is None


def priced(**changes: Any) -> Mapping:
    given: Mapping = {
        "name": "w",
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "requests_per_s": 1.0,
        "prompt_tokens": 2000,
        "output_tokens": 200,
        "serving": ["disaggregated"],
        "design_space": {
            "tensor_parallel": [1, 2],
            "pipeline_parallel": [1],
            "attention_data_parallel": [1],
            "batch": {"max": 64},
        },
    }
    return given | changes


def test_pairs_meet_the_time_to_first_token_together() -> None:
    pools = [pool(rented_by="gpu")]
    case = read(fleet(pools, [priced()]))
    found = {(kind.phase, kind.gpus): kind for kind in kinds(case, case.workloads[0])}

    def first_token(prefill: int, decode: int) -> float:
        one, other = found["prefill", prefill], found["decode", decode]
        return one.pass_s[0] + max(one.transfer_s[0], other.transfer_s[0])

    assert first_token(2, 2) < first_token(2, 1) < first_token(1, 2) == first_token(1, 1)
    # A decode instance of one GPU takes a cache in too slowly even beside the faster prefill instance.
    caps = {first_token(1, 1): 2, first_token(2, 1): 3, first_token(2, 2): 4}
    for cap, gpus in caps.items():
        assert cost(fleet(pools, [priced(max_time_to_first_token_s=cap)])) == gpus
    assert cost(fleet(pools, [priced(max_time_to_first_token_s=first_token(2, 2) * 0.999)])) is None


def test_the_pool_says_how_large_nodes_are() -> None:
    space = {"tensor_parallel": [4], "pipeline_parallel": [1], "attention_data_parallel": [1], "batch": [8]}
    one, other = (
        kinds(case, case.workloads[0])[0].capacity[0]
        for case in (
            read(fleet([pool(node_size=size)], [priced(serving=["colocated"], design_space=space)])) for size in (8, 2)
        )
    )
    assert one > other


# --- which of the best plans ------------------------------------------------------------------------------------------


def figures(scenario: Mapping) -> tuple[float | None, ...]:
    """Speed factor, slack, GPUs and instances of the best plan."""
    best = best_plan(scenario)
    assert best is not None
    return best.speed_factor, best.slack, best.gpus, best.instances


def test_the_objective_leaves_its_own_criterion_out() -> None:
    wanted = fleet([pool("p", price=2), pool("q", price=1)], [workload(point(5), min_speed=20)])
    # One instance of 5 GPUs on a node of 8, which is cheaper in q; nobody says how fast it is.
    assert levels(wanted) == {"slack": 0, "gpus": 8, "instances": 1}
    assert levels(wanted | {"objective": "gpus"}) == {"cost": 8, "slack": 0, "instances": 1}
    assert levels(wanted | {"objective": "power"}) == {"cost": 8, "slack": 0, "gpus": 8, "instances": 1}
    assert levels(fleet([pool(gpus=4)], [workload(point(5))])) is None


def test_what_is_paid_for_is_as_fast_as_can_be() -> None:
    rows = [point(1, speed_tokens_per_s=30), point(2, speed_tokens_per_s=60)]
    wanted = [workload(*rows, rate=2, min_speed=20)]
    # On a node four fast instances have room, twice as many as are needed; by the GPU slow ones are cheaper.
    assert figures(fleet([pool()], wanted)) == (3, 1, 8, 4)
    assert figures(fleet([pool(rented_by="gpu")], wanted)) == (1.5, 0, 2, 2)
    assert figures(fleet([pool()], [workload(*rows, rate=2)])) == (None, 3, 8, 8)


def test_all_workloads_have_one_factor() -> None:
    one = workload(point(2, speed_tokens_per_s=60), point(4, speed_tokens_per_s=90), min_speed=20)
    other = workload(point(2, speed_tokens_per_s=60), point(4, speed_tokens_per_s=80), min_speed=40, name="v")
    # Both at their fastest fill a node: 4.5 and 2. Then the first need not be fast: two instances are one too many.
    assert figures(fleet([pool()], [one, other])) == (2, 0, 8, 2)
    # Without a least speed, or a speed, the other does not count.
    assert figures(fleet([pool()], [one, other | {"min_speed": None}])) == (4.5, 0, 8, 2)
    assert figures(fleet([pool()], [one, workload(point(4), min_speed=40, name="v")])) == (4.5, 0, 8, 2)


def test_a_point_without_a_speed_leaves_no_bound_only_where_it_serves() -> None:
    rows = [point(8, speed_tokens_per_s=40), point(8, speed_tokens_per_s=80)]
    by_gpu = [pool(rented_by="gpu")]
    assert figures(fleet(by_gpu, [workload(*rows, point(8), min_speed=20)]))[0] is None
    # Too expensive, too late, or only half of a mode.
    assert figures(fleet(by_gpu, [workload(*rows, point(16), min_speed=20)]))[0] == 4
    late = workload(*rows, point(4, time_to_first_token_s=3), min_speed=20, max_time_to_first_token_s=2)
    assert figures(fleet(by_gpu, [late]))[0] == 4
    assert figures(fleet(by_gpu, [workload(*rows, point(4, phase="decode"), min_speed=20)]))[0] == 4
    # Prefill counts nowhere.
    halves = [point(1, phase="prefill"), point(1, phase="decode", speed_tokens_per_s=50)]
    assert figures(fleet(by_gpu, [workload(*halves, min_speed=20)])) == (2.5, 0, 2, 2)


def test_a_factor_is_that_of_some_batch() -> None:
    space = {"tensor_parallel": [1], "pipeline_parallel": [1], "attention_data_parallel": [1], "batch": {"max": 64}}
    given = priced(serving=["colocated"], design_space=space, min_speed=20)
    pools = [pool(gpus=2, rented_by="gpu")]
    case = read(fleet(pools, [given]))
    (request,) = case.workloads[0].classes.values()
    wanted = service(case, case.workloads[0], 0, request)
    ten, nine = (serving.price(wanted, "colocated", "fp8", ONE_GPU, batch) for batch in (10, 9))
    # One instance must carry batches of ten: the demand lies between what batches of nine and of ten can serve.
    rate = (ten.capacity_requests_per_s + nine.capacity_requests_per_s) / 2
    factor, slack, gpus, instances = figures(fleet(pools, [given | {"requests_per_s": rate}]))
    assert factor == pytest.approx(1 / ten.latency_s / 20, rel=1e-12)
    assert slack == pytest.approx(ten.capacity_requests_per_s / rate - 1, rel=1e-9)
    assert (gpus, instances) == (1, 1)
    # With an error, both speed and capacity are less.
    planned = fleet(pools, [given | {"requests_per_s": rate / 1.25}]) | {"model_error": 0.25}
    assert figures(planned)[0] == pytest.approx(factor / 1.25, rel=1e-12)
    # A free second GPU: half of the demand on each.
    factor, slack, gpus, instances = figures(fleet([pools[0] | {"owned_gpus": 2}], [given | {"requests_per_s": rate}]))
    one = next(
        one
        for one in (serving.price(wanted, "colocated", "fp8", ONE_GPU, batch) for batch in range(1, 65))
        if one.capacity_requests_per_s >= rate / 2
    )
    assert factor == pytest.approx(1 / one.latency_s / 20, rel=1e-12)
    assert slack == pytest.approx(2 * one.capacity_requests_per_s / rate - 1, rel=1e-9)
    assert (gpus, instances) == (2, 2)


def test_the_least_slack_is_as_great_as_can_be() -> None:
    # Eight GPUs for demands of 1 and 2: three and five serve 3 and 2.5 times as much.
    assert figures(fleet([pool()], [workload(point(1)), workload(point(1), rate=2, name="v")])) == (None, 1.5, 8, 8)
    # 1 + headroom is demanded.
    assert figures(fleet([pool()], [workload(point(1), headroom=1)])) == (None, 3, 8, 8)
    # Once one can do no more, the other takes the room: then the slack of the first counts alone, and one will do.
    one, other = workload(point(4), max_instances=1), workload(point(1), name="v")
    assert figures(fleet([pool()], [one, other])) == (None, 0, 8, 2)
    # Prefill of 3 a GPU and decoding of 1: two and six GPUs.
    halves = workload(point(1, 3, phase="prefill"), point(1, 1, phase="decode"))
    assert figures(fleet([pool()], [halves])) == (None, 5, 8, 8)
    # Caps hold for more instances too.
    owned = pool(gpus=8, owned_gpus=8, rented_by="gpu")
    assert figures(fleet([owned], [workload(point(1))], max_gpus=5)) == (None, 4, 5, 5)
    assert figures(fleet([owned | {"max_power_kw": 3}], [workload(point(1))])) == (None, 2, 3, 3)


def test_slack_is_alike_for_all_classes() -> None:
    # 5 and 5 of 10 a GPU; the short class alone has room for more on a GPU of its own.
    assert figures(fleet([pool()], [mix({"a": (1, 10, 10)}, 10)])) == (None, 7, 8, 8)
    special = mix({"a": (1, 10, 0), "b": (1, 0, 10)}, 10, max_instances=3)
    assert figures(fleet([pool()], [special])) == (None, 1, 8, 2)
    # 7.5 and 2.5 on two GPUs of 10: at will, or in pieces, of which all grow alike.
    pools = [pool(name, gpus=1, owned_gpus=1, rented_by="gpu") for name in ("p", "q")]
    uneven = mix({"a": (1, 10, 10)}, 10)
    uneven["request_mix"][0]["share"] = 6
    slack = {None: 1, 1: 1 / 3, 2: 1, 3: 1, 5: 1}
    for slices, expected in slack.items():
        answer = figures(fleet(pools, [uneven | {"slices": slices}]))
        assert answer == (None, pytest.approx(expected), 2, 2)


def test_slack_of_slices_says_whether_they_fit() -> None:
    rng = np.random.default_rng(4)
    for _ in range(60):
        # The first kind serves every class, so that there is some way to hand the slices out.
        serves = np.column_stack([np.ones(2, dtype=bool), rng.random((2, 2)) < 0.7])
        loads = tuple(map(tuple, np.where(serves, rng.uniform(0.2, 2, size=(2, 3)), np.inf).tolist()))
        counts = rng.integers(0, 4, size=(5, 3))
        slack = phase_slack(Need(np.zeros((0, 3)), loads, 2, 1, None), counts)
        assert (slack >= -1e-9).tolist() == [slices_fit(loads, 2, row) for row in counts.tolist()]


def test_no_more_gpus_and_instances_than_that_takes() -> None:
    owned = [pool(gpus=8, owned_gpus=8, rented_by="gpu")]
    assert figures(fleet(owned, [workload(point(4), point(2), max_instances=1)])) == (None, 0, 2, 1)
    # Two instances of one GPU do what one of two does.
    assert figures(fleet([pool(gpus=2, node_size=2)], [workload(point(1, 1), point(2, 2))])) == (None, 1, 2, 1)
    # Fewer GPUs come before fewer instances.
    rows = [point(1, 1), point(3, 2)]
    assert figures(fleet(owned, [workload(*rows, rate=2), workload(point(6, 1), name="v")])) == (None, 0, 8, 3)


def test_halving_the_factors_finds_the_greatest() -> None:
    checked = 0
    for number in range(20):
        drawn = numbered_level_fleet(number)
        if all("model" not in entry for entry in drawn["workloads"]):
            checked += 1
            optimum = solve(drawn)
            assert optimum is not None
            assert greatest_factor(drawn, optimum) == greatest_factor(drawn, optimum, one_by_one=True)
    assert checked >= 3


def test_listing_all_finds_the_optimum_again() -> None:
    for number in range(4):
        drawn = numbered_level_fleet(number)
        best, optimum = best_plan(drawn), solve(drawn)
        assert best is not None
        assert optimum is not None
        assert (best.objective, best.cost) == pytest.approx((optimum.objective, optimum.usd_per_hour), rel=1e-12)
        assert best.slack >= -1e-9


@pytest.mark.slow
def test_every_criterion_decides_in_a_twentieth_of_the_fleets() -> None:
    found: list[str] = []
    for number in range(100):
        # At small factors there may be too many plans to list, where at the best one there are not.
        with contextlib.suppress(TooLargeError):
            found += deciding(numbered_level_fleet(number))
    assert min(found.count(name) for name in ("cost", "speed_factor", "slack", "gpus", "instances")) >= 5


# --- simulator --------------------------------------------------------------------------------------------------------

NOTHING = dict.fromkeys(
    (
        *(
            "cost_usd_per_mtok",
            "latency_s",
            "weights",
            "kv_cache",
            "redundant_experts",
            "tensor_parallel",
            "tensor_layout",
            "pipeline_parallel",
        ),
        *("expert_parallel", "expert_tensor_parallel", "attention_data_parallel", "stage_ranks", "batch"),
        *("draft_tokens", "mfu", "bottleneck", "kernel_s", "network_s", "memory_s", "arithmetic_s"),
        *("engine", "engines", "exchange"),
        *("speed_tokens_per_s", "time_to_first_token_s"),
    )
)


def row(name: str, gpus: int, instances: int, **changes: Any) -> Mapping:
    figures = {
        "workload": name,
        "phase": "colocated",
        "pool": "p",
        "instance_type": f"{gpus} GPUs",
        "instances": instances,
        "nodes": instances,
        "usd_per_hour": 0.0,
        "utilization": 1 / instances,
        "requests_per_s": 1.0,
        "capacity_requests_per_s": float(instances),
        "throughput_tokens_per_s": 10.0,
        "gpus": gpus,
        "accelerator": "H100-SXM",
        "power_kw": float(gpus),
        "bound": 16.0,
        "gap": 0.0,
        "status": "optimal",
    }
    return NOTHING | figures | changes


def part(node: int, name: str, gpus: int, **changes: Any) -> Mapping:
    figures = {
        "node": node,
        "node_gpus": 8,
        "workload": name,
        "gpus": gpus,
        "instance_type": f"{gpus} GPUs",
        "instance": 0,
    }
    return {"pool": "p", "phase": "colocated"} | figures | changes


def summary(name: str, gpus: int, usd: float) -> Mapping:
    return {
        "workload": name,
        "serving": "colocated",
        "instances": 1,
        "requests_per_s": 1.0,
        "required_requests_per_s": 1.0,
        "capacity_requests_per_s": 1.0,
        "slack_requests_per_s": 0.0,
        "utilization": 1.0,
        "speed_tokens_per_s": None,
        "time_to_first_token_s": None,
        "gpus": gpus,
        "usd_per_hour": usd,
        "power_kw": usd,
    }


def pool_summary(rented: int, used: int, nodes: int, usd: float, stock: int = 32) -> Mapping:
    return {
        "pool": "p",
        "accelerator": "H100-SXM",
        "rented_by": "node",
        "capacity_gpus": stock,
        "allocated_gpus": rented,
        "used_gpus": used,
        "nodes": nodes,
        "usd_per_hour": usd,
        "power_kw": float(rented),
    }


def saved(scenario: Mapping, plan: Mapping) -> Mapping:
    """Give one plan of the least cost the envelope of a saved result."""
    return {
        "format": "ieco_opt result",
        "format_version": 2,
        "question": {"kind": "plan", "objective": "cost"},
        "scenario": scenario,
        "resolved": {},
        "guarantee": {"kind": "single", "coverage": None, "stopped": None, "open_regions": []},
        "status": "optimal",
        "plans": [plan],
        "solver": {},
        "statistics": {},
        "versions": {},
        "notes": [],
    }


def result_of_six_and_four() -> Mapping:
    plan = {
        "speed_factor": 1.0,
        "usd_per_hour": 16.0,
        "power_kw": 16.0,
        "gpus": 16,
        "objective": 16.0,
        "bound": 16.0,
        "gap": 0.0,
        "status": "optimal",
        "instances": [row("six", 6, 1, usd_per_hour=9.6), row("four", 4, 1, usd_per_hour=6.4)],
        "nodes": [part(0, "six", 6), part(1, "four", 4)],
        "workloads": [summary("six", 6, 9.6), summary("four", 4, 6.4)],
        "pools": [pool_summary(16, 10, 2, 16.0)],
        "next_cheaper": [],
    }
    return saved({"version": 2, **six_and_four()}, plan)


def test_a_right_plan_has_no_faults() -> None:
    assert simulate(result_of_six_and_four()) == []


@pytest.mark.parametrize(
    ("question", "of_cost"),
    [
        ({"kind": "plan", "objective": "cost"}, True),
        ({"kind": "plan", "objective": "power"}, False),
        ({"kind": "plan", "objective": "gpus"}, False),
        ({"kind": "fleet_frontier", "against": "speed"}, True),
        ({"kind": "fleet_frontier", "against": "power"}, True),
        ({"kind": "fleet_frontier", "against": "gpus"}, True),
    ],
)
def test_the_question_says_what_is_minimised(question: Mapping, of_cost: bool) -> None:
    # The plan takes 16 GPUs, 16 kW and 16 $/h, so that its pool's price tells cost from the other two.
    asked = result_of_six_and_four() | {"question": question}
    assert simulate(asked) == []
    asked["scenario"]["pools"][0]["usd_per_gpu_hour"] = 2
    assert any("objective is" in fault for fault in simulate(asked)) == of_cost


def test_other_formats_are_refused() -> None:
    questions = (
        {"kind": "solve"},
        {"kind": "plan", "objective": "speed"},
        {"kind": "fleet_frontier", "against": "cost"},
    )
    for other in ({"format": "ieco_opt fleet"}, {"format_version": 1}, *({"question": each} for each in questions)):
        assert len(simulate(result_of_six_and_four() | other)) == 1
    with pytest.raises(ValueError, match="version 1"):
        read({"version": 1, **six_and_four()})


def _set(*path: str | int, to: object) -> Callable[[Mapping], None]:
    def change(result: Mapping) -> None:
        inner: Any = result
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to

    return change


PLAN = ("plans", 0)


@pytest.mark.parametrize(
    "change",
    [
        _set(*PLAN, "nodes", 1, "node", to=0),
        _set(*PLAN, "nodes", 1, "node", to=4),
        _set(*PLAN, "nodes", 1, "instance", to=1),
        _set(*PLAN, "nodes", 1, "gpus", to=3),
        _set(*PLAN, "nodes", 1, "node_gpus", to=4),
        _set(*PLAN, "nodes", to=[part(0, "six", 6)]),
        _set(*PLAN, "nodes", to=[part(0, "six", 6), part(1, "four", 2), part(2, "four", 2)]),
        _set(*PLAN, "instances", 0, "gpus", to=5),
        _set(*PLAN, "instances", 0, "instances", to=2),
        _set(*PLAN, "instances", 0, "capacity_requests_per_s", to=1.1),
        _set(*PLAN, "instances", 0, "requests_per_s", to=0.9),
        _set(*PLAN, "instances", 0, "usd_per_hour", to=8.0),
        _set(*PLAN, "instances", 0, "accelerator", to="MI300X"),
        _set(*PLAN, "instances", 0, "phase", to="decode"),
        _set(*PLAN, "instances", 0, "pool", to="q"),
        _set(*PLAN, "instances", 0, "workload", to="five"),
        _set(*PLAN, "instances", 0, "speed_tokens_per_s", to=40.0),
        _set(*PLAN, "instances", 0, "bound", to=15.0),
        _set(*PLAN, "instances", 0, "nodes", to=2),
        _set(*PLAN, "workloads", 0, "serving", to="disaggregated"),
        _set(*PLAN, "workloads", 0, "gpus", to=8),
        _set(*PLAN, "workloads", 0, "capacity_requests_per_s", to=2.0),
        _set(*PLAN, "workloads", to=[summary("six", 6, 9.6)]),
        _set(*PLAN, "pools", 0, "allocated_gpus", to=10),
        _set(*PLAN, "pools", 0, "nodes", to=1),
        _set(*PLAN, "pools", 0, "capacity_gpus", to=16),
        _set(*PLAN, "usd_per_hour", to=10.0),
        _set(*PLAN, "power_kw", to=10.0),
        _set(*PLAN, "gpus", to=10),
        _set(*PLAN, "objective", to=15.0),
        _set(*PLAN, "bound", to=17.0),
        _set(*PLAN, "bound", to=15.0),
        _set(*PLAN, "bound", to=None),
        _set(*PLAN, "objective", to=16.1),
        _set("scenario", "limits", "max_usd_per_hour", to=15.9),
        _set("scenario", "limits", "max_power_kw", to=15.9),
        _set("scenario", "limits", "max_gpus", to=15),
        _set("scenario", "pools", 0, "max_power_kw", to=15.9),
        _set("scenario", "pools", 0, "gpus", to=15),
        _set("scenario", "pools", 0, "owned_gpus", to=1),
        _set("scenario", "workloads", 0, "headroom", to=0.1),
        _set("scenario", "workloads", 0, "min_instances", to=2),
        _set("scenario", "workloads", 0, "max_instances", to=0),
        _set("scenario", "workloads", 0, "operating_points", 0, "throughput_requests_per_s", to=0.5),
        _set("scenario", "workloads", 0, "operating_points", 0, "speed_tokens_per_s", to=0.5),
        _set("scenario", "workloads", 0, "serving", to=["disaggregated"]),
        _set("scenario", "workloads", 0, "pools", to=[]),
    ],
)
def test_every_wrong_figure_is_found(change: Callable[[Mapping], None]) -> None:
    result = copy.deepcopy(result_of_six_and_four())
    change(result)
    assert simulate(result)


def test_what_is_not_known_of_a_point_is_no_fault() -> None:
    result = copy.deepcopy(result_of_six_and_four())
    result["scenario"]["workloads"][0] |= {"min_speed": 10, "max_time_to_first_token_s": 1}
    assert simulate(result) == []


# --- request mixes in plans -------------------------------------------------------------------------------------------


def result_of_a_mix(scenario: Mapping, gpus: int, **figures: Any) -> Mapping:
    """One instance that serves two classes of requests and is as busy as can be."""
    rate = figures["requests_per_s"]
    one = row("w", gpus, 1, **{"capacity_requests_per_s": rate, "bound": 8.0, "usd_per_hour": 8.0} | figures)
    total = summary("w", gpus, 8.0) | dict.fromkeys(
        ("requests_per_s", "required_requests_per_s", "capacity_requests_per_s"), rate
    )
    total |= {name: one[name] for name in ("speed_tokens_per_s", "time_to_first_token_s")}
    plan = result_of_six_and_four()["plans"][0] | {
        **dict.fromkeys(("usd_per_hour", "power_kw", "objective", "bound"), 8.0),
        "gpus": 8,
        "instances": [one],
        "nodes": [part(0, "w", gpus, instance_type=one["instance_type"])],
        "workloads": [total],
        "pools": [pool_summary(8, gpus, 1, 8.0)],
    }
    return saved(scenario, plan)


@pytest.mark.parametrize(
    ("long", "short", "first"),
    [(2.0, 0.5, 2.0), (0.5, 2.0, 2.0), (2.0, None, 2.0), (None, 0.5, 0.5), (None, None, None)],
)
def test_listed_classes_start_with_the_last_of_them(
    long: float | None, short: float | None, first: float | None
) -> None:
    # The tokens of the short ones are slowest, whichever start last.
    wanted = mix({"a": (8, 10, 10)}, 10)
    for each, seconds, speed in zip(wanted["operating_points"], (long, short), (50, 20), strict=True):
        each |= {"time_to_first_token_s": seconds, "speed_tokens_per_s": speed}
    known: Mapping = {"requests_per_s": 10.0, "instance_type": "a", "speed_tokens_per_s": 20.0}
    for stated in {long, short, None, 1.0}:
        faults = simulate(result_of_a_mix(fleet([pool()], [wanted]), 8, **known, time_to_first_token_s=stated))
        assert (faults == []) == (stated == first), stated
        assert all("time to first token is" in fault for fault in faults)
    for wrong in (50.0, None):
        other = known | {"speed_tokens_per_s": wrong, "time_to_first_token_s": first}
        assert simulate(result_of_a_mix(fleet([pool()], [wanted]), 8, **other))
    late = fleet([pool()], [wanted | {"max_time_to_first_token_s": 1.0}])
    faults = simulate(result_of_a_mix(late, 8, **known, time_to_first_token_s=first))
    # Those that start too late are not served.
    assert any("cannot serve" in fault for fault in faults) == (first == 2.0)


LONG_AND_SHORT = [
    {"name": "long", "share": 1, "prompt_tokens": 4000, "output_tokens": 4000},
    {"name": "short", "share": 1, "prompt_tokens": 500, "output_tokens": 50},
]


def result_of_a_priced_mix() -> tuple[Mapping, Instance, Instance]:
    """A colocated instance on one GPU, priced by the oracle itself for each of two classes.

    Long prompts are in time in a small batch alone, so the tokens of short ones are slower and start earlier.
    """
    wanted = priced(serving=["colocated"], engine="none", request_mix=LONG_AND_SHORT, max_time_to_first_token_s=0.2)
    wanted |= {"prompt_tokens": None, "output_tokens": None}
    scenario = fleet([pool()], [wanted])
    case = read(scenario)
    services = [service(case, case.workloads[0], 0, request) for request in case.workloads[0].classes.values()]
    long, short = (next(one for one in serving.instances(each, "colocated") if one.gpus == 1) for each in services)
    # Half of the requests are of each class.
    rate = 2 / (1 / long.capacity_requests_per_s + 1 / short.capacity_requests_per_s)
    wanted["requests_per_s"] = rate
    figures: Mapping = {"requests_per_s": rate, "weights": "fp8", "kv_cache": "bf16", "batch": short.batch}
    figures |= {"draft_tokens": 0, "engine": "", "engines": "", "exchange": "", **degree_columns(1, 1)}
    figures |= {"latency_s": short.latency_s, "speed_tokens_per_s": short.speed_tokens_per_s}
    figures |= {"throughput_tokens_per_s": short.batch / short.latency_s, "time_to_first_token_s": long.pass_s}
    figures |= breakdown(figures, services[1].reserve, services[1].accelerator, services[1].model, None, 550)
    return result_of_a_mix(scenario, 1, **figures), long, short


def test_priced_classes_start_with_the_last_of_them() -> None:
    result, long, short = result_of_a_priced_mix()
    assert long.pass_s > 1.5 * short.pass_s
    assert long.latency_s < short.latency_s
    assert long.batch < short.batch
    assert simulate(result) == []
    for stated in (short.pass_s, long.pass_s * (1 + 1e-6), None):
        for table in ("instances", "workloads"):
            result["plans"][0][table][0]["time_to_first_token_s"] = stated
        faults = simulate(result)
        assert faults
        assert all("time to first token is" in fault for fault in faults)


@pytest.mark.parametrize(
    "name", ["batch", "latency_s", "speed_tokens_per_s", "throughput_tokens_per_s", "cache_gb", "free_gb", "engines"]
)
def test_other_figures_of_a_priced_mix_are_those_of_its_slowest_tokens(name: str) -> None:
    result, long, _ = result_of_a_priced_mix()
    others: Mapping = {"batch": long.batch, "latency_s": long.latency_s, "speed_tokens_per_s": long.speed_tokens_per_s}
    others |= {"throughput_tokens_per_s": long.batch / long.latency_s, "cache_gb": 1.0, "free_gb": 1.0}
    one = result["plans"][0]["instances"][0]
    one[name] = (others | {"engines": "vllm"})[name]
    assert simulate(result)


def test_each_class_of_a_prefill_row_has_its_slowest_transfer() -> None:
    def kind(phase: serving.Phase, served: tuple[int, ...], passed: tuple[float, ...], sent: tuple[float, ...]) -> Kind:
        return Kind("w", phase, 0, 1, served, passed, sent)

    prefill = kind("prefill", (1, 1, 0), (1.0, 2.0, 90.0), (0.5, 0.1, 90.0))
    quick, slow = (kind("decode", (1, 1, 1), (0.0, 0.0, 0.0), sent) for sent in ((0.2, 0.2, 0.2), (3.0, 0.3, 90.0)))
    assert _stated_first_token(prefill, []) == 2.1
    assert _stated_first_token(prefill, [quick]) == 2.2
    assert _stated_first_token(prefill, [quick, slow]) == 4.0
    # The time of an operating point has the transfer in it.
    listed = replace(prefill, transfer_s=(0.0, 0.0, 0.0), rows=({"time_to_first_token_s": 1.0},))
    assert _stated_first_token(listed, [quick, slow]) == 2.0


def degree_columns(tensor: int, groups: int) -> Mapping:
    """Degrees of a dense model in one stage."""
    given: Mapping = {"tensor_parallel": tensor, "attention_data_parallel": groups, "stage_ranks": tensor * groups}
    given |= {"tensor_layout": "1d", "pipeline_parallel": 1, "expert_parallel": 1, "redundant_experts": 0}
    return given | {"expert_tensor_parallel": tensor * groups}


def result_of_a_priced_pair(tensor: int = 2, groups: int = 1, stages: int = 1, **more: Any) -> Mapping:
    """Prefill on one GPU and decoding on two, of one node, priced by the oracle itself."""
    space = priced()["design_space"] | {"tensor_parallel": [1, tensor], "attention_data_parallel": [1, groups]}
    space |= {"pipeline_parallel": [1, stages]}
    # No server has groups of a dense model of this class, and vLLM no stages of a decode instance.
    engine = "none" if groups > 1 else "vllm" if stages == 1 else "trtllm"
    scenario = fleet([pool()], [priced(requests_per_s=2.0, design_space=space, engine=engine)]) | more
    case = read(scenario)
    found = {(kind.phase, kind.gpus): kind for kind in kinds(case, case.workloads[0])}
    prefill, decode = found["prefill", 1], found["decode", 2]
    setup = {"weights": "fp8", "kv_cache": "bf16", "bound": 8.0, "requests_per_s": 2.0, "draft_tokens": 0}
    setup |= dict.fromkeys(("engine", "engines"), "" if engine == "none" else engine)
    (prefill_capacity,), (decode_capacity,) = prefill.capacity, decode.capacity
    latency = 64 / (decode_capacity * 200)
    first = prefill.pass_s[0] + max(prefill.transfer_s[0], decode.transfer_s[0])
    rows = [
        row("w", 1, 1, phase="prefill", **setup, **degree_columns(1, 1), batch=1)
        | {"capacity_requests_per_s": prefill_capacity, "utilization": 2 / prefill_capacity, "usd_per_hour": 8 / 3}
        | {"throughput_tokens_per_s": prefill_capacity * 2000, "time_to_first_token_s": first},
        row("w", 2, 1, phase="decode", **setup, **degree_columns(tensor, groups), batch=64)
        | {"pipeline_parallel": stages}
        | {"capacity_requests_per_s": decode_capacity, "utilization": 2 / decode_capacity, "usd_per_hour": 16 / 3}
        | {"throughput_tokens_per_s": 64 / latency, "latency_s": latency, "speed_tokens_per_s": 1 / latency},
    ]
    (request,) = case.workloads[0].classes.values()
    wanted = service(case, case.workloads[0], 0, request)
    for each, tokens in zip(rows, (2000, 2200), strict=True):
        each |= breakdown(each, wanted.reserve, wanted.accelerator, wanted.model, None, tokens)
    capacity = min(prefill_capacity, decode_capacity)
    total = summary("w", 3, 8.0) | {"serving": "disaggregated", "instances": 2, "capacity_requests_per_s": capacity}
    total |= {"requests_per_s": 2.0, "required_requests_per_s": 2.0, "slack_requests_per_s": capacity - 2}
    total |= {"speed_tokens_per_s": 1 / latency, "time_to_first_token_s": first}
    plan = result_of_six_and_four()["plans"][0] | {
        "usd_per_hour": 8.0,
        "power_kw": 8.0,
        "gpus": 8,
        "objective": 8.0,
        "bound": 8.0,
        "instances": rows,
        "nodes": [part(0, "w", 1, phase="prefill"), part(0, "w", 2, phase="decode")],
        "workloads": [total | {"utilization": 2 / capacity}],
        "pools": [pool_summary(8, 3, 1, 8.0)],
    }
    return saved(scenario, plan)


@pytest.mark.parametrize(("tensor", "groups"), [(2, 1), (1, 2)])
def test_a_priced_plan_has_no_faults(tensor: int, groups: int) -> None:
    assert simulate(result_of_a_priced_pair(tensor, groups)) == []


def test_stage_ranks_may_exclude_what_tensor_parallel_allows() -> None:
    of_groups = result_of_a_priced_pair(tensor=1, groups=2)
    space = of_groups["scenario"]["workloads"][0]["design_space"]
    space["stage_ranks"] = [1, 2]
    assert simulate(of_groups) == []
    space["stage_ranks"] = [1, 4]
    assert any("does not exist" in fault for fault in simulate(of_groups))
    # Ranks alone: two of them may be two groups of one, and so may the default.
    del space["tensor_parallel"]
    assert any("does not exist" in fault for fault in simulate(of_groups))
    space["stage_ranks"] = [1, 2]
    assert simulate(of_groups) == []
    del space["stage_ranks"]
    assert simulate(of_groups) == []


def result_of_speculation() -> Mapping:
    """One colocated instance of two GPUs with a draft beside the model; priced by the oracle itself."""
    space = priced()["design_space"] | {"tensor_parallel": [1, 2], "attention_data_parallel": [1, 2]}
    speculation = {"draft_model": "Llama-3.2-1B", "acceptance": 0.8, "max_draft_tokens": 3}
    wanted = priced(serving=["colocated"], design_space=space | {"stage_ranks": [2]}, speculation=speculation)
    wanted["engine"] = ["trtllm", "vllm"]
    scenario = fleet([pool()], [wanted])
    case = read(scenario)
    one = next(
        one
        for one in serving.instances(service(case, case.workloads[0], 0, Request(2000, 200)), "colocated")
        if one.decoding.draft_tokens == 3
    )
    rate = one.capacity_requests_per_s
    figures = {
        "weights": "fp8",
        "kv_cache": "bf16",
        "batch": one.batch,
        "draft_tokens": 3,
        "draft_mode": "draft_model",
        "bound": 8.0,
        "usd_per_hour": 8.0,
    }
    figures |= {"capacity_requests_per_s": rate, "utilization": 1 / rate, "time_to_first_token_s": one.pass_s}
    figures |= {"latency_s": one.latency_s, "speed_tokens_per_s": 1 / one.latency_s}
    figures |= {"throughput_tokens_per_s": one.batch / one.latency_s}
    # Both need as much, and the first in the alphabet names it.
    figures |= degree_columns(2, 1) | {"engine": "trtllm", "engines": "trtllm,vllm", "exchange": ""}
    wanted_of = service(case, case.workloads[0], 0, Request(2000, 200))
    draft = wanted_of.speculation.draft if wanted_of.speculation else None
    figures |= breakdown(figures, wanted_of.reserve, wanted_of.accelerator, wanted_of.model, draft, 2200)
    total = summary("w", 2, 8.0) | {"capacity_requests_per_s": rate, "slack_requests_per_s": rate - 1}
    total |= {"speed_tokens_per_s": 1 / one.latency_s, "time_to_first_token_s": one.pass_s}
    plan = result_of_six_and_four()["plans"][0] | {
        **dict.fromkeys(("usd_per_hour", "power_kw", "objective", "bound"), 8.0),
        "gpus": 8,
        "instances": [row("w", 2, 1, **figures)],
        "nodes": [part(0, "w", 2)],
        "workloads": [total | {"utilization": 1 / rate}],
        "pools": [pool_summary(8, 2, 1, 8.0)],
    }
    return saved(scenario, plan)


def test_a_speculating_plan_has_no_faults() -> None:
    assert simulate(result_of_speculation()) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("tensor_parallel", 1),
        ("stage_ranks", 1),
        ("expert_tensor_parallel", 1),
        ("attention_data_parallel", 2),
        ("redundant_experts", 2),
        ("engine", "vllm"),
        ("engine", "sglang"),
        ("engines", "vllm"),
        ("draft_tokens", 2),
        ("draft_mode", "mtp"),
    ],
)
def test_every_wrong_degree_is_found(column: str, value: int | str) -> None:
    result = result_of_speculation()
    assert result["plans"][0]["instances"][0][column] != value
    result["plans"][0]["instances"][0][column] = value
    assert simulate(result)


@pytest.mark.parametrize(
    "change",
    [
        _set(*PLAN, "instances", 1, "batch", to=63),
        _set(*PLAN, "instances", 1, "weights", to="bf16"),
        _set(*PLAN, "instances", 1, "kv_cache", to="fp8"),
        _set(*PLAN, "instances", 1, "redundant_experts", to=1),
        _set(*PLAN, "instances", 1, "weights_gb", to=1.0),
        _set(*PLAN, "instances", 1, "cache_gb", to=1.0),
        _set(*PLAN, "instances", 1, "draft_gb", to=1.0),
        _set(*PLAN, "instances", 1, "reserve_gb", to=1.0),
        _set(*PLAN, "instances", 1, "free_gb", to=1.0),
        _set(*PLAN, "instances", 1, "cache_tokens", to=1.0),
        _set("scenario", "workloads", 0, "kv_cache", to=["fp8"]),
        _set("scenario", "workloads", 0, "engine", to="none"),
        _set("scenario", "workloads", 0, "memory_reserve_gb", to=1.0),
        _set("scenario", "workloads", 0, "prefix_hit", to=0.1),
        _set(*PLAN, "instances", 1, "tensor_parallel", to=1),
        _set(*PLAN, "instances", 1, "attention_data_parallel", to=2),
        _set(*PLAN, "instances", 1, "stage_ranks", to=1),
        _set(*PLAN, "instances", 1, "expert_tensor_parallel", to=1),
        _set(*PLAN, "instances", 1, "engine", to="trtllm"),
        _set(*PLAN, "instances", 1, "engines", to="trtllm,vllm"),
        _set(*PLAN, "instances", 1, "latency_s", to=0.01),
        _set(*PLAN, "instances", 1, "speed_tokens_per_s", to=100.0),
        _set(*PLAN, "instances", 1, "throughput_tokens_per_s", to=100.0),
        _set(*PLAN, "instances", 0, "time_to_first_token_s", to=0.01),
        _set(*PLAN, "instances", 0, "batch", to=2),
        _set(*PLAN, "instances", 1, "time_to_first_token_s", to=0.01),
        _set(*PLAN, "workloads", 0, "time_to_first_token_s", to=0.01),
        _set(*PLAN, "workloads", 0, "time_to_first_token_s", to=None),
        _set(*PLAN, "workloads", 0, "speed_tokens_per_s", to=100.0),
        _set(*PLAN, "workloads", 0, "speed_tokens_per_s", to=None),
        _set("scenario", "workloads", 0, "max_time_to_first_token_s", to=0.03),
        _set("scenario", "workloads", 0, "min_speed", to=1000.0),
        _set("scenario", "workloads", 0, "memory_utilization", to=0.1),
        _set("scenario", "workloads", 0, "design_space", "batch", to={"max": 63}),
        _set("scenario", "workloads", 0, "design_space", "max_gpus", to=1),
        _set("scenario", "workloads", 0, "design_space", "tensor_parallel", to=[1, 4]),
        _set("scenario", "workloads", 0, "design_space", "stage_ranks", to=[1, 4]),
        _set("scenario", "workloads", 0, "design_space", "attention_data_parallel", to=[2]),
        _set("scenario", "workloads", 0, "prompt_tokens", to=2001),
        _set("scenario", "pools", 0, "node_size", to=4),
    ],
)
def test_every_wrong_price_is_found(change: Callable[[Mapping], None]) -> None:
    result = copy.deepcopy(result_of_a_priced_pair())
    change(result)
    assert simulate(result)


def test_a_plan_whose_instances_cannot_exchange_a_cache_is_found() -> None:
    # With a profile, one that is named alone would take its own launches.
    result = copy.deepcopy(result_of_a_priced_pair(profile="paper-constants"))
    result["scenario"]["workloads"][0]["engine"] = ["vllm", "trtllm"]
    prefill, decode = result["plans"][0]["instances"]
    for each in (prefill, decode):
        each["engines"] = "trtllm,vllm"
    assert simulate(result) == []
    prefill["engine"] = "trtllm"
    assert [fault.split(":")[1].strip() for fault in simulate(result) if "exchange" in fault] == ["w"]
    decode["engine"] = "trtllm"
    assert simulate(result) == []


def test_a_server_that_does_not_decode_so_apart_starts_no_such_instance() -> None:
    result = copy.deepcopy(result_of_a_priced_pair(tensor=1, stages=2, profile="paper-constants"))
    assert simulate(result) == []
    result["scenario"]["workloads"][0]["engine"] = ["vllm", "trtllm"]
    prefill, decode = result["plans"][0]["instances"]
    prefill["engines"] = "trtllm,vllm"
    assert simulate(result) == []
    decode["engines"] = "trtllm,vllm"
    assert [fault for fault in simulate(result) if fault.endswith("engines are trtllm,vllm, expected trtllm")]
    for each in (prefill, decode):
        each["engine"] = "vllm"
    assert any("does not exist" in fault for fault in simulate(result))


def test_prefill_and_decode_have_one_engine_and_one_cache() -> None:
    def runs(engine: str, cache: str) -> Runs:
        return engine, cache, None

    kind = {"workload": "w", "pool": 0, "gpus": 1, "capacity": (1.0,), "pass_s": (0.0,), "transfer_s": (0.0,)}
    places = [("prefill", runs("vllm", "fp8")), ("decode", runs("sglang", "fp8")), ("decode", runs("vllm", "bf16"))]
    places += [("decode", runs("vllm", "fp8")), ("prefill", None), ("colocated", runs("trtllm", "bf16"))]
    listed: Any = [Kind(**kind, phase=phase, runs=run) for phase, run in places]  # type: ignore[arg-type]
    found = alike_kinds(listed, ("prefill", "decode"))
    assert sorted(found) == [[0, 3, 4], [1, 4], [2, 4]]
    assert alike_kinds(listed, ("colocated",)) == [[5]]


def test_prefill_and_decode_have_one_generation() -> None:
    hopper, ada, named = ("generation", "hopper"), ("generation", "ada"), ("name", "ada")
    kind = {"workload": "w", "gpus": 1, "capacity": (1.0,), "pass_s": (0.0,), "transfer_s": (0.0,)}
    listed = [
        Kind(**kind, phase=phase, pool=number, runs=place and ("vllm", "fp8", place))  # type: ignore[arg-type]
        for number, place in enumerate((hopper, ada, named, None))
        for phase in ("prefill", "decode")
    ]
    found = alike_kinds(listed, ("prefill", "decode"))
    assert sorted(found) == [[0, 1, 6, 7], [2, 3, 6, 7], [4, 5, 6, 7]]
    # Each alone may be of any, and so may instances that exchange nothing.
    assert alike_kinds(listed, ("decode",)) == [[1, 3, 5, 7]]


SPARE: Mapping = {"like": "H100-SXM", "usd_per_gpu_hour": 1}


@pytest.mark.parametrize(
    ("engine", "prefill", "decode", "served"),
    [
        ("vllm", "H100-SXM", "H200-SXM", True),
        ("vllm", "H100-SXM", "B200-SXM", False),
        ("sglang", "H100-SXM", "H200-SXM", True),
        ("sglang", "H100-SXM", "B200-SXM", False),
        ("trtllm", "H100-SXM", "B200-SXM", True),
        ("none", "H100-SXM", "B200-SXM", True),
        # TensorRT-LLM is the only one of them whose caches go there.
        ("any", "H100-SXM", "B200-SXM", True),
        (["sglang", "vllm"], "H100-SXM", "B200-SXM", False),
        ("vllm", "H100-SXM", "MI300X", False),
        ("vllm", "MI300X", "MI325X", True),
        ("vllm", "B200-SXM", "RTX-PRO-6000-Blackwell-Server", False),
        ("vllm", "H100-SXM", SPARE | {"name": "mine"}, True),
        ("vllm", "H100-SXM", SPARE | {"name": "mine", "generation": None}, False),
        ("vllm", "H100-SXM", SPARE | {"name": "H100-SXM", "generation": None}, False),
        ("vllm", SPARE | {"name": "one", "generation": None}, SPARE | {"name": "two", "generation": None}, False),
        ("vllm", SPARE | {"name": "one", "generation": None}, SPARE | {"name": "one", "generation": None}, True),
        ("vllm", SPARE | {"name": "one", "generation": "new"}, SPARE | {"name": "two", "generation": "new"}, True),
    ],
)
def test_caches_go_within_a_generation(engine: Any, prefill: Any, decode: Any, served: bool) -> None:
    # One GPU of each, of which one has to prefill and the other to decode.
    space = priced()["design_space"] | {"tensor_parallel": [1]}
    pools = [pool(name, 1, rented_by="gpu", accelerator=card) for name, card in (("a", prefill), ("b", decode))]
    wanted = priced(engine=engine, design_space=space, requests_per_s=0.01)
    assert (cost(fleet(pools, [wanted])) == 2) == served
    assert (best_plan(fleet(pools, [wanted])) is not None) == served
    # Colocated instances, and operating points, go beside any.
    both = priced(engine=engine, design_space=space, requests_per_s=0.01, serving=["colocated"], min_instances=2)
    assert cost(fleet(pools, [both])) == 2
    for phase, where in (("prefill", "a"), ("decode", "b")):
        row = {"pool": where, "gpus": 1, "throughput_requests_per_s": 1, "phase": phase}
        assert cost(fleet(pools, [wanted | {"operating_points": [row]}])) == 2


def test_several_generations_are_served_by_one_of_them() -> None:
    # Two GPUs of each: both generations can serve alone, and a pair of one GPU each would be cheapest.
    space = priced()["design_space"] | {"tensor_parallel": [1]}
    cards = (("a", "H100-SXM", 1), ("b", "B200-SXM", 2), ("c", "L40S", 3))
    pools = [pool(name, 2, price, rented_by="gpu", accelerator=card) for name, card, price in cards]
    wanted = priced(engine="vllm", design_space=space, requests_per_s=0.01)
    assert cost(fleet(pools, [wanted])) == 2
    pools[0]["gpus"] = 1
    assert cost(fleet(pools, [wanted])) == 4
    assert cost(fleet(pools, [wanted | {"engine": "trtllm"}])) == 3
    assert cost(fleet(pools, [wanted | {"engine": ["vllm", "trtllm"]}])) == 3


@pytest.mark.parametrize(
    ("engine", "generation", "exchanged"),
    [("vllm", "hopper", True), ("vllm", "blackwell", False), ("trtllm", "blackwell", True), ("none", None, True)],
)
def test_a_plan_of_several_generations_is_found(engine: str, generation: str | None, exchanged: bool) -> None:
    result = copy.deepcopy(result_of_a_priced_pair(profile="paper-constants"))
    result["scenario"]["workloads"][0]["engine"] = engine
    other = {"like": "H100-SXM", "name": "other", "generation": generation}
    result["scenario"]["pools"].append(pool("q", accelerator=other))
    prefill, decode = result["plans"][0]["instances"]
    for each in (prefill, decode):
        each["engine"] = each["engines"] = "" if engine == "none" else engine
    prefill |= {"pool": "q", "accelerator": "other"}
    assert any("exchange a cache" in fault for fault in simulate(result)) != exchanged


# --- random fleets ----------------------------------------------------------------------------------------------------


def test_seeds_choose_fleets() -> None:
    # The fleet of a number is kept, so it is compared with one that is drawn.
    assert numbered_fleet(7) == random_fleet(random.Random(7)) != numbered_fleet(8)  # noqa: S311
    assert numbered_larger_fleet(7) == numbered_larger_fleet(7) != numbered_larger_fleet(8)
    assert numbered_level_fleet(7) == numbered_level_fleet(7) != numbered_level_fleet(8)


def test_most_random_fleets_can_be_served() -> None:
    answers = [solve(numbered_fleet(number)) for number in range(60)]
    assert 2 <= answers.count(None) <= 24
    phases = [{key[1] for key in answer.instances} for answer in answers if answer]
    assert {"colocated"} in phases
    assert any("prefill" in found for found in phases)


def test_larger_fleets_are_of_operating_points() -> None:
    for number in range(20):
        case = read(numbered_larger_fleet(number))
        count = sum(len(kinds(case, entry)) for entry in case.workloads)
        assert 4 <= len(case.workloads) <= 8
        assert 10 <= count <= 70
        assert all("model" not in entry.mapping for entry in case.workloads)


def test_random_fleets_draw_every_way_to_list_the_ranks() -> None:
    fleets = [numbered_fleet(number) for number in range(120)]
    spaces = [entry["design_space"] for drawn in fleets for entry in drawn["workloads"] if "model" in entry]
    ways = [("tensor_parallel" in space, "stage_ranks" in space) for space in spaces]
    assert min(ways.count((degrees, ranks)) for degrees in (False, True) for ranks in (False, True)) >= 4
