"""What was asked for, on the axes of a picture: the region that meets it is shaded, and each edge says what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import placing, style
from ieco_opt.reports.figures.upright import Upright
from ieco_opt.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_REGION: dict[str, Any] = {"facecolor": "#edf4e6", "edgecolor": "none", "zorder": 0, "gid": "wish"}
_EDGE: dict[str, Any] = {"color": "#5b8a3a", "linewidth": 1.0, "linestyle": (0, (5, 2)), "zorder": 1}
_WORDS: dict[str, Any] = {"color": "#3f6b25", "fontsize": style.SMALLEST}


@dataclass(frozen=True, slots=True)
class Wish:
    """A limit on what one axis shows.

    Attributes
    ----------
    across
        Whether it is about the axis at the bottom.
    value
        Where its edge is.
    at_least
        Whether what is above it meets it, otherwise what is below.
    words
        The limit in the user's units.
    """

    across: bool
    value: float
    at_least: bool
    words: str


def speed_wish(min_speed: float) -> Wish:
    """A least speed, in tokens/s of a user and as time per output token."""
    return Wish(
        True, min_speed, True, f"at least {min_speed:.4g} tokens/s/user\n(TPOT at most {1000.0 / min_speed:.4g} ms)"
    )


def wishes_of(scenario: Scenario, up: Upright) -> list[Wish]:
    """What the limits of a deployment are on these axes."""
    limits, wishes = scenario.limits, []
    if limits.min_speed is not None:
        wishes.append(speed_wish(limits.min_speed))
    if limits.max_cost is not None and up.from_cost is not None:
        words = f"at most ${limits.max_cost:.4g} per million output tokens"
        wishes.append(Wish(False, up.from_cost(limits.max_cost), up.more_is_better, words))
    return wishes


_BESIDE = {
    "max_cost": "cost at most ${:.4g} per million output tokens",
    "max_time_to_first_token_s": "TTFT at most {:.4g} s",
    "max_end_to_end_s": "end to end at most {:.4g} s",
    "min_throughput": "at least {:,.6g} tokens/s",
    "max_throughput": "demand {:,.6g} tokens/s",
    "max_power_kw": "power at most {:.4g} kW",
    "max_energy_j_per_token": "at most {:.4g} J per token",
    "max_carbon_kg_per_mtok": "at most {:.4g} kg CO2 per million tokens",
}


def asked_besides(scenario: Scenario, shown: Sequence[Wish]) -> list[str]:
    """Say in a line what else was asked for, which every point meets; no line where nothing was."""
    limits = scenario.limits.model_dump(exclude_none=True)
    on_axes = any(not wish.across for wish in shown)
    told = [
        words.format(limits[name])
        for name, words in _BESIDE.items()
        if name in limits and not (name == "max_cost" and on_axes)
    ]
    return [f"all meet: {', '.join(told)}"] if told else []


def shade(axes: Axes, wishes: Sequence[Wish]) -> list[Wish]:
    """Shade what meets all wishes, draw its edges, and return the wishes whose edges can be seen."""
    from matplotlib.patches import Rectangle

    limits = {True: list(axes.get_xlim()), False: list(axes.get_ylim())}
    seen = [wish for wish in wishes if limits[wish.across][0] <= wish.value <= limits[wish.across][1]]
    if not seen:
        return []
    for wish in seen:
        bounds = limits[wish.across]
        if wish.at_least:
            bounds[0] = max(bounds[0], wish.value)
        else:
            bounds[1] = min(bounds[1], wish.value)
        (axes.axvline if wish.across else axes.axhline)(wish.value, **_EDGE)
    (left, right), (low, high) = limits[True], limits[False]
    if left < right and low < high:
        axes.add_patch(Rectangle((left, low), right - left, high - low, **_REGION))
    return seen


def name_edges(axes: Axes, seen: Sequence[Wish], taken: placing.Taken) -> None:
    """Write beside each edge what it is, inside the region that meets it where there is room."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for wish in seen:
        if wish.across:
            taken.add_lines(axes, [(wish.value, low), (wish.value, high)])
        else:
            taken.add_lines(axes, [(left, wish.value), (right, wish.value)])
    for wish in seen:
        if wish.across:
            placing.along_upright(axes, wish.value, wish.words, taken, inside_right=wish.at_least, **_WORDS)
        else:
            placing.along_level(axes, wish.value, wish.words, taken, inside_above=wish.at_least, **_WORDS)
