"""What servers accept: the cases of the design notes, each read in the server's code, and rules on arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ieco_opt import catalog
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.engines.acceptance import accepts, class_of, exchanges, rules_for, values_in
from ieco_opt.engines.facts import EngineFacts, facts_of
from ieco_opt.engines.profile import Rule
from ieco_opt.engines.store import profile, profiles

ONE = {"tensor_parallel": 1, "attention_data_parallel": 1, "pipeline_parallel": 1, "expert_parallel": 1, "batch": 16}
DRAFTED = {"draft_tokens": 4, "draft_pipeline_parallel": 1, "draft_attention_data_parallel": 1}


def facts(model: str, weights: str = "fp8", accelerator: str = "H100-SXM", draft: str | None = None) -> EngineFacts:
    chosen, card = catalog.model(model), catalog.accelerator(accelerator)
    assert isinstance(chosen, Model)
    assert isinstance(card, Accelerator)
    drafting = None if draft is None else catalog.model(draft)
    assert drafting is None or isinstance(drafting, Model)
    return facts_of(chosen, weights, card, reference=model, draft=drafting)


def reason(engine: str, of: EngineFacts, **columns: Any) -> str:
    rule = accepts(profile(engine), of, ONE | columns).reason()
    return "" if rule is None else f"{rule.says} [{rule.source}]"


ALL = {"attention_data_parallel": 8, "expert_parallel": 8}

CASES: tuple[tuple[str, str, dict[str, Any], dict[str, str]], ...] = (
    # A1, A2, A4: groups of dense models.
    (
        "Llama-3.3-70B",
        "fp8",
        {"tensor_parallel": 4, "attention_data_parallel": 2},
        {"vllm": "one attention group", "sglang": "one attention group", "trtllm": "one attention group"},
    ),
    (
        "Qwen3-32B",
        "bf16",
        {"tensor_parallel": 2, "attention_data_parallel": 2},
        {"vllm": "one attention group", "sglang": "", "trtllm": "one a rank"},
    ),
    ("Qwen3-32B", "bf16", {"attention_data_parallel": 4}, {"vllm": "one", "sglang": "", "trtllm": ""}),
    # A2: Mixtral splits its heads over all ranks.
    ("Mixtral-8x22B", "bf16", ALL, {"vllm": "", "sglang": "one attention group", "trtllm": ""}),
    # A5: KV heads; Phi-4 has 10.
    ("Phi-4", "bf16", {"tensor_parallel": 4}, {"vllm": "KV heads", "sglang": "KV heads", "trtllm": "KV heads"}),
    ("Mistral-Large-2", "bf16", {"tensor_parallel": 12}, {"vllm": "KV heads", "sglang": "KV", "trtllm": "KV heads"}),
    ("Mistral-Large-2", "bf16", {"tensor_parallel": 16}, {"vllm": "", "sglang": "", "trtllm": ""}),
    ("Llama-3.1-8B", "bf16", {"tensor_parallel": 5}, {"vllm": "query heads", "sglang": "query", "trtllm": "query"}),
    # E1, E2: expert ranks.
    (
        "DeepSeek-V3",
        "fp8",
        {"tensor_parallel": 8, "expert_parallel": 4},
        {"vllm": "one expert rank or on all", "sglang": "", "trtllm": ""},
    ),
    # E4: blocks; Qwen3-235B has experts 1,536 wide, Qwen3-Coder 2,560.
    ("Qwen3-235B-A22B", "fp8", {"tensor_parallel": 8}, {"vllm": "fp8_utils", "sglang": "fp8.py", "trtllm": "14613"}),
    ("Qwen3-235B-A22B", "bf16", {"tensor_parallel": 8}, {"vllm": "", "sglang": "", "trtllm": ""}),
    # Tiles of 4-bit kernels; of a shared expert in formats of groups alone.
    ("Qwen3-235B-A22B", "nvfp4", {"tensor_parallel": 8}, {"vllm": "tiles", "sglang": "tiles", "trtllm": ""}),
    ("Qwen3-235B-A22B", "awq", {"tensor_parallel": 4}, {"vllm": "", "sglang": "", "trtllm": ""}),
    ("Qwen3-32B", "awq", {"tensor_parallel": 16}, {"vllm": "", "sglang": "", "trtllm": ""}),
    (
        "DeepSeek-V3",
        "nvfp4",
        {"tensor_parallel": 32, "expert_parallel": 32},
        {"vllm": "", "sglang": "", "trtllm": ""},
    ),
    (
        "DeepSeek-V3",
        "gptq",
        {"tensor_parallel": 32, "expert_parallel": 32},
        {"vllm": "tiles of a dense", "sglang": "tiles of a shared", "trtllm": "no gptq"},
    ),
    ("Qwen3-235B-A22B", "fp8", {"tensor_parallel": 8, "expert_parallel": 8}, {"vllm": "", "sglang": "", "trtllm": ""}),
    (
        "Qwen3-Coder-480B-A35B",
        "fp8",
        {"tensor_parallel": 8},
        {"vllm": "blocks", "sglang": "blocks", "trtllm": "blocks"},
    ),
    ("DeepSeek-R1", "fp8", {"tensor_parallel": 32}, dict.fromkeys(("vllm", "trtllm"), "dense layer")),
    # Dense layers whole on every rank, and shared experts where tokens go to their experts, which takes all ranks.
    ("DeepSeek-R1", "fp8", {"tensor_parallel": 32}, {"sglang": "of a shared expert"}),
    ("DeepSeek-R1", "fp8", {"tensor_parallel": 32, "expert_parallel": 16}, {"sglang": "of a shared expert"}),
    ("DeepSeek-R1", "fp8", {"tensor_parallel": 32, "expert_parallel": 32}, {"vllm": "dense layer", "sglang": ""}),
    (
        "DeepSeek-R1",
        "fp8",
        {"attention_data_parallel": 64, "expert_parallel": 64, "batch": 64},
        dict.fromkeys(("vllm", "sglang", "trtllm"), ""),
    ),
    # Qwen3-Next has a shared expert 512 wide and no dense layers.
    ("Qwen3-Next-80B-A3B", "fp8", ALL, {"vllm": "", "sglang": ""}),
    ("Qwen3-Next-80B-A3B", "fp8", ALL | {"expert_parallel": 4}, {"sglang": "of a shared expert"}),
    ("Qwen3-32B", "fp8", {"attention_data_parallel": 16}, {"sglang": "of a dense layer"}),
    ("DeepSeek-R1", "fp8", ALL, {"vllm": "", "sglang": "", "trtllm": ""}),
    # B1: whole groups and micro-batches.
    ("DeepSeek-V3", "fp8", ALL | {"batch": 17}, {"vllm": "whole", "sglang": "whole", "trtllm": "whole"}),
    ("Llama-3.1-8B", "bf16", {"pipeline_parallel": 3}, {"vllm": "whole", "sglang": "whole", "trtllm": "whole"}),
    # Stages.
    ("Llama-3.1-8B", "bf16", {"pipeline_parallel": 64, "batch": 64}, {"vllm": "every stage", "sglang": "every stage"}),
    # Redundant experts.
    (
        "DeepSeek-V3",
        "fp8",
        {"tensor_parallel": 8, "redundant_experts": 8},
        {"vllm": "need expert parallelism", "sglang": "need expert parallelism", "trtllm": "need expert parallelism"},
    ),
    ("DeepSeek-V3", "fp8", ALL | {"redundant_experts": 8}, {"vllm": "", "sglang": "", "trtllm": ""}),
    ("DeepSeek-V3", "fp8", ALL | {"redundant_experts": 3}, {"vllm": "as many", "sglang": "as many", "trtllm": "as"}),
    ("Mixtral-8x22B", "awq", ALL | {"redundant_experts": 8}, {"vllm": "this precision"}),
    # Nodes that hold no equal parts.
    (
        "DeepSeek-V3",
        "bf16",
        {"tensor_parallel": 8, "attention_data_parallel": 3, "expert_parallel": 24, "batch": 3, "nodes": 2},
        {"vllm": "nodes hold equal parts"},
    ),
)


@pytest.mark.parametrize(("model", "weights", "columns", "expected"), CASES)
def test_cases_of_the_servers_code(model: str, weights: str, columns: dict[str, Any], expected: dict[str, str]) -> None:
    for engine, words in expected.items():
        found = reason(engine, facts(model, weights), **columns)
        assert (words in found) if words else (found == ""), (engine, found)


def test_mxfp4_on_rocm_needs_one_group_in_vllm_alone() -> None:
    of = facts("gpt-oss-120b", "fp4", "MI355X")
    columns = {"tensor_parallel": 2, "attention_data_parallel": 4}
    assert "aiter_mxfp4" in reason("vllm", of, **columns)
    assert reason("sglang", of, **columns) == ""
    assert "runs on nvidia, not on amd" in reason("trtllm", of, **columns)
    assert reason("vllm", facts("gpt-oss-120b", "fp4", "B200-SXM"), **columns) == ""


@pytest.mark.parametrize("model", ["Llama-3.3-70B", "Qwen3-235B-A22B"])
@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_nvfp4_is_a_format_of_nvidia(engine: str, model: str) -> None:
    """On ROCm vLLM unpacks it in every pass, and SGLang needs kernels that it does not bring."""
    assert "NVFP4" in reason(engine, facts(model, "nvfp4", "MI355X"))
    assert reason(engine, facts(model, "nvfp4", "B200-SXM")) == ""
    assert reason(engine, facts(model, "mxfp4", "MI355X")) == ""


def test_mxfp4_on_hopper_has_one_expert_rank_in_sglang() -> None:
    columns = {"tensor_parallel": 4, "expert_parallel": 4}
    assert "model_hook" in reason("sglang", facts("gpt-oss-120b", "fp4", "H100-SXM"), **columns)
    assert reason("sglang", facts("gpt-oss-120b", "fp4", "B200-SXM"), **columns) == ""


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_a_draft_model_lies_on_the_ranks_of_the_model(engine: str) -> None:
    of = facts("Llama-3.3-70B", "bf16", draft="Llama-3.2-1B")
    good = DRAFTED | {"tensor_parallel": 4, "draft_tensor_parallel": 4}
    assert reason(engine, of, **good) == ""
    assert "draft model is on the" in reason(engine, of, **good | {"draft_tensor_parallel": 2})
    assert "one stage" in reason(engine, of, **good | {"pipeline_parallel": 2})
    assert "query heads of the draft" in reason(
        engine, of, **good | {"tensor_parallel": 64, "draft_tensor_parallel": 64}
    )
    other = facts("Llama-3.3-70B", "bf16", draft="Qwen3-0.6B")
    assert "one vocabulary" in reason(engine, other, **good)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_cards_of_other_makers_are_refused_by_name(engine: str) -> None:
    assert "not on google" in reason(engine, facts("Llama-3.1-8B", "bf16", "TPU-v6e"))


def test_a_card_whose_maker_is_not_said_is_taken() -> None:
    card = catalog.accelerator_from_mapping({"like": "H100-SXM", "name": "own"})
    model = catalog.model("Llama-3.1-8B")
    assert isinstance(model, Model)

    of = facts_of(model, "bf16", replace(card, vendor=None))
    assert accepts(profile("vllm"), of, ONE).mask


def test_a_rule_about_the_exchange_is_asked_of_the_one_that_is_said() -> None:
    wide = {"attention_data_parallel": 32, "expert_parallel": 32, "batch": 32}
    of = facts("DeepSeek-R1", "fp8")
    assert "of a shared expert" in reason("sglang", of, **wide, all_to_all=0)
    assert reason("sglang", of, **wide, all_to_all=1) == ""
    assert exchanges(profile("sglang"), of, ONE | wide).tolist() == [False, False, True]
    both = exchanges(profile("sglang"), of, ONE | wide | {"attention_data_parallel": 16, "expert_parallel": 16})
    assert both.tolist() == [False, True, True]
    # Without DeepEP, which is NVIDIA's, there is no way.
    assert "of a shared expert" in reason("sglang", facts("DeepSeek-R1", "fp8", "MI300X"), **wide)
    assert values_in(rule_of(of, wide | {"expert_parallel": 16}), of, ONE | wide)["all_to_all"] == (0.0,)


def rule_of(of: EngineFacts, columns: dict[str, Any]) -> Rule:
    rule = accepts(profile("sglang"), of, ONE | columns).reason()
    assert rule is not None
    return rule


def test_arrays_give_what_each_of_their_entries_gives() -> None:
    of = facts("DeepSeek-V3", "fp8")
    grid = {
        "tensor_parallel": np.array([1, 2, 4, 8, 32])[:, None, None, None],
        "attention_data_parallel": np.array([1, 3, 8])[None, :, None, None],
        "expert_parallel": np.array([1, 4, 8, 32])[None, None, :, None],
        "batch": np.array([1, 24, 64])[None, None, None, :],
        "pipeline_parallel": 1,
    }
    shape = np.broadcast_shapes(*(np.shape(each) for each in grid.values()))
    full = {name: np.broadcast_to(value, shape) for name, value in grid.items()}
    for chosen in profiles():
        together = accepts(chosen, of, grid)
        assert together.mask.shape == shape
        assert together.mask.any()
        assert not together.mask.all()
        for at in np.ndindex(*shape):
            alone = accepts(chosen, of, {name: value[at] for name, value in full.items()})
            assert bool(alone.mask) == together.mask[at]
            assert int(alone.broken) == together.broken[at]


def test_every_rule_of_every_kind_of_attention_holds() -> None:
    """Nemotron-3 has states of other heads than its attention: both have to be split evenly."""
    of = facts("Nemotron-3-Nano-30B-A3B", "bf16")
    assert len(of.tables["heads", "kv_heads", "latent"]) > 1


def test_every_model_of_the_catalog_has_a_class_in_every_engine() -> None:
    for name in catalog.model_names():
        of = facts(name, "bf16") if name not in _NOT_IN_16_BITS else facts(name, "mxfp4")
        assert of.architecture, name
        for chosen in profiles():
            assert class_of(chosen, of) is not None, (chosen.name, name)
            assert rules_for(chosen, of)


_NOT_IN_16_BITS = frozenset({"DeepSeek-V4-Flash", "DeepSeek-V4-Pro"})


@pytest.mark.parametrize(
    ("engine", "refused"),
    [("vllm", {"prefills_alone", "decodes_alone"}), ("sglang", {"decodes_alone"}), ("trtllm", set[str]())],
)
def test_instances_apart_have_one_stage(engine: str, refused: set[str]) -> None:
    colocated = facts("Llama-3.1-8B", "bf16")
    assert reason(engine, colocated, pipeline_parallel=2) == ""
    for phase in ("prefills_alone", "decodes_alone"):
        alone = apart(colocated, phase)
        assert reason(engine, alone) == ""
        assert (reason(engine, alone, pipeline_parallel=2) != "") is (phase in refused)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize(("model", "free"), [("Qwen3-30B-A3B", False), ("DeepSeek-V2-Lite", True)])
def test_prefill_instances_of_vllm_have_no_more_ranks_than_kv_heads(engine: str, model: str, free: bool) -> None:
    # Qwen3-30B-A3B has 4 KV heads, DeepSeek-V2-Lite latent attention.
    of = facts(model, "bf16")
    for phase in ("", "prefills_alone", "decodes_alone"):
        taken = of if not phase else apart(of, phase)
        assert reason(engine, taken, tensor_parallel=4) == ""
        refused = engine == "vllm" and phase == "prefills_alone" and not free
        assert ("KV heads" in reason(engine, taken, tensor_parallel=8)) is refused


def test_decode_instances_of_vllm_apart_have_no_draft() -> None:
    of = facts("Llama-3.1-70B", "bf16", draft="Llama-3.1-8B")
    drafted = {"tensor_parallel": 4, **DRAFTED, "draft_tensor_parallel": 4}
    for engine in ("vllm", "sglang"):
        assert reason(engine, of, **drafted) == ""
        assert ("no draft" in reason(engine, apart(of, "decodes_alone"), **drafted)) is (engine == "vllm")


def test_decode_instances_of_tensorrt_llm_apart_have_no_head() -> None:
    drafted = {"tensor_parallel": 4, **DRAFTED, "draft_tensor_parallel": 4}
    of = facts("Llama-3.1-70B", "bf16", draft="Llama-3.1-8B")
    headed = replace(of, numbers={**of.numbers, "eagle3": 1.0})
    assert reason("trtllm", apart(of, "decodes_alone"), **drafted) == ""
    assert reason("trtllm", headed, **drafted) == ""
    assert "no head" in reason("trtllm", apart(headed, "decodes_alone"), **drafted)


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize(
    ("model", "uneven"),
    # Windowed and full layers with 8 and 4 KV heads; with 8 and 8; states beside 2; latent attention alone.
    [("MiMo-V2-Flash", True), ("gpt-oss-20b", False), ("Nemotron-3-Nano-30B-A3B", False), ("DeepSeek-V2-Lite", False)],
)
def test_instances_of_tensorrt_llm_apart_have_one_number_of_kv_heads(engine: str, model: str, uneven: bool) -> None:
    of = facts(model, "bf16")
    assert of.numbers["uneven_kv_heads"] == uneven
    assert "one number of KV heads" not in reason(engine, of)
    for phase in ("prefills_alone", "decodes_alone"):
        refused = engine == "trtllm" and uneven
        assert ("one number of KV heads" in reason(engine, apart(of, phase))) is refused


def apart(of: EngineFacts, phase: str) -> EngineFacts:
    return replace(of, numbers={**of.numbers, phase: 1.0})


@pytest.mark.parametrize(
    ("accelerator", "starting"),
    [("H100-SXM", {"vllm", "trtllm"}), ("MI300X", set[str]()), ("MI355X", {"vllm", "sglang"})],
)
def test_dense_layers_in_mxfp4_need_kernels(accelerator: str, starting: set[str]) -> None:
    dense, routed = facts("Llama-3.1-8B", "mxfp4", accelerator), facts("gpt-oss-20b", "mxfp4", accelerator)
    assert {each.name for each in profiles() if not reason(each.name, dense)} == starting
    assert {"vllm", "sglang"} <= {each.name for each in profiles() if not reason(each.name, routed)}
