"""A set of deployments with the claim it makes: a frontier, or the one answer to a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from ieco_opt.errors import InfeasibleError
from ieco_opt.pareto.points import Box, SearchStatistics
from ieco_opt.results.deployment import Deployment
from ieco_opt.scenario import Scenario
from ieco_opt.solvers.config import SolverConfig

if TYPE_CHECKING:
    import pandas as pd


class Claim(StrEnum):
    """What a result says of the deployments it does not list."""

    COMPLETE = "complete"
    """Every point of the frontier is listed."""

    COVERED = "covered"
    """For every feasible deployment one listed is at most 1 + coverage dearer and 1 + coverage slower."""

    SAMPLED = "sampled"
    """Every point listed is on the frontier; others may be missing."""

    SINGLE = "single"
    """The one deployment that was asked for."""

    PARTIAL = "partial"
    """A limit ended the search: ``open_regions`` may hold better deployments."""


@dataclass(frozen=True, slots=True)
class Census:
    """How large the search was: setups, alternatives with speculation, and regimes left for the program."""

    setups: int
    alternatives: int
    regimes: int
    rejected: dict[str, int]


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
    claim: Claim
    deployments: tuple[Deployment, ...]
    coverage: float | None
    open_regions: tuple[Box, ...]
    stopped: str | None
    solver: SolverConfig
    statistics: SearchStatistics
    census: Census
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
        from ieco_opt.reports.tabular import to_dataframe

        return to_dataframe(self.deployments)

    def to_json(self, path: str | Path | None = None) -> str:
        """Write the result with its scenario, versions and proofs; also returns the text."""
        from ieco_opt.reports.files import to_json, write

        if path is not None:
            write(self, Path(path), "json")
        return to_json(self)

    def to_csv(self, path: str | Path) -> None:
        """Write one row a deployment."""
        from ieco_opt.reports.files import write

        write(self, Path(path), "csv")

    def to_parquet(self, path: str | Path) -> None:
        """Write one row a deployment (needs the extra ``parquet``)."""
        from ieco_opt.reports.files import write

        write(self, Path(path), "parquet")

    def plot(self, path: str | Path) -> None:
        """Draw cost against speed to a .png, .svg or .html file (needs the extra ``plot``)."""
        from ieco_opt.reports.plot import plot

        plot(self, Path(path))
