"""Lying bars of the page's charts: amounts by pool or by workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ieco_opt.reports.page import drawing
from ieco_opt.reports.page.charts import SCHEMA, Spec, colours_of, figure, legend
from ieco_opt.reports.page.markup import Markup
from ieco_opt.reports.page.points import Points

_STEP = 34


@dataclass(frozen=True, slots=True)
class BarAxis:
    """A column of amounts and what it is called."""

    column: str
    title: str
    whole: bool = False
    """Whether it counts things."""


def bar_chart(points: Points, axes: Sequence[BarAxis], *, caption: str, about: str) -> Markup:
    """Draw the amounts of all points in the bars that their column ``b`` names, in colours of their curves.

    Parameters
    ----------
    axes
        Amounts to choose from; the still picture shows the first.
    about
        What the chart shows, for those who do not see it.
    """
    used = colours_of(points)
    bars = list(dict.fromkeys(str(each) for each in points.columns["b"]))
    spec: Spec = {
        "$schema": SCHEMA,
        "data": {"name": "points"},
        "height": {"step": _STEP},
        "mark": {"type": "bar", "height": {"band": 0.7}},
        "encoding": {
            "y": {"field": "b", "type": "nominal", "title": None, "sort": bars}
            | {"axis": {"labelLimit": 110, "grid": False}},
            "x": {"field": axes[0].column, "type": "quantitative", "title": axes[0].title, "stack": "zero"}
            | {"axis": _axis(axes[0])},
            "color": {"field": "s", "type": "nominal", "legend": None}
            | {"scale": {"domain": list(range(len(used))), "range": [f"${each}" for each in used]}},
            "order": {"field": "s"},
        },
    }
    options = [
        {"label": each.title, "set": [[["encoding", "x", name], value] for name, value in _named(each)]}
        for each in axes
    ]
    choices = [{"name": "Amount", "options": options}] if len(axes) > 1 else []
    rows = {
        bar: [
            (used[int(number)], float(amount))
            for number, each, amount in zip(
                points.columns["s"], points.columns["b"], points.columns[axes[0].column], strict=True
            )
            if str(each) == bar and isinstance(number, int) and isinstance(amount, int | float)
        ]
        for bar in bars
    }
    still = drawing.lying(rows, axes[0].title, about=about)
    named = [(curve.label, each) for curve, each in zip(points.curves, used, strict=True)]
    present = [entry for at, entry in enumerate(named) if at in points.columns["s"]]
    return figure(points, {"spec": spec, "choices": choices}, still, caption, about, legend(present))


def _axis(axis: BarAxis) -> Spec:
    return {"tickMinStep": 1} if axis.whole else {}


def _named(axis: BarAxis) -> tuple[tuple[str, object], ...]:
    return ("field", axis.column), ("title", axis.title), ("axis", _axis(axis))
