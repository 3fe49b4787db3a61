"""Several frontiers of deployments in one picture, such as those of several accelerators: a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ieco_opt.reports.figures import glyphs, marking, placing, plane, style, wishes
from ieco_opt.reports.figures.marks import choice, knee
from ieco_opt.reports.figures.upright import Upright, upright
from ieco_opt.reports.text import several
from ieco_opt.reports.text.table import shortened, width_of
from ieco_opt.reports.text.wording import name_of
from ieco_opt.results.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

_MOST_LETTERS = 36
_MOST_NAMED, _MOST_LETTERS_AT_LINES = 7, 24
"""More lines, or longer names, are told in a legend."""

_RIGHT_INCHES = 0.9
"""Where names may go on beyond the axes."""


@style.styled
def draw(frontiers: Sequence[Frontier], y: str = "cost", notes: Sequence[str] = ()) -> Figure:
    """Draw several results in one picture, each in a colour and with a marker of its own, named where its line ends.

    Parameters
    ----------
    y
        As of :func:`ieco_opt.reports.figures.frontier.draw`.
    notes
        Lines that stand above the picture besides.
    """
    up = upright(y, [item for each in frontiers for item in each])
    asked = _common_wishes(frontiers, up)
    labels = several.labels(frontiers) if len(frontiers) > 1 else [_accelerators(frontiers[0])]
    at_lines = len(frontiers) <= _MOST_NAMED and max(map(_width, labels)) <= _MOST_LETTERS_AT_LINES
    figure, axes = plane.empty(plane.WIDER if at_lines else plane.WIDE)
    plane.scales(axes, frontiers, up, asked)
    seen = wishes.shade(axes, asked)
    taken, keys = placing.Taken(), []
    for at, (frontier, label) in enumerate(zip(frontiers, labels, strict=True)):
        colour, marker = style.MANY_COLOURS[at % len(style.MANY_COLOURS)], style.MARKERS[at % len(style.MARKERS)]
        plane.open_regions(axes, frontier, up)
        plane.staircase(axes, frontier, up, {id(item): colour for item in frontier}, linewidths=1.3, alpha=0.75)
        for item in frontier:
            style.point(axes, *plane.place(item, up), marker, colour, proven=item.status == "optimal", size=4.2)
        taken.add_lines(axes, plane.corners_of(frontier, up))
        taken.add_points(axes, [plane.place(item, up) for item in frontier])
        keys.append(style.legend_key(marker, colour, shortened(glyphs.readable(label), _MOST_LETTERS), line="-"))
    room = _room(figure, axes)
    # The ends of lines first: names have the least room.
    if at_lines:
        _names(axes, frontiers, labels, up, taken, room)
    wishes.name_edges(axes, seen, taken)
    marking.mark(axes, _marks(frontiers, up), taken)
    plane.legends(figure, axes, [] if at_lines else keys, plane.proof_keys(frontiers))
    name, lines = several.heading(frontiers)
    besides = wishes.asked_besides(frontiers[0].scenario, seen) if asked else []
    style.title(axes, name, [*lines, *_proofs(frontiers, labels), *besides, *notes])
    return figure


def _width(label: str) -> int:
    return width_of(glyphs.readable(label))


def _accelerators(frontier: Frontier) -> str:
    """What a line alone is called among accelerators that have none."""
    return " or ".join(map(name_of, frontier.scenario.accelerators))


def _proofs(frontiers: Sequence[Frontier], labels: Sequence[str]) -> list[str]:
    """How far each line is proven, in one line where all are alike."""
    deltas = {label: frontier.coverage for frontier, label in zip(frontiers, labels, strict=True)}
    if len(set(deltas.values())) > 1 or None in deltas.values():
        return []
    (delta,) = set(deltas.values())
    return [
        f"each line a (1 + {delta:g})-approximate Pareto set" if delta else "each line the complete nondominated set"
    ]


def _common_wishes(frontiers: Sequence[Frontier], up: Upright) -> list[wishes.Wish]:
    """What all of them were asked for alike; nothing where they were asked for different things."""
    each = [wishes.wishes_of(frontier.scenario, up) for frontier in frontiers]
    limits = {frontier.scenario.limits.model_dump_json() for frontier in frontiers}
    return each[0] if len(limits) == 1 else []


def _room(figure: Figure, axes: Axes) -> Bbox:
    """The axes, and what is free to their right."""
    from matplotlib.transforms import Bbox

    box = axes.bbox
    return Bbox.from_extents(box.x0, box.y0, box.x1 + _RIGHT_INCHES * figure.dpi, box.y1)


def _marks(frontiers: Sequence[Frontier], up: Upright) -> list[marking.Mark]:
    """The choice among all points, and the knee of each line."""
    marks = []
    chosen = choice(frontiers)
    if chosen is not None:
        marks.append(marking.chosen(chosen, plane.place(chosen.item, up), up))
    for frontier in frontiers:
        places = [plane.place(item, up) for item in frontier]
        bend = knee(places, more_is_better=up.more_is_better, logarithmic=True)
        if bend is not None and frontier.question.kind == "frontier":
            marks.append(marking.Mark(marking.KNEE, places[bend], "knee"))
    return marking.merged(marks)


def _names(
    axes: Axes, frontiers: Sequence[Frontier], labels: Sequence[str], up: Upright, taken: placing.Taken, room: Bbox
) -> None:
    """Write the name of each result where its line ends, in its colour."""
    for at, (frontier, label) in enumerate(zip(frontiers, labels, strict=True)):
        if len(frontier):
            fastest = max(frontier, key=lambda item: item.speed_tokens_per_s)
            colour = style.MANY_COLOURS[at % len(style.MANY_COLOURS)]
            look = {"color": style.darker(colour), "fontsize": style.SMALL, "fontweight": "bold"}
            placing.near(axes, plane.place(fastest, up), label, taken, room=room, towards=0.0, gid="name", **look)
