"""Plans of one workload as points: coloured by layout, lines solid where prefill runs together, else dashed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import plane, style
from ieco_opt.reports.text import fleet_wording
from ieco_opt.reports.text.grouping import Family, families
from ieco_opt.results.plan import FleetPlan

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_LINES: dict[str, Any] = {"colocated": "-", "disaggregated": (0, (3.0, 1.4))}
_COPIES = re.compile(r"\d+ x ")


@dataclass(frozen=True, slots=True)
class Point:
    """One plan in a picture.

    Attributes
    ----------
    place
        Where it is.
    layout
        The instances that generate tokens, without their numbers, such as ``TP8``; nothing where several workloads
        have each their own.
    serving
        ``colocated`` or ``disaggregated``; nothing likewise.
    """

    place: tuple[float, float]
    layout: str
    serving: str
    proven: bool


def layout_of(plan: FleetPlan) -> str:
    """The layouts of a plan that generate tokens, without how many of each there are."""
    rows = [row for row in plan.instances if row.phase != "prefill"]
    return " + ".join(sorted({row.layout for row in rows}))


def without_numbers(layout: str) -> str:
    """The same of a layout in words, such as ``TP4 + TP8`` of ``2 x TP4 + 1 x TP8``."""
    return " + ".join(sorted({_COPIES.sub("", part) for part in layout.split(" + ")}))


def looks_of(points: Sequence[Point]) -> tuple[list[Family[Point]], dict[int, tuple[str, str]]]:
    """Families of points by layout, and colour and marker of each point by ``id``."""
    found = families(points, lambda point: point.layout, lambda point: point.place[0])
    looks: dict[int, tuple[str, str]] = {}
    for at, family in enumerate(found):
        looks |= {id(point): style.family_look(at, is_rest=family.is_rest) for point in family.members}
    return found, looks


def steps(points: Sequence[Point], end: float, *, to_left: bool) -> list[tuple[Point, list[plane.Corner]]]:
    """The staircase through points in pieces, one for each.

    Parameters
    ----------
    end
        Where it begins, on the left of the first with ``to_left``, else on the right of the last.
    to_left
        Whether what a point attains holds to its left (it is as fast), else to its right (it takes as little).
    """
    rising = sorted(points, key=lambda point: point.place if to_left else (-point.place[0], point.place[1]))
    pieces: list[tuple[Point, list[plane.Corner]]] = []
    before: plane.Corner = (end, rising[0].place[1]) if rising else (0.0, 0.0)
    for point in rising:
        pieces.append((point, [before, (before[0], point.place[1]), point.place]))
        before = point.place
    return pieces


def corners_of(pieces: Sequence[tuple[Point, list[plane.Corner]]]) -> list[plane.Corner]:
    """Every corner of a staircase."""
    every = [corner for _, corners in pieces for corner in corners]
    return every[:1] + [after for before, after in pairwise(every) if after != before]


def draw(
    axes: Axes,
    points: Sequence[Point],
    pieces: Sequence[tuple[Point, list[plane.Corner]]],
    looks: dict[int, tuple[str, str]],
) -> None:
    """Draw points, and the pieces of the line before each in its colour."""
    from matplotlib.collections import LineCollection

    if pieces:
        axes.add_collection(
            LineCollection(
                [corners for _, corners in pieces],
                colors=[looks[id(point)][0] for point, _ in pieces],
                linestyles=[_LINES.get(point.serving, "-") for point, _ in pieces],
                linewidths=1.4,
                zorder=2,
            ),
            autolim=False,
        )
    for point in points:
        colour, marker = looks[id(point)]
        style.point(axes, *point.place, marker, colour, proven=point.proven)


def keys(found: Sequence[Family[Point]], points: Sequence[Point]) -> tuple[list[Artist], list[Artist]]:
    """Keys of layouts, and below them those of lines and of hollow points, as far as there are any."""
    from matplotlib.lines import Line2D

    above: list[Artist] = []
    for at, family in enumerate(found):
        colour, marker = style.family_look(at, is_rest=family.is_rest)
        if family.label:
            above.append(style.legend_key(marker, colour, family.label))
    servings = {point.serving for point in points}
    below: list[Artist] = [
        Line2D([], [], color="0.4", linewidth=1.4, linestyle=_LINES[serving], label=words)
        for serving, words in fleet_wording.SERVING.items()
        if serving in servings
    ]
    if any(not point.proven for point in points):
        below.append(style.legend_key("o", "0.4", "not proven", fill="white"))
    return above, below
