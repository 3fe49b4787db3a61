"""Frontiers of a fleet as pictures: hourly cost against speed, power, GPUs or requests/s."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import glyphs, style
from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.reports.text.table import shortened
from ieco_opt.results.plan import FleetPlan, FleetResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDE, _LEFT, _PANEL_WIDE, _BOTTOM = 7.2, 0.65, 6.2, 0.5
_COST_INCHES, _SPEEDS_INCHES, _BETWEEN_INCHES, _ABOVE_INCHES = 2.95, 1.9, 0.3, 0.75
_LARGEST_LINEAR = 8.0
_MOST_KEYS, _MOST_LETTERS = 11, 24
_COST = "hourly cost ($/h)"
_NAMES = {
    "speed": "common factor on the least speed of every workload",
    "power": "power (kW)",
    "gpus": "allocated GPUs",
    "throughput": "common factor on all demands",
}


@style.styled
def draw(result: FleetResult) -> Figure:
    """Draw the hourly cost of each plan against what it is traded for; if speed, also that of each workload."""
    from ieco_opt.reports.figures.picture import Picture

    speeds = _speeds(result)
    lower = _SPEEDS_INCHES + _BETWEEN_INCHES if speeds else 0.0
    figure = Picture(figsize=(_WIDE, _BOTTOM + lower + _COST_INCHES + _ABOVE_INCHES))
    axes = style.panel(figure, _LEFT, _BOTTOM + lower, _PANEL_WIDE, _COST_INCHES)
    _scales(axes, result)
    _staircase(axes, result)
    for plan in result.plans:
        proven = plan.status == "optimal"
        style.point(axes, _other(result, plan), plan.usd_per_hour, "o", style.COLOURS[0], proven=proven)
    if any(plan.status != "optimal" for plan in result.plans):
        keys = [
            style.legend_key("o", style.COLOURS[0], "proven optimal"),
            style.legend_key("o", style.COLOURS[0], "not proven", fill="white"),
        ]
        axes.legend(handles=keys, loc="best", frameon=False, fontsize=style.SMALL)
    below = axes
    if speeds:
        axes.tick_params(labelbottom=False)
        below = style.panel(figure, _LEFT, _BOTTOM, _PANEL_WIDE, _SPEEDS_INCHES)
        _speeds_of_workloads(below, result, speeds, axes.get_xlim())
    _horizontal(below, result)
    lines = [*wording.warning(result), fleet_wording.trade(result), fleet_wording.guarantee(result)]
    style.title(axes, result.scenario.name, lines)
    return figure


def _speeds(result: FleetResult) -> dict[str, list[tuple[FleetPlan, float]]]:
    """Plans of a frontier against speed with the speed (output tokens/s/user) of each workload, where it has one."""
    if fleet_wording.against(result) != "speed":
        return {}
    speeds: dict[str, list[tuple[FleetPlan, float]]] = {}
    for plan in result.plans:
        for row in plan.workloads:
            if row.speed_tokens_per_s is not None:
                speeds.setdefault(row.workload, []).append((plan, row.speed_tokens_per_s))
    return speeds


def _speeds_of_workloads(
    axes: Axes, result: FleetResult, speeds: dict[str, list[tuple[FleetPlan, float]]], limits: tuple[float, float]
) -> None:
    """Draw how fast each workload is in each plan, told apart by colour and by shape."""
    from itertools import cycle

    values = [speed for rows in speeds.values() for _, speed in rows]
    keys = []
    for (name, rows), colour, marker in zip(
        speeds.items(), cycle(style.MANY_COLOURS), cycle(style.MARKERS), strict=False
    ):
        rising = sorted((_other(result, plan), speed) for plan, speed in rows)
        axes.plot(*zip(*rising, strict=True), **style.STEPS | {"color": colour, "alpha": 0.5})
        for plan, speed in rows:
            proven = plan.status == "optimal"
            style.point(axes, _other(result, plan), speed, marker, colour, proven=proven, size=4.2)
        keys.append(style.legend_key(marker, colour, shortened(glyphs.readable(name), _MOST_LETTERS)))
    axes.set_xlim(*limits)
    if max(values) / min(values) > _LARGEST_LINEAR:
        style.logarithmic(axes.yaxis, min(values) / 1.2, max(values) * 1.2)
        axes.set_ylabel("tokens/s/user, log scale")
    else:
        axes.set_ylim(0.0, 1.08 * max(values))
        style.plain_numbers(axes.yaxis)
        axes.set_ylabel("tokens/s/user")
    style.grid(axes)
    axes.legend(
        handles=keys,
        title="speed of",
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        ncols=math.ceil(len(keys) / _MOST_KEYS),
        frameon=False,
        fontsize=style.SMALL,
        title_fontsize=style.SMALL,
        alignment="left",
        borderaxespad=0.0,
        handlelength=1.4,
    )


def _other(result: FleetResult, plan: FleetPlan) -> float:
    """What a frontier trades cost against; power that is unknown lies at zero."""
    if fleet_wording.against(result) == "speed":
        return plan.speed_factor
    if fleet_wording.against(result) == "throughput":
        return fleet_wording.served_by(result, [plan])[0]
    return float(plan.gpus) if fleet_wording.against(result) == "gpus" else plan.power_kw or 0.0


def _scales(axes: Axes, result: FleetResult) -> None:
    """Limits, ticks and names of the axes, which hold every point."""
    costs = [plan.usd_per_hour for plan in result.plans] or [0.0, 1.0]
    others = [_other(result, plan) for plan in result.plans] or [1.0, 2.0]
    left, right = _widened(others)
    # Factors begin at 1.
    axes.set_xlim(1.0 - 0.02 * (right - 1.0) if fleet_wording.against(result) == "speed" else left, right)
    low, high = min(costs), max(costs)
    if low > 0.0 and high / low > _LARGEST_LINEAR:
        style.logarithmic(axes.yaxis, low / 1.2, high * 1.2, _COST)
    else:
        axes.set_ylim(*_widened(costs))
        style.plain_numbers(axes.yaxis)
        axes.set_ylabel(_COST, parse_math=False)
    _ticks(axes, result)
    style.grid(axes)


def _ticks(axes: Axes, result: FleetResult) -> None:
    """Put ticks on the axis of what cost is traded against, of GPUs only at whole ones."""
    number = style.whole_numbers if fleet_wording.against(result) == "gpus" else style.plain_numbers
    number(axes.xaxis)


def _horizontal(axes: Axes, result: FleetResult) -> None:
    """Name the axis at the bottom of the picture."""
    _ticks(axes, result)
    against = fleet_wording.against(result)
    alone = against == "throughput" and fleet_wording.served_heading(result)[1] == "/s"
    axes.set_xlabel("requests/s" if alone else _NAMES[against])


def _widened(values: list[float]) -> tuple[float, float]:
    """Range of some values with room around them."""
    low, high = min(values), max(values)
    room = 0.07 * (high - low) or 0.2 * high or 1.0
    return max(low - room, 0.0), high + room


def _staircase(axes: Axes, result: FleetResult) -> None:
    """The least known cost of what is at least so good: of the faster neighbour, or of that with less power."""
    if not result.plans:
        return
    rising = sorted((_other(result, plan), plan.usd_per_hour) for plan in result.plans)
    others, costs = [other for other, _ in rising], [cost for _, cost in rising]
    left, right = axes.get_xlim()
    steps: dict[str, Any] = style.STEPS
    if fleet_wording.against(result) in ("speed", "throughput"):
        axes.step([left, *others], [costs[0], *costs], where="pre", **steps)
    else:
        axes.step([*others, right], [*costs, costs[-1]], where="post", **steps)
