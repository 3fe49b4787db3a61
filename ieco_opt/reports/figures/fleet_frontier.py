"""Frontiers of a fleet as pictures: hourly cost, or the tokens of a GPU, against speed, power, GPUs or requests/s."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ieco_opt.errors import ScenarioError
from ieco_opt.reports.figures import fleet_choice, fleet_series, marking, placing, plane, style, wishes
from ieco_opt.reports.figures.fleet_axes import Axis, across_of, range_of, upright_of
from ieco_opt.reports.figures.fleet_speeds import draw_speeds, speeds_of
from ieco_opt.reports.figures.marks import knee
from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.results.plan import FleetPlan, FleetResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE, _LEFT, _PANEL_WIDE, _BOTTOM = 7.2, 0.65, 6.2, 0.5
_BESIDE_LEGEND = 5.0
_COST_INCHES, _SPEEDS_INCHES, _BETWEEN_INCHES, _ABOVE_INCHES = 3.1, 1.9, 0.3, 0.75
_LARGEST_LINEAR = 8.0


@style.styled
def draw(result: FleetResult, y: str = "cost") -> Figure:
    """Draw the cost of each plan against what it is traded for; if speed, also the speed of each of several workloads.

    Parameters
    ----------
    y
        ``cost`` ($/h), or of one workload ``tokens_per_gpu`` (output tokens/s of a GPU).

    Raises
    ------
    ScenarioError
        Tokens of a GPU are asked for of several workloads.
    """
    from ieco_opt.reports.figures.picture import Picture

    if y != "cost" and len(result.scenario.workloads) > 1:
        found = f"found '{y}' with {len(result.scenario.workloads)} workloads, expected cost"
        raise ScenarioError.single(found, field="y")
    across, up = across_of(result), upright_of(result, y)
    points = [_point(result, plan, across, up) for plan in result.plans]
    speeds = speeds_of(result) if len(result.scenario.workloads) > 1 or not across.is_speed else {}
    lower = _SPEEDS_INCHES + _BETWEEN_INCHES if speeds else 0.0
    figure = Picture(figsize=(_WIDE, _BOTTOM + lower + _COST_INCHES + _ABOVE_INCHES))
    families, looks = fleet_series.looks_of(points)
    keys = fleet_series.keys(families, points)
    wide = _BESIDE_LEGEND if any(keys) else _PANEL_WIDE
    axes = style.panel(figure, _LEFT, _BOTTOM + lower, wide, _COST_INCHES)
    _scales(axes, across, up, points)
    seen = wishes.shade(axes, [*across.wishes, *up.wishes])
    ends = axes.get_xlim()
    begins = max(ends[0], across.first or 0.0) if across.more_is_better else ends[1]
    pieces = fleet_series.steps(points, begins, to_left=across.more_is_better)
    fleet_series.draw(axes, points, pieces, looks)
    below = axes
    if speeds:
        axes.tick_params(labelbottom=False)
        below = style.panel(figure, _LEFT, _BOTTOM, wide, _SPEEDS_INCHES)
        draw_speeds(below, speeds, axes.get_xlim())
    _horizontal(below, across)
    trade = "least cost against speed" if across.is_speed else fleet_wording.trade(result)
    lines = [*wording.warning(result), trade, fleet_wording.guarantee(result)]
    style.title(axes, result.scenario.name, lines)
    taken = placing.Taken()
    taken.add_lines(axes, fleet_series.corners_of(pieces))
    taken.add_points(axes, [point.place for point in points])
    wishes.name_edges(axes, seen, taken)
    marking.mark(axes, _marks(result, points, across, up, logarithmic=axes.get_yscale() == "log"), taken)
    plane.legends(figure, axes, *keys, heading="layout" if keys[0] else None)
    return figure


def _point(result: FleetResult, plan: FleetPlan, across: Axis, up: Axis) -> fleet_series.Point:
    alone = len(result.scenario.workloads) == 1 and len(plan.workloads) == 1
    return fleet_series.Point(
        place=(across.of(plan), up.of(plan)),
        layout=fleet_series.layout_of(plan) if alone else "",
        serving=plan.workloads[0].serving if alone else "",
        proven=plan.status == "optimal",
    )


def _marks(
    result: FleetResult, points: list[fleet_series.Point], across: Axis, up: Axis, *, logarithmic: bool
) -> list[marking.Mark]:
    """Choice and knee, where there are any."""
    marks = []
    chosen = fleet_choice.cheapest(result)
    if chosen is not None:
        words = "\n".join(["choice: cheapest", *fleet_choice.words(result, chosen)])
        marks.append(marking.Mark(marking.CHOICE, (across.of(chosen), up.of(chosen)), words))
    places = [point.place for point in points]
    bend = knee(
        places,
        more_is_better=up.more_is_better,
        logarithmic=logarithmic,
        less_across=not across.more_is_better,
    )
    if bend is not None:
        x, value = places[bend]
        marks.append(marking.Mark(marking.KNEE, places[bend], f"knee: {across.said(x)}, {up.said(value)}"))
    return marking.merged(marks)


def _scales(axes: Axes, across: Axis, up: Axis, points: list[fleet_series.Point]) -> None:
    """Limits, ticks and names of the axes, which hold every point and the wishes near them."""
    others = [point.place[0] for point in points] or [1.0, 2.0]
    others += plane.near([wish.value for wish in across.wishes], others)
    left, right = range_of(others)
    axes.set_xlim(across.first - 0.02 * (right - across.first) if across.first is not None else left, right)
    values = [point.place[1] for point in points] or [0.0, 1.0]
    values += plane.near([wish.value for wish in up.wishes], values)
    low, high = min(values), max(values)
    if low > 0.0 and high / low > _LARGEST_LINEAR:
        style.logarithmic(axes.yaxis, low / 1.2, high * 1.2, up.title)
    else:
        axes.set_ylim(*range_of(values))
        style.plain_numbers(axes.yaxis)
        axes.set_ylabel(up.title, parse_math=False)
    _ticks(axes, across)
    style.grid(axes)


def _ticks(axes: Axes, across: Axis) -> None:
    """Put ticks on the axis of what cost is traded against, of GPUs only at whole ones."""
    (style.whole_numbers if across.is_counted else style.plain_numbers)(axes.xaxis)


def _horizontal(axes: Axes, across: Axis) -> None:
    """Name the axis at the bottom of the picture."""
    _ticks(axes, across)
    axes.set_xlabel(across.title)
