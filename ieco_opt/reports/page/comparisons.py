"""Comparisons on the page: what heuristics propose against the exact frontier."""

from __future__ import annotations

from collections.abc import Sequence

from ieco_opt.reports.page.charts import Axis, curve_chart
from ieco_opt.reports.page.deployments import COST, SPEED, flat, told
from ieco_opt.reports.page.markup import tag
from ieco_opt.reports.page.points import Columns, Curve, Points, facts_of
from ieco_opt.reports.page.shown import Section, Shown, badge, section
from ieco_opt.reports.page.tables import listed, table
from ieco_opt.reports.text import wording
from ieco_opt.reports.text.comparison import above_the_exact, columns_of, legend_of, notes_of
from ieco_opt.reports.text.frontier import columns_of as columns_of_deployments
from ieco_opt.reports.text.table import Column
from ieco_opt.reports.text.table_columns import counts
from ieco_opt.results.comparison import Comparison, HeuristicResult, Proposal


def comparison_section(key: str, one: Shown[Comparison]) -> Section:
    """Chart, table of the heuristics with their regrets, and the exact frontier."""
    comparison = one.answer
    points = _points(f"{key}-points", comparison)
    notes = [note for result in comparison.heuristics for note in notes_of(result)]
    numbered = counts("point", "", list(range(1, len(comparison.deployments) + 1)))
    exact = [numbered, *columns_of_deployments(comparison.deployments, comparison.deployments, energy=False)]
    return section(
        key,
        f"Heuristics against exact: {one.name}",
        *(tag("p", each, class_="warning") for each in wording.warning(comparison)),
        tag("p", wording.subject(comparison), " ", badge(comparison.status), class_="subject"),
        tag("p", f"Exact: {wording.guarantee(comparison)}", class_="proven"),
        listed([*wording.margin(comparison.scenario), *wording.trust(comparison.deployments)]),
        points.block() if len(points) else None,
        curve_chart(
            points,
            Axis("x", SPEED),
            [Axis("c", COST, log=True, steps="after")],
            caption="The exact frontier, and what each heuristic finds that can be launched",
            about="Chart of speed against cost of the exact frontier and of each heuristic",
        )
        if len(points) > 1
        else None,
        table("Heuristics", flat([_halves(column) for column in columns_of(comparison)])),
        listed([*notes, legend_of(comparison.coverage), *above_the_exact(comparison)]),
        table("The exact frontier", exact) if comparison.deployments else None,
    )


def _points(key: str, comparison: Comparison) -> Points:
    """The exact frontier, then what each heuristic found that nothing of its own dominates."""
    found = [
        (number, proposal) for number, result in enumerate(comparison.heuristics, 1) for proposal in _drawn(result)
    ]
    exact = comparison.deployments
    columns: Columns = {
        "s": [*(0 for _ in exact), *(number for number, _ in found)],
        "p": [*(int(item.status == "optimal") for item in exact), *(1 for _ in found)],
        "x": [*(item.speed_tokens_per_s for item in exact), *(each.speed_tokens_per_s for _, each in found)],
        "c": [*(item.cost_usd_per_mtok for item in exact), *(each.cost_usd_per_mtok for _, each in found)],
    }
    said = [*(told(item) for item in exact), *(_said(each) for _, each in found)]
    curves = [Curve("exact"), *(Curve(result.name, joined=False) for result in comparison.heuristics)]
    return Points(key, curves, columns, facts_of(said))


def _halves(column: Column) -> list[Column]:
    """Two columns of one that holds a median and a worst value."""
    if not column.unit.startswith("median"):
        return [column]
    units = column.unit.split()
    name = column.name.removesuffix(" %")
    return [
        Column(name, f"{unit} %", tuple(cell.split()[at] for cell in column.cells)) for at, unit in enumerate(units)
    ]


def _drawn(result: HeuristicResult) -> Sequence[Proposal]:
    return [each for each in result.proposals if each.nondominated and each.speed_tokens_per_s is not None]


def _said(each: Proposal) -> list[tuple[str, str]]:
    """What is said of a proposal, in the words of deployments."""
    pairs = [
        ("speed", f"{each.speed_tokens_per_s:.4g} output tokens/s/user"),
        ("cost", f"${each.cost_usd_per_mtok:.4g} per million output tokens"),
        ("GPUs", f"{each.gpus:g} x {each.accelerator}" if each.accelerator else f"{each.gpus:g}"),
        ("weights", each.weights),
        ("cache", each.kv_cache),
        ("engine", each.engine),
        ("tensor parallel", f"{each.tensor_parallel:g} ({each.tensor_layout} layout)"),
        ("attention data parallel", f"{each.attention_data_parallel:g}"),
        ("pipeline parallel", f"{each.pipeline_parallel:g}"),
        ("expert parallel", f"{each.expert_parallel:g}"),
        ("batch", f"{each.batch:,g} sequences in flight"),
        ("speculation", f"verify width {each.draft_tokens}" if each.draft_tokens else "none"),
    ]
    return [(name, text) for name, text in pairs if text is not None]
