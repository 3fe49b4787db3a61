"""One plan of a fleet on the page: pools filled by workloads, what each costs, what binds, and what starts it."""

from __future__ import annotations

from collections.abc import Sequence

from ieco_opt.reports.page.bars import BarAxis, bar_chart
from ieco_opt.reports.page.binding import binding_table
from ieco_opt.reports.page.charts import colour
from ieco_opt.reports.page.launches import of_plan
from ieco_opt.reports.page.markup import Markup, Part, cells, joined, tag
from ieco_opt.reports.page.points import Columns, Curve, Points, facts_of
from ieco_opt.reports.page.shown import Section, Shown, badge, section
from ieco_opt.reports.page.tables import listed, named_in_full, pairs, table, table_of
from ieco_opt.reports.page.varied import varied
from ieco_opt.reports.text import fleet, fleet_wording, wording
from ieco_opt.reports.text.fleet_nodes import nodes_alike, ranges
from ieco_opt.reports.text.fleet_wording import plain
from ieco_opt.reports.text.stated import stated
from ieco_opt.reports.text.table import Column
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan, FleetResult, NodeRow
from ieco_opt.results.variations import Variations

_IDLE, _FREE = "allocated, idle", "not allocated"
_MOST_STRIP = 360
"""Widest picture of a node, in units of the page."""

Part_ = tuple[str, str]
"""Workload and phase."""


def plan_section(key: str, one: Shown[FleetResult], variations: Variations | None) -> Section:
    """Everything of the one plan of a result."""
    result, plan = one.answer, one.answer[0]
    kept = stated(result.scenario)
    named: list[Part_] = [(row.workload, row.phase) for row in plan.instances]
    parts = list(dict.fromkeys([*named, *((row.workload, row.phase) for row in plan.nodes)]))
    filled, by_workload = _filled(f"{key}-pools", plan, parts), _by_workload(f"{key}-workloads", plan)
    return section(
        key,
        f"Plan of {one.name}",
        _head(result, plan),
        tag("h3", "Pools and nodes"),
        filled.block(),
        bar_chart(
            filled,
            [BarAxis("u", "GPUs", whole=True)],
            caption="GPUs of each pool: workloads, what is allocated but idle, and what is not allocated",
            about="Bars of the GPUs of each pool by workload; the tables below hold the same",
        ),
        _nodes(plan, parts),
        table("Pools", fleet.pools_table(result, plan, kept).columns),
        tag("h3", "Workloads"),
        by_workload.block() if len(by_workload) > 1 else None,
        bar_chart(
            by_workload,
            _amounts(plan),
            caption="Cost, power and energy by workload",
            about="Bars of the hourly cost, GPUs, power and energy of each workload",
        )
        if len(by_workload) > 1
        else None,
        table("Workloads, in requests/s", fleet.workloads_table(plan, kept).columns),
        table(*_instances(result, plan, kept)),
        tag("h3", "What binds, and what is left"),
        binding_table(result, plan),
        _cheaper(result, plan),
        varied(f"{key}-varied", result, variations),
        tag("h3", "Start it"),
        of_plan(one),
    )


def _head(result: FleetResult, plan: FleetPlan) -> Markup:
    """What the plan comes to, and how good it is."""
    energy = None if plan.energy_kw is None else f"{plain(plan.energy_kw)} kW on average"
    figures: list[tuple[str, Part]] = [
        *([("Serves", fleet_wording.served(result, plan))] if "throughput" in (result.question.objective,) else []),
        ("Cost", f"${plan.usd_per_hour:,.2f}/h"),
        ("GPUs", f"{plan.gpus:,}"),
        *([] if plan.power_kw is None else [("Power of the boards", f"{plain(plan.power_kw)} kW")]),
        *([] if energy is None else [("Energy", energy)]),
        ("Proof", badge(result.status)),
    ]
    told: list[Part] = [*fleet_wording.choice(result, plan), *fleet_wording.energy(result, plan)]
    told += [*wording.margin(result.scenario), *wording.trust(plan.instances), fleet_wording.statistics(result)]
    return joined(
        *(tag("p", each, class_="warning") for each in wording.warning(result)),
        tag("div", pairs(figures), class_="figures"),
        tag("p", fleet_wording.verdict(result, plan), class_="proven"),
        listed(told),
    )


def _instances(result: FleetResult, plan: FleetPlan, kept: frozenset[str]) -> tuple[str, list[Column]]:
    """The terminal's table with every name in every row, so that sorted rows still say whose they are."""
    titled = fleet.instances_table(result, plan, kept)
    return titled.heading, named_in_full(titled.columns, [row.workload for row in plan.instances])


# Pools


def _filled(key: str, plan: FleetPlan, parts: Sequence[Part_]) -> Points:
    """GPUs of every row of instances, and of every pool what is left."""
    rows = [
        (row.pool, parts.index((row.workload, row.phase)), row.instances * row.gpus, _told(row))
        for row in plan.instances
    ]
    for at, name in ((len(parts), _IDLE), (len(parts) + 1, _FREE)):
        for pool in plan.pools:
            left = pool.allocated_gpus - pool.used_gpus if name == _IDLE else pool.capacity_gpus - pool.allocated_gpus
            if left:
                told = [("pool", f"{pool.pool}, {pool.accelerator}"), (name, wording.counted(left, "GPU"))]
                rows.append((pool.pool, at, left, told))
    # Bars stand in the order in which pools first occur.
    order = {pool.pool: at for at, pool in enumerate(plan.pools)}
    rows.sort(key=lambda row: order.get(row[0], len(order)))
    curves = [*(Curve(_named(each)) for each in parts), Curve(_IDLE), Curve(_FREE)]
    columns: Columns = {
        "s": [number for _, number, *_ in rows],
        "b": [pool for pool, *_ in rows],
        "u": [gpus for _, _, gpus, _ in rows],
    }
    colours = [*(colour(at) for at in range(len(parts))), "idle", "unused"]
    return Points(key, curves, columns, facts_of([told for *_, told in rows]), colours=colours)


