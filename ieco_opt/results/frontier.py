"""Deployments of one scenario: a frontier, or the one answer to a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ieco_opt.documents.types import FromZero, Record, Text
from ieco_opt.errors import NotListedError
from ieco_opt.results.answer import Answer
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.guarantee import AnswerStatus, Guarantee, GuaranteeKind
from ieco_opt.results.shown import ShownAnswer, launcher_of_results
from ieco_opt.results.statistics import SearchStatistics
from ieco_opt.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.engines.command import LaunchCommand


@dataclass(frozen=True, slots=True, kw_only=True)
class Pessimistic(Record):
    """The pessimistic end of a band: a frontier whose every latency and cost is 1 + e times what the model says.

    Attributes
    ----------
    errors
        e of each accelerator by name.
    guarantee, status
        What is proven; of the kind ``none`` where no deployment meets the limits with the error.
    deployments
        Fastest first; their figures have the error in them.
    """

    errors: dict[Text, FromZero]
    guarantee: Guarantee
    status: AnswerStatus
    deployments: tuple[Deployment, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Frontier(ShownAnswer, Answer):
    """Deployments of one scenario, fastest first, with what is proven of them.

    ``pessimistic`` is the other end of a band; ``None`` where none was asked for.
    """

    scenario: Scenario
    deployments: tuple[Deployment, ...]
    statistics: SearchStatistics
    pessimistic: Pessimistic | None = None

    def __len__(self) -> int:
        return len(self.deployments)

    def __iter__(self) -> Iterator[Deployment]:
        return iter(self.deployments)

    def __getitem__(self, index: int) -> Deployment:
        return self.deployments[index]

    def pessimistic_end(self) -> Frontier | None:
        """The pessimistic end of the band as a frontier; ``None`` without a band."""
        end = self.pessimistic
        if end is None:
            return None
        return replace(self, guarantee=end.guarantee, status=end.status, deployments=end.deployments, pessimistic=None)

    def cheapest(self, *, min_speed: float = 0.0) -> Deployment:
        """Cheapest deployment listed that is at least as fast (tokens/s).

        Raises
        ------
        NotListedError
            None is.
        """
        fast_enough = [item for item in self.deployments if item.speed_tokens_per_s >= min_speed]
        if not fast_enough:
            raise NotListedError(f"no deployment of the frontier reaches {min_speed:g} tokens/s")
        return min(fast_enough, key=lambda item: item.cost_usd_per_mtok)

    def fastest(self, *, max_cost: float = float("inf")) -> Deployment:
        """Fastest deployment listed that is at most as expensive ($ per million tokens).

        Raises
        ------
        NotListedError
            None is.
        """
        cheap_enough = [item for item in self.deployments if item.cost_usd_per_mtok <= max_cost]
        if not cheap_enough:
            raise NotListedError(f"no deployment of the frontier costs at most ${max_cost:g} per million tokens")
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
        """One row a deployment; columns as in ``Deployment.columns()``, those of prompts only where they are priced."""
        from ieco_opt.results.tables import rows_to_dataframe

        return rows_to_dataframe(Deployment, self.deployments)

    def main_table(self) -> pd.DataFrame:
        """The table that a CSV or Parquet file holds."""
        return self.to_dataframe()

    def tables_beside(self) -> dict[str, pd.DataFrame]:
        """The pessimistic end of a band, with the same columns."""
        end = self.pessimistic_end()
        return {} if end is None else {"pessimistic": end.to_dataframe()}

    def contradictions(self) -> Iterator[tuple[str, str]]:
        """Fields that contradict others, each with what was found and what is expected."""
        yield from Answer.contradictions(self)
        end = self.pessimistic_end()
        if end is None:
            return
        if self.question.kind != "frontier":
            yield "pessimistic", "found a band, expected null without the question 'frontier'"
        elif end.guarantee.kind is not GuaranteeKind.NONE:
            yield from ((f"pessimistic.{field}", message) for field, message in Answer.contradictions(end))
