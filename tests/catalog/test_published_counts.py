"""Every model of the catalog, and every public configuration, has as many weights as its maker says."""

from __future__ import annotations

import json

import pytest
from places import DATA
from published_counts import LEAST_SHARE, PUBLISHED, UNPUBLISHED, Published, billions

from ieco_opt.catalog import active_params, model, model_names, total_params
from ieco_opt.catalog.huggingface.reader import mapping_from_config
from ieco_opt.catalog.mappings import build_model
from ieco_opt.catalog.types import Model

CONFIGS = json.loads((DATA / "configs.json").read_text(encoding="utf-8"))
"""The keys that tell the shape of models, of the configurations of PyPI aiconfigurator-core 0.12.0."""

SAME_AS: dict[str, tuple[str, str]] = {
    "MiniMaxAI/MiniMax-M2.5": ("MiniMaxAI/MiniMax-M2.5", "MiniMax-M2.5"),
    "MiniMaxAI/MiniMax-M2.7": ("MiniMaxAI/MiniMax-M2.7", "MiniMax-M2.7"),
    "MiniMaxAI/MiniMax-M3": ("MiniMaxAI/MiniMax-M3", "MiniMax-M3"),
    "Qwen/Qwen3-0.6B": ("Qwen/Qwen3-0.6B", "Qwen3-0.6B"),
    "Qwen/Qwen3-1.7B": ("Qwen/Qwen3-1.7B", "Qwen3-1.7B"),
    "Qwen/Qwen3-235B-A22B": ("Qwen/Qwen3-235B-A22B-FP8", "Qwen3-235B-A22B"),
    "Qwen/Qwen3-235B-A22B-FP8": ("Qwen/Qwen3-235B-A22B-FP8", "Qwen3-235B-A22B"),
    "Qwen/Qwen3-30B-A3B": ("Qwen/Qwen3-30B-A3B-FP8", "Qwen3-30B-A3B"),
    "Qwen/Qwen3-30B-A3B-FP8": ("Qwen/Qwen3-30B-A3B-FP8", "Qwen3-30B-A3B"),
    "Qwen/Qwen3-32B": ("Qwen/Qwen3-32B-FP8-Static-PerTensor", "Qwen3-32B"),
    "Qwen/Qwen3-32B-FP8": ("Qwen/Qwen3-32B-FP8-Static-PerTensor", "Qwen3-32B"),
    "Qwen/Qwen3-32B-FP8-Static-PerTensor": ("Qwen/Qwen3-32B-FP8-Static-PerTensor", "Qwen3-32B"),
    "Qwen/Qwen3-8B": ("Qwen/Qwen3-8B", "Qwen3-8B"),
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": ("Qwen/Qwen3-Coder-480B-A35B-Instruct", "Qwen3-Coder-480B-A35B"),
    "Qwen/Qwen3-VL-235B-A22B-Instruct": ("Qwen/Qwen3-VL-235B-A22B-Instruct", "Qwen3-VL-235B-A22B"),
    "Qwen/Qwen3-VL-2B-Instruct": ("Qwen/Qwen3-VL-2B-Instruct", "Qwen3-VL-2B"),
    "Qwen/Qwen3-VL-30B-A3B-Instruct": ("Qwen/Qwen3-VL-30B-A3B-Instruct", "Qwen3-VL-30B-A3B"),
    "Qwen/Qwen3-VL-32B-Instruct": ("Qwen/Qwen3-VL-32B-Instruct", "Qwen3-VL-32B"),
    "Qwen/Qwen3-VL-32B-Thinking": ("Qwen/Qwen3-VL-32B-Instruct", "Qwen3-VL-32B"),
    "Qwen/Qwen3-VL-4B-Instruct": ("Qwen/Qwen3-VL-4B-Instruct", "Qwen3-VL-4B"),
    "Qwen/Qwen3-VL-8B-Instruct": ("Qwen/Qwen3-VL-8B-Instruct", "Qwen3-VL-8B"),
    "Qwen/Qwen3.5-122B-A10B": ("Qwen/Qwen3.5-122B-A10B", "Qwen3.5-122B-A10B"),
    "Qwen/Qwen3.5-27B": ("Qwen/Qwen3.5-27B", "Qwen3.5-27B"),
    "Qwen/Qwen3.5-35B-A3B": ("Qwen/Qwen3.5-35B-A3B", "Qwen3.5-35B-A3B"),
    "Qwen/Qwen3.5-397B-A17B": ("Qwen/Qwen3.5-397B-A17B", "Qwen3.5-397B-A17B"),
    "XiaomiMiMo/MiMo-7B-Base": ("XiaomiMiMo/MiMo-7B-Base", "MiMo-7B"),
    "XiaomiMiMo/MiMo-V2-Flash": ("XiaomiMiMo/MiMo-V2-Flash", "MiMo-V2-Flash"),
    "deepseek-ai/DeepSeek-R1": ("deepseek-ai/DeepSeek-R1", "DeepSeek-R1"),
    "deepseek-ai/DeepSeek-V3": ("deepseek-ai/DeepSeek-R1", "DeepSeek-V3"),
    "deepseek-ai/DeepSeek-V3.2": ("deepseek-ai/DeepSeek-V3.2", "DeepSeek-V3.2"),
    "deepseek-ai/DeepSeek-V4-Flash": ("deepseek-ai/DeepSeek-V4-Flash", "DeepSeek-V4-Flash"),
    "deepseek-ai/DeepSeek-V4-Pro": ("deepseek-ai/DeepSeek-V4-Pro", "DeepSeek-V4-Pro"),
    "google/gemma-4-26B-A4B": ("google/gemma-4-26B-A4B", "Gemma-4-26B-A4B"),
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": (
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
        "Llama-4-Maverick",
    ),
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "Llama-4-Scout"),
    "meta-llama/Meta-Llama-3.1-405B": ("meta-llama/Meta-Llama-3.1-405B", "Llama-3.1-405B"),
    "meta-llama/Meta-Llama-3.1-70B": ("meta-llama/Meta-Llama-3.1-70B", "Llama-3.1-70B"),
    "meta-llama/Meta-Llama-3.1-8B": ("meta-llama/Meta-Llama-3.1-8B", "Llama-3.1-8B"),
    "mistralai/Mixtral-8x22B-v0.1": ("mistralai/Mixtral-8x22B-v0.1", "Mixtral-8x22B"),
    "mistralai/Mixtral-8x7B-v0.1": ("mistralai/Mixtral-8x7B-v0.1", "Mixtral-8x7B"),
    "moonshotai/Kimi-K2-Instruct": ("moonshotai/Kimi-K2-Instruct", "Kimi-K2"),
    "moonshotai/Kimi-K2.5": ("moonshotai/Kimi-K2.5", "Kimi-K2.5"),
    "moonshotai/Kimi-K3": ("moonshotai/Kimi-K3", "Kimi-K3"),
    "nvidia/DeepSeek-V3.1-NVFP4": ("deepseek-ai/DeepSeek-R1", "DeepSeek-V3"),
    "nvidia/DeepSeek-V3.2-NVFP4": ("deepseek-ai/DeepSeek-V3.2", "DeepSeek-V3.2"),
    "nvidia/DeepSeek-V4-Flash-NVFP4": ("deepseek-ai/DeepSeek-V4-Flash", "DeepSeek-V4-Flash"),
    "nvidia/DeepSeek-V4-Pro-NVFP4": ("deepseek-ai/DeepSeek-V4-Pro", "DeepSeek-V4-Pro"),
    "nvidia/GLM-5-NVFP4": ("nvidia/GLM-5-NVFP4", "GLM-5"),
    "nvidia/GLM-5.1-NVFP4": ("nvidia/GLM-5-NVFP4", "GLM-5.1"),
    "nvidia/GLM-5.2-NVFP4": ("nvidia/GLM-5.2-NVFP4", "GLM-5.2"),
    "nvidia/GLM-5.3-NVFP4": ("nvidia/GLM-5.2-NVFP4", "GLM-5.3"),
    "nvidia/Gemma-4-26B-A4B-NVFP4": ("google/gemma-4-26B-A4B", "Gemma-4-26B-A4B"),
    "nvidia/Gemma-4-31B-IT-NVFP4": ("nvidia/Gemma-4-31B-IT-NVFP4", "Gemma-4-31B"),
    "nvidia/Kimi-K2.5-NVFP4": ("moonshotai/Kimi-K2.5", "Kimi-K2.5"),
    "nvidia/Kimi-K2.6-NVFP4": ("moonshotai/Kimi-K2.5", "Kimi-K2.6"),
    "nvidia/Kimi-K2.7-Code-NVFP4": ("moonshotai/Kimi-K2.5", "Kimi-K2.7-Code"),
    "nvidia/Llama-3.1-70B-Instruct-FP8": ("meta-llama/Meta-Llama-3.1-70B", "Llama-3.1-70B"),
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1": (
        "nvidia/Llama-3_3-Nemotron-Super-49B-v1",
        "Llama-3.3-Nemotron-Super-49B",
    ),
    "nvidia/MiniMax-M2.5-NVFP4": ("MiniMaxAI/MiniMax-M2.5", "MiniMax-M2.5"),
    "nvidia/MiniMax-M2.7-NVFP4": ("MiniMaxAI/MiniMax-M2.5", "MiniMax-M2.7"),
    "nvidia/MiniMax-M3-NVFP4": ("MiniMaxAI/MiniMax-M3", "MiniMax-M3"),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (
        "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
        "Nemotron-3-Nano-30B-A3B",
    ),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4": (
        "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",
        "Nemotron-3-Nano-30B-A3B",
    ),
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8": (
        "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8",
        "Nemotron-3-Super-120B-A12B",
    ),
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4": (
        "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8",
        "Nemotron-3-Super-120B-A12B",
    ),
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16": (
        "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16",
        "Nemotron-3-Ultra-550B-A55B",
    ),
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-FP8": (
        "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16",
        "Nemotron-3-Ultra-550B-A55B",
    ),
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-NVFP4": (
        "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16",
        "Nemotron-3-Ultra-550B-A55B",
    ),
    "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4": (
        "nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4",
        "Nemotron-3.5-Lightning-30B-A3B",
    ),
    "nvidia/Nemotron-H-56B-Base-8K": ("nvidia/Nemotron-H-56B-Base-8K", "Nemotron-H-56B"),
    "nvidia/Qwen3-235B-A22B-NVFP4": ("Qwen/Qwen3-235B-A22B-FP8", "Qwen3-235B-A22B"),
    "nvidia/Qwen3.5-122B-A10B-NVFP4": ("Qwen/Qwen3.5-122B-A10B", "Qwen3.5-122B-A10B"),
    "nvidia/Qwen3.5-397B-A17B-NVFP4": ("Qwen/Qwen3.5-397B-A17B", "Qwen3.5-397B-A17B"),
    "nvidia/Qwen3.6-27B-NVFP4": ("Qwen/Qwen3.5-27B", "Qwen3.6-27B"),
    "nvidia/Qwen3.6-35B-A3B-NVFP4": ("Qwen/Qwen3.5-35B-A3B", "Qwen3.6-35B-A3B"),
    "openai/gpt-oss-120b": ("openai/gpt-oss-120b", "gpt-oss-120b"),
    "openai/gpt-oss-20b": ("openai/gpt-oss-20b", "gpt-oss-20b"),
    "sgl-project/DeepSeek-V4-Flash-FP8": ("deepseek-ai/DeepSeek-V4-Flash", "DeepSeek-V4-Flash"),
    "sgl-project/DeepSeek-V4-Pro-FP8": ("deepseek-ai/DeepSeek-V4-Pro", "DeepSeek-V4-Pro"),
    "stepfun-ai/Step-3.7-Flash": ("stepfun-ai/Step-3.7-Flash-FP8", "Step-3.7-Flash"),
    "stepfun-ai/Step-3.7-Flash-FP8": ("stepfun-ai/Step-3.7-Flash-FP8", "Step-3.7-Flash"),
    "zai-org/GLM-5": ("nvidia/GLM-5-NVFP4", "GLM-5"),
    "zai-org/GLM-5-FP8": ("nvidia/GLM-5-NVFP4", "GLM-5"),
    "zai-org/GLM-5.1": ("nvidia/GLM-5-NVFP4", "GLM-5.1"),
    "zai-org/GLM-5.1-FP8": ("nvidia/GLM-5-NVFP4", "GLM-5.1"),
    "zai-org/GLM-5.2": ("nvidia/GLM-5.2-NVFP4", "GLM-5.2"),
    "zai-org/GLM-5.2-FP8": ("nvidia/GLM-5.2-NVFP4", "GLM-5.2"),
    "zai-org/GLM-5.3": ("nvidia/GLM-5.2-NVFP4", "GLM-5.3"),
    "zai-org/GLM-5.3-FP8": ("nvidia/GLM-5.2-NVFP4", "GLM-5.3"),
}
"""Each of the 89 configurations of that package: whose shape it has, and which model of the catalog it is."""


