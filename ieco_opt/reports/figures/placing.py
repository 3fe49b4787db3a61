"""Words in a picture where they cover nothing: each is tried at many places, and stands at the first that is free."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ieco_opt.reports.figures import glyphs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation, Text
    from matplotlib.transforms import Bbox

_DISTANCES = (7.0, 12.0, 18.0, 26.0, 36.0, 48.0, 64.0, 84.0, 110.0, 140.0, 180.0, 230.0)
_BESIDE = 12.0
"""Points up to which words are beside what they are about, which then needs no line."""

_DIRECTIONS = 24
_FURTHER = 0.3
"""What a point of distance costs, in square points of what would be covered."""

_CROSSED = 150.0
"""Likewise, what it costs where the line to a point runs through other words."""

_OUTSIDE = 40.0
"""How much worse it is to stand outside the axes than to cover something."""

_POINT = 4.5
_STRIDE = 3.0

Box = tuple[float, float, float, float]
"""Left, bottom, right and top, in pixels."""


@dataclass(slots=True)
class Taken:
    """Boxes in which there is something already, in pixels of the figure."""

    boxes: list[Box] = field(default_factory=list)
    words: list[Box] = field(default_factory=list)
    _edges: Any = ()
    _weights: Any = ()

    def add_words(self, text: Text, room: float = 2.0) -> None:
        """Take the box of words with some pixels around it."""
        box = text.get_window_extent()
        self.words.append((box.x0 - room, box.y0 - room, box.x1 + room, box.y1 + room))

    def add_points(self, axes: Axes, points: Iterable[tuple[float, float]]) -> None:
        """Take the places of points of the axes."""
        size = _POINT * axes.figure.dpi / 72.0
        for x, y in points:
            at, up = axes.transData.transform((x, y))
            self.boxes.append((at - size, up - size, at + size, up + size))

    def add_lines(self, axes: Axes, corners: Sequence[tuple[float, float]]) -> None:
        """Take what a line with these corners runs through."""
        places = [tuple(axes.transData.transform(corner)) for corner in corners]
        stride = _STRIDE * axes.figure.dpi / 72.0
        for (x0, y0), (x1, y1) in pairwise(places):
            steps = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0)) / stride))
            for step in range(steps):
                left, right = x0 + (x1 - x0) * step / steps, x0 + (x1 - x0) * (step + 1) / steps
                low, high = y0 + (y1 - y0) * step / steps, y0 + (y1 - y0) * (step + 1) / steps
                self.boxes.append((min(left, right) - 1, min(low, high) - 1, max(left, right) + 1, max(low, high) + 1))

    def covered(self, box: Box) -> float:
        """Square pixels of a box that are taken; those of words count more."""
        if len(self._edges) != len(self.boxes) + len(self.words):
            import numpy as np

            self._edges = np.array([*self.boxes, *self.words]).reshape(-1, 4)
            self._weights = np.array([1.0] * len(self.boxes) + [4.0] * len(self.words))
        return float(_common(box, self._edges) @ self._weights)

    def crossed(self, start: tuple[float, float], end: tuple[float, float]) -> int:
        """How many words a line runs through."""
        return sum(_crosses(start, end, box) for box in self.words)


def _common(box: Box, others: Any) -> Any:
    """Square pixels that a box has in common with each of others, of which each is a row."""
    import numpy as np

    left, low, right, high = others.T
    across = np.minimum(right, box[2]) - np.maximum(left, box[0])
    upwards = np.minimum(high, box[3]) - np.maximum(low, box[1])
    return np.maximum(across, 0.0) * np.maximum(upwards, 0.0)


def _crosses(start: tuple[float, float], end: tuple[float, float], box: Box) -> bool:
    """Whether a line runs through a box."""
    least, most = 0.0, 1.0
    for at in (0, 1):
        step, low, high = end[at] - start[at], box[at] - start[at], box[at + 2] - start[at]
        if step == 0.0:
            if not low <= 0.0 <= high:
                return False
            continue
        first, last = sorted((low / step, high / step))
        least, most = max(least, first), min(most, last)
    return least <= most


def near(
    axes: Axes,
    point: tuple[float, float],
    words: str,
    taken: Taken,
    *,
    room: Bbox | None = None,
    towards: float | None = None,
    **look: Any,
) -> Annotation:
    """Write near a point, with a thin line to it where the words are not beside it.

    Parameters
    ----------
    room
        Where words may stand, in pixels; by default the axes.
    towards
        Angle at which places are tried first.
    """
    text = axes.annotate(
        _readable(words),
        point,
        xytext=(0.0, 0.0),
        textcoords="offset points",
        ha="center",
        va="center",
        annotation_clip=False,
        parse_math=False,
        zorder=5,
        **look,
    )
    scale = axes.figure.dpi / 72.0
    box = text.get_window_extent()
    room = room or axes.bbox
    at, up = axes.transData.transform(point)
    best, least = (0.0, 0.0, 0.0), math.inf
    for distance, across, above in _places(box.width, box.height, scale, towards):
        x, y = at + across, up + above
        place = (x - box.width / 2, y - box.height / 2, x + box.width / 2, y + box.height / 2)
        crossed = taken.crossed((at, up), (x, y)) if distance > _BESIDE else 0
        cost = (taken.covered(place) + _OUTSIDE * _beyond(place, room)) / scale**2
        cost += _FURTHER * distance + _CROSSED * crossed
        if cost < least:
            best, least = (distance, across, above), cost
    distance, across, above = best
    text.set_position((across / scale, above / scale))
    if distance > _BESIDE:
        _leader(axes, point, (at + across, up + above), (box.width, box.height))
    taken.add_words(text)
    return text


def _readable(words: str) -> str:
    return "\n".join(map(glyphs.readable, words.split("\n")))


def _places(width: float, height: float, scale: float, towards: float | None) -> Iterator[tuple[float, float, float]]:
    """Distances in points, and the middles of boxes that are so far from a point, in pixels from it."""
    first = math.pi / 4.0 if towards is None else towards
    for distance in _DISTANCES:
        for turn in range(_DIRECTIONS):
            # From the first direction to both sides.
            angle = first + (turn + 1) // 2 * (-1) ** turn * 2.0 * math.pi / _DIRECTIONS
            across, above = math.cos(angle), math.sin(angle)
            away = distance * scale
            yield distance, across * (away + width / 2), above * (away + height / 2)


def _beyond(box: Box, room: Bbox) -> float:
    """Square pixels of a box that are outside the room."""
    x0, y0, x1, y1 = box
    inside = max(0.0, min(x1, room.x1) - max(x0, room.x0)) * max(0.0, min(y1, room.y1) - max(y0, room.y0))
    return float((x1 - x0) * (y1 - y0) - inside)


def _leader(axes: Axes, point: tuple[float, float], middle: tuple[float, float], size: tuple[float, float]) -> None:
    """A thin line from a point to the nearest edge of its words."""
    at, up = axes.transData.transform(point)
    across, above = middle[0] - at, middle[1] - up
    halves = ((across, size[0] / 2 + 2.0), (above, size[1] / 2 + 2.0))
    share = max((1.0 - half / abs(way) for way, half in halves if abs(way) > half), default=0.0)
    end = axes.transData.inverted().transform((at + across * share, up + above * share))
    axes.annotate(
        "",
        xy=point,
        xytext=tuple(end),
        annotation_clip=False,
        zorder=4,
        arrowprops={"arrowstyle": "-", "color": "0.4", "linewidth": 0.6, "shrinkA": 0.0, "shrinkB": 5.0},
    )


def along_upright(axes: Axes, x: float, words: str, taken: Taken, *, inside_right: bool, **look: Any) -> Text:
    """Write upwards beside an upright line, at its top, its foot or its middle, on the inner side first."""
    sides = ("left", "right") if inside_right else ("right", "left")
    tried = [(side, va, up) for side in sides for va, up in (("top", 0.98), ("bottom", 0.02), ("center", 0.5))]

    def written(side: str, va: str, up: float) -> Text:
        apart = 3.0 if side == "left" else -3.0
        return _annotated(axes, words, (x, up), ("data", "axes fraction"), (apart, 0.0), side, va, 90.0, look)

    return _first_free(axes, tried, written, taken)


def along_level(axes: Axes, y: float, words: str, taken: Taken, *, inside_above: bool, **look: Any) -> Text:
    """Write beside a level line, at its right, its left or its middle, on the inner side first."""
    sides = ("bottom", "top") if inside_above else ("top", "bottom")
    tried = [(side, ha, at) for side in sides for ha, at in (("left", 0.015), ("right", 0.985), ("center", 0.5))]

    def written(side: str, ha: str, at: float) -> Text:
        apart = 2.0 if side == "bottom" else -2.0
        return _annotated(axes, words, (at, y), ("axes fraction", "data"), (0.0, apart), ha, side, 0.0, look)

    return _first_free(axes, tried, written, taken)


def _annotated(
    axes: Axes,
    words: str,
    place: tuple[float, float],
    units: tuple[str, str],
    apart: tuple[float, float],
    ha: str,
    va: str,
    turned: float,
    look: dict[str, Any],
) -> Text:
    return axes.annotate(
        _readable(words),
        place,
        xycoords=units,
        xytext=apart,
        textcoords="offset points",
        ha=ha,
        va=va,
        rotation=turned,
        annotation_clip=False,
        parse_math=False,
        zorder=4,
        **look,
    )


def _first_free(axes: Axes, tried: Sequence[tuple[str, str, float]], written: Any, taken: Taken) -> Text:
    """Write at the place that covers the least, of equally free ones the first."""
    costs = []
    for place in tried:
        text = written(*place)
        box = text.get_window_extent()
        corners = (box.x0, box.y0, box.x1, box.y1)
        costs.append(taken.covered(corners) + _OUTSIDE * _beyond(corners, axes.bbox))
        text.remove()
    found: Text = written(*tried[costs.index(min(costs))])
    taken.add_words(found)
    return found
