"""Deployments of one scenario: a frontier, or the one answer to a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ieco_opt.errors import InfeasibleError
from ieco_opt.results.answer import Answer
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.shown import ShownAnswer, launcher_of_results
from ieco_opt.results.statistics import SearchStatistics
from ieco_opt.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.engines.command import LaunchCommand


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Frontier(ShownAnswer, Answer):
    """Deployments of one scenario, fastest first, with what is proven of them."""

    scenario: Scenario
    deployments: tuple[Deployment, ...]
    statistics: SearchStatistics

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
        """Fastest deployment listed that is at most as expensive ($ per million tokens).

        Raises
        ------
        InfeasibleError
            None is.
        """
        cheap_enough = [item for item in self.deployments if item.cost_usd_per_mtok <= max_cost]
        if not cheap_enough:
            raise InfeasibleError(f"no deployment of the frontier costs at most ${max_cost:g} per million tokens")
        return max(cheap_enough, key=lambda item: item.speed_tokens_per_s)

    def launch(self, *, engine: str | None = None, point: int | None = None, folder: str | Path = ".") -> LaunchCommand:
        """The command that starts a deployment.

        Parameters
        ----------
        engine
            ``vllm``, ``sglang``, ``trtllm`` or an engine profile in a file; by default the one that the point was
            priced for.
        point
            Number of the deployment in the order of the table, from 1; may be left out where there is one.
        folder
            Where the files shall lie that the command names; whoever starts it writes them.

        Raises
        ------
        ScenarioError
            The engine does not start this deployment as it is priced, with its rule; or there is no such point.
        """
        command: LaunchCommand = launcher_of_results().one_command(self, engine, point, Path(folder))
        return command

    def to_dataframe(self) -> pd.DataFrame:
        """One row a deployment; columns as in ``Deployment.columns()``."""
        from ieco_opt.results.tables import rows_to_dataframe

        return rows_to_dataframe(Deployment, self.deployments)

    def main_table(self) -> pd.DataFrame:
        """The table that a CSV or Parquet file holds."""
        return self.to_dataframe()
