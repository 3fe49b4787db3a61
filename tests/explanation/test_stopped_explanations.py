"""Explanations that a limit ends: what was found is exact and given, what was not examined is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from stopping import end_runs_after, some_of

import ieco_opt
from ieco_opt import Scenario
from ieco_opt.errors import SearchStoppedError
from ieco_opt.explanation import explain
from ieco_opt.reports.text import render
from ieco_opt.results.reading import load_result

LIMITED = Scenario(
    model="Llama-3.1-8B",
    weights=["bf16", "fp8"],
    accelerators=["H100-SXM"],
    workload={"context_tokens": 1000, "output_tokens": 200},
    design_space={"stage_ranks": [1, 2, 4, 8], "pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 128}},
    limits={"min_speed": 60, "max_cost": 0.5, "max_power_kw": 6},
)
CLASHING = LIMITED.model_copy(update={"limits": LIMITED.limits.model_copy(update={"min_speed": 5000.0})})


@pytest.mark.parametrize("objective", ["cheapest", "preferred"])
def test_wherever_an_explanation_ends_it_is_exact_as_far_as_it_goes(
    objective: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        ends = end_runs_after(float("inf"), patch)
        whole = explain(LIMITED, objective=objective)  # type: ignore[arg-type]
    assert (whole.stopped, whole.status) == (None, "optimal")
    stops = []
    for after in some_of(ends.asked):
        with monkeypatch.context() as patch:
            end_runs_after(after, patch)
            try:
                part = explain(LIMITED, objective=objective)  # type: ignore[arg-type]
            except SearchStoppedError:
                part = None
        if part is None:
            assert not stops
            continue
        stops.append(after)
        assert (part.status, part.guarantee.kind, part.stopped) == ("stopped", "partial", "time limit")
        assert part.chosen is not None
        better = {"cheapest": "cost_usd_per_mtok", "preferred": "speed_tokens_per_s"}[objective]
        assert getattr(part.chosen, better) == pytest.approx(getattr(whole.chosen, better), rel=1e-9)
        assert part.limits == whole.limits[: len(part.limits)]
        assert part.runner_ups == whole.runner_ups[: len(part.runner_ups)]
        (note,) = [each for each in part.notes if each not in whole.notes]
        left = [each.limit for each in whole.limits[len(part.limits) :]]
        assert note == f"not examined before the search ended: {', '.join([*left, 'runner-up configurations'])}"
        assert ieco_opt.verify(part).problems == []
        part.to_json(tmp_path / "x.json")
        assert load_result(tmp_path / "x.json") == part
        text = render(part)
        assert "No limit is set" not in text
        assert "No other configuration" not in text
    assert len(stops) > 3


def test_an_infeasible_scenario_stays_proven_where_the_search_for_the_subset_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        ends = end_runs_after(float("inf"), patch)
        assert not explain(CLASHING).feasible
    said = set()
    for after in some_of(ends.asked):
        with monkeypatch.context() as patch:
            end_runs_after(after, patch)
            with pytest.raises(SearchStoppedError) as stopped:
                explain(CLASHING)
        said.add(str(stopped.value))
    ended = "the search ended (time limit) before it found"
    assert said == {
        f"{ended} a deployment",
        f"proven infeasible: no deployment meets the limits; {ended} which limits contradict each other",
    }
