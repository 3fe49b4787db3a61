"""Charts as still pictures, for print and where scripts do not run: SVG in the colours of the style sheet."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ieco_opt.reports.page.markup import Markup, joined, tag
from ieco_opt.reports.text.table import shortened

_WIDTH, _HEIGHT = 720, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 10, 44
_ROW = 34
_NARROW = 3.0
"""Ratio up to which a logarithmic axis gets the ticks of a linear one."""

Pair = tuple[float, float]

Steps = Literal["after", "before", ""]
"""Which of two neighbours tells what holds between them; empty: neither, a straight line joins them."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Places of values along one axis: from ``low`` at ``start`` to ``high`` at ``end``, in units of the picture."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Place of a value."""
        share = (
            math.log(value / self.low) / math.log(self.high / self.low)
            if self.log
            else (value - self.low) / (self.high - self.low)
        )
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values to mark."""
        if not self.log or self.high / self.low < _NARROW:
            return _linear_ticks(self.low, self.high)
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1.0, 2.0, 5.0) if self.high / self.low < 3e3 else (1.0,)
        found = [step * 10.0**power for power in powers for step in steps]
        return [value for value in found if self.low <= value <= self.high]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve of a still picture: its points, how they are joined, and its colour (a class of the style sheet)."""

    points: Sequence[Pair]
    colour: str
    joined: bool = True
    dashed: bool = False
    steps: Steps = ""


def curves(lines: Sequence[Line], x_title: str, y_title: str, *, log: bool, about: str) -> Markup:
    """Draw curves against two axes; nothing without a point.

    Parameters
    ----------
    log
        Whether the vertical axis is logarithmic.
    about
        What the picture shows, for those who do not see it.
    """
    points = [point for line in lines for point in line.points]
    if not points:
        return Markup()
    xs, ys = [x for x, _ in points], [y for _, y in points]
    log = log and min(ys) > 0.0
    low, high = (min(ys) / 1.25, max(ys) * 1.25) if log else (0.0, 1.06 * max(ys) or 1.0)
    across = Scale(0.0, 1.05 * max(xs) or 1.0, _LEFT, _WIDTH - _RIGHT)
    up = Scale(low, high, _HEIGHT - _BOTTOM, _TOP, log)
    drawn = [part for line in lines for part in _line(line, across, up)]
    return _picture([*_axes(across, up, x_title, y_title), *drawn], about)


def stacks(
    columns: Sequence[tuple[str, Sequence[float]]], colours: Sequence[str], x_title: str, y_title: str, *, about: str
) -> Markup:
    """Draw columns of parts one above the other.

    Parameters
    ----------
    columns
        Label and parts of each.
    colours
        Of the parts, from below.
    """
    if not columns:
        return Markup()
    up = Scale(0.0, 1.05 * max(sum(parts) for _, parts in columns) or 1.0, _HEIGHT - _BOTTOM, _TOP)
    wide = (_WIDTH - _RIGHT - _LEFT) / len(columns)
    bar = min(0.8 * wide, 60.0)
    paths: list[list[str]] = [[] for _ in colours]
    labels = []
    for at, (label, parts) in enumerate(columns):
        middle = _LEFT + (at + 0.5) * wide
        bottom = 0.0
        for path, part in zip(paths, parts, strict=True):
            if part > 0.0:
                top = up(bottom + part)
                path.append(f"M{middle - bar / 2:.4g} {up(bottom):.4g}V{top:.4g}h{bar:.3g}V{up(bottom):.4g}z")
                bottom += part
        if at % math.ceil(len(columns) / 20) == 0:
            labels.append(_text(label, middle, _HEIGHT - _BOTTOM + 16, "middle"))
    across = Scale(0.0, 1.0, _LEFT, _WIDTH - _RIGHT)
    bars = [tag("path", d="".join(path), class_=f"fill {colour}") for path, colour in zip(paths, colours, strict=True)]
    return _picture([*_axes(across, up, x_title, y_title, ticks=False), *bars, *labels], about)


def lying(rows: Mapping[str, Sequence[tuple[str, float]]], x_title: str, *, about: str) -> Markup:
    """Draw lying bars; the colour and length of each part by the name of the bar."""
    most = max((sum(part for _, part in parts) for parts in rows.values()), default=0.0)
    if not most:
        return Markup()
    left, bottom = 130, _TOP + _ROW * len(rows)
    across = Scale(0.0, 1.05 * most, left, _WIDTH - _RIGHT)
    drawn = []
    for value in across.ticks():
        drawn.append(tag("path", d=f"M{across(value):.1f} {_TOP}V{bottom}", class_="grid"))
        drawn.append(_text(f"{value:,.10g}", across(value), bottom + 16, "middle"))
    for at, (name, parts) in enumerate(rows.items()):
        top, start = _TOP + _ROW * at + 5, 0.0
        drawn.append(_text(shortened(name, 18), left - 8, top + 16, "end"))
        for colour, part in parts:
            begin, end = across(start), across(start + part)
            drawn.append(tag("path", d=f"M{begin:.1f} {top}H{end:.1f}v24H{begin:.1f}z", class_=f"fill {colour}"))
            start += part
    drawn.append(_text(x_title, (left + _WIDTH - _RIGHT) / 2, bottom + 36, "middle"))
    return tag("svg", *drawn, viewBox=f"0 0 {_WIDTH} {bottom + 44}", role="img", aria_label=about)


def _picture(parts: Iterable[Markup], about: str) -> Markup:
    return tag("svg", joined(*parts), viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", aria_label=about)


def _axes(across: Scale, up: Scale, x_title: str, y_title: str, *, ticks: bool = True) -> Iterable[Markup]:
    bottom = _HEIGHT - _BOTTOM
    for value in up.ticks():
        y = f"{up(value):.1f}"
        yield tag("path", d=f"M{_LEFT} {y}H{_WIDTH - _RIGHT}", class_="grid")
        yield _text(f"{value:,.10g}", _LEFT - 6, up(value) + 4, "end")
    for value in across.ticks() if ticks else ():
        yield tag("path", d=f"M{across(value):.1f} {_TOP}V{bottom}", class_="grid")
        yield _text(f"{value:,.10g}", across(value), bottom + 16, "middle")
    yield tag("path", d=f"M{_LEFT} {_TOP}V{bottom}H{_WIDTH - _RIGHT}", class_="axis")
    yield _text(x_title, (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 6, "middle")
    middle = (_TOP + bottom) / 2
    yield tag("text", y_title, x=14, y=middle, text_anchor="middle", transform=f"rotate(-90 14 {middle})")


def _text(text: str, x: float, y: float, anchor: str) -> Markup:
    return tag("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)


def _line(line: Line, across: Scale, up: Scale) -> Iterable[Markup]:
    """The line of a curve and its points, which are strokes without a length: a few letters each."""
    places = [(across(x), up(y)) for x, y in sorted(line.points)]
    if line.joined and len(places) > 1:
        parts = [f"M{places[0][0]:.1f} {places[0][1]:.1f}"]
        for (_, _), (x, y) in itertools.pairwise(places):
            step = {"after": f"V{y:.1f}H{x:.1f}", "before": f"H{x:.1f}V{y:.1f}", "": f"L{x:.1f} {y:.1f}"}
            parts.append(step[line.steps])
        yield tag("path", d="".join(parts), class_=f"line {line.colour}{' dashed' if line.dashed else ''}")
    dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)
    yield tag("path", d=dots, class_=f"dots {line.colour}")


def _linear_ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 6.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * each for each in (1.0, 2.0, 5.0, 10.0) if power * each >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(at * step, 10) for at in range(first, math.floor(high / step + 1e-9) + 1)]
