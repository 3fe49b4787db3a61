"""What stands beside the plan of one workload: its curve over speed, and the question with one thing changed."""

from __future__ import annotations

from collections.abc import Sequence

from ieco_opt.reports.page.charts import Axis, curve_chart
from ieco_opt.reports.page.markup import Markup, cells, joined, tag
from ieco_opt.reports.page.points import Columns, Curve, Points, facts_of
from ieco_opt.reports.page.tables import table_of
from ieco_opt.reports.text.fleet_wording import SERVING, plain
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.variations import SpeedPoint, Variation, VariationKind, Variations

_TITLES: dict[VariationKind, tuple[str, str]] = {
    "change": ("Change one thing", "change"),
    "layout": ("Other layouts", "layout"),
    "accelerator": ("Other GPUs", "GPUs"),
}


def varied(key: str, result: FleetResult, variations: Variations | None) -> Markup:
    """The curve and the tables; nothing where nothing was looked at."""
    if variations is None:
        return Markup()
    tables = [
        _table(title, head, [each for each in variations.beside if each.kind == kind])
        for kind, (title, head) in _TITLES.items()
    ]
    early = f"stopped early ({variations.stopped}): not all was looked at" if variations.stopped else None
    return joined(
        tag("h3", "What one change buys"),
        tag("p", early, class_="warning") if early else None,
        _curve(key, result, variations.speeds),
        tag("div", *tables, class_="beside"),
    )


def _table(title: str, head: str, found: Sequence[Variation]) -> Markup:
    proven = all(each.proven for each in found)
    rows = [
        cells(
            "td",
            [
                each.label,
                *(["not possible"] * 3 if each.requests_per_s is None else _worth(each)),
                *([] if proven else ["proven" if each.proven else "not proven"]),
            ],
        )
        for each in found
    ]
    heads = [head, "requests/s", "$/h", "GPUs", *([] if proven else ["proof"])]
    return table_of(title, heads, [1, 5], rows) if rows else Markup()


def _worth(each: Variation) -> list[str]:
    cost = "-" if each.usd_per_hour is None else f"{each.usd_per_hour:,.2f}"
    served = "-" if each.requests_per_s is None else plain(each.requests_per_s)
    return [served, cost, "-" if each.gpus is None else f"{each.gpus:,}"]


def _curve(key: str, result: FleetResult, speeds: Sequence[SpeedPoint]) -> Markup:
    """The best of each mode at each least speed, and the plan itself."""
    plan, tokens = result[0], result.scenario.workloads[0].output_tokens or 0
    speed = plan.workloads[0].speed_tokens_per_s
    modes = list(dict.fromkeys(point.serving for point in speeds))
    rows = [
        (modes.index(point.serving), point.min_speed, point.requests_per_s, point.usd_per_hour, point.gpus)
        for point in speeds
    ]
    if not rows or not tokens:
        return Markup()
    if speed is not None:
        rows.append((len(modes), speed, plan.workloads[0].requests_per_s, plan.usd_per_hour, plan.gpus))
    told = [
        [
            ("least speed" if number < len(modes) else "speed", f"{plain(least)} tokens/s for each user"),
            ("requests", f"{plain(served)} requests/s"),
            ("cost", f"${dollars:,.2f}/h"),
            ("GPUs", f"{gpus:,}"),
        ]
        for number, least, served, dollars, gpus in rows
    ]
    columns: Columns = {
        "s": [number for number, *_ in rows],
        "p": [1] * len(rows),
        "x": [least for _, least, *_ in rows],
        "g": [served * tokens / gpus if gpus else None for *_, served, _, gpus in rows],
        "r": [served for _, _, served, _, _ in rows],
    }
    curves = [
        *(Curve(SERVING[mode]) for mode in modes),
        *([Curve("this plan", joined=False, large=True)] if speed else []),
    ]
    points = Points(key, curves, columns, facts_of(told))
    return joined(
        points.block(),
        curve_chart(
            points,
            Axis("x", "tokens/s for each user"),
            [Axis("g", "output tokens/s/GPU"), Axis("r", "requests/s")],
            caption="The best at each least speed, prefill and decode together or split",
            about="Curve of output tokens/s/GPU against the least speed of each user",
        ),
    )
