"""Near-optimal alternatives of a fleet: the best plan that gives up something of each one before, again and again.

Columns replace each other only within a combination here, since what is dominated may be the best once another
combination is excluded (docs/alternatives.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ieco_opt.defaults import (
    DEFAULT_COUNT,
    DEFAULT_WITHIN,
    FLEET_CONFIG,
    Differ,
    FleetObjective,
)
from ieco_opt.errors import InfeasibleFleetError
from ieco_opt.fleet.asked import Asked, running_question
from ieco_opt.fleet.columns import Candidates, Column, SetupTable
from ieco_opt.fleet.describe import unnamed_type
from ieco_opt.fleet.plan import Plan
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.run import as_most, objective_of
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.fleet.tables import keeping_setups
from ieco_opt.fleet.throughput import MostServed, Multiples
from ieco_opt.pareto.alternatives import as_answer, excess_of, listing
from ieco_opt.pareto.describe import parallelism_of, rows_of_layout
from ieco_opt.performance.serving import Phase
from ieco_opt.results.alternatives import OF_FLEETS, Alternative, Alternatives, Combination, check_asked
from ieco_opt.results.answer import Question
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.plan import FleetPlan
from ieco_opt.results.statistics import AlternativesStatistics
from ieco_opt.scenario import Fleet
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import Doing, Stopped, running
from ieco_opt.solvers.versions import versions


def usual(fleet: Fleet) -> tuple[Differ, ...]:
    """What plans differ in where nobody says: pools, each of one accelerator, and of one workload also layouts.

    Of several workloads nodes leave so much room that plans with other layouts, hundreds of them, cost the same.
    """
    return ("pool", "layout") if len(fleet.workloads) == 1 else ("pool",)


def fleet_alternatives(
    fleet: Fleet,
    *,
    within: float = DEFAULT_WITHIN,
    count: int | None = DEFAULT_COUNT,
    differ: Sequence[Differ] | None = None,
    objective: FleetObjective | None = None,
    solver_config: SolverConfig | str = FLEET_CONFIG,
    doing: Doing | None = None,
) -> Alternatives:
    """The best plans that differ in what their workloads run on, the optimum first.

    A combination is a workload with a pool, an accelerator, an engine and a layout, as far as plans are to differ in
    them. Each plan lacks at least one combination of every plan before it.

    Parameters
    ----------
    within, count, doing
        As of :func:`ieco_opt.pareto.alternatives.alternatives`.
    differ
        By default as :func:`usual` says.
    objective
        As of :func:`ieco_opt.fleet.run.plan`.

    Raises
    ------
    ScenarioError
        The fleet or an argument is wrong.
    InfeasibleError
        Proven: no plan meets every requirement.
    SolverError
        The solver is missing, contradicts a recomputed plan, or found nothing before a limit ended it.
    """
    differ = usual(fleet) if differ is None else differ
    check_asked(within, count, differ, OF_FLEETS)
    wanted = objective_of(fleet, objective)
    config = solver_config_of(solver_config)
    with running(config, doing) as run, running_question(fleet, wanted, config, within=run) as asked:
        search = _Search(asked, _told_apart(asked.space, frozenset(differ)), wanted)
        listed = listing(search.next_best, partial(search.is_beyond, within), within, count)
        return as_answer(
            listed,
            question=Question(kind="alternatives", objective=wanted),
            scenario=asked.fleet,
            differ=tuple(differ),
            within=within,
            count=count,
            solver=asked.run.config,
            statistics=AlternativesStatistics(asked.run.solves, asked.run.seconds()),
            versions=versions(asked.run.config.solver, asked.space.resolved),
        )


@dataclass(slots=True)
class _Search:
    """Finds the best plan without all that earlier ones use; ``space`` is the fleet with its columns told apart."""

    asked: Asked
    space: FleetSpace
    objective: str

    def is_beyond(self, within: float, first: Alternative, best: Alternative) -> bool:
        """Whether the bound on what is left is further from the optimum than a share."""
        assert best.plan is not None
        return excess_of(self.objective, best.plan.bound, first.objective) > within

    def next_best(self, before: list[Alternative]) -> Alternative | None:
        """The best plan that gives up a combination of each one before; ``None``: proven that there is none.

        Raises
        ------
        InfeasibleError
            There is no plan at all.
        Stopped
            A limit or an interrupt ended the search.
        """
        run = self.asked.run
        run.ask(f"looking for alternative {len(before)}" if before else "looking for the optimum")
        space = replace(self.space, excluded=tuple(frozenset(each.combinations) for each in before))
        planner = FleetPlanner(space, run)
        asked = replace(self.asked, space=space, planner=planner)
        look = self._most_served if self.objective == "throughput" else self._least
        found = look(asked, first=not before)
        if found is None and not before:
            raise InfeasibleFleetError(*self.asked.why_infeasible())
        if found is None:
            return None
        plan, described = found
        excess = excess_of(self.objective, described.objective, before[0].objective) if before else 0.0
        used = tuple(sorted(set(self._used(plan)), key=str))
        return Alternative(excess, described.objective, described.status, described.gap, used, None, described)

    def _least(self, asked: Asked, *, first: bool) -> tuple[Plan, FleetPlan] | None:
        try:
            found = asked.planner.best(Quantity(self.objective))
        except Stopped as stop:
            if not first or stop.incumbent is None:
                raise
            # It is not proven, and what comes next will say that the search was stopped.
            found = stop.incumbent
        return None if found is None else (found, asked.described(found))

    def _most_served(self, asked: Asked, *, first: bool) -> tuple[Plan, FleetPlan] | None:
        found = MostServed(Multiples(asked.planner)).run()
        if found.stopped is not None and (not first or found.plan is None):
            raise Stopped(found.stopped)
        if found.plan is None:
            return None
        return found.plan, as_most(asked.described_multiple(found.plan), found.bound)

    def _used(self, plan: Plan) -> Iterator[Combination]:
        """Combinations that serve requests."""
        assert self.space.apart is not None
        shared = {column for (column, _), share in plan.share.items() if share > 0.0}
        for at, (column, count) in enumerate(zip(plan.problem.columns, plan.counts, strict=True)):
            decided = plan.problem.decides_loads or len(column.requests_per_s) > 1
            if count and (not decided or at in shared):
                combination = self.space.apart(column)
                assert isinstance(combination, Combination)
                yield combination


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells columns apart by what plans are to differ in; ``layouts`` are those of each workload's tables."""

    space: FleetSpace
    differ: frozenset[str]
    layouts: tuple[tuple[str | None, ...], ...]

    def __call__(self, column: Column) -> Combination:
        pool = self.space.resolved.pools[column.pool]
        table = column.origin.table
        tables = self.space.candidates[column.workload].tables
        return Combination(
            workload=self.space.candidates[column.workload].workload.workload.name,
            pool=pool.name if "pool" in self.differ else None,
            accelerator=pool.accelerator.name if "accelerator" in self.differ else None,
            engine=None if table is None or "engine" not in self.differ else tables[table].engine,
            layout=self._layout(column) if "layout" in self.differ else None,
        )

    def _layout(self, column: Column) -> str | None:
        if column.origin.table is None:
            return column.origin.points[0].kind or unnamed_type(column.gpus)
        return self.layouts[column.workload][column.origin.table]


