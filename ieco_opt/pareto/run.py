"""From a scenario to certified deployments: the searches that people ask for, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from ieco_opt.defaults import DEFAULT_CONFIG, DEFAULT_DELTA, DEFAULT_PREFERENCE, EnergyObjective, ObjectiveName
from ieco_opt.design_space.asking import go_on
from ieco_opt.design_space.from_scenario import design_space_of
from ieco_opt.design_space.segments import build_segments
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.errors import InfeasibleError, ScenarioError, SearchStoppedError, SolverError
from ieco_opt.pareto import sweeps
from ieco_opt.pareto.describe import describe, taken_by
from ieco_opt.pareto.infeasibility import why_infeasible
from ieco_opt.pareto.kept import Kept
from ieco_opt.pareto.prober import Prober
from ieco_opt.pareto.sweeps import Progress, Sweep
from ieco_opt.performance.energy import Measure
from ieco_opt.programs.deployment import Objective
from ieco_opt.results.answer import Question, status_of
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier, Pessimistic
from ieco_opt.results.guarantee import CLOSED, AnswerStatus, Guarantee, GuaranteeKind, achieved, neighbours
from ieco_opt.results.statistics import Counts, SearchStatistics
from ieco_opt.scenario import Fidelity, ResolvedScenario, Scenario, resolve
from ieco_opt.scenario.energy import require_energy
from ieco_opt.scenario.margin import band_error, errors_of
from ieco_opt.scenario.objective import usual_objective
from ieco_opt.scenario.resolved import resolved_names
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.run import Doing, Run, Stopped, running
from ieco_opt.solvers.versions import versions

if TYPE_CHECKING:
    from ieco_opt.programs.export import ExportedProgram


def frontier(
    scenario: Scenario,
    *,
    delta: float = DEFAULT_DELTA,
    points: int | None = None,
    complete: bool = False,
    band: bool = False,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    progress: Progress | None = None,
    doing: Doing | None = None,
    within: Run | None = None,
    kept: Kept | None = None,
) -> Frontier:
    """Pareto frontier of speed against cost per token, with its proof.

    Parameters
    ----------
    delta
        Coverage: for every feasible deployment one of the result is at most 1 + delta more expensive
        and 1 + delta slower.
    points
        Instead, the fastest deployments under this many cost caps, log-spaced: a sample.
    complete
        Instead, every point of the frontier.
    band
        Also the frontier at the pessimistic end of the model, searched and proven alike.
    progress, doing
        Told of points found, and in words of what begins.
    within
        A run under way, of which this search is a part.
    kept
        What questions before kept of the design space.

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
    if band and scenario.fidelity is Fidelity.PAPER:
        expected = "no band in fidelity paper, whose equations have no measured error"
        raise ScenarioError.single(f"found {band}, expected {expected}", field="band")
    report = progress or sweeps.silent
    config = solver_config_of(solver_config)
    if complete:
        config = replace(config, relative_gap=0.0, accepted_gap=None)
    asked = _asked(config, delta, points, complete=complete)

    def search(prober: Prober) -> Sweep:
        if points is not None:
            return sweeps.sampled(prober, points, report)
        return sweeps.adaptive(prober, 0.0 if complete else delta, report)

    with running(config, doing, within=within) as run:
        found = _run(scenario, asked.question, run, asked.aim, search, kept=kept)
        return replace(found, pessimistic=_pessimistic(scenario, asked, run.beside(), search)) if band else found


