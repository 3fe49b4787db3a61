"""Scenarios near a fleet's, priced only where something is priced otherwise, and the best plan of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.asked import Asked
from ieco_opt.fleet.columns import MODES, Candidates
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.program.data import Quantity
from ieco_opt.fleet.program.plan import room
from ieco_opt.fleet.run import as_most
from ieco_opt.fleet.space import FleetSpace, build_fleet_space
from ieco_opt.fleet.tables import keeping_setups
from ieco_opt.fleet.throughput import MostServed, Multiples
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.serving import Phase
from ieco_opt.results.guarantee import CLOSED
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import Fleet, ResolvedFleet, ResolvedWorkload, resolve_fleet
from ieco_opt.solvers.run import Stopped

_PRICELESS = {
    *("min_speed", "max_time_to_first_token_s", "requests_per_s", "headroom", "min_instances", "max_instances"),
    *("weights", "kv_cache", "serving", "pools"),
}
"""Fields of a workload that change no price: the last four choose among what is priced."""

_ENDLESS = 1000.0
"""Times what is served, from which on what could be has no end that a program could find."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Layouts of instances that are alike: TP x DP x PP, and whether the ranks of a stage share out the experts.

    ``prefill``: of instances that only prefill; else of those that generate tokens.
    """

    tensor: int
    attention_data: int
    pipeline: int
    experts: bool
    prefill: bool = False

    def holds(self, degrees: Degrees) -> NDArray[np.bool_]:
        """Which of some setups, shape (setups,), have it."""
        groups = degrees.attention_data_parallel
        return np.asarray(
            (degrees.stage_ranks == self.tensor * groups)
            & (groups == self.attention_data)
            & (degrees.pipeline_parallel == self.pipeline)
            & ((degrees.expert_parallel > 1) == self.experts)
        )

    def __str__(self) -> str:
        parts = [f"TP{self.tensor}"]
        parts += [f"DP{self.attention_data}"] * (self.attention_data > 1) + [f"PP{self.pipeline}"] * (self.pipeline > 1)
        parts += ["EP"] * self.experts + ["of prefill"] * self.prefill
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The fleet of a plan, and how scenarios near it are priced and solved.

    ``base`` is the fleet as it was asked, with the objective in it.
    """

    base: FleetSpace
    objective: str

    @classmethod
    def of(cls, resolved: ResolvedFleet, objective: str, space: FleetSpace | None = None) -> Neighbours:
        """Price a fleet, unless that is done."""
        return cls(space or build_fleet_space(resolved), objective)

    @property
    def fleet(self) -> Fleet:
        """The scenario, which minimises the objective."""
        return self.base.resolved.fleet

    @property
    def resolved(self) -> ResolvedFleet:
        """The same looked up."""
        return self.base.resolved

    def space(self, fleet: Fleet, without: tuple[int, Layout] | None = None) -> FleetSpace:
        """A scenario near this one, priced where it has to be; ``without`` a layout of a workload (by position)."""
        resolved = resolve_fleet(fleet)
        known = {}
        if resolved.fleet.model_error == self.fleet.model_error:
            for at, (candidate, workload) in enumerate(zip(self.base.candidates, resolved.workloads, strict=True)):
                if _price_alike(candidate.workload, workload):
                    known[at] = _narrowed(candidate, workload)
        space = build_fleet_space(resolved, known=known)
        if without is None:
            return space
        at, layout = without
        candidates = list(space.candidates)
        candidates[at] = _without_layout(candidates[at], layout)
        return replace(space, candidates=tuple(candidates))

    def is_better(self, objective: float, than: float) -> bool:
        """Whether one value of the objective is better than another by more than what counts as proven."""
        if self.objective == "throughput":
            return objective > than * (1.0 + CLOSED)
        return objective < than * (1.0 - CLOSED)

    def gain(self, plan: FleetPlan, than: FleetPlan) -> float:
        """By how much a plan is better, as a share; 0 where it is not."""
        if not than.objective:
            return 0.0
        ratio = plan.objective / than.objective
        return max(0.0, ratio - 1.0 if self.objective == "throughput" else 1.0 - ratio)

    def loss(self, plan: FleetPlan, than: FleetPlan) -> float | None:
        """By how much a plan is worse, as a share; ``None`` where there is nothing that it could be a share of."""
        if not than.objective:
            return 0.0 if not plan.objective else None
        ratio = plan.objective / than.objective
        return 1.0 - ratio if self.objective == "throughput" else ratio - 1.0

    def binds(self, base: FleetPlan, freed: Found) -> bool | None:
        """Whether a limit binds, by the best plan with it and that without it; ``None``: bounds leave it open."""
        if self.is_better(freed.objective, base.bound if np.isfinite(base.bound) else base.objective):
            return True
        if not self.is_better(freed.bound, base.objective):
            return False
        return None

    def is_endless(self, space: FleetSpace, served: float) -> bool:
        """Whether so much could be served of each workload alone that no program finds where it ends."""
        if self.objective != "throughput":
            return False
        problem = space.problem(space.columns(beyond=True), [None] * len(space.candidates))
        return not problem.unserved and room(problem) > _ENDLESS * served


