"""Frontiers of a fleet as pictures: hourly cost against speed, power or GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import style
from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.results.plan import FleetPlan, FleetResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = (7.2, 4.2)
_PANEL = (0.65, 0.5, 6.2, 2.95)
_LARGEST_LINEAR = 8.0


@style.styled
def draw(result: FleetResult) -> Figure:
    """Draw the hourly cost of each plan against what it is traded for."""
    from ieco_opt.reports.figures.picture import Picture

    figure = Picture(figsize=_INCHES)
    axes = style.panel(figure, *_PANEL)
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
    warning = wording.warning(result)
    lines = [
        *([] if warning is None else [warning]),
        fleet_wording.trade(result),
        fleet_wording.guarantee(result),
    ]
    style.title(axes, result.scenario.name, lines)
    return figure


def _other(result: FleetResult, plan: FleetPlan) -> float:
    """What a frontier trades cost against; power that is unknown lies at zero."""
    if fleet_wording.against(result) == "speed":
        return plan.speed_factor
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
        axes.set_yscale("log")
        axes.set_ylim(low / 1.2, high * 1.2)
        style.logarithmic_ticks(axes.yaxis, low, high)
    else:
        axes.set_ylim(*_widened(costs))
        style.plain_numbers(axes.yaxis)
    style.plain_numbers(axes.xaxis)
    names = {
        "speed": "common factor on the least speed of every workload",
        "power": "power (kW)",
        "gpus": "allocated GPUs",
    }
    axes.set_xlabel(names[fleet_wording.against(result)])
    axes.set_ylabel("hourly cost ($/h)", parse_math=False)
    style.grid(axes)


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
    if fleet_wording.against(result) == "speed":
        axes.step([left, *others], [costs[0], *costs], where="pre", **steps)
    else:
        axes.step([*others, right], [*costs, costs[-1]], where="post", **steps)
