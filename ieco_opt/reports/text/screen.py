"""The answer about one workload on one screen: the best, its proof, how far to trust it, and what stands beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from ieco_opt.catalog.precision import label
from ieco_opt.documents.origin import shortened as listed
from ieco_opt.performance.economics import TOKENS_PER_MTOK
from ieco_opt.reports.text import fleet_wording, wording
from ieco_opt.reports.text.fleet_wording import plain
from ieco_opt.reports.text.launch_lines import launch_lines
from ieco_opt.reports.text.measured import near_measurements
from ieco_opt.reports.text.table import Column, indented, joined, shortened
from ieco_opt.reports.text.terminal_plot import Series, Style, plain_style, plot
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.launching import Launched
from ieco_opt.results.plan import FleetPlan, FleetResult, WorkloadSummary
from ieco_opt.results.variations import Variation, VariationKind, Variations
from ieco_opt.scenario import Fleet

_MARGIN = "        "
_MOST_ROWS = 5
_MARKS = {"colocated": ("o", "cyan"), "disaggregated": ("x", "magenta")}
"""Mark and style of the curves."""


def render_screen(
    result: FleetResult,
    variations: Variations | None,
    launched: Launched | None = None,
    *,
    saved: bool = False,
    width: int = 100,
    style: Style = plain_style,
    joined_points: bool = False,
) -> str:
    """Put the plan of one workload into text.

    Parameters
    ----------
    launched
        The first server of each kind.
    saved
        Whether the files that its commands name are written.
    joined_points
        Whether lines of Braille dots join the points of the curves, as terminals show them.
    """
    plan, summary = result[0], result[0].workloads[0]
    blocks = [_title(result, width), _best(result, plan, summary, width, style), _proof(result, plan, width, style)]
    blocks[1] = blocks[1] + blocks.pop()
    if variations is not None and variations.speeds:
        lines = _curves(result, plan, variations)
        wish = result.scenario.workloads[0].min_speed
        axes = "tokens/s for each user", "tokens/s/GPU"
        blocks.append(plot(lines, *axes, min(width, 100), wish=wish, style=style, joined=joined_points))
    if variations is not None:
        blocks.append(_beside(result, plan, variations, width, style))
    if launched is not None:
        blocks.append(_launch(launched, plan, width, style, saved=saved))
    return "\n\n".join("\n".join(block) for block in blocks if block)


def asks_one_question(fleet: Fleet) -> bool:
    """Whether a fleet is one workload that is priced, as a question on one line is."""
    one = fleet.workloads[0]
    return len(fleet.workloads) == 1 and one.model is not None and one.prompt_tokens is not None


def question(fleet: Fleet, weights: str = "", engines: str = "") -> str:
    """What is asked about the one workload of a fleet, in a line."""
    workload = fleet.workloads[0]
    weights = weights or listed(map(label, workload.weights))
    engines = engines or listed(name for name in workload.servers if name not in ("any", "none"))
    pools = " and ".join(f"{pool.gpus} x {wording.name_of(pool.accelerator)}" for pool in fleet.pools)
    wishes = [f"prompt {workload.prompt_tokens or 0:,}", f"output {workload.output_tokens or 0:,}"]
    if workload.max_time_to_first_token_s is not None:
        wishes.append(f"TTFT <= {workload.max_time_to_first_token_s:g} s")
    if workload.min_speed is not None:
        wishes.append(f"TPOT <= {_ms(1.0 / workload.min_speed)} ms")
    if workload.requests_per_s is not None and fleet.objective != "throughput":
        wishes.append(f"{plain(workload.requests_per_s)} requests/s")
    model = wording.name_of(workload.model) if workload.model is not None else workload.name
    if fleet.limits.max_usd_per_hour is not None:
        wishes.append(f"${fleet.limits.max_usd_per_hour:g}/h at the most")
    with_engines = f", with {engines}" if engines else ""
    return f"{f'{model} {weights}'.strip()} on {pools}: {', '.join(wishes)}{with_engines}"


def _title(result: FleetResult, width: int) -> list[str]:
    """The question, with the precision and the server of the answer."""
    rows = result[0].instances
    weights = listed(sorted({row.weights for row in rows if row.weights}))
    engines = listed(sorted({row.engine for row in rows if row.engine}))
    about = question(result.scenario, weights, engines)
    return [*wording.warning(result), *indented(about, width).split("\n")]


def _best(result: FleetResult, plan: FleetPlan, summary: WorkloadSummary, width: int, style: Style) -> list[str]:
    lines = [_instances_in_words(plan)]
    workload = result.scenario.workloads[0]
    served = summary.requests_per_s
    tokens = served * (workload.output_tokens or 0)
    figures = [f"{plain(served)} requests/s"]
    if tokens and plan.gpus:
        figures += [f"{plain(tokens / plan.gpus, 3)} tokens/s/GPU"]
        figures += [f"${_per_million(plan.usd_per_hour, tokens)} per M output tokens"]
    figures += [f"${plan.usd_per_hour:,.2f}/h", *([] if plan.power_kw is None else [f"{plain(plan.power_kw)} kW"])]
    lines += [_spread(figures, width), _limits(result, plan, summary, style)]
    return _labelled("BEST", [line for line in lines if line], width, style)


def _instances_in_words(plan: FleetPlan) -> str:
    """Which servers run, those that generate tokens first."""
    rows = plan.instances
    generating = [row for row in rows if row.phase != "prefill"]
    how = (
        "prefill and decode together" if all(row.phase == "colocated" for row in rows) else "decode apart from prefill"
    )
    parts = [f"{_copies(row)}{_flight(row)}" for row in generating]
    text = f"{', '.join(parts)}; {how}"
    prefill = [row for row in rows if row.phase == "prefill"]
    return f"{text}: {', '.join(_copies(row) for row in prefill)}" if prefill else text


def _copies(row: InstanceRow) -> str:
    layout = row.layout
    size = "" if row.parallelism is not None and layout == f"TP{row.gpus}" else f" ({wording.counted(row.gpus, 'GPU')})"
    return f"{row.instances} x {layout}{size if row.gpus > 1 else ''}"


def _flight(row: InstanceRow) -> str:
    return "" if row.batch is None else f" with {row.batch:,} requests in flight"


def _limits(result: FleetResult, plan: FleetPlan, summary: WorkloadSummary, style: Style) -> str:
    """What was asked for, and what the plan does; memory of the GPUs that are fullest."""
    workload, parts = result.scenario.workloads[0], []
    first, longest = summary.time_to_first_token_s, workload.max_time_to_first_token_s
    if first is not None:
        parts.append(_of("TTFT", first, longest, "s", style))
    if summary.speed_tokens_per_s is not None:
        slowest = None if workload.min_speed is None else 1000.0 / workload.min_speed
        parts.append(_of("TPOT", 1000.0 / summary.speed_tokens_per_s, slowest, "ms", style))
    memory = [row for row in plan.instances if row.memory_per_gpu_gb is not None and row.memory_limit_gb is not None]
    if memory:
        fullest = max(memory, key=lambda row: (row.memory_per_gpu_gb or 0.0) / (row.memory_limit_gb or 1.0))
        parts.append(_of("memory", fullest.memory_per_gpu_gb or 0.0, fullest.memory_limit_gb, "GB per GPU", style))
    return "    ".join(parts)


def _of(name: str, value: float, limit: float | None, unit: str, style: Style) -> str:
    if limit is None:
        return f"{name} {plain(value, 3)} {unit}"
    binds = f" {style('<- binds', 'yellow')}" if value >= fleet_wording.BINDS * limit else ""
    return f"{name} {plain(value, 3)} of {plain(limit, 3)} {unit}{binds}"


def _proof(result: FleetResult, plan: FleetPlan, width: int, style: Style) -> list[str]:
    proven = style("optimal in the model", "green") if plan.status == "optimal" else style("not optimal", "yellow")
    verdict = fleet_wording.verdict(result, plan).split("; ", 1)[1]
    said = f"{proven}: {verdict.removeprefix('proven optimal: ')}" if plan.status == "optimal" else verdict
    trust = [*near_measurements(result, plan), *wording.trust(plan.instances)]
    lines = _labelled("PROOF", [said], width, style)
    return [*lines, *(_labelled("TRUST", trust, width, style) if trust else [])]


def _curves(result: FleetResult, plan: FleetPlan, variations: Variations) -> list[Series]:
    """What the GPUs can do at each speed, and where this plan is."""
    tokens = result.scenario.workloads[0].output_tokens or 0
    series = [
        Series(
            mark,
            fleet_wording.SERVING[serving],
            [
                (point.min_speed, point.requests_per_s * tokens / point.gpus)
                for point in variations.speeds
                if point.serving == serving and point.gpus
            ],
            style,
        )
        for serving, (mark, style) in _MARKS.items()
    ]
    summary = plan.workloads[0]
    if summary.speed_tokens_per_s is not None and plan.gpus:
        here = (summary.speed_tokens_per_s, summary.requests_per_s * tokens / plan.gpus)
        series.append(Series("@", "this plan", [here]))
    return series


_TITLES: dict[VariationKind, str] = {
    "change": "CHANGE ONE THING",
    "layout": "OTHER LAYOUTS",
    "accelerator": "OTHER GPUs",
}


def _beside(result: FleetResult, plan: FleetPlan, variations: Variations, width: int, style: Style) -> list[str]:
    """Three tables, side by side where there is room."""
    tables = [
        _table(result, plan, title, _chosen(plan, variations, kind), costs=kind == "accelerator")
        for kind, title in _TITLES.items()
    ]
    tables = [table for table in tables if table]
    lines = _side_by_side(tables, width)
    # Only now, since a style has letters that take no room.
    for title in _TITLES.values():
        lines = [line.replace(title, style(title, "bold")) for line in lines]
    if variations.stopped is not None:
        lines.append(f"stopped early ({variations.stopped}): not all was looked at")
    return lines


def _chosen(plan: FleetPlan, variations: Variations, kind: VariationKind) -> list[Variation]:
    """Those of one kind; of layouts the best few that are not the plan's own."""
    found = [each for each in variations.beside if each.kind == kind]
    if kind != "layout":
        return found
    own = _own_layout(plan)
    seen: dict[str, Variation] = {each.label: each for each in found if each.label != own and each.requests_per_s}
    best = sorted(seen.values(), key=lambda each: (-(each.requests_per_s or 0.0), each.usd_per_hour or math.inf))
    return best[:_MOST_ROWS]