def _named(part: Part_) -> str:
    workload, phase = part
    return workload if phase == "colocated" else f"{workload}, {phase}"


def _told(row: InstanceRow) -> list[tuple[str, str]]:
    """What the chart says of a row of instances."""
    pairs = [
        ("workload", _named((row.workload, row.phase))),
        ("pool", f"{row.pool}, {row.accelerator}"),
        ("instances", f"{row.instances:,} x {wording.counted(row.gpus, 'GPU')}"),
        ("layout", row.layout),
    ]
    pairs += [("engine", row.engine)] if row.engine else []
    pairs += [("weights", row.weights)] if row.weights else []
    pairs += [] if row.batch is None else [("batch", f"{row.batch:,}")]
    pairs += [("load", f"{100.0 * row.utilization:.1f} %"), ("cost", f"${row.usd_per_hour:,.2f}/h")]
    return pairs + ([] if row.energy_kw is None else [("energy", f"{plain(row.energy_kw)} kW on average")])


def _nodes(plan: FleetPlan, parts: Sequence[Part_]) -> Markup:
    """Which instances sit on which nodes, nodes alike in one row."""
    found = []
    for pool in plan.pools:
        rows = [row for row in plan.nodes if row.pool == pool.pool]
        body = [
            cells(
                "td",
                [
                    ranges(nodes).partition(" ")[2],
                    f"{len(nodes):,}",
                    _strip([row for row in rows if row.node == nodes[0]], parts),
                    text,
                ],
            )
            for nodes, text in nodes_alike(rows)
        ]
        if body:
            heads = ["nodes", "count", "GPUs of one", "what runs there"]
            about = f"Nodes of {pool.pool} ({pool.accelerator})"
            found.append(table_of(about, heads, [1, 3, 4], body))
    return joined(*found)


def _strip(rows: Sequence[NodeRow], parts: Sequence[Part_]) -> Markup:
    """The GPUs of a node as squares, each in the colour of what it works for."""
    size = rows[0].node_gpus
    side = min(14.0, _MOST_STRIP / size)
    taken = [colour(parts.index((row.workload, row.phase))) for row in rows for _ in range(row.gpus)]
    taken += ["idle"] * (size - len(taken))
    squares = [
        tag(
            "path",
            d="".join(
                f"M{at * side + 1:.5g} 1h{side - 2:.4g}v12h-{side - 2:.4g}z"
                for at, each in enumerate(taken)
                if each == kind
            ),
            class_=f"fill {kind}",
        )
        for kind in dict.fromkeys(taken)
    ]
    return tag(
        "svg", *squares, viewBox=f"0 0 {size * side:.5g} 14", width=round(size * side), height=14, aria_hidden="true"
    )


# Workloads


def _by_workload(key: str, plan: FleetPlan) -> Points:
    rows = plan.workloads
    energies = [[row.energy_kw for row in plan.instances if row.workload == each.workload] for each in rows]
    energy = [None if None in each else sum(filter(None, each)) for each in energies]
    told = [
        [
            ("workload", row.workload),
            ("serving", row.serving),
            ("instances", f"{row.instances:,}, {wording.counted(row.gpus, 'GPU')}"),
            ("cost", f"${row.usd_per_hour:,.2f}/h"),
            *([] if row.power_kw is None else [("power", f"{plain(row.power_kw)} kW")]),
            *([] if kilowatts is None else [("energy", f"{plain(kilowatts)} kW on average")]),
            ("slack", f"{plain(row.slack_requests_per_s)} requests/s"),
        ]
        for row, kilowatts in zip(rows, energy, strict=True)
    ]
    columns: Columns = {
        "s": list(range(len(rows))),
        "b": [row.workload for row in rows],
        "usd": [row.usd_per_hour for row in rows],
        "u": [row.gpus for row in rows],
        "kw": [row.power_kw for row in rows],
        "mean": energy,
    }
    return Points(key, [Curve(row.workload) for row in rows], columns, facts_of(told))


def _amounts(plan: FleetPlan) -> list[BarAxis]:
    axes = [BarAxis("usd", "cost, $/h"), BarAxis("u", "GPUs", whole=True)]
    if any(row.power_kw is not None for row in plan.workloads):
        axes.append(BarAxis("kw", "power of the boards, kW"))
    if all(row.energy_kw is not None for row in plan.instances):
        axes.append(BarAxis("mean", "energy, kW on average"))
    return axes


def _cheaper(result: FleetResult, plan: FleetPlan) -> Markup:
    """What a better plan would miss, if that was asked."""
    if not plan.next_cheaper:
        return Markup()
    titled = fleet.next_cheaper_table(result, plan)
    return table(titled.heading, titled.columns)
