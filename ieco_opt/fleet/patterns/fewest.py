"""The fewest GPUs or instances within caps, by patterns: all that workloads can take within them, and the best choice.

Labels choose, and a master places what they chose; where labels do not tell pools apart, masters choose.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ieco_opt.fleet.columns import MODES
from ieco_opt.fleet.patterns.branches import Branch, Branches, large_workload
from ieco_opt.fleet.patterns.enumeration import Enumeration, Vectors
from ieco_opt.fleet.patterns.fewest_choice import Limits, fewest_choice
from ieco_opt.fleet.patterns.pieces import Pieces
from ieco_opt.fleet.patterns.priced import Priced, Remembered
from ieco_opt.fleet.patterns.prices import Takes, priced_program
from ieco_opt.fleet.patterns.program import Master, build_master_program, read_master_decision
from ieco_opt.fleet.patterns.solve import Found, NoPlan
from ieco_opt.fleet.patterns.steps import TooMany, beyond
from ieco_opt.fleet.plan import ROUNDING, Plan, decided_plan
from ieco_opt.fleet.program.data import FleetProgramData, Quantity
from ieco_opt.fleet.space import FleetProblem
from ieco_opt.performance.serving import Phase
from ieco_opt.solvers.outcome import Outcome
from ieco_opt.solvers.run import Run
from ieco_opt.solvers.watch import Report

_MOST = 6_000
"""Vectors that a master chooses among."""

_SOON_SOLVED = 100
"""A master over so few is solved at once; over more by branches, where these are few."""

_FURTHER = 4
"""Plans that have so many times the fewest instances of each workload are looked for first, then so many times more."""

_WHOLE = 1e-6
"""GPUs and instances are whole: a bound that is so little beyond a whole number says no more than that number."""


@dataclass(slots=True)
class FewestSearch:
    """The search for a plan with fewer of what is ``counted`` than a known one: GPUs or instances.

    ``data`` has the least of a quantity of which a plan may have ``most``, with other caps beside. Whatever a workload
    takes in such a plan costs no more beyond its least price than is between the bound of the prices and the cap. Where
    instances are counted, what it takes is told apart by how many they are.
    """

    data: FleetProgramData
    most: float
    counted: Quantity
    speed_factor: float
    known: Plan
    run: Run
    relaxations: Run
    report: Report | None = None
    remembered: Remembered = field(default_factory=Remembered)
    _fewest: list[int] = field(init=False)
    _at_most: int = 0
    _counting: dict[tuple[int, int], Enumeration] = field(default_factory=dict)
    _branches: list[Branch] | None = None

    def __post_init__(self) -> None:
        problem = self.data.problem
        counts = self.counted is Quantity.INSTANCES
        self._fewest = [_least_instances(problem, at) for at in range(len(problem.workloads))] if counts else []

    def search(self) -> Found | None:
        """The plan with the fewest, or the known one, with a bound; ``None`` where patterns say nothing.

        Raises
        ------
        NoPlan
            No plan is within the caps.
        Stopped
            A limit or an interrupt ended the search before anything was proven.
        """
        most = beyond(self.most, self.most)
        # A cap on the GPUs of the known plan hardly has a price, and those without it are known.
        held = dict(self.data.epsilons)
        held.pop(Quantity.GPUS, None)
        data = replace(self.data, epsilons=held)
        asked = priced_program(data, self.speed_factor, self.relaxations, self.remembered, most)
        if asked is None:
            return None
        pieces, workloads, prices = asked
        if prices.bound > most:
            raise NoPlan
        best = None
        for most in self._stages():
            self._at_most = most
            found = self._with_at_most(pieces, workloads, prices)
            if found is None:
                break
            best = found
            self.known = found.plan
            if found.stopped or found.bound >= self._known:
                break
        return best

    @property
    def _known(self) -> float:
        return self.known.totals[self.counted]

    def _stages(self) -> Iterator[int]:
        """How many there may be: of instances more and more, since few vectors have few instances."""
        if self.counted is Quantity.INSTANCES:
            most = sum(self._fewest)
            while (most := _FURTHER * most) < self._known - 1:
                yield most
        yield int(self._known) - 1

    def _with_at_most(self, pieces: Pieces, workloads: Sequence[Enumeration], prices: Priced) -> Found | None:
        """The plan with the fewest, or the known one, with a bound that is at most one more than there may be."""
        together = None
        # To list all together takes long where instances are counted: not again, where there are branches.
        if self._branches is None or self.counted is not Quantity.INSTANCES:
            together = self._vectors(pieces, workloads, prices)
            found = None if together is None else self._by_labels(pieces, together, prices)
            if found is not None:
                return found
        parts = self._parts(pieces, workloads, prices, together)
        if parts is None:
            return None
        bound, size, stopped = self._at_most + 1.0, (0, 0), False
        for vectors, at in parts:
            found = None if vectors is together else self._by_labels(pieces, vectors, at)
            found = found or self._chosen(pieces, vectors)
            self.known, bound, size = found.plan, min(bound, found.bound), max(size, found.size)
            stopped = stopped or found.stopped
        return Found(self.known, min(bound, self._known), size, stopped)

    def _parts(
        self,
        pieces: Pieces,
        workloads: Sequence[Enumeration],
        prices: Priced,
        together: dict[int, Vectors] | None,
    ) -> list[tuple[dict[int, Vectors], Priced]] | None:
        """All that workloads can take in a better plan, and the prices: of all together, or of each branch.

        ``None``: too many.
        """
        if together is not None and _number([together]) <= _SOON_SOLVED:
            return [(together, prices)]
        if self._branches is None:
            self._branches = self._of_branches(pieces, workloads, prices)
        apart = [self._vectors(pieces, branch.workloads, branch.prices) for branch in self._branches]
        parts = [(each, branch.prices) for each, branch in zip(apart, self._branches, strict=True) if each is not None]
        fewer = together is None or _number([each for each, _ in parts]) < _number([together])
        if apart and len(parts) == len(apart) and fewer:
            return parts
        together = together or self._vectors(pieces, workloads, prices)
        return None if together is None else [(together, prices)]

    def _of_branches(self, pieces: Pieces, workloads: Sequence[Enumeration], prices: Priced) -> list[Branch]:
        """The branches by what a large workload takes; none where there are too many."""
        most = beyond(self.most, self.most)
        large = large_workload(workloads, prices, most)
        if large is None:
            return []
        at, limit = large[0], prices.least[large[0]] + beyond(self.most - prices.bound, prices.bound)
        try:
            vectors = self._told_apart(pieces, workloads[at], int(self._known) - 1).within(prices.prices, limit)
            return list(Branches(self.data, pieces, workloads, prices, (at, vectors), self.relaxations, most).open())
        except TooMany:
            return []

    def _vectors(self, pieces: Pieces, workloads: Sequence[Takes], prices: Priced) -> dict[int, Vectors] | None:
        """All that workloads can take in a better plan, told apart by instances where these are counted.

        ``None`` where there are too many.
        """
        slack, found = beyond(self.most - prices.bound, prices.bound), {}  # type: float, dict[int, Vectors]
        try:
            for at, least in enumerate(prices.least):
                self.run.ask("listing what workloads can take of the pools")
                found[at] = self._told_apart(pieces, workloads[at], self._at_most).within(prices.prices, least + slack)
                if _number([found]) > _MOST:
                    return None
        except TooMany:
            return None
        return found

    def _told_apart(self, pieces: Pieces, workload: Takes, at_most: int) -> Takes:
        """The vectors of a workload by instances, where these are counted: as many as the others leave it."""
        if self.counted is not Quantity.INSTANCES or not isinstance(workload, Enumeration):
            return workload
        most = at_most - sum(self._fewest) + self._fewest[workload.workload]
        key = (workload.workload, most)
        if key not in self._counting:
            self._counting[key] = Enumeration(
                self.data.problem, pieces, workload.workload, most_in_all=most, any_number=workload
            )
        return self._counting[key]

    def _by_labels(self, pieces: Pieces, vectors: dict[int, Vectors], prices: Priced) -> Found | None:
        """The plan that labels choose; ``None`` where there are too many, or limits forbid it that labels know not."""
        # A branch before may have had a plan with fewer than there may be.
        at_most, gpus = min(self._at_most, int(self._known) - 1), self.data.epsilons.get(Quantity.GPUS, math.inf)
        counts = self.counted is Quantity.INSTANCES
        limits = Limits(self.most, gpus, at_most) if counts else Limits(self.most, at_most, math.inf)
        try:
            fewest = fewest_choice(self.data, pieces, prices, vectors, self.counted, limits, self.run.ask)
        except TooMany:
            return None
        if fewest is None:
            return Found(self.known, at_most + 1.0, (0, 0), False)
        number, rows = fewest
        found = self._chosen(pieces, {at: each.at(np.array([rows[at]])) for at, each in vectors.items()})
        return replace(found, bound=number) if found.plan.totals[self.counted] == number else None

    def _chosen(self, pieces: Pieces, vectors: dict[int, Vectors]) -> Found:
        """The plan with the fewest of some vectors, by a master, or the known one."""
        held = {Quantity(self.data.minimise): self.most, **self.data.epsilons}
        asked = replace(self.data, minimise=self.counted, epsilons=held)
        master, more = Master(asked, pieces, vectors), self._at_most + 1.0
        if not all(map(len, vectors.values())):
            return Found(self.known, more, (0, 0), False)
        model = build_master_program(master)
        size = (model.nvariables(), model.nconstraints())
        solution = self.run.solve(model, report=self.report)
        if solution.outcome is Outcome.INFEASIBLE:
            return Found(self.known, more, size, False)
        # Ended before its first relaxation, the solver says infinity.
        known = solution.bound is not None and math.isfinite(solution.bound)
        bound = min(more, math.ceil(solution.bound - _WHOLE) if known else -math.inf)  # type: ignore[operator]
        if not solution.has_incumbent:
            return Found(self.known, bound, size, True)
        plan = decided_plan(asked, self.speed_factor, read_master_decision(model, master))
        best = plan if plan.totals[self.counted] < self._known else self.known
        return Found(best, bound, size, self.run.ended() is not None)


def _number(parts: Sequence[dict[int, Vectors]]) -> int:
    """Vectors of all workloads."""
    return sum(len(vectors) for part in parts for vectors in part.values())


def _least_instances(problem: FleetProblem, workload: int) -> int:
    """No fewer instances serve a workload: as many of the best column of each phase as the demand takes."""
    demand = problem.workloads[workload]

    def of(phase: Phase) -> int:
        served = [problem.columns[at].requests_per_s[0] for at in problem.columns_of(workload, phase)]
        most = max(served, default=0.0)
        return max(1, demand.min_instances, math.ceil(demand.requests_per_s[0] / most - ROUNDING) if most else 1)

    return min(sum(of(phase) for phase in MODES[mode]) for mode in demand.modes)