def _own_layout(plan: FleetPlan) -> str:
    rows = [row for row in plan.instances if row.phase != "prefill"]
    parts = [f"{row.instances} x {row.layout}" for row in rows]
    split = any(row.phase == "prefill" for row in plan.instances)
    return " + ".join(parts) + (" split" if split else "")


def _table(result: FleetResult, plan: FleetPlan, title: str, rows: Sequence[Variation], *, costs: bool) -> list[str]:
    """What each serves or costs, and by how much that is more or less."""
    if not rows:
        return []
    objective, tokens = fleet_wording.objective(result), result.scenario.workloads[0].output_tokens or 0
    values = [_value(each, objective) for each in rows]
    names = {"throughput": "requests/s", "cost": "$/h", "power": "$/h", "gpus": "GPUs"}
    own = {
        "throughput": plan.workloads[0].requests_per_s,
        "gpus": float(plan.gpus),
    }.get(objective, plan.usd_per_hour)
    columns = [
        Column(title, "", tuple(shortened(each.label, 22) for each in rows), words=True),
        Column(names[objective], "", tuple("not possible" if value is None else plain(value) for value in values)),
        Column(
            "",
            "",
            tuple("" if value is None or not own else f"{100.0 * (value / own - 1.0):+.0f} %" for value in values),
        ),
    ]
    if costs and tokens:
        costs_of = (_per_million(each.usd_per_hour, tokens * (each.requests_per_s or 0.0)) for each in rows)
        columns[2] = Column("$/M tok", "", tuple(costs_of))
    return [line for at, line in enumerate(joined(columns).split("\n")) if at != 1]


