"""A command says the point it is made for: read back it gives the same columns, for every engine and kind of model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ieco_opt import catalog
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.engines.columns import DRAFT, POINT
from ieco_opt.engines.reading import read
from ieco_opt.engines.server import Named, Placed, Server, Serving, server_of
from ieco_opt.engines.store import NAMES, profile
from ieco_opt.errors import ScenarioError

MODELS = (
    ("Llama-3.3-70B", "bf16", "H100-SXM"),
    ("Qwen3-32B", "fp8", "H100-SXM"),
    ("Mixtral-8x22B", "bf16", "MI300X"),
    ("DeepSeek-V3", "fp8", "H200-SXM"),
    ("gpt-oss-120b", "fp4", "B200-SXM"),
    ("Qwen3-235B-A22B", "fp8", "GB200-NVL72"),
)

POWERS = st.sampled_from([1, 2, 4, 8, 16])


@st.composite
def points(draw: st.DrawFn) -> dict[str, Any]:
    """Configurations of whole groups, of which every engine takes some."""
    tensor, groups, stages = draw(POWERS), draw(POWERS), draw(st.sampled_from([1, 2, 3, 4]))
    ranks = tensor * groups
    expert = draw(st.sampled_from([each for each in (1, 2, 4, 8, 16, 32, ranks) if ranks % each == 0]))
    drafted = draw(st.booleans())
    row: dict[str, Any] = {
        "tensor_parallel": tensor,
        "attention_data_parallel": groups,
        "pipeline_parallel": stages,
        "expert_parallel": expert,
        "redundant_experts": draw(st.sampled_from([0, 0, expert, 8])),
        "batch": draw(st.integers(1, 700)) * groups * stages,
        "draft_tokens": draw(st.integers(2, 8)) if drafted and stages == 1 else 0,
        "tensor_layout": "1d",
        "kv_cache": draw(st.sampled_from(["bf16", "fp8"])),
        "weights_gb": 30.5,
        "reserve_gb": 4.25,
        "memory_limit_gb": 72.0,
    }
    if row["draft_tokens"]:
        row |= {"draft_tensor_parallel": tensor, "draft_pipeline_parallel": 1, "draft_attention_data_parallel": groups}
    return row


def server(engine: str, at: int, row: dict[str, Any], folder: Path = Path("/tmp")) -> Server:  # noqa: S108
    name, weights, card = MODELS[at]
    model, accelerator, draft = catalog.model(name), catalog.accelerator(card), catalog.model("Llama-3.2-1B")
    assert isinstance(model, Model)
    assert isinstance(accelerator, Accelerator)
    assert isinstance(draft, Model)
    if name != "Llama-3.3-70B":
        row = row | {"draft_tokens": 0}
    gpus = row["tensor_parallel"] * row["attention_data_parallel"] * row["pipeline_parallel"]
    hosts = tuple(f"node-{node}" for node in range(-(-gpus // 8)))
    return server_of(
        profile(engine),
        row | {"weights": weights},
        Serving(model, name, 3000, 1000, 0.9, draft, "Llama-3.2-1B"),
        accelerator,
        Placed(hosts),
        Named("point", "a point", "a point", folder),
    )


def told(of: Server) -> dict[str, int]:
    names = (*POINT, *DRAFT) if of.numbers["draft_tokens"] else POINT
    return {name: int(of.numbers[name]) for name in names}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, len(MODELS) - 1), points())
def test_reading_undoes_saying(engine: str, at: int, row: dict[str, Any]) -> None:
    of = server(engine, at, row)
    assume(not of.broken)
    command = of.command()
    for words in command.nodes:
        assert read(of.profile, words, command.files, {"experts": of.numbers["experts"]}) == told(of)


@pytest.mark.parametrize("engine", NAMES)
def test_every_engine_takes_points_of_every_kind(engine: str) -> None:
    """The property above is about something: pipelines, groups, experts, copies and drafts all occur."""
    plain = {
        "tensor_parallel": 2,
        "attention_data_parallel": 1,
        "pipeline_parallel": 1,
        "expert_parallel": 1,
        "redundant_experts": 0,
        "batch": 12,
        "draft_tokens": 0,
        "weights_gb": 30.5,
        "reserve_gb": 4.25,
        "memory_limit_gb": 72.0,
    }
    drafted = {
        "draft_tokens": 4,
        "draft_tensor_parallel": 2,
        "draft_pipeline_parallel": 1,
        "draft_attention_data_parallel": 1,
    }
    kinds = (
        (0, {"pipeline_parallel": 3}),
        (0, drafted),
        (3, {"tensor_parallel": 1, "attention_data_parallel": 8, "expert_parallel": 8, "batch": 64}),
        (3, {"tensor_parallel": 8, "expert_parallel": 8, "redundant_experts": 8}),
        (0, {"kv_cache": "fp8"}),
    )
    for at, changes in kinds:
        of = server(engine, at, plain | changes)
        assert of.broken == "", (at, changes)
        command = of.command()
        assert read(of.profile, command.argv, command.files, {"experts": 256.0}) == told(of)


def test_the_words_are_those_of_the_servers() -> None:
    row = {
        "tensor_parallel": 2,
        "attention_data_parallel": 8,
        "pipeline_parallel": 1,
        "expert_parallel": 16,
        "redundant_experts": 16,
        "batch": 64,
        "kv_cache": "fp8",
        "draft_tokens": 0,
        "weights_gb": 60.0,
        "reserve_gb": 6.0,
        "memory_limit_gb": 120.0,
    }
    assert " ".join(server("vllm", 3, row).words(1)) == (
        "vllm serve deepseek-ai/DeepSeek-V3 --tensor-parallel-size 2 --data-parallel-size 8 --enable-expert-parallel "
        '--enable-eplb --eplb-config {"num_redundant_experts": 16} --max-num-seqs 8 --max-model-len 4000 '
        "--kv-cache-dtype fp8 --gpu-memory-utilization 0.9 --nnodes 2 --node-rank 1 --master-addr node-0 --headless"
    )
    assert " ".join(server("sglang", 3, row).words(1)) == (
        "python -m sglang.launch_server --model-path deepseek-ai/DeepSeek-V3 --tp-size 16 --attn-dp-size 8 --ep-size "
        "16 --enable-eplb --ep-num-redundant-experts 16 --max-running-requests 64 --context-length 4000 "
        "--kv-cache-dtype fp8_e4m3 --mem-fraction-static 0.855 --nnodes 2 --node-rank 1 --dist-init-addr node-0:20000"
    )
    of = server("trtllm", 3, row | {"tensor_parallel": 1, "attention_data_parallel": 16})
    assert " ".join(of.words()) == (
        "mpirun -n 16 trtllm-llmapi-launch trtllm-serve deepseek-ai/DeepSeek-V3 "
        "--extra_llm_api_options /tmp/point-trtllm-options.yaml"
    )
    assert of.config == (
        "tensor_parallel_size: 16\nenable_attention_dp: true\nmoe_expert_parallel_size: 16\n"
        "moe_tensor_parallel_size: 1\nmoe_config:\n  load_balancer:\n    num_slots: 272\ngpus_per_node: 8\n"
        "max_batch_size: 4\nmax_seq_len: 4000\nkv_cache_config:\n  dtype: fp8\n  free_gpu_memory_fraction: 0.8019\n"
    )


def test_dense_layers_that_are_whole_are_said_where_the_degrees_ask_for_it() -> None:
    row = {
        "tensor_parallel": 2,
        "attention_data_parallel": 16,
        "pipeline_parallel": 1,
        "expert_parallel": 32,
        "redundant_experts": 0,
        "batch": 64,
        "draft_tokens": 0,
        "exchange": "all_to_all",
        "weights_gb": 60.0,
        "reserve_gb": 6.0,
        "memory_limit_gb": 120.0,
    }
    of = server("sglang", 3, row)
    assert of.broken == ""
    words = of.words()
    assert words[words.index("--moe-dense-tp-size") + 1] == "1"
    assert read(of.profile, words, {}, {"experts": 256.0}) == told(of)
    assert "of a shared expert" in server("sglang", 3, row | {"exchange": "all_gather"}).broken
    for changes in ({"attention_data_parallel": 8, "expert_parallel": 16}, {"weights": "bf16"}):
        fewer = server("sglang", 3, row | changes)
        assert fewer.broken == ""
        assert ("--moe-dense-tp-size" in fewer.words()) == ("weights" in changes)
    assert "--moe-dense-tp-size" not in " ".join(server("vllm", 3, row).words())


def test_speculation_says_one_draft_less_than_is_verified() -> None:
    row = {
        "tensor_parallel": 4,
        "attention_data_parallel": 1,
        "pipeline_parallel": 1,
        "expert_parallel": 1,
        "batch": 800,
        "draft_tokens": 5,
        "draft_tensor_parallel": 4,
        "draft_pipeline_parallel": 1,
        "draft_attention_data_parallel": 1,
        "weights_gb": 60.0,
        "reserve_gb": 6.0,
        "memory_limit_gb": 120.0,
    }
    words = server("vllm", 0, row).words()
    config = words[words.index("--speculative-config") + 1]
    assert '"num_speculative_tokens": 4, "draft_tensor_parallel_size": 4' in config
    # Every sequence brings five tokens to a pass.
    assert words[words.index("--max-num-batched-tokens") + 1] == "4000"
    words = server("sglang", 0, row).words()
    assert words[words.index("--speculative-num-steps") + 1] == "4"
    assert words[words.index("--speculative-num-draft-tokens") + 1] == "5"
    assert "  max_draft_len: 4\n" in server("trtllm", 0, row).config


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("ls -l", "expected vllm serve"),
        ("vllm serve", "expected vllm serve"),
        ("vllm serve a/b --nonsense 3", "found '--nonsense', expected a flag of the profile"),
        ("vllm serve a/b --max-num-seqs", "without a value"),
        ("vllm serve a/b --max-num-seqs eight --tensor-parallel-size 1", "found 'eight' for --max-num-seqs"),
        ("vllm serve a/b --max-num-seqs 8", "found nothing that says tensor_parallel"),
        ("vllm serve a/b --tensor-parallel-size 8", "found nothing that says batch"),
        ("vllm serve a/b --tensor-parallel-size 8 --max-num-seqs 2.5", "2.5 for batch, expected a whole number"),
        ("vllm serve a/b --tensor-parallel-size 8 --max-num-seqs 2 --eplb-config [", "no valid JSON"),
    ],
)
def test_what_is_no_command_of_the_engine_is_refused(words: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message.replace("[", r"\[")):
        read(profile("vllm"), words.split())


def test_a_file_that_is_not_there_or_says_more_is_refused() -> None:
    words = ["trtllm-serve", "a/b", "--extra_llm_api_options", "/a.yaml"]
    with pytest.raises(ScenarioError, match="found no file"):
        read(profile("trtllm"), words)
    with pytest.raises(ScenarioError, match="found 'other' in the file"):
        read(profile("trtllm"), words, {"/a.yaml": "other: 3\n"})
