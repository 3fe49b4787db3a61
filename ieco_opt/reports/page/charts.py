"""Charts of the page: a Vega-Lite specification, what can be chosen of it, and a still picture that says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ieco_opt.reports.page import drawing
from ieco_opt.reports.page.markup import Markup, Part, data, joined, tag
from ieco_opt.reports.page.points import Points, evenly

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

Spec = dict[str, Any]

COLOURS = 15
"""Colours of curves in the style sheet; more curves begin again."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A column of the points along an axis; ``log`` where that scale is taken unless somebody chooses the other."""

    column: str
    title: str
    log: bool = False
    steps: drawing.Steps = ""
    """Which of two points tells what holds between them: the one ``after`` (of speeds), the one ``before``, or none."""


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle in which a stopped search may have missed something, in units of the axes."""

    left: float
    right: float
    bottom: float
    top: float


def colour(curve: int) -> str:
    """Class and property of the style sheet that hold the colour of a curve."""
    return f"c{curve % COLOURS}"


# Curves


def curve_chart(
    points: Points, x: Axis, ys: Sequence[Axis], *, caption: str, about: str, open_areas: Sequence[Area] = ()
) -> Markup:
    """Draw the points of all curves against two columns.

    Parameters
    ----------
    ys
        Vertical axes to choose from; the still picture shows the first, which areas are about.
    about
        What the chart shows, for those who do not see it.
    """
    spec = _curve_spec(points, x, ys[0], open_areas)
    lines = [
        drawing.Line(
            [
                (float(across), float(up))
                for at in points.of(number)
                if (across := points.columns[x.column][at]) is not None
                and (up := points.columns[ys[0].column][at]) is not None
            ],
            colours_of(points)[number],
            curve.joined,
            curve.dashed,
            ys[0].steps,
        )
        for number, curve in enumerate(points.curves)
    ]
    still = drawing.curves(lines, x.title, _titled(ys[0]), log=ys[0].log, about=about)
    chosen = {"spec": spec, "choices": _curve_choices(points, x, ys, open_areas), "nearest": [x.column, ys[0].column]}
    key = legend(
        [(each.label, kind) for each, kind in zip(points.curves, colours_of(points), strict=True)], chosen=True
    )
    return figure(points, chosen, still, caption, about, key)


def colours_of(points: Points) -> list[str]:
    """The colour of every curve."""
    return list(points.colours) or [colour(at) for at in range(len(points.curves))]


def _titled(axis: Axis) -> str:
    return f"{axis.title}, log scale" if axis.log else axis.title


def _scale(*, log: bool) -> Spec:
    return {"type": "log", "zero": False, "nice": False, "padding": 12} if log else {"type": "linear", "zero": True}


def _curve_spec(points: Points, x: Axis, y: Axis, open_areas: Sequence[Area]) -> Spec:
    """Areas, expected errors, lines, points, and the ring around the point that is meant: back to front."""
    across, up = ({"field": each.column, "type": "quantitative", "title": each.title} for each in (x, y))
    corners = {"x": across | {"field": "x0"}, "x2": {"field": "x1"}, "y": up | {"field": "y0"}, "y2": {"field": "y1"}}
    colours = _of_curves(points, [f"${each}" for each in colours_of(points)])
    areas = [{"x0": each.left, "x1": each.right, "y0": each.bottom, "y1": each.top} for each in open_areas]
    layers: list[Spec] = [
        {
            "data": {"values": areas},
            "mark": {"type": "rect", "color": "$open", "opacity": 0.35},
            "encoding": corners,
        },
        {
            "transform": _spread(x, y, shown=False),
            "mark": {"type": "rule", "strokeWidth": 7, "opacity": 0.22, "strokeCap": "round"},
            "encoding": corners | {"color": colours},
        },
        _line_layer(points, y, colours),
        _point_layer(points, colours),
        {
            "data": {"name": "active"},
            "mark": {"type": "point", "size": 260, "strokeWidth": 2.5, "color": "$text", "filled": False},
            "encoding": {"x": across, "y": up},
        },
    ]
    return {
        "$schema": SCHEMA,
        "data": {"name": "points"},
        "height": 380,
        "encoding": {"x": across | {"scale": _scale(log=x.log)}, "y": up | {"scale": _scale(log=y.log)}},
        "layer": layers,
    }


def _of_curves(points: Points, values: Sequence[str]) -> Spec:
    """An encoding that gives every curve a value of its own."""
    scale = {"domain": list(range(len(points.curves))), "range": list(values)}
    return {"field": "s", "type": "nominal", "legend": None, "scale": scale}


def _line_layer(points: Points, y: Axis, colours: Spec) -> Spec:
    solid = [at for at, curve in enumerate(points.curves) if curve.joined]
    dashed = [at for at, curve in enumerate(points.curves) if curve.dashed]
    broken = {"condition": {"test": {"field": "s", "oneOf": dashed}, "value": [5, 4]}, "value": [1, 0]}
    return {
        "transform": [{"filter": {"field": "s", "oneOf": solid}}],
        "mark": {"type": "line", "interpolate": _joint(y), "opacity": 0.75, "strokeWidth": 1.6},
        "encoding": {"color": colours, "strokeDash": broken, "detail": {"field": "s"}},
    }


def _point_layer(points: Points, colours: Spec) -> Spec:
    """Points, in a shape of their curve; hollow where they are not proven."""
    shapes = [_SHAPES[at % len(_SHAPES)] for at in range(len(points.curves))]
    filled = {"condition": {"test": "datum.p === 1", "value": 1}, "value": 0.15}
    chosen = [at for at, curve in enumerate(points.curves) if curve.large]
    large = {"condition": {"test": {"field": "s", "oneOf": chosen}, "value": 170}, "value": 52}
    return {
        "mark": {"type": "point", "filled": True, "opacity": 1},
        "encoding": {"color": colours, "shape": _of_curves(points, shapes), "fillOpacity": filled, "size": large},
    }


_MOST_STILL, _LEAST_STILL = 120, 8
"""Bars of still pictures, of all curves together and of each."""

_SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "triangle-right", "triangle-left")


def _joint(y: Axis) -> str:
    # Vega-Lite says where the step is, not whose value it carries.
    return {"after": "step-before", "before": "step-after", "": "linear"}[y.steps]


def _spread(x: Axis, y: Axis, *, shown: bool) -> list[Spec]:
    """Where measurements of a point may lie: speed and throughput divided, cost multiplied by 1 - e to 1 + e."""
    worse, better = "(1 + datum.e)", "(1 - datum.e)"
    rises = y.column != "c"
    at = {
        "x0": f"datum.{x.column} / {worse}",
        "x1": f"datum.{x.column} / {better}",
        "y0": f"datum.{y.column} / {worse}" if rises else f"datum.{y.column} * {worse}",
        "y1": f"datum.{y.column} / {better}" if rises else f"datum.{y.column} * {better}",
    }
    test = "isValid(datum.e) && datum.e < 0.9" if shown else "false"
    return [{"filter": test}, *({"calculate": how, "as": name} for name, how in at.items())]


def _curve_choices(points: Points, x: Axis, ys: Sequence[Axis], open_areas: Sequence[Area]) -> list[Spec]:
    """What readers can change, each option with the places of the specification that it sets."""
    choices: list[Spec] = []
    if len(ys) > 1:
        choices.append({"name": "Vertical axis", "options": [_vertical(x, y, ys[0], open_areas) for y in ys]})
    for name, channel, axis in (("Speed axis", "x", x), ("Vertical scale", "y", ys[0])):
        place = ["encoding", channel, "scale"]
        options = [{"label": word, "set": [[place, _scale(log=log)]]} for word, log in _SCALES]
        name = "Horizontal scale" if channel == "x" and x.column != "x" else name
        choices.append({"name": name, "options": options, "at": int(axis.log)})
    if any(each is not None for each in points.columns.get("e", ())):
        shown = [
            {"label": word, "set": [[["layer", 1, "transform", 0, "filter"], _spread(x, ys[0], shown=on)[0]["filter"]]]}
            for word, on in (("hidden", False), ("shown", True))
        ]
        choices.append({"name": "Expected error", "options": shown})
    return choices


_SCALES = (("linear", False), ("log", True))


def _vertical(x: Axis, y: Axis, first: Axis, open_areas: Sequence[Area]) -> Spec:
    kept = [{"x0": each.left, "x1": each.right, "y0": each.bottom, "y1": each.top} for each in open_areas]
    fields = [[["encoding", "y", name], value] for name, value in (("field", y.column), ("title", y.title))]
    layers: list[list[Any]] = [[["layer", 4, "encoding", "y", "field"], y.column]]
    layers += [[["layer", at, "encoding", "y", "title"], y.title] for at in (0, 1, 4)]
    spread = [[["layer", 1, "transform", at], each] for at, each in enumerate(_spread(x, y, shown=False)) if at]
    rest = [
        [["layer", 0, "data", "values"], kept if y is first else []],
        [["layer", 2, "mark", "interpolate"], _joint(y)],
    ]
    return {"label": y.title, "set": [*fields, *layers, *spread, *rest], "nearest": [x.column, y.column]}


# Stacks


def stack_chart(
    points: Points, parts: Mapping[str, tuple[str, str]], title: str, *, caption: str, about: str, x_title: str
) -> Markup:
    """Draw parts of every point one above the other, the points in their order; of one curve at a time.

    Parameters
    ----------
    parts
        Column and colour of each part by its name, from below.
    title
        Of the vertical axis.
    """
    shown = [at for at in range(len(points.curves)) if _known(points, at, parts)]
    if not shown:
        return Markup()
    columns = [column for column, _ in parts.values()]
    spec: Spec = {
        "$schema": SCHEMA,
        "data": {"name": "points"},
        "height": 300,
        "encoding": {
            "x": {"field": "n", "type": "ordinal", "title": x_title}
            | {"axis": {"labelAngle": 0, "labelOverlap": True, "grid": False}},
        },
        "layer": [
            {
                "transform": [
                    {"filter": f"datum.s === {shown[0]}"},
                    {"fold": columns, "as": ["part", "amount"]},
                    {"calculate": f"indexof({columns!r}, datum.part)", "as": "order"},
                ],
                "mark": {"type": "bar", "width": {"band": 0.82}},
                "encoding": {
                    "y": {"field": "amount", "type": "quantitative", "title": title, "stack": "zero"},
                    "color": {"field": "part", "type": "nominal", "legend": None}
                    | {"scale": {"domain": columns, "range": [f"${name}" for _, name in parts.values()]}},
                    "order": {"field": "order"},
                },
            },
            {
                "data": {"name": "active"},
                "mark": {"type": "bar", "width": {"band": 0.82}, "filled": False, "stroke": "$text", "strokeWidth": 2},
                "encoding": {"y": {"field": "whole", "type": "quantitative"}},
            },
        ],
    }
    chosen: Spec = {"spec": spec, "choices": [], "parts": columns, "curve": shown[0]}
    if len(shown) > 1:
        place = ["layer", 0, "transform", 0, "filter"]
        options = [
            {"label": points.curves[at].label, "set": [[place, f"datum.s === {at}"]], "curve": at} for at in shown
        ]
        chosen["choices"] = [{"name": "Scenario", "options": options, "list": True}]
    most = max(_LEAST_STILL, _MOST_STILL // len(shown))
    stills = [_still_stack(points, at, parts, title, about, x_title, most, named=len(shown) > 1) for at in shown]
    key = legend([(name, each) for name, (_, each) in parts.items()])
    return figure(points, chosen, joined(*stills), caption, about, key)


def _known(points: Points, curve: int, parts: Mapping[str, tuple[str, str]]) -> bool:
    places = points.of(curve)
    return bool(places) and any(points.columns[column][places[0]] is not None for column, _ in parts.values())


def _still_stack(
    points: Points,
    curve: int,
    parts: Mapping[str, tuple[str, str]],
    title: str,
    about: str,
    x_title: str,
    most: int,
    *,
    named: bool,
) -> Markup:
    columns = [
        (str(points.columns["n"][at]), [float(points.columns[column][at] or 0.0) for column, _ in parts.values()])
        for at in evenly(points.of(curve), most)
    ]
    label = points.curves[curve].label
    picture = drawing.stacks(
        columns, [name for _, name in parts.values()], x_title, title, about=f"{label}: {about}" if named else about
    )
    return joined(tag("p", label, class_="of"), picture) if named else picture


# Both


def legend(entries: Sequence[tuple[str, str]], *, chosen: bool = False) -> Markup:
    """Colours and what they mean; where there are several curves, the page's script lets readers hide some."""
    if chosen and len(entries) < 2:
        return Markup()
    items = [tag("li", tag("span", class_=f"swatch {name}"), tag("span", label)) for label, name in entries]
    return tag("ul", *items, class_="legend curves" if chosen else "legend")


def figure(points: Points, chosen: Spec, still: Markup, caption: str, about: str, key: Part) -> Markup:
    """The chart with its legend, the still picture, and what the page's script draws it from."""
    return tag(
        "figure",
        tag("figcaption", caption),
        key,
        tag("div", class_="live", role="img", aria_label=about),
        tag("div", still, class_="still"),
        data(chosen),
        class_="chart",
        data_points=points.id,
    )
