"""Curves in a terminal: one mark for each point, axes with round numbers, letters alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_HEIGHT = 8
_LEAST_WIDTH = 30
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Series:
    """Points under one mark; the mark of a later series lies above that of an earlier one."""

    mark: str
    name: str
    points: Sequence[tuple[float, float]]


def plot(series: Sequence[Series], x_name: str, y_name: str, width: int, *, wish: float | None = None) -> list[str]:
    """Lines of a plot of ``width`` columns from zero on; ``wish`` is a least x, drawn as an upright line."""
    points = [point for each in series for point in each.points]
    most_x, most_y = _round_up(max(x for x, _ in points)), _round_up(max(y for _, y in points))
    left = max(len(f"{most_y:,.6g}"), len(f"{most_y / 2:,.6g}"), 1) + 1
    columns = max(width - left - 2, _LEAST_WIDTH)
    grid = [[" "] * columns for _ in range(_HEIGHT)]
    if wish is not None and 0.0 < wish <= most_x:
        at = _place(wish, most_x, columns)
        for row in grid:
            row[at] = ":"
    for each in series:
        for x, y in each.points:
            grid[_HEIGHT - 1 - _place(y, most_y, _HEIGHT)][_place(x, most_x, columns)] = each.mark
    keys = [f"{each.mark} {each.name}" for each in series if each.points]
    keys += [": least speed asked for"] if wish is not None else []
    lines = _headed(y_name, keys, left + 2 + columns)
    labels = {0: f"{most_y:,.6g}", _HEIGHT // 2: f"{most_y / 2:,.6g}"}
    lines += [f"{labels.get(at, '').rjust(left)} |{''.join(row).rstrip()}" for at, row in enumerate(grid)]
    axis = f"{'0'.rjust(left)} +{'-' * columns}"
    return [*lines, axis, _ticks(most_x, left + 2, columns), x_name.rjust(left + 2 + columns)]


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