def _told_apart(space: FleetSpace, differ: frozenset[str]) -> FleetSpace:
    """A fleet whose columns replace each other only where plans are not to differ in them."""
    candidates: list[Candidates] = []
    layouts: list[tuple[str | None, ...]] = []
    for candidate in space.candidates:
        tables: list[tuple[SetupTable, str | None]] = [(table, None) for table in candidate.tables]
        if "layout" in differ:
            tables = [split for table in candidate.tables for split in _by_layout(table)]
        candidates.append(replace(candidate, tables=tuple(table for table, _ in tables)))
        layouts.append(tuple(layout for _, layout in tables))
    split = replace(space, candidates=tuple(candidates))
    return replace(split, apart=_Telling(split, differ, tuple(layouts)))


def _by_layout(table: SetupTable) -> Iterator[tuple[SetupTable, str]]:
    """A table for each layout of one, with what it is called; those of prefill are not told apart."""
    if table.phase is Phase.PREFILL:
        yield table, "prefill"
        return
    held: dict[Parallelism, None] = {}
    for setups in table.setups:
        for row in range(len(setups.degrees.stage_ranks)):
            held[replace(parallelism_of(setups.degrees, row), redundant_experts=0)] = None
    for layout in held:
        alike = partial(rows_of_layout, held=layout)
        yield keeping_setups(table, alike), layout.short() + (" decode" if table.phase is Phase.DECODE else "")
