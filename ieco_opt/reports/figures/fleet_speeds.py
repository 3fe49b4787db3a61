"""How fast each of several workloads is in the plans of a frontier against speed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ieco_opt.reports.figures import glyphs, style
from ieco_opt.reports.text import fleet_wording
from ieco_opt.reports.text.table import shortened
from ieco_opt.results.plan import FleetPlan, FleetResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LARGEST_LINEAR = 8.0
_MOST_KEYS, _MOST_LETTERS = 11, 24

Speeds = dict[str, list[tuple[FleetPlan, float]]]


def speeds_of(result: FleetResult) -> Speeds:
    """Plans of a frontier against speed with the speed (output tokens/s/user) of each workload, where it has one."""
    if fleet_wording.against(result) != "speed":
        return {}
    speeds: Speeds = {}
    for plan in result.plans:
        for row in plan.workloads:
            if row.speed_tokens_per_s is not None:
                speeds.setdefault(row.workload, []).append((plan, row.speed_tokens_per_s))
    return speeds


def draw_speeds(axes: Axes, speeds: Speeds, limits: tuple[float, float]) -> None:
    """Draw how fast each workload is in each plan, told apart by colour and by shape."""
    from itertools import cycle

    values = [speed for rows in speeds.values() for _, speed in rows]
    keys = []
    for (name, rows), colour, marker in zip(
        speeds.items(), cycle(style.MANY_COLOURS), cycle(style.MARKERS), strict=False
    ):
        rising = sorted((plan.speed_factor, speed) for plan, speed in rows)
        axes.plot(*zip(*rising, strict=True), **style.STEPS | {"color": colour, "alpha": 0.5})
        for plan, speed in rows:
            proven = plan.status == "optimal"
            style.point(axes, plan.speed_factor, speed, marker, colour, proven=proven, size=4.2)
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
