"""Choice and knee in a picture: a ring around the choice, a diamond around the knee, and words beside both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import marks, placing, style
from ieco_opt.reports.figures.upright import TOKENS_PER_GPU, Upright
from ieco_opt.results.deployment import Deployment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

CHOICE, KNEE = "choice", "knee"

_RING: dict[str, Any] = {"s": 110.0, "marker": "o", "facecolors": "none", "edgecolors": "black", "linewidths": 1.4}
_DIAMOND: dict[str, Any] = {"s": 90.0, "marker": "D", "facecolors": "none", "edgecolors": "0.25", "linewidths": 1.0}
_LOOKS = {CHOICE: _RING, KNEE: _DIAMOND}


@dataclass(frozen=True, slots=True)
class Mark:
    """One point that is marked; ``kind`` is ``CHOICE`` or ``KNEE``, ``words`` may be none."""

    kind: str
    place: tuple[float, float]
    words: str


def chosen(choice: marks.Choice, place: tuple[float, float], up: Upright) -> Mark:
    """The mark of a choice, with its configuration and what it is worth."""
    return Mark(CHOICE, place, marks.words(choice, _worth(choice.item, up)))


def bend(item: Deployment, up: Upright) -> Mark:
    """The mark of a knee."""
    words = f"knee: {item.speed_tokens_per_s:.4g} tokens/s/user, {_worth(item, up)}"
    return Mark(KNEE, (item.speed_tokens_per_s, up.of(item)), words)


def _worth(item: Deployment, up: Upright) -> str:
    value = up.of(item)
    return f"{value:,.4g} {TOKENS_PER_GPU}" if up.more_is_better else f"${value:,.4g} per million"


def merged(found: Sequence[Mark]) -> list[Mark]:
    """The marks, of a choice and a knee that are one point only that of the choice, which says so."""
    choices = [mark for mark in found if mark.kind == CHOICE]
    knees = [mark for mark in found if mark.kind == KNEE]
    at_both = {mark.place for mark in choices} & {mark.place for mark in knees}
    both = [
        replace(mark, words=mark.words.replace("choice:", "choice, at the knee:", 1)) if mark.place in at_both else mark
        for mark in choices
    ]
    return [*both, *(mark for mark in knees if mark.place not in at_both)]


def mark(axes: Axes, found: Sequence[Mark], taken: placing.Taken, room: Bbox | None = None) -> None:
    """Draw marks, and words beside them where these cover nothing."""
    for each in found:
        axes.scatter(*([value] for value in each.place), zorder=4, gid=each.kind, clip_on=False, **_LOOKS[each.kind])
        taken.add_points(axes, [each.place])
    for each in found:
        if each.words:
            colour = "black" if each.kind == CHOICE else "0.25"
            placing.near(
                axes, each.place, each.words, taken, room=room, towards=2.0, color=colour, fontsize=style.SMALLEST
            )
