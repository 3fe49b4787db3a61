"""One epsilon-constraint step: the fastest deployment under a cost cap, or the cheapest under a latency cap.

Before a program is built, the caps are propagated: each segment keeps the batches at which the performance model meets
them, which are integers, so that no argument rests on a solver's tolerance. Where nothing is left the step is
infeasible, and that is proven. The solver decides among the rest; where programs are kept for many questions, not where
one batch of one segment is left, of which there is nothing to decide.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.dominance import STRICT
from ieco_opt.design_space.segments import Restriction, Segments, build_segments
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.errors import SolverError
from ieco_opt.pareto.points import Certificate, Point
from ieco_opt.programs.deployment import (
    MICRO,
    Objective,
    ProgramData,
    read_decision,
)
from ieco_opt.programs.kept import KeptPrograms
from ieco_opt.results.guarantee import CLOSED, Box, Status
from ieco_opt.solvers.outcome import Outcome
from ieco_opt.solvers.run import Run, Stopped

REFINE_UNTIL = 1e-6
"""Relative difference of truth and bound at which a segment of experts is not split any further."""

MISMATCH = 1e-5
"""Relative difference of a solver's objective and the performance model that is an error.

HiGHS accepts integer variables within 1e-6 of an integer, so a line's intercept may count 1e-6 too little.
"""


@dataclass(frozen=True, slots=True)
class _Found:
    """A deployment: a segment and a batch, with both objectives from the performance model.

    ``cost`` is in the measure of the design space: $, or kg of carbon, per million tokens, or J per token.
    """

    segment: int
    batch: int
    latency_s: float
    cost: float


@dataclass(frozen=True, slots=True)
class _Solved:
    """The best deployment of one program and a bound on its objective, in the units of the program."""

    found: _Found
    bound: float
    stopped: bool


def _evaluated(left: Restriction, alternatives: Alternatives, position: int, batch: int) -> _Found:
    """Put the solver's rounded decision through the performance model."""
    inside = min(max(batch, int(left.lo[position])), int(left.hi[position]))
    part = alternatives if len(left) == 1 else alternatives.take(np.array([position]))
    at = np.array([float(inside)])
    latency_s = part.latency_s(at)
    return _Found(int(left.segment[position]), inside, float(latency_s[0]), float(part.measured(latency_s, at)[0]))


def within_rounding(bound: float, value: float) -> float:
    """A lower bound, or the value itself where the bound exceeds it by the solver's tolerance.

    Raises
    ------
    SolverError
        The bound excludes the value, so that one of the two is wrong.
    """
    if bound > value * (1.0 + MISMATCH):
        raise SolverError(f"the solver's bound is {bound:.9g} where the performance model gives {value:.9g}")
    return min(bound, value)


