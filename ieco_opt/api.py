"""What programs call: from a scenario to certified deployments."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ieco_opt.errors import InfeasibleError, ScenarioError, SolverError
from ieco_opt.scenario import Scenario, resolve
from ieco_opt.solvers.config import DEFAULT_CONFIG, SolverConfig, load_solver_config

if TYPE_CHECKING:
    from ieco_opt.design_space.space import DesignSpace
    from ieco_opt.pareto.prober import Prober
    from ieco_opt.pareto.sweeps import Progress, Sweep
    from ieco_opt.results.deployment import Deployment
    from ieco_opt.results.frontier import Claim, Frontier

DEFAULT_DELTA = 0.05
DEFAULT_PREFERENCE = 3.0

ObjectiveName = Literal["fastest", "cheapest", "preferred"]


def frontier(
    scenario: Scenario,
    *,
    delta: float = DEFAULT_DELTA,
    points: int | None = None,
    complete: bool = False,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    progress: Progress | None = None,
) -> Frontier:
    """Pareto frontier of speed against cost per token, with its proof.

    Parameters
    ----------
    delta
        Coverage: for every feasible deployment one of the result is at most 1 + delta dearer and 1 + delta slower.
    points
        Instead, the fastest deployments under this many cost caps, log-spaced: a sample.
    complete
        Instead, every point of the frontier.

    Raises
    ------
    ScenarioError
        The scenario or an argument is wrong.
    InfeasibleError
        Proven: no deployment meets the limits.
    SolverError
        The solver is missing or contradicts the performance model.
    """
    _check_sweep_arguments(delta, points, complete=complete)
    from ieco_opt.pareto import sweeps
    from ieco_opt.results.frontier import Claim

    report = progress or sweeps.silent
    config = _config(solver_config)
    if complete:
        config = replace(config, relative_gap=0.0)
        return _run(scenario, "frontier", config, Claim.COMPLETE, 0.0, lambda at: sweeps.adaptive(at, 0.0, report))
    if points is not None:
        return _run(scenario, "frontier", config, Claim.SAMPLED, None, lambda at: sweeps.sampled(at, points, report))
    coverage = max(delta, config.relative_gap)
    return _run(scenario, "frontier", config, Claim.COVERED, coverage, lambda at: sweeps.adaptive(at, delta, report))


def solve(
    scenario: Scenario,
    *,
    objective: ObjectiveName = "fastest",
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
) -> Deployment:
    """The one best deployment: fastest, cheapest, or preferred (greatest speed**preference / cost).

    Raises
    ------
    ScenarioError
        The scenario or an argument is wrong.
    InfeasibleError
        Proven: no deployment meets the limits.
    SolverError
        The solver is missing, contradicts the performance model, or found nothing before a limit ended it.
    """
    result = answer(scenario, objective=objective, preference=preference, solver_config=solver_config)
    if not len(result):
        raise SolverError(f"the search ended ({result.stopped}) before it found a deployment")
    return result[0]


def answer(
    scenario: Scenario,
    *,
    objective: ObjectiveName = "fastest",
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    progress: Progress | None = None,
) -> Frontier:
    """Like :func:`solve`, but with the scenario, statistics and versions that a saved result needs."""
    from ieco_opt.pareto import sweeps
    from ieco_opt.results.frontier import Claim

    report = progress or sweeps.silent
    searches: dict[str, Callable[[Prober], Sweep]] = {
        "fastest": sweeps.fastest,
        "cheapest": sweeps.cheapest,
        "preferred": lambda prober: sweeps.preferred(prober, preference, report),
    }
    if objective not in searches:
        expected = ", ".join(searches)
        raise ScenarioError.single(f"found '{objective}', expected one of {expected}", field="objective")
    if not 0.0 <= preference < float("inf"):
        raise ScenarioError.single(f"found {preference}, expected a number from 0 on", field="preference")
    result = _run(scenario, objective, _config(solver_config), Claim.SINGLE, None, searches[objective])
    return replace(result, preference=preference if objective == "preferred" else None)


@dataclass(frozen=True, slots=True)
class ExportedProgram:
    """How large a written program is."""

    setups: int
    regimes: int


def export(
    scenario: Scenario, path: str | Path, *, objective: Literal["fastest", "cheapest"] = "fastest"
) -> ExportedProgram:
    """Write the program of a scenario to a .lp or .mps file.

    The program of ``cheapest`` minimises rent - c * batch with c the least cost, which is solved for first;
    its optimum is 0. With experts, lines bound the latency from below within ``regimes.CHORD_ERROR``.

    Raises
    ------
    ScenarioError
        The scenario is wrong, or the file cannot be written.
    InfeasibleError
        Proven: no deployment meets the limits.
    """
    from ieco_opt.design_space.from_scenario import design_space_of
    from ieco_opt.design_space.regimes import build_regimes
    from ieco_opt.programs.deployment import Objective
    from ieco_opt.programs.export import export_program
    from ieco_opt.results.infeasibility import why_infeasible

    resolved = resolve(scenario)
    space = design_space_of(resolved)
    regimes = build_regimes(space)
    if not len(regimes):
        raise InfeasibleError(why_infeasible(resolved, space))
    if objective == "fastest":
        export_program(space, regimes, Path(path), objective=Objective.LATENCY)
    else:
        least = solve(scenario, objective="cheapest").cost_usd_per_mtok
        export_program(space, regimes, Path(path), objective=Objective.COST, reference_cost=least)
    return ExportedProgram(setups=space.census.setups, regimes=len(regimes))


def _check_sweep_arguments(delta: float, points: int | None, *, complete: bool) -> None:
    if not 0.0 < delta < float("inf"):
        message = f"found {delta}, expected a number above 0 (for every point, ask for a complete frontier)"
        raise ScenarioError.single(message, field="delta")
    if points is not None and points < 2:
        raise ScenarioError.single(f"found {points}, expected at least 2", field="points")
    if points is not None and complete:
        raise ScenarioError.single("expected either points or complete, not both", field="points")


def _config(solver_config: SolverConfig | str) -> SolverConfig:
    return load_solver_config(solver_config) if isinstance(solver_config, str) else solver_config


def _run(
    scenario: Scenario,
    question: str,
    config: SolverConfig,
    claim: Claim,
    coverage: float | None,
    search: Callable[[Prober], Sweep],
) -> Frontier:
    """Build the design space, search it, and put the result together."""
    from ieco_opt.design_space.from_scenario import design_space_of
    from ieco_opt.pareto.prober import Prober
    from ieco_opt.solvers.interrupt import caught_interrupts
    from ieco_opt.solvers.session import SolverSession

    start = time.perf_counter()
    resolved = resolve(scenario)
    with caught_interrupts() as interrupt:
        space = design_space_of(resolved)
        deadline = None if config.total_time_limit_s is None else start + config.total_time_limit_s
        prober = Prober(space, SolverSession(config, interrupt), deadline=deadline)
        sweep = search(prober)
    if not sweep.points and sweep.stopped is None:
        from ieco_opt.results.infeasibility import why_infeasible

        raise InfeasibleError(why_infeasible(resolved, space))
    return _result(scenario, question, config, claim, coverage, sweep, prober, space, start)


def _result(
    scenario: Scenario,
    question: str,
    config: SolverConfig,
    claim: Claim,
    coverage: float | None,
    sweep: Sweep,
    prober: Prober,
    space: DesignSpace,
    start: float,
) -> Frontier:
    from ieco_opt.pareto.points import SearchStatistics
    from ieco_opt.results import frontier as results
    from ieco_opt.results.describe import describe
    from ieco_opt.results.versions import versions

    stopped = sweep.stopped is not None
    return results.Frontier(
        scenario=scenario,
        question=question,
        claim=results.Claim.PARTIAL if stopped else claim,
        deployments=describe(space, sweep.answer()),
        coverage=None if stopped else coverage,
        open_regions=tuple(sweep.open_boxes),
        stopped=sweep.stopped,
        solver=config,
        statistics=SearchStatistics(
            steps=prober.steps,
            solves=prober.session.solves,
            closed_by_bounds=prober.closed_by_bounds,
            solver_seconds=prober.session.seconds,
            seconds=time.perf_counter() - start,
            step_seconds=tuple(prober.step_seconds),
        ),
        census=results.Census(
            setups=space.census.setups,
            alternatives=space.census.alternatives,
            regimes=len(prober.regimes),
            rejected=dict(space.census.rejected),
        ),
        versions=versions(config.solver),
        notes=scenario.notes(),
    )
