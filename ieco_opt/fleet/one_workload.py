"""What programs call for fleets of one workload: what stands beside a plan, and what to ask where there is none."""

from __future__ import annotations

from ieco_opt.defaults import FLEET_CONFIG, FleetObjective
from ieco_opt.errors import ScenarioError
from ieco_opt.fleet.asked import running_question
from ieco_opt.fleet.variations import Surroundings
from ieco_opt.fleet.ways_out import WaysOut
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.variations import Variations
from ieco_opt.scenario import Fleet
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.one_at_a_time import one_at_a_time

_BESIDE_S = 30.0
"""Seconds for what stands beside a plan, which itself has been found."""

_WAYS_OUT_S = 10.0
"""Seconds for what a question without an answer could be instead."""


@one_at_a_time
def variations(result: FleetResult) -> Variations:
    """Other answers beside the plan of one workload; see :class:`~ieco_opt.fleet.variations.Surroundings`.

    Raises
    ------
    ScenarioError
        The fleet is wrong, or has several workloads.
    """
    if result.is_frontier or len(result.scenario.workloads) != 1:
        raise ScenarioError.single("found several plans or workloads, expected one of each", field="plans")
    objective = result.question.objective or "cost"
    with running_question(result.scenario, objective, result.solver, known=result) as asked:
        run = asked.run.beside(limit_s=_BESIDE_S)
        return Surroundings(asked.space, run, objective).look()


@one_at_a_time
def ways_out(fleet: Fleet, objective: FleetObjective, solver_config: SolverConfig | str = FLEET_CONFIG) -> list[str]:
    """Single changes with which a fleet of one workload that cannot be served can be; see :class:`WaysOut`."""
    with running_question(fleet, objective, solver_config) as asked:
        return WaysOut(asked.space, asked.run.beside(limit_s=_WAYS_OUT_S)).found()
