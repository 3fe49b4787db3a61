"""The frontier of each accelerator of a scenario alone: what a picture needs to compare them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ieco_opt.errors import InfeasibleError
from ieco_opt.pareto.run import frontier
from ieco_opt.pareto.sweeps import Progress
from ieco_opt.results.frontier import Frontier
from ieco_opt.scenario import Scenario
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.config import solver_config_of
from ieco_opt.solvers.one_at_a_time import one_at_a_time
from ieco_opt.solvers.run import Doing, running


@dataclass(slots=True)
class EachAccelerator:
    """Frontiers of accelerators alone.

    Attributes
    ----------
    frontiers
        Those that have points, in the order of the scenario.
    missing
        A line for each accelerator that has none.
    stopped
        Why a search ended early, if any did.
    """

    frontiers: list[Frontier] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    stopped: str | None = None


@one_at_a_time
def of_each_accelerator(
    scenario: Scenario,
    *,
    solver_config: SolverConfig | str,
    progress: Progress | None = None,
    doing: Doing | None = None,
    **how: Any,
) -> EachAccelerator:
    """The frontiers, within the limits of time of one search.

    Parameters
    ----------
    how
        ``delta``, ``points`` and ``complete`` of :func:`ieco_opt.pareto.run.frontier`, whose errors these are too.
    """
    found = EachAccelerator()
    config = solver_config_of(solver_config)
    with running(config) as run:
        for accelerator in scenario.accelerators:
            name = str(accelerator.get("name")) if isinstance(accelerator, Mapping) else accelerator
            run.doing = None if doing is None else _about(name, doing)
            alone = scenario.model_copy(update={"accelerators": (accelerator,)})
            try:
                one = frontier(alone, solver_config=config, progress=progress, within=run, **how)
            except InfeasibleError:
                found.missing.append(f"{name}: no deployment meets the limits, proven")
                continue
            found.stopped = found.stopped or one.stopped
            if len(one):
                found.frontiers.append(one)
            else:
                found.missing.append(f"{name}: nothing found before the search ended ({one.stopped})")
    return found


def _about(name: str, doing: Doing) -> Doing:
    return lambda words: doing(f"{name} alone: {words}")
