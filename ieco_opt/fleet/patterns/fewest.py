"""The fewest GPUs or instances within caps, by patterns: all that workloads can take within them, and one master."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ieco_opt.fleet.columns import MODES
from ieco_opt.fleet.patterns.enumeration import Enumeration, Vectors
from ieco_opt.fleet.patterns.pieces import Pieces
from ieco_opt.fleet.patterns.prices import Priced, priced_program
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

    def search(self) -> Found | None:
        """The plan with the fewest, or the known one, with a bound; ``None`` where patterns say nothing.

        Raises
        ------
        NoPlan
            No plan is within the caps.
        Stopped
            A limit or an interrupt ended the search before anything was proven.
        """
        asked = priced_program(self.data, self.relaxations)
        if asked is None:
            return None
        pieces, workloads, prices = asked
        if prices.bound > beyond(self.most, self.most):
            raise NoPlan
        try:
            vectors = self._vectors(pieces, workloads, prices)
        except TooMany:
            return None
        return self._chosen(pieces, vectors)

    def _vectors(self, pieces: Pieces, workloads: Sequence[Enumeration], prices: Priced) -> dict[int, Vectors]:
        """All that workloads can take in a better plan; where instances are counted, each with as few as will do."""
        slack, found = beyond(self.most - prices.bound, prices.bound), {}  # type: float, dict[int, Vectors]
        for at, least in enumerate(prices.least):
            self.run.ask("listing what workloads can take of the pools")
            found[at] = self._told_apart(pieces, workloads[at]).within(prices.prices, least + slack)
            if sum(map(len, found.values())) > _MOST:
                raise TooMany
        return found

    def _told_apart(self, pieces: Pieces, workload: Enumeration) -> Enumeration:
        if self.counted is not Quantity.INSTANCES:
            return workload
        problem = self.data.problem
        fewest = [_least_instances(problem, at) for at in range(len(problem.workloads))]
        others = sum(fewest) - fewest[workload.workload]
        return Enumeration(problem, pieces, workload.workload, most_in_all=int(self._known) - 1 - others)

    @property
    def _known(self) -> float:
        return self.known.totals[self.counted]

    def _chosen(self, pieces: Pieces, vectors: dict[int, Vectors]) -> Found:
        held = {Quantity(self.data.minimise): self.most, **self.data.epsilons}
        asked = replace(self.data, minimise=self.counted, epsilons=held)
        master, known = Master(asked, pieces, vectors), self._known
        if not all(map(len, vectors.values())):
            return Found(self.known, known, (0, 0), False)
        model = build_master_program(master)
        size = (model.nvariables(), model.nconstraints())
        solution = self.run.solve(model, report=self.report)
        if solution.outcome is Outcome.INFEASIBLE:
            return Found(self.known, known, size, False)
        bound = min(known, -math.inf if solution.bound is None else math.ceil(solution.bound - _WHOLE))
        if not solution.has_incumbent:
            return Found(self.known, bound, size, True)
        plan = decided_plan(asked, self.speed_factor, read_master_decision(model, master))
        best = plan if plan.totals[self.counted] < known else self.known
        return Found(best, bound, size, self.run.ended() is not None)


def _least_instances(problem: FleetProblem, workload: int) -> int:
    """No fewer instances serve a workload: as many of the best column of each phase as the demand takes."""
    demand = problem.workloads[workload]

    def of(phase: Phase) -> int:
        served = [problem.columns[at].requests_per_s[0] for at in problem.columns_of(workload, phase)]
        most = max(served, default=0.0)
        return max(1, demand.min_instances, math.ceil(demand.requests_per_s[0] / most - ROUNDING) if most else 1)

    return min(sum(of(phase) for phase in MODES[mode]) for mode in demand.modes)
