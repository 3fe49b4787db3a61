"""What programs call to have anything explained: a deployment's scenario, a fleet, a plan of one, or alternatives."""

from __future__ import annotations

from typing import Any, TypedDict, get_args

from ieco_opt.defaults import DEFAULT_CONFIG, DEFAULT_PREFERENCE, FLEET_CONFIG, FleetObjective, ObjectiveName
from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.explained_alternatives import ExplainedAlternatives
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.fleet_explanation import FleetExplanation
from ieco_opt.results.plan import FleetResult
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.run import Doing

Explainable = Scenario | Fleet | FleetResult | Alternatives
Explained = Explanation | FleetExplanation | ExplainedAlternatives

SAVED = (FleetResult, Alternatives)
"""What was found before, possibly in a file, and is explained as it stands."""


class ToExplain(TypedDict, total=False):
    """How something is to be explained; what is left out takes the default of its kind."""

    objective: ObjectiveName | FleetObjective | None
    preference: float | None
    solver_config: SolverConfig | str | None
    doing: Doing | None


def explained(
    scenario: Explainable,
    *,
    objective: str | None = None,
    preference: float | None = None,
    solver_config: SolverConfig | str | None = None,
    doing: Doing | None = None,
) -> Explained:
    """Explain what is given, each with the defaults of its kind.

    Raises
    ------
    ScenarioError
        The scenario is wrong, or an argument makes no sense for what is explained; else as of what is called.
    """
    if isinstance(scenario, Scenario):
        from ieco_opt.explanation import explain

        asked: Any = "fastest" if objective is None else objective
        power = DEFAULT_PREFERENCE if preference is None else preference
        config = DEFAULT_CONFIG if solver_config is None else solver_config
        return explain(scenario, objective=asked, preference=power, solver_config=config, doing=doing)
    if isinstance(scenario, Alternatives):
        from ieco_opt.explanation.alternatives import explain_alternatives

        if objective is not None or preference is not None:
            field = "preference" if objective is None else "objective"
            raise ScenarioError.single("is that of the list; list alternatives again for another one", field=field)
        return explain_alternatives(scenario, solver_config=solver_config, doing=doing)
    if preference is not None:
        raise ScenarioError.single("is for deployments; a fleet has no preference", field="preference")
    from ieco_opt.explanation.fleet_explainer import explain_fleet, explain_plan

    if isinstance(scenario, FleetResult):
        if objective is not None:
            raise ScenarioError.single("is that of the plan; plan again for another one", field="objective")
        return explain_plan(scenario, solver_config=solver_config, doing=doing)
    fleet: object = scenario
    if not isinstance(fleet, Fleet):
        given = f"found {found(fleet)}, expected a scenario, the result of a plan or alternatives"
        raise ScenarioError.single(given, field="scenario")
    if objective is not None and objective not in (choices := get_args(FleetObjective)):
        raise ScenarioError.single(f"found '{objective}', expected one of {', '.join(choices)}", field="objective")
    wanted: Any = objective
    config = FLEET_CONFIG if solver_config is None else solver_config
    return explain_fleet(fleet, objective=wanted, solver_config=config, doing=doing)
