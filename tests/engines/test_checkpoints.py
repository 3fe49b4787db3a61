"""Which repository a command names, and what is said where none is known."""

from __future__ import annotations

from typing import Any

import pytest

from ieco_opt import catalog
from ieco_opt.catalog.families import family_of
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.engines.checkpoints import Checkpoint, checkpoint, is_repository


def found(reference: Any, weights: Any, accelerator: str = "H100-SXM", name: str = "") -> Checkpoint:
    model = catalog.model(name or reference)
    card = catalog.accelerator(accelerator)
    assert isinstance(model, Model)
    assert isinstance(card, Accelerator)
    return checkpoint(reference, model, weights, card)


@pytest.mark.parametrize(
    ("reference", "weights", "repository", "block"),
    [
        ("Llama-3.1-8B", "bf16", "meta-llama/Llama-3.1-8B", 0),
        ("meta-llama/Llama-3.1-8B-Instruct", "bf16", "meta-llama/Llama-3.1-8B-Instruct", 0),
        ("DeepSeek-V3", "fp8", "deepseek-ai/DeepSeek-V3", 128),
        ("DeepSeek-V3", "fp4", "nvidia/DeepSeek-V3-0324-NVFP4", 0),
        ("Qwen3-235B-A22B", "fp8", "Qwen/Qwen3-235B-A22B-FP8", 128),
        ("Qwen/Qwen3-32B-FP8", "fp8", "Qwen/Qwen3-32B-FP8", 128),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "fp8", "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", 0),
        ("gpt-oss-120b", "fp4", "openai/gpt-oss-120b", 0),
        ("gpt-oss-120b", {"experts": "mxfp4", "rest": "bf16"}, "openai/gpt-oss-120b", 0),
        ("Mixtral-8x22B", "awq", "MaziyarPanahi/Mixtral-8x22B-Instruct-v0.1-AWQ", 0),
    ],
)
def test_the_repository_of_a_precision(reference: str, weights: Any, repository: str, block: int) -> None:
    held = found(reference, weights)
    assert held.repository == repository
    assert held.block == block
    assert not held.online
    assert held.missing == ""


def test_a_16_bit_checkpoint_may_be_quantised_while_it_is_loaded() -> None:
    held = found("Qwen2.5-7B", "fp8")
    assert held.online
    assert held.repository == "Qwen/Qwen2.5-7B"
    assert held.missing.startswith("no repository of Qwen2.5-7B in ")


def test_published_checkpoints_are_of_a_vendor() -> None:
    assert found("Llama-3.3-70B", "fp8").repository == "nvidia/Llama-3.3-70B-Instruct-FP8"
    assert found("Llama-3.3-70B", "fp8", "MI300X").online


@pytest.mark.parametrize(
    ("reference", "weights", "repository", "online"),
    [
        # Models of the same shape, whose weights are not those of the entry that has it.
        ("DeepSeek-V3.1", "fp8", None, False),
        ("deepseek-ai/DeepSeek-V3.1", "nvfp4", None, False),
        ("DeepSeek-R1-Distill-Llama-70B", "bf16", None, False),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "nvfp4", "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", True),
        ("mistralai/Mixtral-8x22B-v0.1", "fp8", "mistralai/Mixtral-8x22B-v0.1", True),
        # The same weights by other names.
        ("DeepSeek-V3-0324", "fp8", "deepseek-ai/DeepSeek-V3-0324", False),
        ("deepseek v3", "nvfp4", "nvidia/DeepSeek-V3-0324-NVFP4", False),
        ("meta-llama/Meta-Llama-3.1-405B-Instruct", "fp8", "meta-llama/Llama-3.1-405B-Instruct-FP8", False),
        ("Qwen3-32B-FP8", "fp8", "Qwen/Qwen3-32B-FP8", False),
    ],
)
def test_no_command_names_other_weights(reference: str, weights: str, repository: str | None, online: bool) -> None:
    held = found(reference, weights)
    assert (held.repository, held.online) == (repository, online)


@pytest.mark.parametrize(
    ("reference", "weights"),
    [("DeepSeek-V3", "bf16"), ("Kimi-K2.5", "fp8"), ("Llama-3.1-8B", {"attention": "fp8", "rest": "bf16"})],
)
def test_what_is_not_published_and_cannot_be_made_has_no_repository(reference: str, weights: Any) -> None:
    held = found(reference, weights)
    assert held.repository is None
    assert "is known" in held.missing


def test_a_model_of_the_users_own_is_asked_for() -> None:
    mapping = catalog.model_to_mapping(catalog.model("Llama-3.1-8B")) | {"name": "mine"}
    model = catalog.model_from_mapping(mapping)
    card = catalog.accelerator("H100-SXM")
    assert isinstance(model, Model)
    assert isinstance(card, Accelerator)
    held = checkpoint(mapping, model, "bf16", card)
    assert held.repository is None
    assert "name the model by its repository" in held.missing


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owner/name", True),
        ("Qwen/Qwen3-0.6B", True),
        ("name", False),
        ("-x/name", False),
        ("owner/-x", False),
        ("owner/a b", False),
        ("owner/$(id)", False),
        ("owner/a;b", False),
        ("owner/..", False),
        ("a/b/c", False),
        ("owner/na\nme", False),
        ("owner/name\n", False),
        ("öwner/name", False),
        ("owner/" + "n" * 97, False),
    ],
)
def test_names_of_repositories_mean_nothing_to_a_shell(name: str, expected: bool) -> None:
    assert is_repository(name) is expected


def test_the_longest_beginning_is_the_family() -> None:
    assert family_of("Qwen3-32B").architecture == "Qwen3ForCausalLM"
    assert family_of("Qwen3-30B-A3B").architecture == "Qwen3MoeForCausalLM"
    assert family_of("llama-4-scout").architecture == "Llama4ForConditionalGeneration"
    assert family_of("mine").architecture == ""
