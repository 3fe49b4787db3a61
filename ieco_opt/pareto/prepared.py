"""One deployment that is asked about again and again, with other limits and prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, Unpack

from ieco_opt.defaults import DEFAULT_CONFIG, DEFAULT_DELTA, DEFAULT_PREFERENCE, ObjectiveName
from ieco_opt.design_space.kept import serves_other_prices
from ieco_opt.errors import SearchStoppedError
from ieco_opt.pareto.kept import Kept
from ieco_opt.pareto.run import answer, frontier, measure_of
from ieco_opt.pareto.sweeps import Progress
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.scenario import Scenario
from ieco_opt.scenario.changes import as_mapped, scenario_with
from ieco_opt.scenario.deployment import Limits
from ieco_opt.scenario.margin import margin_of
from ieco_opt.scenario.self_contained import self_contained
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.one_at_a_time import one_at_a_time
from ieco_opt.solvers.run import Doing


class Changes(TypedDict, total=False):
    """What may differ from the scenario that was prepared: limits, of which ``None`` takes one away, and prices.

    ``prices`` are $ of a GPU-hour by the name of an accelerator.
    """

    min_speed: float | None
    max_cost: float | None
    max_throughput: float | None
    min_throughput: float | None
    max_power_kw: float | None
    max_energy_j_per_token: float | None
    max_carbon_kg_per_mtok: float | None
    max_time_to_first_token_s: float | None
    max_end_to_end_s: float | None
    prices: Mapping[str, float]


class PreparedDeployment:
    """Keeps the design space of a scenario and answers it with other limits and prices.

    Answers are those of :func:`ieco_opt.solve` and :func:`ieco_opt.frontier` for the scenario that :meth:`scenario`
    gives, proven alike; only statistics and times differ. Each change counts from the scenario that was prepared.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = as_mapped(self_contained(scenario))
        self._kept = Kept()
        self._configs: dict[str, SolverConfig] = {}
        resolved = self._kept.resolved(self._scenario)
        self._names = tuple(each.name for each in resolved.accelerators)

    def scenario(self, **changes: Unpack[Changes]) -> Scenario:
        """The scenario with some changes.

        Raises
        ------
        ScenarioError
            A name or a value is wrong, as of a scenario that says it itself.
        """
        limits = {name: value for name, value in changes.items() if name != "prices"}
        return scenario_with(self._scenario, self._names, limits, changes.get("prices", {}))  # type: ignore[arg-type]

    @property
    def rebuilds(self) -> dict[str, str]:
        """What a change of each field takes: ``limits``, ``dominance``, or ``space`` where nothing kept serves it."""
        resolved = self._kept.resolved(self._scenario)
        kept = serves_other_prices(resolved, measure_of(None, resolved))
        one_margin = len({margin_of(resolved.scenario.model_error, each) for each in resolved.accelerators}) == 1
        cheap = "limits" if kept and one_margin else "dominance" if kept else "space"
        return {
            **dict.fromkeys(Limits.model_fields, "space"),
            **dict.fromkeys(("min_speed", "max_cost"), cheap),
            "prices": "dominance" if kept else "space",
        }

    @one_at_a_time
    def frontier(
        self,
        *,
        delta: float = DEFAULT_DELTA,
        points: int | None = None,
        complete: bool = False,
        solver_config: SolverConfig | str = DEFAULT_CONFIG,
        progress: Progress | None = None,
        doing: Doing | None = None,
        **changes: Unpack[Changes],
    ) -> Frontier:
        """Like :func:`ieco_opt.frontier`, with some changes.

        Raises
        ------
        ScenarioError, InfeasibleError, SolverError
            As of :func:`ieco_opt.frontier`; also where a change is wrong.
        """
        return frontier(
            self.scenario(**changes),
            delta=delta,
            points=points,
            complete=complete,
            solver_config=self._config(solver_config),
            progress=progress,
            doing=doing,
            kept=self._kept,
        )

    @one_at_a_time
    def answer(
        self,
        *,
        objective: ObjectiveName | None = None,
        preference: float = DEFAULT_PREFERENCE,
        solver_config: SolverConfig | str = DEFAULT_CONFIG,
        **changes: Unpack[Changes],
    ) -> Frontier:
        """Like :meth:`solve`, with all that a saved result needs."""
        return answer(
            self.scenario(**changes),
            objective=objective,
            preference=preference,
            solver_config=self._config(solver_config),
            kept=self._kept,
        )

    def _config(self, asked: SolverConfig | str) -> SolverConfig:
        """A solver configuration, read once."""
        if not isinstance(asked, str):
            return asked
        if asked not in self._configs:
            self._configs[asked] = solver_config_of(asked)
        return self._configs[asked]

    def solve(
        self,
        *,
        objective: ObjectiveName | None = None,
        preference: float = DEFAULT_PREFERENCE,
        solver_config: SolverConfig | str = DEFAULT_CONFIG,
        **changes: Unpack[Changes],
    ) -> Deployment:
        """Like :func:`ieco_opt.solve`, with some changes.

        Raises
        ------
        ScenarioError, InfeasibleError, SolverError
            As of :func:`ieco_opt.solve`; also where a change is wrong.
        """
        result = self.answer(objective=objective, preference=preference, solver_config=solver_config, **changes)
        if not len(result):
            raise SearchStoppedError(f"the search ended ({result.stopped}) before it found a deployment")
        return result[0]
