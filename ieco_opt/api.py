"""What programs call (with `calibration.facade`). Each function imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack, overload

from ieco_opt.defaults import (
    COMPARED_DELTA,
    DEFAULT_CONFIG,
    DEFAULT_DELTA,
    DEFAULT_PREFERENCE,
    FLEET_CONFIG,
    Against,
    FleetObjective,
    ObjectiveName,
    UprightAxis,
)
from ieco_opt.errors import ScenarioError
from ieco_opt.solvers.one_at_a_time import one_at_a_time

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import pandas as pd
    from matplotlib.figure import Figure

    from ieco_opt.explanation.explained import Explainable, Explained, ToExplain
    from ieco_opt.fleet.sweeps import Progress as FleetProgress
    from ieco_opt.heuristics import Heuristic
    from ieco_opt.pareto.sweeps import Progress
    from ieco_opt.programs.export import ExportedProgram
    from ieco_opt.results.alternatives import Alternatives
    from ieco_opt.results.answer import Answer
    from ieco_opt.results.comparison import Budget, Comparison
    from ieco_opt.results.configuration import ConfigurationAnswer
    from ieco_opt.results.deployment import Deployment
    from ieco_opt.results.explained_alternatives import ExplainedAlternatives
    from ieco_opt.results.explanation import Explanation
    from ieco_opt.results.fleet_explanation import FleetExplanation
    from ieco_opt.results.frontier import Frontier
    from ieco_opt.results.plan import FleetResult
    from ieco_opt.scenario import Fidelity, Fleet, Scenario
    from ieco_opt.scenario.one_line import Asked
    from ieco_opt.scenario.solver_config import SolverConfig
    from ieco_opt.scenario.source import ScenarioSource
    from ieco_opt.solvers.run import Doing, Run
    from ieco_opt.solvers.versions import InstalledVersions
    from ieco_opt.solvers.watch import Report
    from ieco_opt.verification.report import Verification


def load_scenario(
    path: str | PathLike[str] | ScenarioSource,
    overrides: Sequence[str] = (),
    *,
    files: bool = True,
    max_setups: int | None = None,
) -> Scenario | Fleet:
    """Read a scenario of kind ``deployment`` or ``fleet``; see :func:`ieco_opt.scenario.load.load_deployment`.

    Parameters
    ----------
    path
        A file, or the text of one: text of several lines, or any text where ``files`` is false.
    overrides
        Fields to set after reading, each as ``path=value`` with the value in YAML.
    files, max_setups
        What the scenario may ask for: whether it may name files, and how many configurations it may list.

    Raises
    ------
    ScenarioError
        With every fault of the file and of the overrides.
    """
    from ieco_opt.scenario.load import load_scenario

    return load_scenario(path, overrides, files=files, max_setups=max_setups)


def load_result(path: str | Path, *, max_setups: int | None = None) -> Answer:
    """Read a saved JSON result of any kind, also of file format 1; see :func:`ieco_opt.results.reading.load_result`."""
    from ieco_opt.results.reading import load_result

    return load_result(path, max_setups=max_setups)


@one_at_a_time
def frontier(
    scenario: Scenario | Fleet,
    *,
    delta: float = DEFAULT_DELTA,
    points: int | None = None,
    complete: bool = False,
    band: bool = False,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    progress: Progress | None = None,
    doing: Doing | None = None,
) -> Frontier:
    """Pareto frontier of speed against cost per token, with its proof; see :func:`ieco_opt.pareto.run.frontier`."""
    from ieco_opt.pareto.run import frontier

    return frontier(
        _deployment(scenario, "frontier"),
        delta=delta,
        points=points,
        complete=complete,
        band=band,
        solver_config=solver_config,
        progress=progress,
        doing=doing,
    )


@one_at_a_time
def solve(
    scenario: Scenario | Fleet,
    *,
    objective: ObjectiveName | None = None,
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
) -> Deployment:
    """The one best deployment; see :func:`ieco_opt.pareto.run.solve`."""
    from ieco_opt.pareto.run import solve

    asked = _deployment(scenario, "solve")
    return solve(asked, objective=objective, preference=preference, solver_config=solver_config)


@one_at_a_time
def answer(
    scenario: Scenario | Fleet,
    *,
    objective: ObjectiveName | None = None,
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    progress: Progress | None = None,
    doing: Doing | None = None,
) -> Frontier:
    """Like :func:`solve`, but with all that a saved result needs."""
    from ieco_opt.pareto.run import answer

    asked = _deployment(scenario, "solve")
    return answer(
        asked, objective=objective, preference=preference, solver_config=solver_config, progress=progress, doing=doing
    )


@one_at_a_time
def plan(
    fleet: Scenario | Fleet | None = None,
    *,
    model: str | PathLike[str] | None = None,
    objective: FleetObjective | None = None,
    solver_config: SolverConfig | str = FLEET_CONFIG,
    relaxations: bool = False,
    report: Report | None = None,
    within: Run | None = None,
    executor: Executor | None = None,
    **question: Unpack[Asked],
) -> FleetResult:
    """The best plan of a fleet, with its proof; see :func:`ieco_opt.fleet.run.plan`.

    Instead of a fleet, a question about one ``model`` as ``ieco-opt plan`` takes it, such as
    ``plan(model="Llama-3.1-70B", gpus="32xH200", isl=4000, osl=1000, ttft="2s", tpot="30ms")``; see
    :func:`ieco_opt.scenario.one_line.fleet_mapping`.

    Raises
    ------
    ScenarioError, InfeasibleError, SolverError
        As of :func:`ieco_opt.fleet.run.plan`; also where there are both a fleet and a question.
    """
    from ieco_opt.fleet.run import plan

    asked = None if model is not None else _fleet(fleet, "plan")
    if (fleet is not None and model is not None) or (model is None and question):
        raise ScenarioError.single("found a fleet and a question, expected one of both", field="model")
    if asked is None:
        from ieco_opt.scenario import load_fleet_mapping
        from ieco_opt.scenario.one_line import fleet_mapping

        asked = load_fleet_mapping(fleet_mapping(str(model), question))
    return plan(
        asked,
        objective=objective,
        solver_config=solver_config,
        relaxations=relaxations,
        report=report,
        within=within,
        executor=executor,
    )


@one_at_a_time
def fleet_frontier(
    fleet: Scenario | Fleet,
    *,
    against: Against = "speed",
    delta: float = DEFAULT_DELTA,
    complete: bool = False,
    solver_config: SolverConfig | str = FLEET_CONFIG,
    progress: FleetProgress | None = None,
    known: FleetResult | None = None,
    within: Run | None = None,
    executor: Executor | None = None,
) -> FleetResult:
    """Least cost of a fleet against speed, power or GPUs; see :func:`ieco_opt.fleet.run.fleet_frontier`."""
    from ieco_opt.fleet.run import fleet_frontier

    return fleet_frontier(
        _fleet(fleet, "fleet_frontier"),
        against=against,
        delta=delta,
        complete=complete,
        solver_config=solver_config,
        progress=progress,
        known=known,
        within=within,
        executor=executor,
    )


def evaluate(
    points: pd.DataFrame,
    fidelity: Fidelity | str = "deployable",
    *,
    profile: str | None = None,
    file: str | None = None,
) -> pd.DataFrame:
    """Latency and its components of given setups; see :func:`ieco_opt.performance.evaluate.evaluate`."""
    from ieco_opt.performance.evaluate import evaluate

    return evaluate(points, fidelity, profile=profile, file=file)


@overload
def explain(scenario: Scenario, **asked: Unpack[ToExplain]) -> Explanation: ...
@overload
def explain(scenario: Fleet | FleetResult, **asked: Unpack[ToExplain]) -> FleetExplanation: ...
@overload
def explain(scenario: Scenario | Fleet, **asked: Unpack[ToExplain]) -> Explanation | FleetExplanation: ...
@overload
def explain(scenario: Alternatives, **asked: Unpack[ToExplain]) -> ExplainedAlternatives: ...
@one_at_a_time
def explain(scenario: Explainable, **asked: Unpack[ToExplain]) -> Explained:
    """Say what decides the answer to a scenario, or why it has none; of a fleet, what decides its plan.

    The arguments are ``objective``, ``preference`` (of deployments), ``solver_config`` and ``doing``; see
    :func:`ieco_opt.explanation.explainer.explain`, :func:`ieco_opt.explanation.fleet_explainer.explain_fleet`,
    :func:`~ieco_opt.explanation.fleet_explainer.explain_plan`; of alternatives what decides the best, and what the
    others take more: :func:`~ieco_opt.explanation.alternatives.explain_alternatives`.
    """
    from ieco_opt.explanation.explained import SAVED, explained

    if isinstance(scenario, SAVED):
        from ieco_opt.verification.verify import refuse_what_does_not_hold

        refuse_what_does_not_hold(scenario)
    return explained(scenario, **asked)


@one_at_a_time
def explain_configuration(
    scenario: Scenario | Fleet,
    configuration: str,
    *,
    objective: ObjectiveName = "fastest",
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    doing: Doing | None = None,
) -> ConfigurationAnswer:
    """Say why not a configuration such as ``TP8,DP2,PP1,B64``, or by how much it loses.

    See :func:`ieco_opt.explanation.configuration.explain_configuration`.
    """
    from ieco_opt.explanation.configuration import explain_configuration

    asked = _deployment(scenario, "explain_configuration")
    return explain_configuration(
        asked, configuration, objective=objective, preference=preference, solver_config=solver_config, doing=doing
    )


@one_at_a_time
def compare(
    scenario: Scenario | Fleet,
    heuristics: Sequence[str | Heuristic] | None = None,
    *,
    budget: Budget | None = None,
    delta: float = COMPARED_DELTA,
    complete: bool = False,
    solver_config: SolverConfig | str = DEFAULT_CONFIG,
    progress: Progress | None = None,
    doing: Doing | None = None,
) -> Comparison:
    """Measure what heuristics (by default all built-in ones) miss; see :func:`ieco_opt.comparison.compare.compare`."""
    from ieco_opt.comparison import compare
    from ieco_opt.heuristics import BUILT_IN

    return compare(
        _deployment(scenario, "compare"),
        tuple(BUILT_IN) if heuristics is None else heuristics,
        budget=budget,
        delta=delta,
        complete=complete,
        solver_config=solver_config,
        progress=progress,
        doing=doing,
    )


def verify(result: Answer | str | Path) -> Verification:
    """Check a result of any kind, or its JSON file; see :func:`ieco_opt.verification.verify.verify`."""
    from ieco_opt.verification.verify import verify

    return verify(result)


@one_at_a_time
def export(
    scenario: Scenario | Fleet,
    path: str | Path,
    *,
    objective: Literal["fastest", "cheapest", "energy", "carbon"] | None = None,
) -> ExportedProgram:
    """Write the program of a scenario of either kind to a .lp or .mps file.

    Parameters
    ----------
    objective
        Of a deployment: least latency (the default), or step cost - c * batch with c the least cost; or energy or
        carbon in the place of cost.

    Raises
    ------
    ScenarioError
        The scenario or an argument is wrong, or the file cannot be written.
    InfeasibleError
        Proven: no deployment meets the limits, or some workload cannot be served at all.
    """
    from ieco_opt.scenario import Scenario

    if isinstance(scenario, Scenario):
        from ieco_opt.pareto.run import export

        return export(scenario, path, objective=objective or "fastest")
    if objective is not None:
        raise ScenarioError.single("objective is for deployments; a fleet says its own", field="objective")
    from ieco_opt.fleet.run import export_fleet

    return export_fleet(scenario, path)


@one_at_a_time
def plot(results: Answer | Sequence[Answer], path: str | Path | None = None, *, y: UprightAxis = "cost") -> Figure:
    """Draw one result, or several frontiers in one picture; a file is written only where one is given.

    Upright, frontiers have their cost, or with ``y="tokens_per_gpu"`` the output tokens/s of a GPU.

    Raises
    ------
    ScenarioError
        Matplotlib is missing, the file cannot be written, or the results are none that go into one picture.
    """
    from ieco_opt.reports import figures
    from ieco_opt.results.answer import Answer

    if isinstance(results, Answer):
        return figures.figure_of(results, y) if path is None else figures.save(results, path, y)
    return figures.overlay(results, y) if path is None else figures.save_overlay(results, path, y)


def show_versions() -> InstalledVersions:
    """Versions that results depend on, and of optional packages that are installed; nothing is printed."""
    from ieco_opt.solvers.versions import installed

    return installed()


def _deployment(scenario: Scenario | Fleet, asked: str) -> Scenario:
    """Refuse a fleet where a deployment is expected."""
    from ieco_opt.scenario import Scenario
    from ieco_opt.scenario.kinds import other_kind

    if not isinstance(scenario, Scenario):
        raise other_kind(scenario, f"a deployment for {asked} (plan and fleet_frontier take fleets)")
    return scenario


def _fleet(fleet: Scenario | Fleet | None, asked: str) -> Fleet:
    """Refuse a deployment where a fleet is expected."""
    from ieco_opt.scenario import Fleet
    from ieco_opt.scenario.kinds import other_kind

    if not isinstance(fleet, Fleet):
        raise other_kind(fleet, f"a fleet for {asked} (solve and frontier take deployments)")
    return fleet
