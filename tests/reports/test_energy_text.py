"""Energy in tables and cards: there where a price, a limit or the objective is about it, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from edited_results import RESULTS

from ieco_opt import Scenario
from ieco_opt.pareto import run
from ieco_opt.reports.text import render

MAPPING: dict[str, Any] = {
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {"tensor_parallel": [1, 2], "pipeline_parallel": [1], "batch": [1, 16]},
}
SITED = {"like": "H100-SXM", "power": {"usd_per_kwh": 0.1, "kg_co2_per_kwh": 0.36}}


def test_a_table_has_the_columns_of_energy_where_it_matters() -> None:
    for changes, words in (
        ({}, ()),
        ({"limits": {"max_energy_j_per_token": 100.0}}, ("energy", "J/token")),
        ({"accelerators": [SITED]}, ("energy", "J/token", "CO2", "kg/Mtok")),
    ):
        text = render(run.frontier(Scenario(**MAPPING | changes), delta=0.5), width=160)
        for word in ("energy", "J/token", "CO2", "kg/Mtok"):
            assert (word in text) == (word in words), text


@pytest.mark.parametrize(
    ("objective", "accelerator", "words"),
    [
        ("fastest", "H100-SXM", None),
        ("energy", "H100-SXM", " J per output token\n"),
        ("carbon", SITED, " kg CO2 per million\n"),
    ],
)
def test_a_card_says_what_a_token_draws_where_it_matters(objective: Any, accelerator: Any, words: str | None) -> None:
    answer = run.answer(Scenario(**MAPPING | {"accelerators": [accelerator]}), objective=objective)
    text, joules = render(answer, width=160), answer[0].energy_j_per_token
    assert joules is not None
    lines = [line for line in text.splitlines(keepends=True) if line.startswith("  energy ")]
    if words is None:
        assert lines == []
        return
    assert len(lines) == 1
    assert f"{joules:.4g} J per output token" in lines[0]
    assert lines[0].endswith(words)
    assert f"the least-{objective} deployment" in text
    assert f"proven optimal: no feasible deployment takes less {objective} for a token" in text


def test_an_explanation_speaks_of_what_is_least() -> None:
    text = render(RESULTS["explained carbon"](), width=160)
    assert "% less carbon)" in text
    assert "more carbon  configuration" in text