@dataclass(frozen=True, slots=True)
class Found:
    """The best plan of a scenario in numbers: its objective, the bound on it, and how to put it into tables."""

    objective: float
    bound: float
    described: Callable[[], FleetPlan]


@dataclass(frozen=True, slots=True)
class Solver:
    """Finds the best plans of scenarios near a fleet's, within the run of a question."""

    near: Neighbours
    asked: Asked

    def best(self, space: FleetSpace, *, closed_forms: bool = False) -> Found | None:
        """The best plan with its bound; ``None``: proven, there is none.

        Parameters
        ----------
        closed_forms
            Take the plan of a closed form where there is one (docs/proof.md): for how good a plan can be, which it
            proves as a solver does. Which of equally good plans is found may differ.

        Raises
        ------
        Stopped
            A limit or an interrupt ended the search before the best was found.
        """
        planner = FleetPlanner(space, self.asked.run, closed_forms=closed_forms)
        asked = replace(self.asked, space=space)
        if self.near.objective == "throughput":
            return self._most(planner, asked)
        found = planner.best(Quantity(self.near.objective))
        return None if found is None else Found(found.value, found.bound, lambda: asked.described(found))

    def _most(self, planner: FleetPlanner, asked: Asked) -> Found | None:
        multiples = Multiples(planner)
        if multiples.are_linear:
            plan, bound = multiples.greatest()
        else:
            most = MostServed(multiples).run()
            if most.stopped is not None:
                raise Stopped(most.stopped)
            plan, bound = most.plan, most.bound
        if plan is None:
            return None
        served = plan.covered()
        return Found(served, max(served, bound), lambda: as_most(asked.described_multiple(plan), bound))


def _price_alike(one: ResolvedWorkload, other: ResolvedWorkload) -> bool:
    """Whether what is priced for one workload is, or holds, what would be priced for the other."""

    def priced(workload: ResolvedWorkload) -> dict[str, Any]:
        return workload.workload.model_dump(exclude=_PRICELESS)

    narrower = set(other.workload.serving) <= set(one.workload.serving)
    narrower &= all(each in one.precisions for each in other.precisions) and set(other.pools) <= set(one.pools)
    # Servers that take prompts alike are alike where the first token is in no hurry; the other way round some lack.
    first = one.workload.max_time_to_first_token_s is not None or other.workload.max_time_to_first_token_s is None
    return narrower and first and priced(one) == priced(other)


def _narrowed(candidate: Candidates, workload: ResolvedWorkload) -> Candidates:
    """Candidates of which something else is asked, without what may not be chosen any more."""
    phases = {phase for mode in workload.workload.serving for phase in MODES[mode]}
    tables = tuple(
        table
        for table in candidate.tables
        if table.phase in phases and table.precision in workload.precisions and set(table.pools) & set(workload.pools)
    )
    return replace(candidate, workload=workload, tables=tables)


def _without_layout(candidate: Candidates, layout: Layout) -> Candidates:
    """Candidates whose instances of the kind that a layout is of have another one."""
    tables = (
        keeping_setups(table, lambda degrees: ~layout.holds(degrees))
        if (table.phase is Phase.PREFILL) == layout.prefill
        else table
        for table in candidate.tables
    )
    return replace(candidate, tables=tuple(tables))
