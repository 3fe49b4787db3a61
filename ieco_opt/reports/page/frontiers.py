"""Frontiers and single deployments on the page, overlaid where there are several."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ieco_opt.reports.page.charts import Area, Axis, colour, curve_chart, stack_chart
from ieco_opt.reports.page.deployments import (
    COST,
    MEMORY,
    MEMORY_CAPTION,
    MEMORY_TITLE,
    PER_GPU,
    SPEED,
    TIMES,
    TIMES_CAPTION,
    TIMES_TITLE,
    flat,
    part_bars,
    points_of,
)
from ieco_opt.reports.page.launches import of_points
from ieco_opt.reports.page.markup import Markup, Part, joined, tag
from ieco_opt.reports.page.points import Curve, Points
from ieco_opt.reports.page.shown import Section, Shown, badge, section
from ieco_opt.reports.page.tables import listed, table
from ieco_opt.reports.text import several, wording
from ieco_opt.reports.text.deployment import verdict
from ieco_opt.reports.text.frontier import columns_of
from ieco_opt.reports.text.table_columns import counts, words
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import GuaranteeKind
from ieco_opt.scenario.margin import in_words

_MARGIN = 1.3

Group = tuple[Curve, Sequence[Deployment]]

_ORDER = "points, fastest first"


def frontier_section(shown: Sequence[Shown[Frontier]]) -> Section:
    """Charts, tables, proofs and commands of all frontiers and single deployments of a page."""
    frontiers = [one.answer for one in shown]
    named = list(zip(several.labels(frontiers), shown, strict=True))
    by_result = [_groups(label, one) for label, one in named]
    groups = flat(by_result)
    # Both ends of a band have one colour.
    colours = [colour(number) for number, own in enumerate(by_result) for _ in own]
    energy = any(map(wording.energy_matters, frontiers))
    points = points_of("deployments", groups, energy=energy, colours=colours)
    alone = all(one.answer.question.kind != "frontier" for one in shown)
    title = "The best deployment" if alone and len(shown) == 1 else "Speed against cost"
    return section(
        "frontiers",
        title,
        tag("div", *(_proof(label, one.answer, named=len(shown) > 1) for label, one in named), class_="proofs"),
        tag("p", _WITHIN, " ", _RANGE if any(map(_trusted, frontiers)) else None, class_="small"),
        tag("div", joined(_charts(points, named), _card(len(points))), class_="looked-at") if len(points) else None,
        points.block() if len(points) else None,
        _table(groups, energy=energy),
        tag("h3", "Start it") if len(points) else None,
        of_points(named) if len(points) else None,
    )


def _groups(label: str, one: Shown[Frontier]) -> list[Group]:
    """The deployments of a result, and those of the pessimistic end of a band."""
    command = one.command("launch", "--point")
    found: list[Group] = [
        (Curve(label, one.answer.question.kind == "frontier", command=command), one.answer.deployments)
    ]
    end = one.answer.pessimistic_end()
    if end is not None and len(end):
        found.append((Curve(f"{label}, pessimistic end", dashed=True), end.deployments))
    return found


def _proof(label: str, frontier: Frontier, *, named: bool) -> Markup:
    """What was asked, what is proven, and how far the times can be trusted."""
    single = frontier.question.kind != "frontier" and len(frontier) == 1
    proof = wording.proof([(item.status, item.gap) for item in frontier])
    proven = verdict(frontier, frontier[0]) if single else f"{wording.guarantee(frontier)}; {proof}"
    items: list[Part] = [*wording.decoding_alone(frontier.scenario), *wording.chosen_objective(frontier)]
    items += [*wording.margin(frontier.scenario), *_band(frontier), *_open(frontier)]
    items += [*_trusted(frontier), wording.statistics(frontier)]
    warned = wording.warning(frontier)
    return tag(
        "div",
        tag("h3", label, " ", badge(frontier.status)) if named else tag("p", badge(frontier.status)),
        *(tag("p", each, class_="warning") for each in warned),
        tag("p", wording.subject(frontier), class_="subject"),
        tag("p", proven, class_="proven"),
        listed(items),
        class_="proof",
    )


_WITHIN = (
    "Proofs are about the performance model and the configurations that a scenario lists; they do not say that the "
    "model is your cluster."
)
_RANGE = (
    "Expected error: nine times in ten a measured time is that close to the predicted one, in the range of "
    "configurations that measurements cover (the validated range)."
)


def _trusted(frontier: Frontier) -> list[str]:
    return wording.trust(frontier.deployments)


def _band(frontier: Frontier) -> list[str]:
    end = frontier.pessimistic_end()
    if end is None or frontier.pessimistic is None:
        return []
    error = in_words(frontier.pessimistic.errors)
    told = f"Calibration band, pessimistic end: every time and cost is {error} more than the model says"
    if end.guarantee.kind is GuaranteeKind.NONE:
        return [f"{told}; proven: no deployment meets the limits then"]
    return [f"{told}; {wording.guarantee(end)}"]


def _open(frontier: Frontier) -> list[str]:
    if not frontier.open_regions:
        return []
    return [f"{wording.counted(frontier.open_regions, 'region')} of speed and cost left open (shaded in the chart)"]


def _charts(points: Points, named: Sequence[tuple[str, Shown[Frontier]]]) -> Markup:
    frontiers = [one.answer for _, one in named]
    parts: list[Part] = []
    if len(points) > 1:
        parts.append(
            curve_chart(
                points,
                Axis("x", SPEED),
                [Axis("c", COST, log=True, steps="after"), Axis("g", PER_GPU)],
                caption="What each point costs, or what each GPU yields, against the speed that each user sees",
                about="Chart of cost against speed; the table below holds every point",
                open_areas=_areas(frontiers),
            )
        )
    about = "Bars of launch overhead, network, memory and compute", "Bars of the memory of the most loaded GPU"
    if all(len(frontier) <= 1 for frontier in frontiers):
        single = [(label, one.answer[0]) for label, one in named if len(one.answer)]
        parts += [
            part_bars("times", single, TIMES, TIMES_TITLE, caption=TIMES_CAPTION, about=about[0]),
            part_bars("memory", single, MEMORY, MEMORY_TITLE, caption=MEMORY_CAPTION, about=about[1]),
        ]
    else:
        parts += [
            stack_chart(points, TIMES, TIMES_TITLE, caption=TIMES_CAPTION, about=about[0], x_title=_ORDER),
            stack_chart(points, MEMORY, MEMORY_TITLE, caption=MEMORY_CAPTION, about=about[1], x_title=_ORDER),
        ]
    return tag("div", *parts, class_="charts")


def _areas(frontiers: Sequence[Frontier]) -> list[Area]:
    """Where stopped searches may have missed something, as far as that has a place on both axes."""
    boxes = [box for frontier in frontiers for box in frontier.open_regions]
    items = [item for frontier in frontiers for item in frontier]
    if not boxes or not items:
        return []
    fastest = _MARGIN * max(item.speed_tokens_per_s for item in items)
    costs = [item.cost_usd_per_mtok for item in items]
    least, most = min(costs) / _MARGIN, max(costs) * _MARGIN
    areas = [
        Area(
            0.0 if math.isinf(box.latency_hi_s) else min(1.0 / box.latency_hi_s, fastest),
            min(1.0 / box.latency_lo_s, fastest) if box.latency_lo_s > 0.0 else fastest,
            min(max(box.cost_lo, least), most),
            min(max(box.cost_hi, least), most),
        )
        for box in boxes
    ]
    return [each for each in areas if each.left < each.right and each.bottom < each.top]


def _card(count: int) -> Markup:
    """Where the page's script says everything about the point that is pointed at."""
    walk = tag("input", type="range", min=1, max=count, value=1, class_="walk", aria_label="Point of the charts")
    hint = "Point at a chart or at a row of the table, or move the slider."
    return tag(
        "aside",
        tag("div", walk, class_="scripted", hidden=count < 2),
        tag("div", tag("p", hint), class_="told", aria_live="polite"),
        class_="card",
        data_points="deployments",
        # It scrolls where it is higher than the screen, also by the keyboard.
        tabindex=0,
        aria_label="Details of one point",
    )


def _table(groups: Sequence[Group], *, energy: bool) -> Markup:
    """Every deployment in the columns of the terminal's table."""
    every = flat([items for _, items in groups])
    columns = columns_of(every, every, energy=energy)
    numbered = counts("point", "", [at for _, items in groups for at, _ in enumerate(items, 1)])
    first = [words("scenario", (curve.label for curve, items in groups for _ in items))] if len(groups) > 1 else []
    letters = wording.letters_in([item.parallelism.short() for item in every])
    caption = "Every point of the frontier" if len(groups) == 1 else "Every point of every frontier"
    if len(every) < 2:
        caption = "The deployment"
    return joined(table(caption, [*first, numbered, *columns], points="deployments"), _small(letters))


def _small(lines: Sequence[str]) -> Markup:
    return joined(*(tag("p", line, class_="small") for line in lines))
