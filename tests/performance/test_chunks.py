"""Passes in which a server takes a prompt (docs/fleet.md, time to first token)."""

from __future__ import annotations

import pytest

from ieco_opt import catalog
from ieco_opt.performance.reserve import Engine
from ieco_opt.performance.serving import prompt_chunks

TAKEN: list[tuple[Engine, str, int]] = [
    ("vllm", "H100-SXM", 8192),
    ("vllm", "MI300X", 8192),
    ("vllm", "A100-SXM-80GB", 2048),
    ("vllm", "L40S", 2048),
    ("trtllm", "H200-SXM", 8192),
    ("trtllm", "L40S", 2048),
    ("sglang", "L4", 4096),
    ("sglang", "L40S", 4096),
    ("sglang", "A100-SXM-80GB", 8192),
    ("sglang", "H200-SXM", 8192),
    ("sglang", "MI300X", 16384),
]


@pytest.mark.parametrize(("engine", "accelerator", "tokens"), TAKEN)
def test_chunks_are_the_tokens_that_a_server_takes_at_once(engine: Engine, accelerator: str, tokens: int) -> None:
    card = catalog.accelerator(accelerator)
    lengths = {1: 1, tokens: 1, tokens + 1: 2, 2 * tokens: 2, 2 * tokens + 1: 3}
    assert {length: prompt_chunks(engine, card, float(length)) for length in lengths} == lengths


def test_the_equations_alone_take_prompts_whole() -> None:
    assert prompt_chunks("none", catalog.accelerator("L4"), 1e6) == 1
