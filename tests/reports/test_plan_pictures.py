"""Pictures of plans of one workload: together and split, what was asked for, the plan itself and the knee."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawings import drawn, marked, pieces, region

import ieco_opt
from ieco_opt.errors import ScenarioError
from ieco_opt.reports import figures
from ieco_opt.reports.figures import plan_curve
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.variations import SpeedPoint, Variations
from ieco_opt.scenario import load_fleet_mapping

SERVED = {
    "colocated": [(20.0, 8.0, "2 x TP4"), (40.0, 6.0, "2 x TP4"), (60.0, 2.0, "1 x TP8")],
    "disaggregated": [(20.0, 9.0, "1 x TP2 + 3 x TP4"), (40.0, 8.5, "1 x TP4"), (60.0, 3.0, "1 x TP8")],
}
CURVE = Variations(
    beside=(),
    speeds=tuple(
        SpeedPoint(
            serving=serving,  # type: ignore[arg-type]
            min_speed=speed,
            requests_per_s=rate,
            usd_per_hour=2.0 * rate,
            gpus=8,
            layout=layout,
        )
        for serving, points in SERVED.items()
        for speed, rate, layout in points
    ),
)


@cache
def planned(**changes: Any) -> FleetResult:
    asked = {"isl": 1000, "osl": 200, "weights": "fp8", "engine": "vllm", "tpot": "25ms", **changes}
    return ieco_opt.plan(model="Llama-3.1-8B", gpus="8xH100", **asked)  # type: ignore[arg-type]


@cache
def frontier_of(against: Any) -> FleetResult:
    workload = {"name": "chat", "model": "Llama-3.1-8B", "weights": "fp8", "engine": "vllm", "requests_per_s": 300}
    workload |= {"prompt_tokens": 1000, "output_tokens": 200, "min_speed": 30}
    pool = {"name": "h100", "accelerator": "H100-SXM", "gpus": 64}
    limits = {"max_usd_per_hour": 80, "max_gpus": 48}
    fleet = {"version": 2, "kind": "fleet", "pools": [pool], "workloads": [workload], "limits": limits}
    return ieco_opt.fleet_frontier(load_fleet_mapping(fleet), against=against, delta=0.5)


def words_of(axes: Any) -> str:
    return "\n".join(text.get_text() for text in axes.texts)


# The curve of a plan


def test_together_and_split_are_two_series_with_their_names_at_the_end() -> None:
    figure = plan_curve.draw(planned(), CURVE)
    axes = figure.axes[0]
    expected = [(speed, rate) for points in SERVED.values() for speed, rate, _ in points]
    assert sorted(drawn(axes)) == sorted(expected)
    names = {text.get_text(): text.xy for text in axes.texts if text.get_gid() == "name"}
    assert names == {"together": (60.0, 2.0), "split": (60.0, 3.0)}
    ends = [corners[-1] for corners, _ in pieces(axes)]
    assert ends == expected
    keys = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert keys == ["TP2 + TP4", "TP4", "TP8", "together", "split"]
    dashes = [each.get_linestyles() for each in axes.collections if hasattr(each, "get_segments")]
    assert [{style[1] is None for style in each} for each in dashes] == [{True}, {False}]


def test_a_layout_has_one_colour_in_both_series() -> None:
    colours: dict[tuple[float, float], str] = {corners[-1]: colour for corners, colour in pieces(axes_of_curve())}
    assert colours[60.0, 2.0] == colours[60.0, 3.0]
    assert colours[20.0, 8.0] == colours[40.0, 6.0] == colours[40.0, 8.5]
    assert len(set(colours.values())) == 3


def axes_of_curve(y: Any = None) -> Any:
    return plan_curve.draw(planned(), CURVE, y).axes[0]


def test_the_plan_is_marked_where_it_is_and_what_was_asked_for_is_shaded() -> None:
    result, axes = planned(), axes_of_curve()
    plan = result[0]
    speed, served = plan.workloads[0].speed_tokens_per_s, plan.workloads[0].requests_per_s
    assert marked(axes, "choice") == [(pytest.approx(speed), pytest.approx(served))]
    shaded = region(axes)
    assert shaded is not None
    assert shaded[0] == pytest.approx(40.0)
    assert shaded[1:] == pytest.approx((axes.get_ylim()[0], axes.get_xlim()[1], axes.get_ylim()[1]))
    told = words_of(axes)
    assert "at least 40 tokens/s/user\n(TPOT at most 25 ms)" in told
    (row, *_) = plan.instances
    assert f"choice: this plan\n{row.instances} x {row.parallelism.short()}" in told  # type: ignore[union-attr]
    assert axes.get_ylabel().startswith("requests/s")


def test_the_knee_is_that_of_the_best_of_both() -> None:
    # Split serves more everywhere: (40, 8.5) is farthest above the line from (20, 9) to (60, 3).
    assert marked(axes_of_curve("tokens_per_gpu"), "knee") == [(40.0, 8.5 * 200 / 8)]


def test_what_stands_upright_can_be_chosen() -> None:
    per_gpu = axes_of_curve("tokens_per_gpu")
    assert sorted(value for _, value in drawn(per_gpu)) == sorted(
        rate * 200 / 8 for points in SERVED.values() for _, rate, _ in points
    )
    plan = planned()[0]
    (place,) = marked(per_gpu, "choice")
    assert place[1] == pytest.approx(200 * plan.workloads[0].requests_per_s / plan.gpus)
    assert "output tokens/s/GPU" in per_gpu.get_ylabel()
    dollars = axes_of_curve("cost")
    assert sorted({value for _, value in drawn(dollars)}) == [4.0, 6.0, 12.0, 16.0, 17.0, 18.0]
    assert "$/h" in dollars.get_ylabel()


def test_a_budget_is_an_edge_of_what_costs() -> None:
    axes = plan_curve.draw(planned(rate=2.0, budget="25/h"), CURVE).axes[0]
    shaded = region(axes)
    assert shaded is not None
    assert shaded[3] == 25.0
    assert "budget: at most $25/h" in words_of(axes)


def test_a_plan_without_a_curve_is_drawn_by_its_pools(tmp_path: Path) -> None:
    for nothing in (None, replace(CURVE, speeds=())):
        figure = figures.save_plan(planned(), nothing, tmp_path / "plan.svg")
        assert figure.axes[0].get_xlabel() == "GPUs"
    figures.save_plan(planned(), CURVE, tmp_path / "curve.html")
    assert "tokens/s/user" in (tmp_path / "curve.html").read_text("utf-8")


# Frontiers of fleets


def test_a_frontier_against_speed_begins_at_the_speed_that_was_asked_for() -> None:
    result = frontier_of("speed")
    axes = figures.figure_of(result).axes[0]
    expected = [(30.0 * plan.speed_factor, plan.usd_per_hour) for plan in result]
    assert np.array(sorted(drawn(axes))) == pytest.approx(np.array(sorted(expected)))
    assert len(result) > 1
    assert region(axes) == pytest.approx((30.0, axes.get_ylim()[0], axes.get_xlim()[1], 80.0))
    assert "budget: at most $80/h" in words_of(axes)
    cheapest = min(result, key=lambda plan: plan.usd_per_hour)
    assert marked(axes, "choice") == [pytest.approx((30.0 * cheapest.speed_factor, cheapest.usd_per_hour))]
    assert "choice: cheapest" in words_of(axes)


def test_tokens_of_a_gpu_are_what_a_plan_serves_over_its_gpus() -> None:
    result = frontier_of("speed")
    axes = figures.figure_of(result, "tokens_per_gpu").axes[0]
    expected = [(30.0 * plan.speed_factor, 300 * 200 / plan.gpus) for plan in result]
    assert np.array(sorted(drawn(axes))) == pytest.approx(np.array(sorted(expected)))
    assert len(result) > 1


def test_a_frontier_against_requests_chooses_the_cheapest_that_serves_them() -> None:
    result = frontier_of("throughput")
    axes = figures.figure_of(result).axes[0]
    shaded = region(axes)
    assert shaded is not None
    assert shaded[0] == pytest.approx(300.0)
    enough = min((plan for plan in result if plan.demand_factor >= 1.0), key=lambda plan: plan.usd_per_hour)
    assert marked(axes, "choice") == [pytest.approx((300.0 * enough.demand_factor, enough.usd_per_hour))]
    assert "at least 300 requests/s" in words_of(axes)


def test_tokens_of_a_gpu_are_refused_where_there_is_no_such_axis() -> None:
    result = frontier_of("speed")
    other = result.scenario.workloads[0].model_copy(update={"name": "other"})
    two = replace(
        result, scenario=result.scenario.model_copy(update={"workloads": (*result.scenario.workloads, other)})
    )
    with pytest.raises(ScenarioError, match=r"^y: found 'tokens_per_gpu' with 2 workloads, expected cost$"):
        figures.figure_of(two, "tokens_per_gpu")
    with pytest.raises(ScenarioError, match=r"^y: found 'tokens_per_gpu' with a plan, expected a frontier$"):
        figures.figure_of(planned(), "tokens_per_gpu")
    # A frontier of one plan is drawn by its pools, whatever was asked for.
    one = replace(result, plans=result.plans[:1])
    assert figures.figure_of(one, "tokens_per_gpu").axes[0].get_xlabel() == "GPUs"
