"""Names of repositories: which model and which precision they mean, and which lead nowhere."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from ieco_opt import catalog
from ieco_opt.catalog import store
from ieco_opt.catalog.precision import PRECISIONS
from ieco_opt.catalog.repository_names import (
    KnownNames,
    Refused,
    SameArchitecture,
    Understood,
    key,
    understood,
)
from ieco_opt.catalog.types import Model
from ieco_opt.errors import ScenarioError

# Spelt as on the model cards: name, model of the catalog, precision that the name sets.
OF_THE_CATALOG = [
    ("meta-llama/Llama-3.3-70B-Instruct", "Llama-3.3-70B", None),
    ("meta-llama/Llama-3.1-405B-Instruct-FP8", "Llama-3.1-405B", "fp8"),
    ("meta-llama/Meta-Llama-3.1-8B-Instruct", "Llama-3.1-8B", None),
    ("meta-llama/Llama-4-Scout-17B-16E", "Llama-4-Scout", None),
    ("meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8", "Llama-4-Maverick", "fp8"),
    ("meta-llama/Llama-2-70b-chat-hf", "Llama-2-70B", None),
    ("RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8", "Llama-3.3-70B", "int8"),
    ("RedHatAI/Llama-3.3-70B-Instruct-quantized.w4a16", "Llama-3.3-70B", "int4"),
    ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "Llama-3.3-70B", "fp8"),
    ("RedHatAI/Qwen3-30B-A3B-NVFP4A16", "Qwen3-30B-A3B", "nvfp4"),
    ("RedHatAI/Meta-Llama-3.1-70B-Instruct-quantized.w8a16", "Llama-3.1-70B", "int8"),
    ("RedHatAI/Llama-4-Scout-17B-16E-Instruct-quantized.w4a16", "Llama-4-Scout", "int4"),
    ("neuralmagic/Meta-Llama-3.1-405B-Instruct-FP8", "Llama-3.1-405B", "fp8"),
    ("neuralmagic/Mixtral-8x7B-Instruct-v0.1-FP8", "Mixtral-8x7B", "fp8"),
    ("nvidia/Llama-3.3-70B-Instruct-FP4", "Llama-3.3-70B", "nvfp4"),
    ("nvidia/Llama-3.1-405B-Instruct-NVFP4", "Llama-3.1-405B", "nvfp4"),
    ("nvidia/DeepSeek-R1-0528-NVFP4-v2", "DeepSeek-R1", "nvfp4"),
    ("nvidia/DeepSeek-V3-0324-FP4", "DeepSeek-V3", "nvfp4"),
    ("amd/Llama-3.3-70B-Instruct-MXFP4-Preview", "Llama-3.3-70B", "mxfp4"),
    ("amd/DeepSeek-R1-MXFP4-Preview", "DeepSeek-R1", "mxfp4"),
    ("amd/Llama-3.1-405B-Instruct-FP8-KV", "Llama-3.1-405B", "fp8"),
    ("amd/gpt-oss-120b-w-mxfp4-a-fp8", "gpt-oss-120b", "mxfp4"),
    ("amd/Llama-2-70b-chat-hf-WMXFP4-AMXFP4-KVFP8", "Llama-2-70B", "mxfp4"),
    ("nvidia/Llama-3.1-Nemotron-70B-Instruct-HF", "Llama-3.1-70B", None),
    ("Qwen/Qwen3-32B-FP8", "Qwen3-32B", "fp8"),
    ("Qwen/Qwen3-32B-FP8-Static-PerTensor", "Qwen3-32B", "fp8"),
    ("Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8", "Qwen3-Coder-480B-A35B", "fp8"),
    ("Qwen/Qwen3-30B-A3B-GPTQ-Int4", "Qwen3-30B-A3B", "gptq"),
    ("Qwen/Qwen2.5-72B-Instruct-GPTQ-Int8", "Qwen2.5-72B", "int8"),
    ("Qwen/Qwen2.5-32B-Instruct-AWQ", "Qwen2.5-32B", "awq"),
    ("Qwen/Qwen2.5-Coder-32B-Instruct-AWQ", "Qwen2.5-32B", "awq"),
    ("Qwen/Qwen3-8B-Base", "Qwen3-8B", None),
    ("deepseek-ai/DeepSeek-V3-Base", "DeepSeek-V3", None),
    ("deepseek-ai/DeepSeek-V3.1-Terminus", "DeepSeek-V3", None),
    ("deepseek-ai/DeepSeek-R1-Zero", "DeepSeek-R1", None),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "Llama-3.3-70B", None),
    ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "Llama-3.1-8B", None),
    ("RedHatAI/DeepSeek-R1-Distill-Llama-70B-quantized.w8a8", "Llama-3.3-70B", "int8"),
    ("mistralai/Mistral-7B-Instruct-v0.3", "Mistral-7B", None),
    ("mistralai/Mixtral-8x22B-Instruct-v0.1", "Mixtral-8x22B", None),
    ("google/gemma-3-27b-pt", "Gemma-3-27B", None),
    ("RedHatAI/gemma-2-9b-it-FP8", "Gemma-2-9B", "fp8"),
    ("google/gemma-3-27b-it-qat-q4_0-unquantized", "Gemma-3-27B", "bf16"),
    ("openai/gpt-oss-safeguard-120b", "gpt-oss-120b", None),
    ("unsloth/gpt-oss-120b-BF16", "gpt-oss-120b", "bf16"),
    ("unsloth/Llama-3.3-70B-Instruct", "Llama-3.3-70B", None),
    ("moonshotai/Kimi-K2-Base", "Kimi-K2", None),
    ("zai-org/GLM-4.5-Air-FP8", "GLM-4.5-Air", "fp8"),
    ("cpatonn/GLM-4.5-Air-AWQ-4bit", "GLM-4.5-Air", "awq"),
    ("MiniMaxAI/MiniMax-M2.5", "MiniMax-M2.5", None),
    ("CohereForAI/c4ai-command-r-plus-08-2024", "Command-R-Plus", None),
    ("hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4", "Llama-3.1-70B", "awq"),
    ("ibnzterrell/Meta-Llama-3.3-70B-Instruct-AWQ-INT4", "Llama-3.3-70B", "awq"),
    ("someone/Llama-3.1-8B-Instruct-INT4-AWQ", "Llama-3.1-8B", "awq"),
    ("casperhansen/llama-3.3-70b-instruct-awq", "Llama-3.3-70B", "awq"),
    ("TheBloke/Llama-2-70B-Chat-GPTQ", "Llama-2-70B", "gptq"),
    ("Intel/Qwen3-30B-A3B-int4-AutoRound", "Qwen3-30B-A3B", "int4"),
    ("https://huggingface.co/Qwen/Qwen3-14B-FP8", "Qwen3-14B", "fp8"),
    ("Llama 3.3 70B FP8", "Llama-3.3-70B", "fp8"),
]

# Models whose context or head differs from the entry's: the name, what is changed.
OF_ANOTHER_CONTEXT = [
    ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "Qwen3-235B-A22B", {"max_context_tokens": 262144}, "fp8"),
    ("Qwen/Qwen3-235B-A22B-Thinking-2507", "Qwen3-235B-A22B", {"max_context_tokens": 262144}, None),
    ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "Qwen3-30B-A3B", {"max_context_tokens": 262144}, None),
    ("moonshotai/Kimi-K2-Instruct-0905", "Kimi-K2", {"max_context_tokens": 262144}, None),
    ("mistralai/Mistral-Large-Instruct-2411", "Mistral-Large-2", {"max_context_tokens": 131072}, None),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "Qwen2.5-32B", {"max_context_tokens": 131072}, None),
    ("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B", "Qwen3-8B", {"max_context_tokens": 131072}, None),
]

# Refused, and what the message says.
REFUSED = [
    ("unsloth/Llama-3.3-70B-Instruct-GGUF", "'GGUF' (llama.cpp)", "expected Llama-3.3-70B"),
    ("bartowski/Qwen3-32B-Q4_K_M-GGUF", "'Q4_K_M-GGUF' (llama.cpp)", "expected Qwen3-32B"),
    ("google/gemma-3-27b-it-qat-q4_0-gguf", "'qat-q4_0-gguf' (llama.cpp)", "expected Gemma-3-27B"),
    ("unsloth/Llama-3.3-70B-Instruct-bnb-4bit", "'bnb-4bit' is bitsandbytes'", "expected Llama-3.3-70B"),
    ("unsloth/Qwen3-14B-unsloth-bnb-4bit", "'unsloth-bnb-4bit' is bitsandbytes'", "expected Qwen3-14B"),
    ("mlx-community/Qwen3-32B-4bit", "'mlx-community' keeps formats for Apple's chips", "expected Qwen3-32B"),
    ("Qwen/Qwen3-32B-MLX-6bit", "Apple's chips", "expected Qwen3-32B"),
    ("QuantTrio/GLM-4.5-GPTQ-Int4-Int8Mix", "'GPTQ-Int4-Int8Mix' is none of the precisions", "expected GLM-4.5,"),
    ("novita/Deepseek-R1-0528-W4AFP8", "'W4AFP8' is none of the precisions", "expected DeepSeek-R1,"),
    ("nvidia/gpt-oss-120b-Eagle3", "'Eagle3' is a draft head", "expected gpt-oss-120b"),
    ("RedHatAI/Qwen3-32B-speculator.eagle3", "'speculator.eagle3' is a draft head", "expected Qwen3-32B"),
    ("RedHatAI/Sparse-Llama-3.1-8B-2of4", "weights are left out", ""),
    ("huihui-ai/Llama-3.3-70B-Instruct-abliterated", "'abliterated' is not understood", "expected Llama-3.3-70B if"),
    ("someone/Llama-3.1-8B-AWQ-FP8", "'AWQ' and 'FP8' set more than one precision", "expected Llama-3.1-8B"),
    ("meta-llama/Llama-3.3-8B-Instruct", "expected the name of a model", "Llama-3.3-70B"),
    ("meta-llama/Llama-3.2-90B-Vision-Instruct", "expected the name of a model", "close matches"),
    ("Qwen/Qwen2.5-Omni-7B-AWQ", "'Omni' is not understood", "expected Qwen2.5-7B if its architecture is"),
    ("Qwen/Qwen3-Embedding-8B", "'Embedding' is not understood", "expected Qwen3-8B if"),
    ("Qwen/Qwen2.5-14B-Instruct-1M", "expected the name of a model", "Qwen2.5-14B"),
    ("Qwen/Qwen3-235B", "expected the name of a model", "Qwen3-235B-A22B"),
    ("Qwen/Qwen3-Coder-30B-Instruct", "expected the name of a model", "close matches"),
    ("Qwen/Qwen3-30B-A3B-128K", "expected the name of a model", "Qwen3-30B-A3B"),
    ("TheBloke/Mistral-7B-Instruct-v0.1-AWQ", "expected the name of a model", "Mistral-7B-Instruct-v0.3"),
    ("NousResearch/Hermes-3-Llama-3.1-70B-FP8", "'Hermes-3' is not understood", "expected Llama-3.1-70B if"),
    ("google/gemma-3-270m-it", "expected the name of a model", "Gemma-3-27B"),
    ("someone/" + "-it" * 60, "expected the name of a model", ""),
    ("someone/" + "-ab" * 60, "expected the name of a model", ""),
    ("CohereForAI/c4ai-command-r-08-2024", "expected the name of a model", "close matches"),
    ("", "found '', expected the name of a model", ""),
    ("   ", "expected the name of a model", ""),
    ("a/b/c", "a name of 3 parts, expected owner/name", ""),
    ("../x", "no owner or no name, expected owner/name", ""),
    ("meta-llama/", "expected the name of a model", ""),
    ("/Llama-3.3-70B", "no owner or no name, expected owner/name", ""),
    ("Qwen/..", "no owner or no name, expected owner/name", ""),
    ("Llama-3.3-70B\x00-FP8", "expected the name of a model", ""),
    ("Llama-3.3-70B\n-FP8", "expected the name of a model", ""),
    ("Llama-3.3-70B-\u202eFP8", "expected the name of a model", ""),
    ("a" * 10_000, "a name of 10000 characters", ""),
    ("fp8-" * 2_500, "a name of 10000 characters", ""),
    ("x/" * 5_000, "a name of ", ""),
]

# A catalog of 2026, as far as names go.
LATER = {
    "Mistral-Small-3.1-24B": ["mistralai/Mistral-Small-3.1-24B-Instruct-2503"],
    "Mistral-Small-24B": ["mistralai/Mistral-Small-24B-Instruct-2501"],
    "Mistral-Small-2409": ["mistralai/Mistral-Small-Instruct-2409"],
    "Devstral-Small": ["mistralai/Devstral-Small-2507"],
    "Kimi-K2": ["moonshotai/Kimi-K2-Instruct"],
    "Kimi-K2-Thinking": ["moonshotai/Kimi-K2-Thinking"],
    "GLM-4.6": ["zai-org/GLM-4.6"],
    "Phi-4": ["microsoft/phi-4"],
    "Seed-OSS-36B": ["ByteDance-Seed/Seed-OSS-36B-Instruct"],
    "ERNIE-4.5-300B-A47B": ["baidu/ERNIE-4.5-300B-A47B-PT"],
    "Hunyuan-A13B": ["tencent/Hunyuan-A13B-Instruct"],
    "Granite-4.0-H-Small": ["ibm-granite/granite-4.0-h-small"],
    "EXAONE-4.0-32B": ["LGAI-EXAONE/EXAONE-4.0-32B"],
    "OLMo-2-32B": ["allenai/OLMo-2-0325-32B-Instruct"],
    "Olmo-3-32B": ["allenai/Olmo-3-1125-32B"],
    "MiMo-V2-Flash": ["XiaomiMiMo/MiMo-V2-Flash"],
    "Command-A": ["CohereLabs/c4ai-command-a-03-2025"],
    "Command-R7B": [],
    "Llama-3.3-Nemotron-Super-49B-v1.5": [],
    "Nemotron-3-Super-120B-A12B": [],
    "Nemotron-3-Nano-30B-A3B": ["nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"],
    "Gemma-4-31B": ["google/gemma-4-31B-it"],
    "Qwen3-Next-80B-A3B": ["Qwen/Qwen3-Next-80B-A3B-Instruct"],
    "Qwen3.6-35B-A3B": ["Qwen/Qwen3.6-35B-A3B"],
    "Qwen3-VL-30B-A3B": ["Qwen/Qwen3-VL-30B-A3B-Instruct"],
    "Qwen3-30B-A3B": ["Qwen/Qwen3-30B-A3B"],
    "DeepSeek-V3.2": ["deepseek-ai/DeepSeek-V3.2"],
    "LongCat-Flash": ["meituan-longcat/LongCat-Flash-Chat"],
    "Ling-1T": ["inclusionAI/Ling-1T"],
}
OF_A_LATER_CATALOG = [
    ("RedHatAI/Mistral-Small-3.1-24B-Instruct-2503-FP8-dynamic", "Mistral-Small-3.1-24B", "fp8"),
    ("mistralai/Mistral-Small-3.1-24B-Base-2503", "Mistral-Small-3.1-24B", None),
    ("stelterlab/Mistral-Small-24B-Instruct-2501-AWQ", "Mistral-Small-24B", "awq"),
    ("mistralai/Devstral-Small-2507", "Devstral-Small", None),
    ("moonshotai/Kimi-K2-Thinking", "Kimi-K2-Thinking", None),
    ("nvidia/Kimi-K2-Thinking-NVFP4", "Kimi-K2-Thinking", "nvfp4"),
    ("moonshotai/Kimi-K2-Base", "Kimi-K2", None),
    ("zai-org/GLM-4.6-FP8", "GLM-4.6", "fp8"),
    ("QuantTrio/GLM-4.6-AWQ", "GLM-4.6", "awq"),
    ("microsoft/phi-4", "Phi-4", None),
    ("RedHatAI/phi-4-quantized.w4a16", "Phi-4", "int4"),
    ("ByteDance-Seed/Seed-OSS-36B-Base", "Seed-OSS-36B", None),
    ("QuantTrio/Seed-OSS-36B-Instruct-AWQ", "Seed-OSS-36B", "awq"),
    ("baidu/ERNIE-4.5-300B-A47B-Base-PT", "ERNIE-4.5-300B-A47B", None),
    ("tencent/Hunyuan-A13B-Pretrain", "Hunyuan-A13B", None),
    ("tencent/Hunyuan-A13B-Instruct-GPTQ-Int4", "Hunyuan-A13B", "gptq"),
    ("ibm-granite/granite-4.0-h-small-FP8", "Granite-4.0-H-Small", "fp8"),
    ("LGAI-EXAONE/EXAONE-4.0-32B-FP8", "EXAONE-4.0-32B", "fp8"),
    ("LGAI-EXAONE/EXAONE-4.0-32B-AWQ", "EXAONE-4.0-32B", "awq"),
    ("allenai/OLMo-2-0325-32B-DPO", "OLMo-2-32B", None),
    ("allenai/Olmo-3-32B-Think-SFT", "Olmo-3-32B", None),
    ("XiaomiMiMo/MiMo-V2-Flash-Base", "MiMo-V2-Flash", None),
    ("RedHatAI/c4ai-command-a-03-2025-FP8-dynamic", "Command-A", "fp8"),
    ("CohereLabs/command-a-03-2025", "Command-A", None),
    ("CohereLabs/c4ai-command-r7b-12-2024", "Command-R7B", None),
    ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8", "Nemotron-3-Super-120B-A12B", "fp8"),
    ("nvidia/Llama-3_3-Nemotron-Super-49B-v1_5-FP8", "Llama-3.3-Nemotron-Super-49B-v1.5", "fp8"),
    ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4", "Nemotron-3-Nano-30B-A3B", "nvfp4"),
    ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-Base-BF16", "Nemotron-3-Nano-30B-A3B", "bf16"),
    ("nvidia/Gemma-4-31B-IT-NVFP4", "Gemma-4-31B", "nvfp4"),
    ("Qwen/Qwen3-Next-80B-A3B-Thinking-FP8", "Qwen3-Next-80B-A3B", "fp8"),
    ("nvidia/Qwen3.6-35B-A3B-NVFP4", "Qwen3.6-35B-A3B", "nvfp4"),
    ("Qwen/Qwen3-VL-30B-A3B-Thinking-FP8", "Qwen3-VL-30B-A3B", "fp8"),
    ("nvidia/DeepSeek-V3.2-NVFP4", "DeepSeek-V3.2", "nvfp4"),
    ("meituan-longcat/LongCat-Flash-Thinking-FP8", "LongCat-Flash", "fp8"),
    ("inclusionAI/Ling-1T-FP8", "Ling-1T", "fp8"),
    ("someone/Qwen3-30B-A3B-MXFP8", "Qwen3-30B-A3B", "mxfp8"),
    ("someone/Qwen3-30B-A3B-FP16", "Qwen3-30B-A3B", "fp16"),
    ("someone/Qwen3-30B-A3B-FP4", "Qwen3-30B-A3B", "fp4"),
    ("amd/Qwen3-30B-A3B-FP4", "Qwen3-30B-A3B", "mxfp4"),
    ("someone/Qwen3-30B-A3B-W4A16-G32", "Qwen3-30B-A3B", "int4_g32"),
    ("someone/Qwen3-30B-A3B-AWQ-g64", "Qwen3-30B-A3B", "int4_g64"),
]
NOT_OF_A_LATER_CATALOG = [
    "mistralai/Mistral-Small-Instruct-2503",  # 24B or 22B: the date alone tells
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506",
    "mistralai/Devstral-Small-2505",
    "moonshotai/Kimi-K2.5",
    "microsoft/Phi-4-mini-instruct",
    "microsoft/Phi-4-multimodal-instruct",
    "ibm-granite/granite-4.0-h-tiny-FP8",
    "allenai/OLMo-2-1124-7B-Instruct",
    "Qwen/Qwen3-VL-30B-Instruct",
    "Qwen/Qwen3-Omni-30B-A3B-Instruct",
    "Qwen/Qwen3-32B-FP8",
    "CohereLabs/command-a-vision-07-2025",
    "inclusionAI/Ling-1T-VL",
    "google/gemma-4-31B-assistant",
]


@pytest.fixture(scope="module")
def later() -> KnownNames:
    return KnownNames(LATER)


@pytest.mark.parametrize(("name", "model", "weights"), OF_THE_CATALOG)
def test_names_of_repositories_lead_to_their_model_and_precision(name: str, model: str, weights: str | None) -> None:
    found, entry = catalog.model(name), catalog.model(model)
    assert isinstance(found, Model)
    assert isinstance(entry, Model)
    assert found == replace(entry, checkpoint=weights or entry.checkpoint)
    assert catalog.checkpoint_of(name) == found.checkpoint
    assert weights is None or found.sources["checkpoint"] == catalog.said_about(name)


@pytest.mark.parametrize(("name", "base", "changes", "weights"), OF_ANOTHER_CONTEXT)
def test_a_model_of_the_same_architecture_keeps_its_own_context(
    name: str, base: str, changes: dict[str, object], weights: str | None
) -> None:
    found, alike = catalog.model(name), catalog.model(base)
    assert isinstance(found, Model)
    assert isinstance(alike, Model)
    assert {field: getattr(found, field) for field in changes} == changes
    assert (found.blocks, found.feed_forward, found.width) == (alike.blocks, alike.feed_forward, alike.width)
    assert found.checkpoint == (weights or alike.checkpoint)
    assert catalog.checkpoint_of(name) == found.checkpoint


@pytest.mark.parametrize(("name", "reason", "hint"), REFUSED)
def test_other_names_are_refused_with_the_reason(name: str, reason: str, hint: str) -> None:
    began = time.process_time()
    with pytest.raises(ScenarioError) as caught:
        catalog.model(name)
    assert time.process_time() - began < 1.0
    message = str(caught.value)
    assert reason in message
    assert hint in message
    assert "\n" not in message
    assert catalog.checkpoint_of(name) is None
    assert catalog.said_about(name) is None


@pytest.mark.parametrize(
    ("endings", "weights"),
    [
        ("bfloat16 qat-int4-unquantized int4-unquantized", "bf16"),
        ("float16 F16", "fp16"),
        ("W8A8-FP8 w-fp8-a-fp8 W-FP8-A-FP8-KV-FP8 float8 FP8-block FP8-ptpc", "fp8"),
        ("gptq-8bit GPTQ-w8a16 AWQ-8bit INT8-W8A8", "int8"),
        ("int4-g128 w4a16-g128 autoround-int4", "int4"),
    ],
)
def test_endings_that_set_a_precision(endings: str, weights: str) -> None:
    for ending in endings.split():
        found = catalog.model(f"someone/Qwen3-32B-{ending}")
        assert (found.name, getattr(found, "checkpoint", None)) == ("Qwen3-32B", weights), ending


@pytest.mark.parametrize(
    ("endings", "reason"),
    [
        ("nf4 bnb-8bit", "is bitsandbytes' format"),
        ("onnx ONNX-int4 openvino-int8 ov int4-ov coreml tflite litert paddle", "is a format for other programs than"),
        ("exl2 exl3-4.0bpw 4.65bpw-h6 3bpw AQLM-2Bit-1x16 hqq-4bit QuIP VPTQ-4bit", "is none of the precisions"),
        ("W4A8 w4a8-fp8 int2 int3 3bit int4-mixed-AutoRound", "is none of the precisions"),
        ("pruned2.4 pruned50-quant 2of4-sparse", "says that weights are left out"),
        ("medusa draft mtp-draft dflash DFlash eagle speculator", "is a draft head, not a model"),
        ("LoRA qlora adapter", "is an adapter, not a model"),
    ],
)
def test_endings_that_are_refused(endings: str, reason: str) -> None:
    for ending in endings.split():
        with pytest.raises(ScenarioError) as caught:
            catalog.model(f"someone/Qwen3-32B-{ending}")
        message = str(caught.value)
        assert reason in message, ending
        assert message.endswith("expected Qwen3-32B, with its precision in `weights`"), message


@pytest.mark.parametrize(("name", "model", "weights"), OF_A_LATER_CATALOG)
def test_names_follow_the_index(name: str, model: str, weights: str | None, later: KnownNames) -> None:
    found = understood(name, later)
    assert isinstance(found, Understood)
    assert (found.model, found.weights) == (model, weights)


@pytest.mark.parametrize("name", NOT_OF_A_LATER_CATALOG)
def test_another_size_date_or_generation_is_not_taken(name: str, later: KnownNames) -> None:
    assert isinstance(understood(name, later), Refused)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", None),
        ("Llama-3.3-70B", None),
        (
            "RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8",
            "RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8: Llama-3.3-70B, weights int8 (from 'quantized.w8a8')",
        ),
        (
            "amd/Llama-3.3-70B-Instruct-FP8-KV",
            "amd/Llama-3.3-70B-Instruct-FP8-KV: Llama-3.3-70B, weights fp8 (from 'FP8-KV'); "
            "the precision of the cache is what `kv_cache` says",
        ),
        (
            "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
            "deepseek-ai/DeepSeek-R1-Distill-Llama-70B: the architecture of Llama-3.3-70B",
        ),
        (
            "Qwen/Qwen3-30B-A3B-Thinking-2507-FP8",
            "Qwen/Qwen3-30B-A3B-Thinking-2507-FP8: the architecture of Qwen3-30B-A3B with max_context_tokens 262144, "
            "weights fp8 (from 'FP8')",
        ),
        (
            "deepseek-ai/DeepSeek-R1-0730",
            "deepseek-ai/DeepSeek-R1-0730: DeepSeek-R1; the architecture is taken to be the same in the release 0730",
        ),
    ],
)
def test_what_was_understood_is_said(name: str, said: str | None) -> None:
    assert catalog.said_about(name) == said


def test_the_precision_of_the_name_goes_before_that_of_the_entry() -> None:
    assert catalog.checkpoint_of("gpt-oss-120b") == "mxfp4"
    assert catalog.checkpoint_of("openai/gpt-oss-120b") == "mxfp4"
    assert catalog.checkpoint_of("unsloth/gpt-oss-120b-BF16") == "bf16"


def test_fields_of_a_model_as_another_one_have_their_own_source() -> None:
    found, alike = catalog.model("Qwen/Qwen3-30B-A3B-Instruct-2507"), catalog.model("Qwen3-30B-A3B")
    assert "Instruct-2507" in found.sources["max_context_tokens"]
    assert found.sources["blocks"] == alike.sources["blocks"]
    assert found.name != alike.name


def test_a_model_as_another_one_may_have_a_precision_of_its_own() -> None:
    assert catalog.checkpoint_of("moonshotai/Kimi-K2-Thinking") == "int4_g32"
    assert catalog.checkpoint_of("nvidia/Kimi-K2-Thinking-NVFP4") == "nvfp4"


def test_a_base_that_is_missing_and_a_name_of_two_models_are_refused() -> None:
    known = KnownNames(
        {
            "One-7B-2501": [],
            "Two": ["owner/Three-7B-Instruct", "Seven-7B-Instruct-2501"],
            "Four": ["owner/Three-7B-Chat", "Seven-7B-Chat-2501"],
        },
        lambda: [SameArchitecture("Five-8B", "Six-8B", {}, "a test")],
    )
    missing, doubtful = understood("owner/Five-8B-FP8", known), understood("owner/Three-7B-AWQ", known)
    assert missing == Refused("which has the architecture of Six-8B, unknown too", core="Six-8B")
    assert doubtful == Refused("which may mean several models", "Four or Two")
    assert understood("One-7B", known) == Refused(core="one-7b")
    assert getattr(understood("owner/Seven-7B-Instruct-2501-FP8", known), "model", None) == "Two"


def test_names_of_the_paper_say_nothing_beside_themselves() -> None:
    paper = catalog.Collection.PAPER
    assert catalog.checkpoint_of("Llama 3 70B 8-bit", paper) is None
    assert catalog.said_about("Llama 3 70B 8-bit", paper) is None
    with pytest.raises(ScenarioError, match="expected the name of a model of the paper collection"):
        catalog.model("Llama 3 70B FP8", paper)


def test_the_catalog_shows_a_model_by_the_name_of_a_repository() -> None:
    name = "RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8"
    rows = {row.field: row.value for row in catalog.describe(name)}
    assert (rows["name"], rows["understood"]) == ("Llama-3.3-70B", catalog.said_about(name))
    assert "understood" not in {row.field for row in catalog.describe("Llama-3.3-70B")}
    with pytest.raises(
        ScenarioError, match=r"name: found .*'GGUF' .*expected Llama-3.3-70B, with its precision in `weights`$"
    ):
        catalog.describe("unsloth/Llama-3.3-70B-Instruct-GGUF")


def test_no_name_of_the_catalog_is_misread() -> None:
    for model in catalog.model_names():
        for name in (model, *catalog.aliases(model)):
            assert catalog.model(name).name == model
            assert catalog.checkpoint_of(name) in {*PRECISIONS, None}


def test_facts_about_the_same_architecture_have_sources_and_no_unknown_field() -> None:
    facts = store._same_architecture()
    spellings = [*catalog.model_names(), *(each for name in catalog.model_names() for each in catalog.aliases(name))]
    assert len({fact.name for fact in facts}) == len(facts)
    for fact in facts:
        assert fact.source, fact.name
        assert fact.changes.keys() <= {"max_context_tokens", "tied_embeddings", "checkpoint"}, fact.name
        assert fact.changes.get("checkpoint") in {*PRECISIONS, None}
        assert key(fact.name) not in map(key, spellings), f"{fact.name}: models.yaml says it already, delete one"
