"""What programs call for fleets: from a fleet to certified plans."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ieco_opt.defaults import DEFAULT_DELTA, FLEET_CONFIG, Against, FleetObjective
from ieco_opt.errors import InfeasibleFleetError, ScenarioError
from ieco_opt.fleet.asked import Asked, Priced, running_question
from ieco_opt.fleet.infeasibility import better_would_violate
from ieco_opt.fleet.levels import best_of_equals
from ieco_opt.fleet.program.data import FleetProgramData, Quantity
from ieco_opt.fleet.program.plan import build_fleet_program
from ieco_opt.fleet.throughput import MostServed, Multiples
from ieco_opt.fleet.verify import objectives_of
from ieco_opt.results.answer import Question
from ieco_opt.results.guarantee import CLOSED, GuaranteeKind, Status, achieved, neighbours
from ieco_opt.results.plan import FleetPlan, FleetResult
from ieco_opt.scenario import Fleet
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.one_at_a_time import one_at_a_time
from ieco_opt.solvers.run import Run, Stopped
from ieco_opt.solvers.watch import Report

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ieco_opt.fleet.sweeps import Other, Progress
    from ieco_opt.programs.export import ExportedProgram


def plan(
    fleet: Fleet,
    *,
    objective: FleetObjective | None = None,
    solver_config: SolverConfig | str = FLEET_CONFIG,
    relaxations: bool = False,
    report: Report | None = None,
    within: Run | None = None,
    priced: Priced | None = None,
    executor: Executor | None = None,
) -> FleetResult:
    """The best plan of a fleet, with its proof.

    Parameters
    ----------
    objective
        What is minimised; by default what the fleet says (``cost`` where it asks for a frontier).
    relaxations
        Also find what any better plan would have to violate; :meth:`FleetResult.relaxations` finds it later.
    report
        Told of incumbent, bound and seconds while the solver runs.
    within
        A run under way, of which this search is a part.
    priced
        What workloads can run on, where that is known.
    executor
        Any of ``concurrent.futures``, such as ``Client.get_executor()`` of Dask, which is not shut down: its workers
        price what is not known.

    Raises
    ------
    ScenarioError
        The fleet or an argument is wrong.
    InfeasibleError
        Proven: no plan meets every requirement; the message says who cannot be served and what it would take.
    SolverError
        The solver is missing, contradicts the recomputed plan, or found nothing before a limit ended it.
    """
    wanted, priced = objective_of(fleet, objective), priced or _on_workers(executor)
    if wanted == "throughput":
        check_relaxations(wanted, asked=relaxations)
        return _most_served(fleet, solver_config, report, within, priced)
    with running_question(fleet, wanted, solver_config, report, within, priced=priced) as asked:
        stopped = None
        try:
            found = asked.planner.best(Quantity(wanted))
            found = None if found is None else best_of_equals(asked.planner, found)
        except Stopped as stop:
            if stop.incumbent is None:
                raise
            found, stopped = stop.incumbent, stop.reason
        if found is None:
            raise InfeasibleFleetError(*asked.why_infeasible())
        described, seconds = asked.described(found), asked.run.seconds()
        if relaxations and stopped is None:
            described = replace(described, next_cheaper=better_would_violate(asked.planner, asked.run, described))
    question = Question(kind="plan", objective=wanted)
    return asked.result(question, achieved(GuaranteeKind.SINGLE, None, stopped), (described,), seconds)


def objective_of(fleet: Fleet, objective: FleetObjective | None) -> FleetObjective:
    """What is minimised: what is asked for, or what the fleet says (``cost`` where it asks for a frontier).

    Raises
    ------
    ScenarioError
        There is no such objective.
    """
    wanted = objective or ("cost" if fleet.objective == "frontier" else fleet.objective)
    if wanted not in (choices := get_args(FleetObjective)):
        raise ScenarioError.single(f"found '{wanted}', expected one of {', '.join(choices)}", field="objective")
    return wanted


def _most_served(
    fleet: Fleet,
    solver_config: SolverConfig | str,
    report: Report | None,
    within: Run | None,
    priced: Priced | None,
) -> FleetResult:
    """The plan that serves the greatest multiple of all demands, and costs the least of those."""
    with running_question(fleet, "throughput", solver_config, report, within, priced=priced) as asked:
        multiples = Multiples(asked.planner)
        found = MostServed(multiples).run()
        if found.plan is None:
            if found.stopped is not None:
                raise Stopped(found.stopped)
            raise InfeasibleFleetError(*asked.of_little(multiples).why_infeasible())
        described, seconds = as_most(asked.described_multiple(found.plan), found.bound), asked.run.seconds()
    question = Question(kind="plan", objective="throughput")
    return asked.result(question, achieved(GuaranteeKind.SINGLE, None, found.stopped), (described,), seconds)


def _on_workers(executor: Executor | None) -> Priced | None:
    if executor is None:
        return None
    from ieco_opt.fleet.on_workers import OnWorkers
    from ieco_opt.solvers.executors import checked_executor

    return OnWorkers(checked_executor(executor))


def as_most(plan: FleetPlan, bound: float) -> FleetPlan:
    """A plan whose objective is the multiple of all demands that it serves."""
    bound = max(bound, plan.demand_factor)
    gap = bound / plan.demand_factor - 1.0
    proven: dict[str, Any] = {"gap": gap, "status": Status.OPTIMAL if gap <= CLOSED else Status.FEASIBLE}
    rows = tuple(replace(row, bound=bound, **proven) for row in plan.instances)
    return replace(plan, objective=plan.demand_factor, bound=bound, instances=rows, **proven)


def check_relaxations(objective: str, *, asked: bool) -> None:
    """Refuse relaxations where more is served instead of less taken.

    Raises
    ------
    ScenarioError
        They are asked for with the objective throughput.
    """
    if asked and objective == "throughput":
        raise ScenarioError.single("found throughput, expected cost, power or gpus with relaxations", field="objective")


@one_at_a_time
def with_relaxations(result: FleetResult) -> FleetResult:
    """A result of one plan with what any better plan would have to violate, at the least.

    Raises
    ------
    ScenarioError
        The fleet is wrong.
    """
    assert result.question.objective is not None
    check_relaxations(result.question.objective, asked=True)
    with running_question(result.scenario, result.question.objective, result.solver, known=result) as asked:
        found = better_would_violate(asked.planner, asked.run, result[0])
    return replace(result, plans=(replace(result[0], next_cheaper=found),))


def fleet_frontier(
    fleet: Fleet,
    *,
    against: Against = "speed",
    delta: float = DEFAULT_DELTA,
    complete: bool = False,
    solver_config: SolverConfig | str = FLEET_CONFIG,
    progress: Progress | None = None,
    known: FleetResult | None = None,
    within: Run | None = None,
    priced: Priced | None = None,
    executor: Executor | None = None,
) -> FleetResult:
    """Least cost of a fleet against a common speed factor, power or GPUs, with its proof.

    Parameters
    ----------
    delta
        Coverage: for every feasible plan one of the result is at most 1 + delta more expensive and 1 + delta worse.
    complete
        Instead, every point of the frontier.
    known
        A plan of the same fleet, which is the partial answer where the search is stopped before it finds its first.
    within
        A run under way, of which this search is a part.
    priced, executor
        As of :func:`plan`.

    Raises
    ------
    ScenarioError, InfeasibleError, SolverError
        As of :func:`plan`.
    """
    from ieco_opt.fleet.sweeps import sweep

    if against not in (choices := get_args(Against)):
        raise ScenarioError.single(f"found '{against}', expected one of {', '.join(choices)}", field="against")
    check_delta(delta)
    objective = against if against in ("power", "throughput") else "cost"
    if against == "throughput" and known is not None and known.question.objective != "throughput":
        # It serves the demand, and not the most that its instances can.
        known = None
    priced = priced or _on_workers(executor)
    with running_question(fleet, objective, solver_config, None, within, known, priced) as asked:
        other = _other(asked, against)
        found = sweep(other, 0.0 if complete else delta, progress or (lambda *_: None))
        if not found.plans and found.stopped is not None and known is None:
            raise Stopped(found.stopped)
        if not found.plans and found.stopped is None:
            raise InfeasibleFleetError(*asked.why_infeasible())
        described = asked.described_multiple if against == "throughput" else asked.described
        plans = tuple(described(each) for each in found.plans)
        if not plans and known is not None:
            plans = tuple(_as_point(each, known, against) for each in known.plans)
    aim = GuaranteeKind.COMPLETE if complete else GuaranteeKind.COVERED
    question = Question(kind="fleet_frontier", against=against, delta=0.0 if complete else delta)
    guarantee = neighbours(
        achieved(aim, found.coverage, found.stopped), (objectives_of(each, against) for each in plans)
    )
    return asked.result(question, guarantee, plans, asked.run.seconds())


def _as_point(plan: FleetPlan, known: FleetResult, against: Against) -> FleetPlan:
    """A plan that was found before a frontier, as a point of it: its axes are no criteria, and cost is minimised."""
    axis = {"speed": "speed_factor"}.get(against, against)
    levels = tuple(level for level in plan.levels if level.criterion not in (axis, "cost"))
    if known.question.objective == "cost":
        return replace(plan, levels=levels)
    unproven: dict[str, Any] = {"bound": -math.inf, "gap": math.inf, "status": Status.FEASIBLE}
    rows = tuple(replace(row, **unproven) for row in plan.instances)
    return replace(plan, objective=plan.usd_per_hour, instances=rows, levels=(), **unproven)


def check_delta(delta: float) -> None:
    """Refuse a coverage that is none.

    Raises
    ------
    ScenarioError
        It is not above 0 and finite.
    """
    if not 0.0 < delta < math.inf:
        raise ScenarioError.single(f"found {delta}, expected a number above 0", field="delta")


def export_fleet(fleet: Fleet, path: str | Path) -> ExportedProgram:
    """Write the program of a fleet to a .lp or .mps file.

    Raises
    ------
    ScenarioError
        The fleet is wrong, or the file cannot be written.
    InfeasibleError
        Some workload cannot be served at all.
    """
    from ieco_opt.programs.export import write_program

    objective = "cost" if fleet.objective == "frontier" else fleet.objective
    with running_question(fleet, objective, FLEET_CONFIG) as asked:
        problem = asked.planner.problem()
        if problem.unserved:
            raise InfeasibleFleetError(*asked.why_infeasible())
        if objective == "throughput":
            data = Multiples(asked.planner).program()
        else:
            data = FleetProgramData(problem, Quantity(objective))
        return write_program(build_fleet_program(data), Path(path))


def _other(asked: Asked, against: str) -> Other:
    from ieco_opt.fleet.sweeps import Faster, LessOf, More

    if against == "throughput":
        multiples = Multiples(asked.planner)
        given = all(workload.requests_per_s is not None for workload in asked.fleet.workloads)
        return More(multiples, 1.0 if given else multiples.least)
    if against != "speed":
        return LessOf(asked.planner, Quantity(against))
    fastest = asked.space.max_speed_factor()
    if not math.isfinite(fastest):
        speeds = all(workload.min_speed is None for workload in asked.fleet.workloads)
        field, found = ("min_speed", "none") if speeds else ("operating_points", "points without a speed")
        message = f"found {found}, expected one to raise for a frontier of cost against speed"
        raise ScenarioError.single(message, field=f"workloads.{field}", file=asked.fleet.origin.file)
    return Faster(asked.planner, fastest)