def _value(each: Variation, objective: str) -> float | None:
    if objective == "throughput":
        return each.requests_per_s
    return each.usd_per_hour if objective != "gpus" else None if each.gpus is None else float(each.gpus)


def _per_million(usd_per_hour: float | None, tokens_per_s: float) -> str:
    """Dollars for a million output tokens, with three significant digits and cents in full."""
    if usd_per_hour is None or not tokens_per_s:
        return ""
    value = usd_per_hour / (3600.0 * tokens_per_s) * TOKENS_PER_MTOK
    return f"{value:#.3g}".rstrip(".") if value < 1000.0 else f"{value:,.0f}"


def _side_by_side(tables: Sequence[list[str]], width: int) -> list[str]:
    """Blocks of lines next to each other as far as they fit, and the others below."""
    lines: list[str] = []
    row: list[list[str]] = []
    for table in [*tables, []]:
        together = sum(max(map(len, each)) + 3 for each in [*row, table] if each)
        if table and (not row or together - 3 <= width):
            row.append(table)
            continue
        if row:
            lines += ([""] if lines else []) + _joined(row)
        row = [table] if table else []
    return lines


def _joined(blocks: Sequence[list[str]]) -> list[str]:
    height = max(map(len, blocks))
    wide = [max(map(len, block)) for block in blocks]
    return [
        "   ".join(
            (block[at] if at < len(block) else "").ljust(each) for block, each in zip(blocks, wide, strict=True)
        ).rstrip()
        for at in range(height)
    ]


