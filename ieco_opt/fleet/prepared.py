"""Scenarios that are asked about again and again: fleets with other demands, prices, capacities and caps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import overload

from ieco_opt.defaults import FLEET_CONFIG, FleetObjective
from ieco_opt.design_space.asking import Ask
from ieco_opt.fleet.columns import Candidates
from ieco_opt.fleet.pricing import build_candidates
from ieco_opt.fleet.run import plan
from ieco_opt.fleet.tables import price_tables
from ieco_opt.pareto.prepared import PreparedDeployment
from ieco_opt.results.plan import FleetResult
from ieco_opt.scenario import Fleet, ResolvedFleet, Scenario
from ieco_opt.scenario.changes import fleet_with
from ieco_opt.scenario.kinds import other_kind
from ieco_opt.scenario.self_contained import self_contained_fleet
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.one_at_a_time import one_at_a_time


class KeptCandidates:
    """What the workloads of a fleet can run on, priced once, and the columns that were read off for a service.

    Neither depends on demands, on what a GPU costs or on how many there are: those come in when columns are compared.
    """

    def __init__(self) -> None:
        self._candidates: tuple[Candidates, ...] = ()

    def of(self, resolved: ResolvedFleet, ask: Ask) -> dict[int, Candidates]:
        """Those of each workload by its position, where demands, prices, GPUs and caps may differ."""
        if not self._candidates:
            tables = price_tables(resolved, (), ask)
            found = (build_candidates(each, resolved.pools, ask, tables) for each in resolved.workloads)
            self._candidates = tuple(found)
        pairs = zip(self._candidates, resolved.workloads, strict=True)
        return {at: replace(candidate, workload=asked) for at, (candidate, asked) in enumerate(pairs)}


class PreparedFleet:
    """Keeps what the workloads of a fleet can run on, and plans it with other demands, prices, capacities and caps.

    Plans are those of :func:`ieco_opt.plan` for the fleet that :meth:`fleet` gives, proven and checked alike; only
    statistics and times differ. Each change counts from the fleet that was prepared.
    """

    rebuilds: Mapping[str, str] = dict.fromkeys(("requests_per_s", "prices", "capacity", "limits"), "columns")
    """What a change of each field takes: the columns are compared again, and the program is solved again."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = self_contained_fleet(fleet)
        self._kept = KeptCandidates()

    def fleet(
        self,
        *,
        requests_per_s: Mapping[str, float] | None = None,
        prices: Mapping[str, float] | None = None,
        capacity: Mapping[str, int] | None = None,
        limits: Mapping[str, float | None] | None = None,
    ) -> Fleet:
        """The fleet with some changes: demands by workload, $ of a GPU-hour and GPUs by pool, and caps by name.

        Raises
        ------
        ScenarioError
            A name or a value is wrong, as of a fleet that says it itself.
        """
        return fleet_with(self._fleet, requests_per_s or {}, prices or {}, capacity or {}, limits or {})

    @one_at_a_time
    def plan(
        self,
        *,
        requests_per_s: Mapping[str, float] | None = None,
        prices: Mapping[str, float] | None = None,
        capacity: Mapping[str, int] | None = None,
        limits: Mapping[str, float | None] | None = None,
        objective: FleetObjective | None = None,
        solver_config: SolverConfig | str = FLEET_CONFIG,
    ) -> FleetResult:
        """Like :func:`ieco_opt.plan`, with some changes as of :meth:`fleet`.

        Raises
        ------
        ScenarioError, InfeasibleError, SolverError
            As of :func:`ieco_opt.plan`; also where a change is wrong.
        """
        asked = self.fleet(requests_per_s=requests_per_s, prices=prices, capacity=capacity, limits=limits)
        return plan(asked, objective=objective, solver_config=solver_config, priced=self._kept.of)


@overload
def prepare(scenario: Scenario) -> PreparedDeployment: ...
@overload
def prepare(scenario: Fleet) -> PreparedFleet: ...
@overload
def prepare(scenario: Scenario | Fleet) -> PreparedDeployment | PreparedFleet: ...
def prepare(scenario: Scenario | Fleet) -> PreparedDeployment | PreparedFleet:
    """Keep what a loop would build again: asks a scenario with other limits, prices, demands or capacities.

    See :class:`ieco_opt.pareto.prepared.PreparedDeployment` and :class:`PreparedFleet`.

    Raises
    ------
    ScenarioError
        The scenario is wrong, or none.
    """
    if isinstance(scenario, Scenario):
        return PreparedDeployment(scenario)
    if not isinstance(scenario, Fleet):
        raise other_kind(scenario, "a deployment or a fleet for prepare (load_scenario reads a file)")
    return PreparedFleet(scenario)
