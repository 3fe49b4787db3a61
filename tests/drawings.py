"""What pictures hold: points, lines and marks, read from the axes."""

from __future__ import annotations

from typing import Any


def drawn(axes: Any) -> list[tuple[float, float]]:
    """Points that were drawn; edges of wishes have no marker."""
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() != "None"]


def pieces(axes: Any) -> list[tuple[list[tuple[float, float]], str]]:
    """Corners and colour of each piece of each staircase."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_hex

    return [
        ([(float(x), float(y)) for x, y in corners], to_hex(colour))
        for each in axes.collections
        if isinstance(each, LineCollection)
        for corners, colour in zip(each.get_segments(), each.get_colors(), strict=True)
    ]


def marked(axes: Any, kind: str) -> list[tuple[float, float]]:
    """Points around which there is a ring (``choice``) or a diamond (``knee``)."""
    return [tuple(each.get_offsets()[0].tolist()) for each in axes.collections if each.get_gid() == kind]


def region(axes: Any) -> tuple[float, float, float, float] | None:
    """Left, bottom, right and top of what is shaded because it meets what was asked for."""
    found = [each for each in axes.patches if each.get_gid() == "wish"]
    if not found:
        return None
    (box,) = found
    left, low = float(box.get_x()), float(box.get_y())
    return left, low, left + float(box.get_width()), low + float(box.get_height())