def _launch(launched: Launched, plan: FleetPlan, width: int, style: Style, *, saved: bool) -> list[str]:
    """The first command in full, what it does not do, and how many there are."""
    lines = launch_lines(launched, plan, width - len(_MARGIN), saved=saved)
    return [*_under("LAUNCH", lines, style)] if lines else []


def next_steps(steps: Sequence[str], width: int, style: Style = plain_style) -> list[str]:
    """What to do next, as many beside each other as there is room for."""
    lines = [""]
    for step in steps:
        together = f"{lines[-1]}    {step}" if lines[-1] else step
        if lines[-1] and len(together) > width - len(_MARGIN):
            lines.append(step)
        else:
            lines[-1] = together
    return [*_under("NEXT", [part for line in lines for part in _filled(line, width)], style)]


def _under(label: str, lines: Sequence[str], style: Style) -> Iterator[str]:
    yield f"{style(label.ljust(len(_MARGIN)), 'bold')}{lines[0]}"
    yield from (f"{_MARGIN}{line}" for line in lines[1:])


def _labelled(label: str, lines: Iterable[str], width: int, style: Style) -> list[str]:
    """Lines under a label at the left."""
    return [*_under(label, [part for line in lines for part in _filled(line, width)], style)]


def _filled(line: str, width: int) -> list[str]:
    """One line, broken where it is too long; what has a style is left whole."""
    if "\x1b" in line or len(line) <= width - len(_MARGIN):
        return [line]
    return [part.rstrip() for part in indented(line, width - len(_MARGIN)).split("\n")]


def _spread(parts: Sequence[str], width: int) -> str:
    """Figures with much room between them, where there is any."""
    wide = "    ".join(parts)
    return wide if len(wide) <= width - len(_MARGIN) else "  ".join(parts)


def _ms(seconds: float) -> str:
    return f"{1000.0 * seconds:.4g}"
