"""Pictures of frontiers: what was asked for is shaded, choice and knee are marked, and words stand free."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drawings import drawn, marked, pieces, region
from frontiers_by_hand import CHEAP, FRONT, MIDDLE, PREFERRED, SCENARIO, SPECULATING, deployment, frontier, partial

import ieco_opt
from ieco_opt.errors import ScenarioError
from ieco_opt.reports import figures
from ieco_opt.reports.figures.marks import choice, knee
from ieco_opt.reports.figures.several_frontiers import draw as draw_several
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import Box
from ieco_opt.scenario.deployment import Limits

BENT = tuple(deployment(10.0 * at, 0.2 * math.exp(0.004 * at**2.5), gpus=8) for at in range(12, 0, -1))
"""Costs that turn up: on a logarithmic axis the points lie on a curve."""


def limited(*deployments: Any, **limits: float) -> Frontier:
    scenario = SCENARIO.model_copy(update={"limits": Limits(**limits)})
    return frontier(*deployments, scenario=scenario)


def axes_of(result: Frontier, y: Any = "cost") -> Any:
    return figures.figure_of(result, y).axes[0]


def words_of(axes: Any) -> str:
    return "\n".join(text.get_text() for text in axes.texts)


def overlaps(axes: Any) -> list[tuple[str, str]]:
    """Words that lie on other words."""
    axes.get_figure().draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in axes.texts if text.get_text()]
    return [(one, two) for (one, box), (two, other) in itertools.combinations(boxes, 2) if box.overlaps(other)]


# What was asked for


def test_what_meets_the_limits_is_shaded_up_to_their_edges() -> None:
    axes = axes_of(limited(SPECULATING, MIDDLE, CHEAP, min_speed=25.0, max_cost=5.0))
    most_speed, least_cost = axes.get_xlim()[1], axes.get_ylim()[0]
    assert region(axes) == pytest.approx((25.0, least_cost, most_speed, 5.0))
    told = words_of(axes)
    assert "at least 25 tokens/s/user\n(TPOT at most 40 ms)" in told
    assert "at most $5 per million output tokens" in told
    # Slower ones are not asked for: the curve begins at the limit.
    assert pieces(axes)[0][0][0] == (25.0, 0.3)
    assert overlaps(axes) == []


def test_tokens_of_a_gpu_have_the_edge_of_the_cost_where_gpus_have_one_price() -> None:
    def priced(speed: float, cost: float) -> Any:
        # 36 $/h a GPU: 10,000 $ per million seconds.
        return deployment(speed, cost, throughput_tokens_per_s=8 * 1e4 / cost)

    rows = [priced(speed, cost) for speed, cost in ((200.0, 3.0), (80.0, 0.75), (40.0, 0.3))]
    axes = axes_of(limited(*rows, max_cost=5.0), "tokens_per_gpu")
    assert region(axes) == pytest.approx((0.0, 2000.0, axes.get_xlim()[1], axes.get_ylim()[1]))
    assert "at most $5 per million" in words_of(axes)
    # Of several prices there is no such edge, and the limit is told in words.
    dearer = replace(rows[0], throughput_tokens_per_s=17.0)
    axes = axes_of(limited(dearer, *rows[1:], max_cost=5.0), "tokens_per_gpu")
    assert region(axes) is None
    assert "all meet: cost at most $5 per million output tokens" in words_of(axes)


def test_limits_that_are_on_no_axis_are_told() -> None:
    axes = axes_of(limited(SPECULATING, MIDDLE, CHEAP, max_power_kw=12.0, min_throughput=300.0))
    assert region(axes) is None
    assert "all meet: at least 300 tokens/s, power at most 12 kW" in words_of(axes)
    # So is one so far away that its edge would squeeze the points.
    far = axes_of(limited(SPECULATING, MIDDLE, CHEAP, max_cost=1000.0))
    assert far.get_ylim()[1] < 10.0
    assert "all meet: cost at most $1000 per million output tokens" in words_of(far)
    assert "all meet" not in words_of(axes_of(FRONT))


# Choice and knee


@pytest.mark.parametrize(
    ("limits", "expected", "by"),
    [
        ({"min_speed": 30.0}, CHEAP, "choice: cheapest"),
        ({"max_cost": 4.0}, SPECULATING, "choice: fastest"),
        # 200^3 / 3.33 is more than 80^3 / 0.75 and 40^3 / 0.3.
        ({}, SPECULATING, "choice: preferred (greatest speed^3 / cost)"),
    ],
    ids=["cheapest", "fastest", "preferred"],
)
def test_the_choice_is_what_solve_would_look_for(limits: dict[str, float], expected: Any, by: str) -> None:
    result = limited(SPECULATING, MIDDLE, CHEAP, **limits)
    axes = axes_of(result)
    assert marked(axes, "choice") == [(expected.speed_tokens_per_s, expected.cost_usd_per_mtok)]
    (words,) = (text.get_text() for text in axes.texts if text.get_text().startswith("choice"))
    assert words.startswith(f"{by}\n{expected.gpus} x H100-SXM, fp8, vllm, {expected.parallelism.short()}")
    assert f"batch {expected.batch}" in words
    assert words.endswith(
        f"{expected.speed_tokens_per_s:.4g} tokens/s/user, ${expected.cost_usd_per_mtok:.4g} per million"
    )


def test_the_answer_to_a_question_is_not_chosen_again() -> None:
    answers = frontier(SPECULATING, MIDDLE, CHEAP, question=PREFERRED)
    assert choice([answers]) is None
    assert marked(axes_of(answers), "choice") == []


def test_the_knee_is_the_point_farthest_from_the_line_between_the_ends() -> None:
    axes = axes_of(frontier(*BENT))
    (at,) = marked(axes, "knee")
    ends = [(BENT[0].speed_tokens_per_s, BENT[0].cost_usd_per_mtok), (10.0, BENT[-1].cost_usd_per_mtok)]
    # As it is drawn: across in proportion, upright in decades.
    (x0, y0), (x1, y1) = axes.transData.transform(ends)

    def away(item: Any) -> float:
        x, y = axes.transData.transform((item.speed_tokens_per_s, item.cost_usd_per_mtok))
        return float((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0))

    farthest = max(BENT, key=lambda item: abs(away(item)))
    assert at == (farthest.speed_tokens_per_s, farthest.cost_usd_per_mtok)
    assert f"knee: {farthest.speed_tokens_per_s:.4g} tokens/s/user, ${farthest.cost_usd_per_mtok:.4g}" in words_of(axes)
    assert overlaps(axes) == []


@pytest.mark.parametrize(
    ("points", "how", "expected"),
    [
        ([(0.0, 0.0), (8.0, 1.0), (10.0, 10.0)], {"more_is_better": False}, 1),
        ([(10.0, 10.0), (0.0, 0.0), (8.0, 1.0)], {"more_is_better": False}, 2),
        # Above the line it bends the wrong way, and on it not at all.
        ([(0.0, 0.0), (2.0, 9.0), (10.0, 10.0)], {"more_is_better": False}, None),
        ([(0.0, 0.0), (5.0, 5.0), (10.0, 10.0)], {"more_is_better": False}, None),
        ([(0.0, 10.0), (9.0, 9.0), (10.0, 0.0)], {"more_is_better": True}, 1),
        # Less is better of both.
        ([(1.0, 10.0), (2.0, 2.0), (10.0, 1.0)], {"more_is_better": False, "less_across": True}, 1),
        ([(0.0, 1.0), (10.0, 100.0)], {"more_is_better": False}, None),
        # Of these the first is better in everything.
        ([(10.0, 1.0), (5.0, 5.0), (0.0, 10.0)], {"more_is_better": False}, None),
    ],
)
def test_knees_of_a_few_points(points: list[tuple[float, float]], how: dict[str, bool], expected: int | None) -> None:
    assert knee(points, logarithmic=False, **how) == expected  # type: ignore[arg-type]


def test_a_knee_that_is_chosen_has_one_mark() -> None:
    alike = (deployment(100.0, 10.0), deployment(90.0, 0.25), deployment(10.0, 0.2))
    axes = axes_of(frontier(*alike))
    assert marked(axes, "choice") == [(90.0, 0.25)]
    assert marked(axes, "knee") == []
    assert "choice, at the knee: preferred" in words_of(axes)


# Tokens of a GPU


def test_tokens_of_a_gpu_are_throughput_over_gpus() -> None:
    axes = axes_of(FRONT, "tokens_per_gpu")
    expected = [(item.speed_tokens_per_s, item.throughput_tokens_per_s / item.gpus) for item in FRONT]
    assert sorted(drawn(axes)) == sorted(expected)
    assert axes.get_ylabel() == "output tokens/s/GPU, log scale"
    assert marked(axes, "choice") == expected[:1]
    assert "100 output tokens/s/GPU" in words_of(axes)


def test_an_unknown_axis_is_refused_in_one_line() -> None:
    wrong: Any = "tokens"
    for draw in (figures.figure_of, lambda result, y: figures.overlay([result, result], y)):
        with pytest.raises(ScenarioError) as refused:
            draw(FRONT, wrong)
        assert str(refused.value) == "y: found 'tokens', expected one of cost, tokens_per_gpu"
    with pytest.raises(ScenarioError, match="expected one of"):
        ieco_opt.plot(FRONT, y=wrong)


def test_the_library_draws_either_axis(tmp_path: Path) -> None:
    assert FRONT.plot(y="tokens_per_gpu").axes[0].get_ylabel() == "output tokens/s/GPU, log scale"
    ieco_opt.plot([FRONT, FRONT], tmp_path / "two.svg", y="tokens_per_gpu")
    assert "tokens/s/GPU" in (tmp_path / "two.svg").read_text("utf-8")


# Several lines


CARDS = [
    replace(
        frontier(
            *(replace(item, accelerator=name, cost_usd_per_mtok=item.cost_usd_per_mtok * factor) for item in FRONT)
        ),
        scenario=SCENARIO.model_copy(update={"accelerators": (name,), "limits": Limits(min_speed=20.0)}),
    )
    for name, factor in (("H100-SXM", 1.0), ("H200-SXM", 0.8), ("MI300X", 1.3))
]


def test_lines_of_accelerators_are_named_at_their_ends() -> None:
    figure = figures.overlay(CARDS)
    axes = figure.axes[0]
    names = {text.get_text(): text.xy for text in axes.texts if text.get_gid() == "name"}
    assert names == {each.scenario.accelerators[0]: (200.0, each[0].cost_usd_per_mtok) for each in CARDS}
    assert [text.get_text() for legend in figure.legends for text in legend.get_texts()] == ["not proven"]
    # The cheapest of all lines is chosen.
    assert marked(axes, "choice") == [(40.0, pytest.approx(0.24))]
    assert "1 x H200-SXM" in words_of(axes)
    assert region(axes)[0] == 20.0
    assert overlaps(axes) == []


def test_what_was_asked_for_differently_is_neither_shaded_nor_chosen() -> None:
    other = replace(CARDS[1], scenario=CARDS[1].scenario.model_copy(update={"limits": Limits(min_speed=30.0)}))
    axes = figures.overlay([CARDS[0], other]).axes[0]
    assert region(axes) is None
    assert marked(axes, "choice") == []


def test_what_has_no_line_is_said() -> None:
    figure = draw_several(CARDS[:1], notes=["B200-SXM: no deployment meets the limits, proven"])
    assert "B200-SXM: no deployment meets the limits, proven" in words_of(figure.axes[0])


def test_open_regions_without_a_price_are_as_high_as_the_picture() -> None:
    uneven = (replace(SPECULATING, throughput_tokens_per_s=77.0), MIDDLE, CHEAP)
    result = frontier(*uneven, guarantee=partial("time limit", Box(1 / 200, 1 / 40, 0.3, 10.0 / 3.0)))
    axes = axes_of(result, "tokens_per_gpu")
    (box,) = axes.patches
    assert (box.get_x(), box.get_width()) == pytest.approx((40.0, 160.0))
    assert (box.get_y(), box.get_y() + box.get_height()) == pytest.approx(axes.get_ylim())


def test_pictures_have_a_ground_of_their_own_that_is_light(tmp_path: Path) -> None:
    from matplotlib.image import imread

    figures.save(FRONT, tmp_path / "front.png")
    pixels = imread(tmp_path / "front.png")
    assert (pixels[0, 0] == 1.0).all()
    if pixels.shape[2] == 4:
        assert (pixels[:, :, 3] == 1.0).all()
    figures.save(FRONT, tmp_path / "front.html")
    page = (tmp_path / "front.html").read_text("utf-8")
    assert "color-scheme:light dark" in page
    assert re.search(r"svg\{[^}]*background:#fff", page)


def test_long_names_and_many_lines_are_told_in_a_legend() -> None:
    long = [
        replace(each, scenario=each.scenario.model_copy(update={"name": f"{at} {'long ' * 6}"}))
        for at, each in enumerate(CARDS)
    ]
    many = [replace(CARDS[0], scenario=CARDS[0].scenario.model_copy(update={"name": f"s{at}"})) for at in range(8)]
    for results in (long, many):
        figure = figures.overlay(results)
        assert not [text for text in figure.axes[0].texts if text.get_gid() == "name"]
        assert len(figure.legends[0].get_texts()) == len(results)