class Prober:
    """Answers epsilon-constraint questions about one design space and counts what they cost.

    Costs are those of its measure: of energy or carbon, where the design space is about these.
    """

    def __init__(
        self, space: DesignSpace, run: Run, segments: Segments | None = None, programs: KeptPrograms | None = None
    ) -> None:
        self.space = space
        self.segments: Segments = build_segments(space, run.ask) if segments is None else segments
        self.run = run
        self._many_questions = programs is not None
        self._programs = KeptPrograms() if programs is None else programs
        self.steps = 0
        self.closed_by_bounds = 0
        self.step_seconds: list[float] = []
        self._least_costs: dict[Box, float | None] = {}

    def fastest(self, *, cost_cap: float = np.inf, faster_than_s: float = np.inf) -> Point | None:
        """Fastest deployment of at most ``cost_cap`` $ per million tokens, and the cheapest as fast as that.

        Only deployments strictly faster than ``faster_than_s`` count. ``None`` means: proven that there is none.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the step; what it had found goes with it, marked as not proven.
        """
        start = time.perf_counter()
        self.steps += 1
        latency_cap_s = min(faster_than_s * STRICT, self._known_s(cost_cap) / STRICT)
        solved = self._least(Objective.LATENCY, latency_cap_s, cost_cap, 0.0)
        if solved is None:
            self.step_seconds.append(time.perf_counter() - start)
            return None

        def point(found: _Found, *, finished: bool) -> Point:
            bound_s = within_rounding(solved.bound / MICRO, found.latency_s)
            gap = found.latency_s / bound_s - 1.0 if bound_s > 0.0 else np.inf
            proven = finished and gap <= CLOSED
            certificate = Certificate(
                cost_cap=cost_cap,
                latency_bound_s=bound_s,
                gap=gap,
                status=Status.OPTIMAL if proven else Status.FEASIBLE,
            )
            row = int(self.segments.row[found.segment])
            return Point(row, found.batch, found.latency_s, found.cost, certificate)

        if solved.stopped:
            raise Stopped(self.run.reason("a limit ended the solver"), point(solved.found, finished=False))
        try:
            found = self._cheapest(solved.found, solved.found.latency_s / STRICT)
        except Stopped as stop:
            raise Stopped(stop.reason, point(solved.found, finished=False)) from stop
        self.step_seconds.append(time.perf_counter() - start)
        return point(found, finished=True)

    def _known_s(self, cost_cap: float) -> float:
        """Latency of the fastest end of a segment within a cost cap, inf where none is: nothing slower is fastest."""
        segments = self.segments
        low, high = segments.cost_lo <= cost_cap, segments.cost_hi <= cost_cap
        return float(
            min(segments.latency_lo_s[low].min(initial=np.inf), segments.latency_hi_s[high].min(initial=np.inf))
        )

    def cheapest(self) -> Point | None:
        """Cheapest deployment of all, and the fastest as cheap as that; ``None`` if proven that there is none.

        In a design space of energy or carbon the one that takes the least, with the same proof.
        """
        if not len(self.segments):
            return None
        start = time.perf_counter()
        self.steps += 1
        segment = int(np.argmin(self.segments.cost_hi))
        found = _Found(
            segment=segment,
            batch=int(self.segments.hi[segment]),
            latency_s=float(self.segments.latency_hi_s[segment]),
            cost=float(self.segments.cost_hi[segment]),
        )
        found = self._cheapest(found, np.inf)
        self.step_seconds.append(time.perf_counter() - start)
        return self.fastest(cost_cap=found.cost / STRICT)

    def least_cost_within(self, box: Box) -> float | None:
        """Least cost that any segment reaches in a box; ``None`` proves that the box is empty.

        A sweep asks once whether to search a box, and once more when it does.
        """
        if box not in self._least_costs:
            self._least_costs[box] = self._least_cost_within(box)
        return self._least_costs[box]

    def _least_cost_within(self, box: Box) -> float | None:
        left = self.segments.restricted(latency_cap_s=box.latency_hi_s * STRICT, cost_cap=box.cost_hi * STRICT)
        if not len(left):
            return None
        return float(self.segments.priced(left.segment).measured(left.hi.astype(float)).min())

    def _cheapest(self, found: _Found, latency_cap_s: float) -> _Found:
        """Dinkelbach's iteration: cheaper deployments within the latency cap, until it is proven that none is left.

        Minimise step cost - c B with c the cost of the best so far, then take c from what was found.
        """
        while True:
            solved = self._least(Objective.COST, latency_cap_s, found.cost * STRICT, found.cost)
            if solved is None:
                return found
            if solved.stopped:
                raise Stopped(self.run.reason("a limit ended the solver"))
            found = solved.found

    def _least(
        self, objective: Objective, latency_cap_s: float, cost_cap: float, reference_cost: float
    ) -> _Solved | None:
        """Solve one step, splitting segments of experts until truth and bound agree; ``None`` if nothing is left."""
        left = self.segments.restricted(latency_cap_s=latency_cap_s, cost_cap=cost_cap)
        if not len(left):
            self.closed_by_bounds += 1
            return None
        only_one = len(left) == 1 and left.lo[0] == left.hi[0]
        if self._many_questions and only_one:
            self.closed_by_bounds += 1
            only = _evaluated(left, self.segments.taken(left.segment), 0, int(left.lo[0]))
            return _Solved(only, self._value(only, objective, reference_cost), stopped=False)
        best: _Found | None = None
        while True:
            alternatives = self.segments.taken(left.segment)
            model = self._programs.program(
                ProgramData(
                    alternatives=alternatives,
                    lo=left.lo,
                    hi=left.hi,
                    limits=self.space.limits,
                    objective=objective,
                    cost_cap=cost_cap,
                    latency_cap_s=latency_cap_s,
                    reference_cost=reference_cost,
                )
            )
            solution = self.run.solve(model)
            if solution.outcome is Outcome.INFEASIBLE:
                raise SolverError("the solver calls infeasible what the performance model shows to be feasible")
            if solution.objective is None:
                raise Stopped(self.run.reason("a limit ended a step before it found anything"))
            decision = read_decision(model, left.step)
            found = _evaluated(left, alternatives, decision.position, decision.batch)
            value = self._value(found, objective, reference_cost)
            scale = self._value(found, objective, 0.0)
            self._check(solution.objective, value, scale, found)
            if best is None or value < self._value(best, objective, reference_cost):
                best = found
            bound = -np.inf if solution.bound is None else solution.bound
            if only_one and abs(bound - value) <= MISMATCH * scale:
                # What the solver is off by rounding, the performance model knows exactly.
                bound = value
            stopped = solution.outcome is Outcome.FEASIBLE
            single = left.lo[decision.position] == left.hi[decision.position]
            underestimated = value - solution.objective > REFINE_UNTIL * scale
            if stopped or single or not underestimated:
                return _Solved(best, bound, stopped)
            left = left.split_at(decision.position, found.batch)

    def _value(self, found: _Found, objective: Objective, reference_cost: float) -> float:
        """Objective of the program at a deployment, from the performance model."""
        if objective is Objective.LATENCY:
            return found.latency_s * MICRO
        return found.batch * (found.cost - reference_cost)

    def _check(self, reported: float, value: float, scale: float, found: _Found) -> None:
        """The solver must agree with the performance model: exactly on dense models, from below with experts."""
        part, at = self.segments.pool, self.segments.at[found.segment]
        experts = bool(part.model.expert_fixed_s[at].any() or part.draft.expert_fixed_s[at].any())
        excess = reported - value
        if excess > MISMATCH * scale or (not experts and -excess > MISMATCH * scale):
            raise SolverError(
                f"the solver reports {reported:.9g} where the performance model gives {value:.9g}; "
                "the difference is beyond the solver's tolerance, so the result is refused"
            )