def solve(
    scenario: Scenario,
    *,
    objective: ObjectiveName | None = None,
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
) -> Deployment:
    """The one best deployment: fastest, cheapest, preferred (greatest speed**preference / cost), or least in energy.

    ``energy`` and ``carbon`` are the least of a generated token; of equal ones the fastest is taken. By default it is
    the cheapest where a least speed is asked for, else the fastest where a greatest cost is, and else ``preferred``.

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
        raise SearchStoppedError(f"the search ended ({result.stopped}) before it found a deployment")
    return result[0]


def answer(
    scenario: Scenario,
    *,
    objective: ObjectiveName | None = None,
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    progress: Progress | None = None,
    doing: Doing | None = None,
    within: Run | None = None,
    kept: Kept | None = None,
) -> Frontier:
    """Like :func:`solve`, but with the scenario, statistics and versions that a saved result needs."""
    usual, note = usual_objective(scenario)
    asked, notes = (usual, (note,)) if objective is None else (objective, ())
    question = question_of_one("solve", asked, preference)
    with running(solver_config_of(solver_config), doing, within=within) as run:
        search = search_of_one(asked, preference, progress or sweeps.silent)
        found = _run(scenario, question, run, _Aim(GuaranteeKind.SINGLE, None), search, kept=kept)
        return replace(found, notes=(*found.notes, *notes))


def search_of_one(objective: str, preference: float, report: Progress = sweeps.silent) -> Callable[[Prober], Sweep]:
    """The search of a design space for the one deployment that is best by an objective."""
    searches: dict[str, Callable[[Prober], Sweep]] = {
        "fastest": sweeps.fastest,
        **dict.fromkeys(("cheapest", "energy", "carbon"), sweeps.cheapest),
        "preferred": lambda prober: sweeps.preferred(prober, preference, report),
    }
    return searches[objective]


def question_of_one(kind: Literal["solve", "explain"], objective: str, preference: float) -> Question:
    """A question for one deployment.

    Raises
    ------
    ScenarioError
        The objective or the preference is none.
    """
    if objective not in (known := get_args(ObjectiveName)):
        raise ScenarioError.single(f"found '{objective}', expected one of {', '.join(known)}", field="objective")
    if not 0.0 <= preference < float("inf"):
        raise ScenarioError.single(f"found {preference}, expected a number from 0 on", field="preference")
    return Question(kind, objective, preference if objective == "preferred" else None)  # type: ignore[arg-type]


def measure_of(objective: str | None, resolved: ResolvedScenario) -> Measure:
    """What is to be little beside the latency where something is asked of a scenario.

    Raises
    ------
    ScenarioError
        Energy or carbon is to be least, and an accelerator says too little for it.
    """
    for energy in get_args(EnergyObjective):
        if objective == energy:
            require_energy(resolved.scenario, resolved.accelerators, energy)
            return Measure(energy)
    return Measure.COST


def export(
    scenario: Scenario, path: str | Path, *, objective: Literal["fastest", "cheapest", "energy", "carbon"] = "fastest"
) -> ExportedProgram:
    """Write the program of a scenario to a .lp or .mps file.

    The program of ``cheapest`` minimises step cost - c * batch with c the least cost, which is solved for first;
    its optimum is 0. So do those of ``energy`` and ``carbon`` with the energy or the carbon of a step. With experts,
    lines bound the latency from below within ``segments.CHORD_ERROR``.

    Raises
    ------
    ScenarioError
        The scenario is wrong, or the file cannot be written.
    InfeasibleError
        Proven: no deployment meets the limits.
    """
    from ieco_opt.programs.export import export_program

    resolved = resolve(scenario)
    measure = measure_of(objective, resolved)
    space = design_space_of(resolved, measure=measure)
    segments = build_segments(space)
    if not len(segments):
        raise InfeasibleError(*why_infeasible(resolved, space, go_on))
    if objective == "fastest":
        return export_program(space, segments, Path(path), objective=Objective.LATENCY)
    best = solve(scenario, objective=objective)
    least = taken_by(best, measure)
    return export_program(space, segments, Path(path), objective=Objective.COST, reference_cost=least)


class _Aim(NamedTuple):
    """What a search that is not stopped guarantees."""

    kind: GuaranteeKind
    coverage: float | None


class _Asked(NamedTuple):
    """A frontier that is asked for, and what it guarantees."""

    question: Question
    aim: _Aim


def _asked(config: SolverConfig, delta: float, points: int | None, *, complete: bool) -> _Asked:
    if complete:
        return _Asked(Question(kind="frontier", delta=0.0), _Aim(GuaranteeKind.COMPLETE, 0.0))
    if points is not None:
        return _Asked(Question(kind="frontier", points=points), _Aim(GuaranteeKind.SAMPLED, None))
    covered = _Aim(GuaranteeKind.COVERED, max(delta, config.largest_gap))
    return _Asked(Question(kind="frontier", delta=delta), covered)


def _pessimistic(scenario: Scenario, asked: _Asked, run: Run, search: Callable[[Prober], Sweep]) -> Pessimistic:
    """Search the space in which every latency and cost has the error of the model in it (docs/proof.md, bands)."""
    errors = errors_of(band_error(scenario), resolve(scenario).accelerators)
    try:
        found = _run(scenario, asked.question, run, asked.aim, search, pessimistic=True)
    except InfeasibleError:
        nothing = Guarantee(GuaranteeKind.NONE)
        return Pessimistic(errors=errors, guarantee=nothing, status=AnswerStatus.INFEASIBLE, deployments=())
    return Pessimistic(errors=errors, guarantee=found.guarantee, status=found.status, deployments=found.deployments)


def _check_sweep_arguments(delta: float, points: int | None, *, complete: bool) -> None:
    if not 0.0 < delta < float("inf"):
        message = f"found {delta}, expected a number above 0 (for every point, ask for a complete frontier)"
        raise ScenarioError.single(message, field="delta")
    if points is not None and points < 2:
        raise ScenarioError.single(f"found {points}, expected at least 2", field="points")
    if points is not None and complete:
        raise ScenarioError.single("expected either points or complete, not both", field="points")


def _run(
    scenario: Scenario,
    question: Question,
    run: Run,
    aim: _Aim,
    search: Callable[[Prober], Sweep],
    *,
    pessimistic: bool = False,
    kept: Kept | None = None,
) -> Frontier:
    """Build the design space, search it, and put the result together."""
    resolved = resolve(scenario) if kept is None else kept.resolved(scenario)
    measure = measure_of(question.objective, resolved)
    deployments: tuple[Deployment, ...] = ()
    statistics = SearchStatistics(Counts(0, 0, 0, {}), 0, 0, 0, 0.0, 0.0, ())
    sweep = Sweep()
    try:
        if kept is None or pessimistic:
            space = design_space_of(resolved, ask=run.ask, measure=measure, pessimistic=pessimistic)
            prober = Prober(space, run)
        else:
            space, segments = kept.segmented(resolved, measure, run.ask)
            prober = Prober(space, run, segments, kept.programs)
    except Stopped as stop:
        sweep.stop(stop, [sweeps.EVERYTHING])
        statistics = replace(statistics, seconds=run.seconds())
    else:
        sweep = search(prober)
        if not sweep.points and sweep.stopped is None:
            raise InfeasibleError(*why_infeasible(resolved, space, run.ask))
        deployments = describe(space, sweep.answer(), None if kept is None else kept.configurations)
        statistics = _statistics(prober, space)
    guarantee = achieved(*aim, sweep.stopped, tuple(sweep.open_boxes))
    _check_gaps(guarantee, deployments)
    if question.kind == "frontier":
        guarantee = neighbours(guarantee, ((each.latency_s, each.cost_usd_per_mtok) for each in deployments))
    return Frontier(
        question=question,
        scenario=resolved.scenario,
        resolved=resolved_names(resolved.scenario) if kept is None else kept.names(resolved),
        guarantee=guarantee,
        status=status_of(guarantee, (item.status for item in deployments)),
        deployments=deployments,
        solver=run.config,
        statistics=statistics,
        versions=versions(run.config.solver, resolved),
        notes=scenario.notes(),
    )


def _check_gaps(guarantee: Guarantee, deployments: Sequence[Deployment]) -> None:
    """Refuse points whose gaps are wider than what the guarantee makes up for."""
    widest = max((each.gap for each in deployments), default=0.0)
    if guarantee.coverage is not None and widest > max(guarantee.coverage, CLOSED):
        raise SolverError(f"the solver left a gap of {widest:.3g}, more than the coverage of {guarantee.coverage:g}")


def _statistics(prober: Prober, space: DesignSpace) -> SearchStatistics:
    return SearchStatistics(
        counts=Counts(
            setups=space.counts.setups,
            alternatives=space.counts.alternatives,
            segments=len(prober.segments),
            rejected=dict(space.counts.rejected),
        ),
        steps=prober.steps,
        solves=prober.run.solves,
        closed_by_bounds=prober.closed_by_bounds,
        solver_seconds=prober.run.solver_seconds,
        seconds=prober.run.seconds(),
        step_seconds=tuple(prober.step_seconds),
    )
