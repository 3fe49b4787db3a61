"""What the GPUs of a plan can do at each speed, together and split, as a picture, with the plan and the wishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import fleet_choice, fleet_series, marking, placing, plane, style, wishes
from ieco_opt.reports.figures.fleet_axes import COST, mean_output_tokens, tokens_per_gpu
from ieco_opt.reports.figures.marks import knee
from ieco_opt.reports.figures.upright import TOKENS_PER_GPU
from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.results.variations import SpeedPoint, Variations
from ieco_opt.scenario import Fleet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = (7.2, 4.6)
_PANEL = (0.65, 0.5, 5.0, 3.1)
_LARGEST_LINEAR = 8.0


@dataclass(frozen=True, slots=True)
class _Upright:
    """What stands upright: of a point of the curve, of the plan, in words, and what was asked for of it."""

    title: str
    of_point: Callable[[SpeedPoint], float]
    of_plan: Callable[[FleetPlan], float]
    said: Callable[[float], str]
    more_is_better: bool
    wishes: tuple[wishes.Wish, ...] = ()


@style.styled
def draw(result: FleetResult, variations: Variations, y: str | None = None) -> Figure:
    """Draw the best at each least speed (output tokens/s/user), a line for each mode, and the plan that was chosen.

    Parameters
    ----------
    y
        ``cost`` ($/h), ``tokens_per_gpu`` (output tokens/s of a GPU), or by default what was sought: requests/s, $/h
        or GPUs.
    """
    from ieco_opt.reports.figures.picture import Picture

    plan, up = result[0], _upright(result, y)
    series = {
        serving: [_point(each, up) for each in variations.speeds if each.serving == serving]
        for serving in fleet_wording.SERVING
    }
    points = [point for each in series.values() for point in each]
    asked = result.scenario.workloads[0].min_speed
    wished = [*up.wishes, *([] if asked is None else [wishes.speed_wish(asked)])]
    chosen = _chosen(result, plan, up)
    figure = Picture(figsize=_INCHES)
    axes = style.panel(figure, *_PANEL)
    _scales(axes, [point.place for point in points] + [each.place for each in chosen], wished, up)
    seen = wishes.shade(axes, wished)
    families, looks = fleet_series.looks_of(points)
    taken = placing.Taken()
    for each in series.values():
        pieces = fleet_series.steps(each, 0.0, to_left=True)
        fleet_series.draw(axes, each, pieces, looks)
        taken.add_lines(axes, fleet_series.corners_of(pieces))
        taken.add_points(axes, [point.place for point in each])
    taken.add_points(axes, [each.place for each in chosen])
    _names(axes, series, taken)
    wishes.name_edges(axes, seen, taken)
    marking.mark(axes, marking.merged([*chosen, *_bends(points, up, logarithmic=axes.get_yscale() == "log")]), taken)
    above, below = fleet_series.keys(families, points)
    plane.legends(figure, axes, above, below, heading="layout" if above else None)
    style.title(axes, result.scenario.name, _lines(result, plan, variations))
    return figure


def _point(each: SpeedPoint, up: _Upright) -> fleet_series.Point:
    layout = fleet_series.without_numbers(each.layout) if each.layout else ""
    return fleet_series.Point((each.min_speed, up.of_point(each)), layout, each.serving, proven=True)


def _upright(result: FleetResult, y: str | None) -> _Upright:
    fleet, objective = result.scenario, fleet_wording.objective(result)
    tokens = mean_output_tokens(fleet)
    if y == "tokens_per_gpu":
        return _Upright(
            TOKENS_PER_GPU,
            lambda point: point.requests_per_s * tokens / point.gpus if point.gpus else 0.0,
            lambda plan: tokens_per_gpu(fleet, plan),
            f"{{:,.4g}} {TOKENS_PER_GPU}".format,
            more_is_better=True,
        )
    if y is None and objective == "throughput":
        demand = fleet.workloads[0].demand
        served = "{:,.4g} requests/s".format
        return _Upright("requests/s", _served, lambda plan: plan.demand_factor * demand, served, more_is_better=True)
    if y is None and objective == "gpus":
        gpus = "{:,.0f} GPUs".format
        return _Upright("allocated GPUs", _gpus, lambda plan: float(plan.gpus), gpus, more_is_better=False)
    return _Upright(COST, _cost, lambda plan: plan.usd_per_hour, "${:,.2f}/h".format, False, _budget(fleet))


def _served(point: SpeedPoint) -> float:
    return point.requests_per_s


def _gpus(point: SpeedPoint) -> float:
    return float(point.gpus)


def _cost(point: SpeedPoint) -> float:
    return point.usd_per_hour


def _budget(fleet: Fleet) -> tuple[wishes.Wish, ...]:
    most = fleet.limits.max_usd_per_hour
    return () if most is None else (wishes.Wish(False, most, False, f"budget: at most ${most:,.6g}/h"),)


def _chosen(result: FleetResult, plan: FleetPlan, up: _Upright) -> list[marking.Mark]:
    """The plan itself, where its speed is known."""
    speed = plan.workloads[0].speed_tokens_per_s
    if speed is None:
        return []
    words = ["choice: this plan", *fleet_choice.words(result, plan)]
    return [marking.Mark(marking.CHOICE, (speed, up.of_plan(plan)), "\n".join(words))]


def _bends(points: list[fleet_series.Point], up: _Upright, *, logarithmic: bool) -> list[marking.Mark]:
    """The knee of what is best of both modes."""
    best = [point.place for point in points if not any(_dominates(other.place, point.place, up) for other in points)]
    at = knee(best, more_is_better=up.more_is_better, logarithmic=logarithmic)
    if at is None:
        return []
    speed, value = best[at]
    return [marking.Mark(marking.KNEE, best[at], f"knee: {speed:.4g} tokens/s/user, {up.said(value)}")]


def _dominates(one: plane.Corner, other: plane.Corner, up: _Upright) -> bool:
    sign = 1.0 if up.more_is_better else -1.0
    return one != other and one[0] >= other[0] and sign * one[1] >= sign * other[1]


def _names(axes: Axes, series: dict[str, list[fleet_series.Point]], taken: placing.Taken) -> None:
    """Write the name of each mode where its line ends."""
    for serving, points in series.items():
        if points:
            fastest = max(points, key=lambda point: point.place[0])
            look: dict[str, Any] = {"color": "0.25", "fontsize": style.SMALL, "fontweight": "bold"}
            placing.near(axes, fastest.place, fleet_wording.SERVING[serving], taken, towards=0.8, gid="name", **look)


def _scales(axes: Axes, places: list[plane.Corner], wished: list[wishes.Wish], up: _Upright) -> None:
    speeds, values = [x for x, _ in places], [value for _, value in places]
    speeds += plane.near([wish.value for wish in wished if wish.across], speeds)
    values += plane.near([wish.value for wish in wished if not wish.across], values)
    axes.set_xlim(0.0, 1.1 * max(speeds))
    low, high = min(values), max(values)
    if low > 0.0 and high / low > _LARGEST_LINEAR:
        style.logarithmic(axes.yaxis, low / 1.4, high * 1.4, up.title)
    else:
        axes.set_ylim(0.0, 1.12 * high or 1.0)
        style.plain_numbers(axes.yaxis)
        axes.set_ylabel(up.title, parse_math=False)
    style.plain_numbers(axes.xaxis)
    axes.set_xlabel(style.SPEED)
    style.grid(axes)


def _lines(result: FleetResult, plan: FleetPlan, variations: Variations) -> list[str]:
    """What the plan comes to, what is proven of it, and what the lines are."""
    workload = result.scenario.workloads[0]
    sought = {"throughput": "most requests/s", "gpus": "fewest GPUs", "power": "least power"}
    best = sought.get(fleet_wording.objective(result), "least cost")
    asked = (
        []
        if workload.max_time_to_first_token_s is None
        else [f"TTFT at most {workload.max_time_to_first_token_s:.4g} s"]
    )
    if fleet_wording.objective(result) != "throughput" and workload.requests_per_s is not None:
        asked.append(f"at least {workload.requests_per_s:,.6g} requests/s")
    within = f", with {' and '.join(asked)}" if asked else ""
    stopped = "" if variations.stopped is None else f"; stopped early ({variations.stopped})"
    return [
        *wording.warning(result),
        fleet_wording.totals(result, plan),
        fleet_wording.verdict(result, plan),
        f"lines: {best} at each least speed, prefill and decode together or split{within}{stopped}",
    ]