def real(name: str) -> Model:
    found = model(name)
    assert isinstance(found, Model)
    return found


def assert_counts(item: Model, published: Published) -> None:
    total, half = billions(published.total)
    ours = total_params(item) / 1e9 + published.beyond
    assert ours == pytest.approx(total, rel=LEAST_SHARE, abs=half)
    if published.active:
        active, half = billions(published.active)
        slack = max(half, LEAST_SHARE * active)
        # Makers count both embeddings, one or none; some count the routers.
        most = active_params(item) / 1e9
        least = most - 2 * item.vocabulary * item.width / 1e9
        routers = sum(each.layers * each.experts * item.width for each in item.feed_forward if each.experts > 1) / 1e9
        assert least - slack <= active <= most + routers + slack


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_catalog_has_the_published_counts(name: str) -> None:
    assert_counts(real(name), PUBLISHED[name])


def test_every_model_has_a_published_count_or_is_known_to_have_none() -> None:
    assert set(model_names()) <= PUBLISHED.keys() | UNPUBLISHED


@pytest.mark.parametrize("name", SAME_AS)
def test_public_configurations_are_imported_with_the_published_counts(name: str) -> None:
    shape, entry = SAME_AS[name]
    item = build_model(mapping_from_config(CONFIGS[shape], name))
    known = real(entry)
    assert (item.blocks, item.feed_forward, item.vocabulary) == (known.blocks, known.feed_forward, known.vocabulary)
    assert (item.width, item.tied_embeddings) == (known.width, known.tied_embeddings)
    if entry not in UNPUBLISHED:
        assert_counts(item, PUBLISHED[entry])
    assert item.max_context_tokens
