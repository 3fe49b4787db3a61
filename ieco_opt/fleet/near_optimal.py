"""What programs call for near-optimal alternatives, of a deployment, a fleet or a question about one model."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any, Unpack

from ieco_opt.defaults import (
    DEFAULT_CONFIG,
    DEFAULT_COUNT,
    DEFAULT_PREFERENCE,
    DEFAULT_WITHIN,
    FLEET_CONFIG,
    Differ,
    Objective,
)
from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError
from ieco_opt.fleet.alternatives import fleet_alternatives
from ieco_opt.pareto.alternatives import alternatives as of_deployment
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.scenario import Fleet, Scenario, load_fleet_mapping
from ieco_opt.scenario.one_line import Asked, fleet_mapping
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.one_at_a_time import one_at_a_time
from ieco_opt.solvers.run import Doing


@one_at_a_time
def alternatives(
    scenario: Scenario | Fleet | None = None,
    *,
    model: str | PathLike[str] | None = None,
    within: float = DEFAULT_WITHIN,
    count: int | None = DEFAULT_COUNT,
    differ: Sequence[Differ] | None = None,
    objective: Objective | None = None,
    preference: float = DEFAULT_PREFERENCE,
    solver_config: SolverConfig | str | None = None,
    doing: Doing | None = None,
    **question: Unpack[Asked],
) -> Alternatives:
    """The best answers that differ from each other, from the optimum to a share ``within`` of it.

    See :func:`ieco_opt.pareto.alternatives.alternatives` and :func:`ieco_opt.fleet.alternatives.fleet_alternatives`.
    Instead of a scenario, a question about one ``model`` as :func:`ieco_opt.plan` takes it.

    Raises
    ------
    ScenarioError
        The scenario, the question or an argument is wrong.
    InfeasibleError
        Proven: there is no answer at all.
    SolverError
        The solver is missing, contradicts a recomputed answer, or found nothing before a limit ended it.
    """
    if (scenario is None) == (model is None) or (model is None and question):
        raise ScenarioError.single("expected either a scenario or a question with a model", field="scenario")
    asked = scenario if model is None else load_fleet_mapping(fleet_mapping(str(model), question))
    how: dict[str, Any] = {"within": within, "count": count, "differ": differ, "objective": objective, "doing": doing}
    if isinstance(asked, Fleet):
        return fleet_alternatives(asked, solver_config=solver_config or FLEET_CONFIG, **how)
    if not isinstance(asked, Scenario):
        raise ScenarioError.single(f"found {found(asked)}, expected a scenario", field="kind")
    return of_deployment(asked, preference=preference, solver_config=solver_config or DEFAULT_CONFIG, **how)
