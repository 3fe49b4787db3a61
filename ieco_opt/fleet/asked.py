"""One question about one fleet, from pricing to the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ieco_opt.design_space.asking import Ask
from ieco_opt.errors import ScenarioError, SearchStoppedError, SolverError
from ieco_opt.fleet.columns import Candidates
from ieco_opt.fleet.describe import describe_plan
from ieco_opt.fleet.infeasibility import why_infeasible
from ieco_opt.fleet.plan import Plan
from ieco_opt.fleet.planner import FleetPlanner
from ieco_opt.fleet.space import FleetSpace, build_fleet_space
from ieco_opt.fleet.throughput import Multiples
from ieco_opt.fleet.verify import plan_problems
from ieco_opt.results.answer import Question, status_of
from ieco_opt.results.guarantee import Guarantee
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.results.statistics import FleetStatistics
from ieco_opt.scenario import Fleet, ResolvedFleet, resolve_fleet
from ieco_opt.scenario.resolved import resolved_names
from ieco_opt.scenario.self_contained import self_contained_fleet
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import Run, Stopped, running
from ieco_opt.solvers.versions import versions
from ieco_opt.solvers.watch import Report

Priced = Callable[[ResolvedFleet, Ask], Mapping[int, Candidates]]
"""Gives what workloads of a fleet can run on, by position, where that was priced before."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about one fleet, from pricing to the result."""

    fleet: Fleet
    space: FleetSpace
    run: Run
    planner: FleetPlanner

    def described(self, found: Plan) -> FleetPlan:
        """Tables of a plan, checked against the fleet by code that knows no program."""
        described = describe_plan(self.space, found)
        problems = plan_problems(self.space.resolved, described)
        if problems:
            raise SolverError(f"the plan does not hold: {problems[0]}")
        return described

    def described_multiple(self, found: Plan) -> FleetPlan:
        """Tables of a plan, whose demand is the greatest multiple that it serves."""
        space = self.space.at_demand(found.covered())
        problem = replace(found.problem, workloads=space.demands_of(found.problem))
        return replace(self, space=space).described(replace(found, problem=problem))

    def of_little(self, multiples: Multiples) -> Asked:
        """The same question of a demand that is next to nothing."""
        planner = self.planner.at_demand(multiples.least or 1.0)
        return replace(self, space=planner.space, planner=planner)

    def why_infeasible(self) -> tuple[str, ...]:
        """What keeps the workloads from being served, as far as there is time to find out."""
        try:
            return why_infeasible(self.planner, self.run)
        except Stopped as stop:
            return "the workloads cannot all be served", f"why was not looked at: {stop.reason}"

    def result(
        self,
        question: Question,
        guarantee: Guarantee,
        plans: tuple[FleetPlan, ...],
        seconds: float,
    ) -> FleetResult:
        """Put the result together."""
        variables, constraints, columns = self.planner.size
        result = FleetResult(
            question=question,
            scenario=self.fleet,
            resolved=resolved_names(self.fleet),
            guarantee=guarantee,
            status=status_of(guarantee, (each.status for each in plans)),
            plans=plans,
            solver=self.run.config,
            statistics=FleetStatistics(
                columns=self.space.priced,
                columns_in_program=columns,
                variables=variables,
                constraints=constraints,
                solves=self.planner.solves,
                solver_seconds=self.planner.solver_seconds,
                seconds=seconds,
            ),
            versions=versions(self.run.config.solver, self.space.resolved),
            notes=self.fleet.notes(),
        )
        result.planned_by(self.planner)
        return result


@contextmanager
def running_question(
    fleet: Fleet,
    objective: str,
    solver_config: SolverConfig | str,
    report: Report | None = None,
    within: Run | None = None,
    known: FleetResult | None = None,
    priced: Priced | None = None,
) -> Iterator[Asked]:
    """Price a fleet, unless a plan of it or ``priced`` knows the prices, and set a planner up, with Ctrl-C caught."""
    config = _with_tight_rows(solver_config_of(solver_config))
    fleet = self_contained_fleet(fleet)
    # Power has to be known where it is minimised, whatever the file minimises.
    resolved = resolve_fleet(fleet.model_copy(update={"objective": objective}))
    # A result holds its profiles as mappings.
    if resolved.fleet.profile != fleet.profile:
        fleet = fleet.model_copy(update={"profile": resolved.fleet.profile})
    if objective == "throughput" and resolved.energy_matters():
        message = "found throughput, expected another objective where energy has a price or a limit"
        raise ScenarioError.single(message, field="objective", file=fleet.origin.file)
    with running(config, within=within) as run, _empty_handed():
        before: FleetPlanner | None = known.planner if known is not None and known.scenario == fleet else None
        if before is not None and before.space.decides_loads != resolved.energy_matters():
            before = None
        if before is None:
            space = build_fleet_space(resolved, run.ask, None if priced is None else priced(resolved, run.ask))
            run.ask(f"{space.priced:,} instance types priced")
            planner = FleetPlanner(space, run, report=report)
        else:
            planner = before.beside(run, counted=False)
        yield Asked(fleet, planner.space, run, planner)


@contextmanager
def _empty_handed() -> Iterator[None]:
    """Where a search ends before there is any plan, say so."""
    try:
        yield
    except Stopped as stop:
        raise SearchStoppedError(f"the search ended ({stop.reason}) before it found a plan") from stop


def _with_tight_rows(config: SolverConfig) -> SolverConfig:
    """Tolerances of the fleet's own configuration, where another one has none: whole instances hang on them."""
    if config.solver != "highs":
        return config
    tight = dict.fromkeys(("mip_feasibility_tolerance", "primal_feasibility_tolerance"), 1e-09)
    return replace(config, options={**tight, **config.options})
