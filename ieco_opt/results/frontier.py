"""A set of deployments with the guarantee it makes: a frontier, or the one answer to a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ieco_opt.errors import InfeasibleError
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.guarantee import Box, Guarantee
from ieco_opt.results.statistics import Counts, SearchStatistics
from ieco_opt.scenario import Scenario
from ieco_opt.scenario.solver_config import SolverConfig

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Frontier:
    """Deployments of one scenario, fastest first, with what is proven of them.

    Attributes
    ----------
    question
        ``frontier``, or the objective of a single answer: ``fastest``, ``cheapest``, ``preferred``.
    coverage
        Factor delta of the guarantee; 0 when complete, ``None`` when sampled, single or partial.
    open_regions
        Boxes of latency and cost that a stopped search left open.
    versions
        Versions of ieco_opt, Pyomo, the solver and Python.
    """

    scenario: Scenario
    question: str
    guarantee: Guarantee
    deployments: tuple[Deployment, ...]
    coverage: float | None
    open_regions: tuple[Box, ...]
    stopped: str | None
    solver: SolverConfig
    statistics: SearchStatistics
    counts: Counts
    versions: dict[str, str]
    preference: float | None = None
    notes: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.deployments)

    def __iter__(self) -> Iterator[Deployment]:
        return iter(self.deployments)

    def __getitem__(self, index: int) -> Deployment:
        return self.deployments[index]

    def cheapest(self, *, min_speed: float = 0.0) -> Deployment:
        """Cheapest deployment listed that is at least as fast (tokens/s).

        Raises
        ------
        InfeasibleError
            None is.
        """
        fast_enough = [item for item in self.deployments if item.speed_tokens_per_s >= min_speed]
        if not fast_enough:
            raise InfeasibleError(f"no deployment of the frontier reaches {min_speed:g} tokens/s")
        return min(fast_enough, key=lambda item: item.cost_usd_per_mtok)

    def fastest(self, *, max_cost: float = float("inf")) -> Deployment:
        """Fastest deployment listed that is at most as dear ($ per million tokens).

        Raises
        ------
        InfeasibleError
            None is.
        """
        cheap_enough = [item for item in self.deployments if item.cost_usd_per_mtok <= max_cost]
        if not cheap_enough:
            raise InfeasibleError(f"no deployment of the frontier costs at most ${max_cost:g} per million tokens")
        return max(cheap_enough, key=lambda item: item.speed_tokens_per_s)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a deployment; columns as in ``ieco_opt.results.deployment.ALL_COLUMNS``."""
        from ieco_opt.results.tables import to_dataframe

        return to_dataframe(self.deployments)

    def to_json(self, path: str | Path | None = None) -> str:
        """Write the result with its scenario, versions and proofs; also returns the text."""
        from ieco_opt.results.files import to_json, write

        if path is not None:
            write(self, Path(path), "json")
        return to_json(self)

    def to_csv(self, path: str | Path) -> None:
        """Write one row a deployment."""
        from ieco_opt.results.files import write

        write(self, Path(path), "csv")

    def to_parquet(self, path: str | Path) -> None:
        """Write one row a deployment (needs the extra ``parquet``)."""
        from ieco_opt.results.files import write

        write(self, Path(path), "parquet")

    def plot(self, path: str | Path) -> None:
        """Draw cost against speed to a .png, .svg or .html file (needs the extra ``plot``)."""
        from ieco_opt.reports.figures import save

        save(self, path)
