"""One frontier of deployments as a picture: cost, or the tokens of a GPU, against speed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import marking, placing, plane, style, wishes
from ieco_opt.reports.figures.marks import choice, knee
from ieco_opt.reports.figures.upright import Upright, upright
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.grouping import families_of
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAND: dict[str, Any] = {"facecolor": "#dfe9f3", "edgecolor": "none", "zorder": 1}
_PESSIMISTIC: dict[str, Any] = {"color": "0.35", "linestyle": (0, (4, 2)), "linewidth": 1.1}


@style.styled
def draw(frontier: Frontier, y: str = "cost") -> Figure:
    """Draw a result against its speed (output tokens/s/user): the curve, what was asked for, choice and knee.

    Parameters
    ----------
    y
        ``cost`` ($ per million output tokens) or ``tokens_per_gpu`` (output tokens/s of a GPU).
    """
    end = frontier.pessimistic_end()
    both = [frontier, *([] if end is None else [end])]
    up = upright(y, [item for each in both for item in each])
    asked = wishes.wishes_of(frontier.scenario, up)
    figure, axes = plane.empty()
    plane.scales(axes, both, up, asked)
    seen = wishes.shade(axes, asked)
    plane.open_regions(axes, frontier, up)
    if end is not None:
        _band(axes, frontier, end, up)
    keys = _points(axes, frontier, up)
    lines = [*wording.warning(frontier), wording.subject(frontier), wording.guarantee(frontier)]
    style.title(axes, frontier.scenario.name, [*lines, *wishes.asked_besides(frontier.scenario, seen)])
    taken = placing.Taken()
    for each in both:
        taken.add_lines(axes, plane.corners_of(each, up))
        taken.add_points(axes, [plane.place(item, up) for item in each])
    wishes.name_edges(axes, seen, taken)
    marking.mark(axes, _marks(frontier, up), taken)
    plane.legends(figure, axes, *keys, heading="layout" if keys[0] else None)
    return figure


def _marks(frontier: Frontier, up: Upright) -> list[marking.Mark]:
    """Choice and knee, where there are any."""
    if frontier.question.kind != "frontier":
        return []
    places = [plane.place(item, up) for item in frontier]
    bend = knee(places, more_is_better=up.more_is_better, logarithmic=True)
    chosen = choice([frontier])
    marks = []
    if chosen is not None:
        marks.append(marking.chosen(chosen, plane.place(chosen.item, up), up))
    if bend is not None:
        marks.append(marking.bend(frontier[bend], up))
    return marking.merged(marks)


def _band(axes: Axes, frontier: Frontier, end: Frontier, up: Upright) -> None:
    """Shade what lies between the two ends of a band, and draw the line of the pessimistic one."""
    if not len(frontier) or not len(end):
        return
    nominal, pessimistic = plane.corners_of(frontier, up), plane.corners_of(end, up)
    around = [*nominal, *reversed(pessimistic)]
    axes.fill([speed for speed, _ in around], [value for _, value in around], **_BAND)
    axes.plot(*zip(*pessimistic, strict=True), zorder=2, **_PESSIMISTIC)


def _points(axes: Axes, frontier: Frontier, up: Upright) -> tuple[list[plane.Key], list[plane.Key]]:
    """Draw what was found: colour and shape say the layout, a dot inside what else varies, hollow: not proven.

    Printed in grey, layouts are told apart by their shapes. Returns the keys of layouts, and those of the rest.
    """
    families, inner = families_of(frontier.deployments), _inner(frontier)
    colours: dict[int, str] = {}
    keys: list[plane.Key] = []
    for at, family in enumerate(families):
        colour, marker = style.family_look(at, is_rest=family.is_rest)
        colours |= {id(item): colour for item in family.members}
        for item in family.members:
            proven = item.status == "optimal"
            style.point(axes, *plane.place(item, up), marker, colour, proven=proven)
        keys.append(style.legend_key(marker, colour, family.label, line="-"))
    plane.staircase(axes, frontier, up, colours)
    for item in frontier:
        _dot(axes, plane.place(item, up), inner[_variant(item, frontier)], hollow=item.status != "optimal")
    others = [_key_of_dot(look, variant) for variant, look in inner.items() if len(inner) > 1]
    return keys, [*others, *plane.proof_keys([frontier]), *_band_keys(frontier)]


_DOTS: tuple[tuple[str, str] | None, ...] = (None, (".", "white"), (".", "black"), ("_", "white"), ("_", "black"))
"""Marks inside points, and their colours: one for each of what varies besides layouts."""


def _inner(frontier: Frontier) -> dict[str, tuple[str, str] | None]:
    """The mark inside the points of each variant, that of the most points being none."""
    variants = [_variant(item, frontier) for item in frontier]
    usual = sorted(set(variants), key=lambda variant: (-variants.count(variant), variant))
    return {variant: _DOTS[min(at, len(_DOTS) - 1)] for at, variant in enumerate(usual)}


def _dot(axes: Axes, place: tuple[float, float], look: tuple[str, str] | None, *, hollow: bool) -> None:
    if look is not None:
        marker, colour = look
        size = 9.0 if marker == "." else 7.0
        axes.scatter(
            [place[0]], [place[1]], s=size, marker=marker, c="black" if hollow else colour, zorder=4, gid="variant"
        )


def _key_of_dot(look: tuple[str, str] | None, label: str) -> plane.Key:
    """A key: a grey point with the mark inside it."""
    from matplotlib.lines import Line2D

    plain = style.legend_key("o", "0.5", label)
    if look is None:
        return plain
    marker, colour = look
    return plain, Line2D([], [], linestyle="", marker=marker, color=colour, markersize=3.0)


def _variant(item: Deployment, frontier: Frontier) -> str:
    """Accelerator, precisions and engine, as far as the deployments differ in them."""
    parts = []
    if len({other.accelerator for other in frontier.deployments}) > 1:
        parts.append(item.accelerator)
    if len({other.weights for other in frontier.deployments}) > 1:
        parts.append(item.weights or "no precision")
    if len({other.kv_cache for other in frontier.deployments}) > 1:
        parts.append(f"cache {item.kv_cache}")
    if len({other.engine for other in frontier.deployments}) > 1:
        parts.append(item.engine or "no engine")
    return ", ".join(parts)


def _band_keys(frontier: Frontier) -> list[Artist]:
    """What the shaded band and its line mean, where there is one."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if frontier.pessimistic is None or not frontier.pessimistic.deployments:
        return []
    return [Line2D([], [], **_PESSIMISTIC, label="pessimistic end"), Patch(label="band of the error", **_BAND)]
