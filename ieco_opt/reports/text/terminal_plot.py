"""Curves in a terminal: one mark for each point, axes with round numbers, in letters, or joined by Braille dots."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

_HEIGHT = 8
_LEAST_WIDTH = 30
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


_BLANK = 0x2800
"""The Braille pattern without a dot; those with dots follow, a bit each."""

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the dots of a letter, by row and column."""

Style = Callable[[str, str], str]
"""Gives a text a style (``bold``, ``green``, ``yellow``, ``cyan``, ``magenta``), or leaves it as it is."""


def plain_style(text: str, _style: str) -> str:
    """No style, for what is no terminal."""
    return text


@dataclass(frozen=True, slots=True)
class Series:
    """Points under one mark; the mark of a later series lies above that of an earlier one."""

    mark: str
    name: str
    points: Sequence[tuple[float, float]]
    style: str = "bold"


def plot(
    series: Sequence[Series],
    x_name: str,
    y_name: str,
    width: int,
    *,
    wish: float | None = None,
    style: Style = plain_style,
    joined: bool = False,
) -> list[str]:
    """Lines of a plot of ``width`` columns from zero on.

    Parameters
    ----------
    wish
        A least x, drawn as an upright line.
    style
        Gives the marks and lines of each series its style.
    joined
        Whether lines of Braille dots join the points of a series.
    """
    points = [point for each in series for point in each.points]
    most_x, most_y = _round_up(max(x for x, _ in points)), _round_up(max(y for _, y in points))
    left = max(len(f"{most_y:,.6g}"), len(f"{most_y / 2:,.6g}"), 1) + 1
    columns = max(width - left - 2, _LEAST_WIDTH)
    grid = [[" "] * columns for _ in range(_HEIGHT)]
    if wish is not None and 0.0 < wish <= most_x:
        at = _place(wish, most_x, columns)
        for row in grid:
            row[at] = ":"
    for each in series if joined else ():
        for (down, across), bits in _line(each.points, most_x, most_y, columns).items():
            grid[down][across] = style(chr(_BLANK + bits), each.style)
    for each in series:
        for x, y in each.points:
            row_of = _HEIGHT - 1 - _place(y, most_y, _HEIGHT)
            grid[row_of][_place(x, most_x, columns)] = style(each.mark, each.style)
    keys = [f"{each.mark} {each.name}" for each in series if each.points]
    keys += [": least speed asked for"] if wish is not None else []
    lines = _headed(y_name, keys, left + 2 + columns)
    labels = {0: f"{most_y:,.6g}", _HEIGHT // 2: f"{most_y / 2:,.6g}"}
    lines += [f"{labels.get(at, '').rjust(left)} |{''.join(row).rstrip()}" for at, row in enumerate(grid)]
    axis = f"{'0'.rjust(left)} +{'-' * columns}"
    return [*lines, axis, _ticks(most_x, left + 2, columns), x_name.rjust(left + 2 + columns)]


def _line(
    points: Sequence[tuple[float, float]], most_x: float, most_y: float, columns: int
) -> dict[tuple[int, int], int]:
    """Bits of the dots between neighbours, by row and column of the letter that they are in."""
    places = [(_place(x, most_x, 2 * columns), _place(y, most_y, 4 * _HEIGHT)) for x, y in sorted(points)]
    letters: dict[tuple[int, int], int] = {}
    for (left, low), (right, high) in pairwise(places):
        steps = max(abs(right - left), abs(high - low), 1)
        for step in range(steps + 1):
            across = left + round((right - left) * step / steps)
            down = 4 * _HEIGHT - 1 - low - round((high - low) * step / steps)
            at = down // 4, across // 2
            letters[at] = letters.get(at, 0) | _DOTS[down % 4][across % 2]
    return letters


def _headed(y_name: str, keys: Sequence[str], width: int) -> list[str]:
    """The name of the upright axis, and what marks mean: beside it where there is room, else below."""
    together = "   ".join(keys)
    if len(y_name) + len(together) < width:
        return [f"{y_name}{together.rjust(width - len(y_name))}"]
    lines = [y_name, ""]
    for key in keys:
        if lines[-1] and len(lines[-1]) + 3 + len(key) > width:
            lines.append("")
        lines[-1] += f"   {key}" if lines[-1] else key
    return lines


def _place(value: float, most: float, cells: int) -> int:
    return min(cells - 1, max(0, round(value / most * (cells - 1))))


def _round_up(value: float) -> float:
    """The next number with a round first digit, so that half of it is readable too."""
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in _STEPS if step * unit >= value * (1.0 - 1e-9))


def _ticks(most: float, left: int, columns: int) -> str:
    """Numbers below the axis at its quarters."""
    line = [" "] * (left + columns)
    for quarter in range(5):
        text = f"{most * quarter / 4:,.6g}"
        at = min(left + _place(most * quarter / 4, most, columns), left + columns - len(text))
        line[at : at + len(text)] = text
    return "".join(line)
