"""What programs call for fleets: from a fleet to certified plans."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ieco_opt.errors import InfeasibleFleetError, ScenarioError, SolverError
from ieco_opt.scenario import Fleet, resolve_fleet
from ieco_opt.solvers.config import SolverConfig, load_solver_config

if TYPE_CHECKING:
    from ieco_opt.design_space.fleet import FleetSpace
    from ieco_opt.pareto.fleet_planner import FleetPlanner, Plan
    from ieco_opt.pareto.fleet_sweeps import Other, Progress
    from ieco_opt.results.fleet import FleetPlan, FleetResult
    from ieco_opt.results.frontier import Claim
    from ieco_opt.solvers.watch import Report

FLEET_CONFIG = "fleet"
DEFAULT_DELTA = 0.05

FleetObjective = Literal["cost", "power", "gpus"]
Against = Literal["speed", "power", "gpus"]

_QUESTIONS: dict[str, str] = {"speed": "speed", "power": "cost_power", "gpus": "cost_gpus"}


def plan(
    fleet: Fleet,
    *,
    objective: FleetObjective | None = None,
    solver_config: SolverConfig | str = FLEET_CONFIG,
    next_cheaper: bool = True,
    report: Report | None = None,
) -> FleetResult:
    """The best plan of a fleet, with its proof.

    Parameters
    ----------
    objective
        What is minimised; by default what the fleet says (``cost`` where it asks for a frontier).
    next_cheaper
        Also find what any better plan would have to violate.
    report
        Told of incumbent, bound and seconds while the solver runs.

    Raises
    ------
    ScenarioError
        The fleet or an argument is wrong.
    InfeasibleError
        Proven: no plan meets every requirement; the message says who cannot be served and what it would take.
    SolverError
        The solver is missing, contradicts the recomputed plan, or found nothing before a limit ended it.
    """
    from ieco_opt.pareto.fleet_planner import FleetStopped
    from ieco_opt.programs.fleet_data import Quantity
    from ieco_opt.results.fleet_alternatives import better_would_violate, why_infeasible
    from ieco_opt.results.frontier import Claim

    wanted = objective or ("cost" if fleet.objective == "frontier" else fleet.objective)
    if wanted not in tuple(Quantity):
        expected = ", ".join(Quantity)
        raise ScenarioError.single(f"found '{wanted}', expected one of {expected}", field="objective")
    with _running(fleet, wanted, solver_config, report) as run:
        stopped = None
        try:
            found = run.planner.best(Quantity(wanted))
        except FleetStopped as stop:
            if stop.plan is None:
                raise SolverError(f"the search ended ({stop.reason}) before it found a plan") from stop
            found, stopped = stop.plan, stop.reason
        if found is None:
            raise InfeasibleFleetError(why_infeasible(run.space, run.config, run.planner.session.interrupt))
        described, notes, seconds = run.described(found), list[str](), run.seconds()
        if next_cheaper and stopped is None:
            gives, notes = better_would_violate(run.space, run.config, run.planner.session.interrupt, found)
            described = replace(described, next_cheaper=gives)
    claim = Claim.SINGLE if stopped is None else Claim.PARTIAL
    return run.result(wanted, claim, (described,), seconds, coverage=None, stopped=stopped, notes=notes)


def fleet_frontier(
    fleet: Fleet,
    *,
    against: Against = "speed",
    delta: float = DEFAULT_DELTA,
    complete: bool = False,
    solver_config: SolverConfig | str = FLEET_CONFIG,
    progress: Progress | None = None,
) -> FleetResult:
    """Least cost of a fleet against a common speed factor, power or GPUs, with its proof.

    Parameters
    ----------
    delta
        Coverage: for every feasible plan one of the result is at most 1 + delta dearer and 1 + delta worse.
    complete
        Instead, every point of the frontier.

    Raises
    ------
    ScenarioError, InfeasibleError, SolverError
        As of :func:`plan`.
    """
    from ieco_opt.pareto import fleet_sweeps
    from ieco_opt.results.fleet_alternatives import why_infeasible
    from ieco_opt.results.frontier import Claim

    if against not in _QUESTIONS:
        raise ScenarioError.single(f"found '{against}', expected one of {', '.join(_QUESTIONS)}", field="against")
    if not 0.0 < delta < float("inf"):
        raise ScenarioError.single(f"found {delta}, expected a number above 0", field="delta")
    with _running(fleet, "power" if against == "power" else "cost", solver_config, None) as run:
        other = _other(run, against)
        found = fleet_sweeps.sweep(other, 0.0 if complete else delta, progress or (lambda *_: None))
        if not found.plans and found.stopped is not None:
            raise SolverError(f"the search ended ({found.stopped}) before it found a plan")
        if not found.plans:
            raise InfeasibleFleetError(why_infeasible(run.space, run.config, run.planner.session.interrupt))
        plans = tuple(run.described(each) for each in found.plans)
    claim = Claim.PARTIAL if found.stopped else Claim.COMPLETE if complete else Claim.COVERED
    question, coverage, stopped = _QUESTIONS[against], found.coverage, found.stopped
    return run.result(question, claim, plans, run.seconds(), coverage=coverage, stopped=stopped, notes=[])


def export_fleet(fleet: Fleet, path: str | Path) -> tuple[int, int]:
    """Write the program of a fleet to a .lp or .mps file; returns its variables and constraints.

    Raises
    ------
    ScenarioError
        The fleet is wrong, or the file cannot be written.
    InfeasibleError
        Some workload cannot be served at all.
    """
    from ieco_opt.programs.export import write_program
    from ieco_opt.programs.fleet import build_fleet_program
    from ieco_opt.programs.fleet_data import FleetProgramData, Quantity
    from ieco_opt.results.fleet_alternatives import why_infeasible

    objective = "cost" if fleet.objective == "frontier" else fleet.objective
    with _running(fleet, objective, FLEET_CONFIG, None) as run:
        problem = run.planner.problem()
        if problem.unserved:
            raise InfeasibleFleetError(why_infeasible(run.space, run.config, run.planner.session.interrupt))
        model = build_fleet_program(FleetProgramData(problem, Quantity(objective)))
        write_program(model, Path(path))
        return model.nvariables(), model.nconstraints()


@dataclass(frozen=True, slots=True)
class _Run:
    """One question about one fleet, from pricing to the result."""

    fleet: Fleet
    space: FleetSpace
    config: SolverConfig
    planner: FleetPlanner
    began: float

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.began

    def described(self, found: Plan) -> FleetPlan:
        """Tables of a plan, checked against the fleet by code that knows no program."""
        from ieco_opt.fleet_verification import plan_problems
        from ieco_opt.results.fleet_describe import describe_plan

        described = describe_plan(self.space, found)
        problems = plan_problems(self.space.resolved, described)
        if problems:
            raise SolverError(f"the plan does not hold: {problems[0]}")
        return described

    def result(
        self,
        question: str,
        claim: Claim,
        plans: tuple[FleetPlan, ...],
        seconds: float,
        *,
        coverage: float | None,
        stopped: str | None,
        notes: list[str],
    ) -> FleetResult:
        """Put the result together."""
        from ieco_opt.results.fleet import FleetResult, FleetStatistics
        from ieco_opt.results.versions import versions

        variables, constraints, kinds = self.planner.size
        return FleetResult(
            scenario=self.fleet,
            question=question,
            claim=claim,
            plans=plans,
            coverage=None if stopped else coverage,
            stopped=stopped,
            solver=self.config,
            statistics=FleetStatistics(
                kinds=self.space.priced,
                kinds_in_program=kinds,
                variables=variables,
                constraints=constraints,
                solves=self.planner.session.solves,
                solver_seconds=self.planner.solver_seconds,
                seconds=seconds,
            ),
            versions=versions(self.config.solver),
            notes=tuple(notes),
        )


@contextmanager
def _running(fleet: Fleet, objective: str, solver_config: SolverConfig | str, report: Report | None) -> Iterator[_Run]:
    """Price a fleet and set a planner up, with Ctrl-C caught."""
    from ieco_opt.design_space.fleet import build_fleet_space
    from ieco_opt.pareto.fleet_planner import FleetPlanner
    from ieco_opt.solvers.interrupt import caught_interrupts
    from ieco_opt.solvers.session import SolverSession

    began = time.perf_counter()
    config = _with_tight_rows(load_solver_config(solver_config) if isinstance(solver_config, str) else solver_config)
    # Power has to be known where it is minimised, whatever the file minimises.
    resolved = resolve_fleet(fleet.model_copy(update={"objective": objective}))
    deadline = None if config.total_time_limit_s is None else began + config.total_time_limit_s
    with caught_interrupts() as interrupt:
        space = build_fleet_space(resolved)
        planner = FleetPlanner(space, SolverSession(config, interrupt), deadline=deadline, report=report)
        yield _Run(fleet, space, config, planner, began)


def _with_tight_rows(config: SolverConfig) -> SolverConfig:
    """Tolerances of the fleet's own configuration, where another one has none: whole instances hang on them."""
    if config.solver != "highs":
        return config
    tight = dict.fromkeys(("mip_feasibility_tolerance", "primal_feasibility_tolerance"), 1e-09)
    return replace(config, options={**tight, **config.options})


def _other(run: _Run, against: str) -> Other:
    from ieco_opt.pareto.fleet_sweeps import Faster, LessOf
    from ieco_opt.programs.fleet_data import Quantity

    if against != "speed":
        return LessOf(run.planner, Quantity(against))
    fastest = run.space.max_speed_factor()
    if not math.isfinite(fastest):
        speeds = all(workload.min_speed is None for workload in run.fleet.workloads)
        field, found = ("min_speed", "none") if speeds else ("operating_points", "points without a speed")
        message = f"found {found}, expected one to raise for a frontier of cost against speed"
        raise ScenarioError.single(message, field=f"workloads.{field}", file=run.fleet.origin.file)
    return Faster(run.planner, fastest)
