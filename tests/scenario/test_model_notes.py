"""What a scenario is told of its models: what a name was understood as, and the precision that it means."""

from __future__ import annotations

from typing import Any

import pytest

from ieco_opt.scenario.model_notes import notes_on_models

SAID = "RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic: Llama-3.3-70B, weights fp8 (from 'FP8-dynamic')"


@pytest.mark.parametrize(
    ("model", "draft", "weights", "expected"),
    [
        ("Llama-3.3-70B", None, ["fp8"], []),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", None, [], [SAID]),
        ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", None, ["bf16"], [SAID]),
        ("DeepSeek-V3", None, [], ["weights are in fp8, the precision of the checkpoint of DeepSeek-V3"]),
        ("DeepSeek-V3", None, ["fp8"], []),
        ("Llama-3.3-70B", "RedHatAI/Llama-3.2-1B-Instruct-FP8", ["fp8"], ["Llama-3.2-1B, weights fp8"]),
        ({"name": "Own", "checkpoint": "awq"}, None, [], ["weights are in awq, the precision"]),
        ({"name": "Own"}, None, [], []),
    ],
)
def test_what_is_said_of_models(model: Any, draft: Any, weights: list[str], expected: list[str]) -> None:
    notes = list(notes_on_models(model, draft, weights))
    assert len(notes) == len(expected)
    assert all(words in note for words, note in zip(expected, notes, strict=True)), notes
