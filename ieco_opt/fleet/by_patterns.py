"""Questions about plans that patterns answer: the least of a quantity, any plan within caps, the greatest multiple."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ieco_opt.fleet.balanced import balanced
from ieco_opt.fleet.dominance import not_replaced
from ieco_opt.fleet.patterns.priced import Remembered
from ieco_opt.fleet.patterns.solve import NoPlan, PatternSearch, covers
from ieco_opt.fleet.patterns.steps import beyond
from ieco_opt.fleet.plan import ROUNDING, Plan, counts_of, judged
from ieco_opt.fleet.program.data import FleetProgramData, Goal, Quantity
from ieco_opt.fleet.program.plan import most_covered
from ieco_opt.fleet.space import FleetProblem, useful_instances
from ieco_opt.fleet.speeds import STEP
from ieco_opt.performance.serving import Phase
from ieco_opt.solvers.run import Run, Stopped
from ieco_opt.solvers.watch import Report

_HELD = (Quantity.COST, Quantity.POWER, Quantity.GPUS)
"""Any plan within caps is sought as the one with the least of the first of these that has a cap."""

_COUNTED = (Quantity.GPUS, Quantity.INSTANCES)
"""Of these the fewest are sought within caps on others, from a plan that is known."""

_LITTLE = 1e-6
"""A multiple of the demands that a plan without slack is first asked for, where nothing has to be covered."""

_FURTHER = 1.1
"""Where a plan is known, few plans that cost no more cover so many times as much: multiples beyond come late."""


@dataclass(slots=True)
class ByPatterns:
    """Answers by patterns, in the runs of a planner.

    ``size`` is that of the last master: variables and rows.
    """

    run: Run
    relaxations: Run
    completions: Run
    report: Report | None = None
    remembered: Remembered = field(default_factory=Remembered)
    size: tuple[int, int] = (0, 0)

    def solve(self, data: FleetProgramData, speed_factor: float, known: Plan | None = None) -> Plan | None:
        """The best plan of a program, with its bound; ``None`` where patterns say nothing.

        Raises
        ------
        NoPlan
            It is proven that there is none.
        Stopped
            A limit or an interrupt ended the search.
        """
        if known is not None and data.minimise in _COUNTED:
            plan = self._fewest(data, speed_factor, known)
            if plan is not None:
                return plan
        if not covers(_with_least(data)):
            return None
        if data.minimise is Goal.SLACK:
            return self._most_covered(data, speed_factor, known)
        if data.minimise is Goal.ANY:
            return self._any(data, speed_factor)
        if known is None:
            return self._least(data, speed_factor)
        # What is asked after a first plan has columns that are of use beyond the demand too.
        columns = _columns_of_use(data.problem)
        asked = replace(data, problem=_with_columns(data.problem, columns))
        if data.minimise is Quantity.GPUS and _meets(known, data):
            return self._fewest_gpus(data, asked, columns, speed_factor, known)
        plan = self._least(asked, speed_factor)
        return None if plan is None else _in_terms_of(data.problem, plan, columns)

    def _fewest(self, data: FleetProgramData, speed_factor: float, known: Plan) -> Plan | None:
        """The plan with the fewest GPUs or instances, from one that is known and keeps to caps that patterns cover."""
        from ieco_opt.fleet.patterns.fewest import FewestSearch

        asked = _with_least(replace(data, minimise=Goal.ANY))
        held, counted = Quantity(asked.minimise), Quantity(data.minimise)
        if held not in data.epsilons or not covers(asked) or not _meets(known, data):
            return None
        search = FewestSearch(
            asked,
            data.epsilons[held],
            counted,
            speed_factor,
            known,
            self.run,
            self.relaxations,
            self.report,
            self.remembered,
        )
        found = search.search()
        if found is None:
            return None
        self.size = found.size
        plan = judged(found.plan, counted, found.bound)
        if found.stopped:
            raise Stopped(self.run.reason(), plan)
        return plan

    def _fewest_gpus(
        self,
        data: FleetProgramData,
        asked: FleetProgramData,
        columns: Sequence[int],
        speed_factor: float,
        known: Plan,
    ) -> Plan | None:
        """The plan with the fewest GPUs, from one that is known: GPUs are whole, so one less is asked for.

        ``asked`` is the program with those columns alone.
        """
        while True:
            least = known.totals[Quantity.GPUS]
            caps = {**asked.epsilons, Quantity.GPUS: least - 1.0}
            try:
                plan = self._any(replace(asked, minimise=Goal.ANY, epsilons=caps), speed_factor)
            except NoPlan:
                return judged(known, Quantity.GPUS, least)
            if plan is None:
                return None
            known = _in_terms_of(data.problem, plan, columns)

    def _least(self, data: FleetProgramData, speed_factor: float, enough: float | None = None) -> Plan | None:
        """The plan with the least of a quantity; one with no more than is ``enough`` will do."""
        search = PatternSearch(
            data, speed_factor, self.run, self.relaxations, self.completions, self.report, self.remembered
        )
        found = search.search(enough)
        if found is None:
            return None
        self.size = found.size
        plan = judged(balanced(found.plan, self.completions), found.plan.minimised, found.bound)
        if (ended := self.run.ended()) is not None:
            raise Stopped(ended, plan)
        return plan

    def _any(self, data: FleetProgramData, speed_factor: float) -> Plan | None:
        """Any plan within caps: the first cap is what the plan has least of."""
        least = _with_least(data)
        most = data.epsilons.get(Quantity(least.minimise), math.inf)
        try:
            plan = self._least(least, speed_factor, most)
        except Stopped as stop:
            # With more of what is held it is no answer.
            raise Stopped(stop.reason) from stop
        if plan is None or plan.value > beyond(most, most):
            return None
        return judged(plan, Goal.ANY, 0.0)

    def _most_covered(self, data: FleetProgramData, speed_factor: float, known: Plan | None) -> Plan | None:
        """The plan that covers the greatest multiple of all demands, from one that is known or covers little.

        Multiples are tried just above that of a plan, and if there is a plan, also in the middle of what is open.
        """
        plan, high = known, most_covered(data.problem)
        try:
            if plan is None:
                plan = self._covering(data, max(_LITTLE, data.least_covered), speed_factor)
            above = True
            while plan is not None and (next_multiple := plan.covered() * (1.0 + STEP)) < high:
                further = plan.covered() * (_FURTHER if known is not None else math.inf)
                multiple = next_multiple if above else min(math.sqrt(plan.covered() * high), further)
                above = not above
                try:
                    found = self._covering(data, multiple, speed_factor)
                except NoPlan:
                    high = multiple
                    continue
                if found is None:
                    break
                plan = found
        except Stopped as stop:
            raise Stopped(stop.reason, None if plan is None else judged(plan, Goal.SLACK, -high)) from stop
        return None if plan is None else judged(plan, Goal.SLACK, -high)

    def _covering(self, data: FleetProgramData, multiple: float, speed_factor: float) -> Plan | None:
        """Any plan that covers a multiple of all demands, in terms of the demands themselves."""
        problem = _at_multiple(data.problem, multiple)
        columns = _columns_of_use(problem)
        plan = self._any(FleetProgramData(_with_columns(problem, columns), Goal.ANY, data.epsilons), speed_factor)
        return None if plan is None else _in_terms_of(data.problem, plan, columns)


def _with_least(data: FleetProgramData) -> FleetProgramData:
    """The program that has the least of a quantity; of one with another goal the first that it caps is minimised."""
    if isinstance(data.minimise, Quantity):
        return data
    held = next((each for each in _HELD if each in data.epsilons), Quantity.COST)
    others = {each: limit for each, limit in data.epsilons.items() if each is not held}
    return replace(data, minimise=held, epsilons=others)


def _at_multiple(problem: FleetProblem, multiple: float) -> FleetProblem:
    """The same columns, of which a multiple of every demand is asked."""
    demands = tuple(demand.times(multiple) for demand in problem.workloads)
    most = tuple(
        min(most, useful_instances(column, demands[column.workload]))
        for column, most in zip(problem.columns, problem.most, strict=True)
    )
    return replace(problem, workloads=demands, most=most)


def _columns_of_use(problem: FleetProblem) -> list[int]:
    """Positions of the columns that no other one replaces as far as the demand goes."""
    sizes, paired = [pool.nodes.size for pool in problem.pools], bool(problem.late_pairs)
    kept: list[int] = []
    for at, demand in enumerate(problem.workloads):
        mine = [column for phase in Phase for column in problem.columns_of(at, phase)]
        columns, lone = [problem.columns[column] for column in mine], demand.max_instances is not None
        kept += [mine[one] for one in not_replaced(columns, demand.requests_per_s, sizes, lone=lone, paired=paired)]
    return sorted(kept)


def _with_columns(problem: FleetProblem, columns: Sequence[int]) -> FleetProblem:
    """The same problem with some of its columns alone."""
    new = {column: at for at, column in enumerate(columns)}
    return replace(
        problem,
        columns=tuple(problem.columns[at] for at in columns),
        most=tuple(problem.most[at] for at in columns),
        late_pairs=tuple((new[one], new[other]) for one, other in problem.late_pairs if one in new and other in new),
    )


def _in_terms_of(problem: FleetProblem, plan: Plan, columns: Sequence[int]) -> Plan:
    """A plan of some of the columns of a problem, which are those, as one of all of them."""
    counts = [0] * len(problem.columns)
    for at, count in zip(columns, plan.counts, strict=True):
        counts[at] = count
    placements = tuple(
        tuple(
            (size, tuple(replace(piece, column=columns[piece.column]) for piece in pieces))
            for size, pieces in placement
        )
        for placement in plan.placements
    )
    return replace(plan, problem=problem, counts=tuple(counts), placements=placements)


def _meets(known: Plan, data: FleetProgramData) -> bool:
    """Whether a known plan meets what a program asks."""
    counts = counts_of(known, data.problem)
    if counts is None or any(known.totals[each] > beyond(limit, limit) for each, limit in data.epsilons.items()):
        return False
    covered = replace(known, problem=data.problem, counts=counts).covered()
    return sum(counts) == sum(known.counts) and covered >= 1.0 - ROUNDING
