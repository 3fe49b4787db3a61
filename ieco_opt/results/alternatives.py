"""Near-optimal alternatives: the best answers that differ from each other in what a scenario leaves to choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from ieco_opt.defaults import Differ
from ieco_opt.errors import ScenarioError
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.encoding import plain
from ieco_opt.results.guarantee import Status
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.plan import FleetPlan
from ieco_opt.results.versions import Versions
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.scenario.solver_config import SolverConfig

if TYPE_CHECKING:
    import pandas as pd

Ended = Literal["beyond", "exhausted", "count", "stopped"]
"""Why the list ends: the next is too far, there is no other, as many as were asked for are found, or a limit."""

_FIRST = ("rank", "excess", "objective", "combinations")
"""Columns of tables before those of the answers."""


@dataclass(frozen=True, slots=True, order=True)
class Combination:
    """What answers differ in; ``None`` where that is no matter, or is not known.

    Attributes
    ----------
    workload
        Of fleets.
    layout
        TP, DP, PP, EP and 2d in short, without redundant experts, and ``decode`` where only that is done; of all
        prefill instances ``prefill``; of an operating point its instance type.
    """

    workload: str | None = None
    pool: str | None = None
    accelerator: str | None = None
    engine: str | None = None
    layout: str | None = None

    def __str__(self) -> str:
        choices = " ".join(str(value) for item in fields(self)[1:] if (value := getattr(self, item.name)) is not None)
        return choices if self.workload is None else f"{self.workload}: {choices}"


@dataclass(frozen=True, slots=True)
class Alternative:
    """One answer, the best that gives up something of each one before it.

    Attributes
    ----------
    excess
        By how much it is worse than the first one, as a share: slower, more expensive, of a smaller score, or less.
    objective
        What was optimised: $ per million tokens, seconds per token, J or kg; of fleets as in
        :class:`~ieco_opt.results.plan.FleetPlan`. Of ``preferred`` the logarithm of speed**k / cost.
    status, gap
        Of the answer among those that were left: proven the best, or how far it may be from that.
    combinations
        What it uses: of a deployment one, of a plan one for each that serves requests.
    """

    excess: float
    objective: float
    status: Status
    gap: float
    combinations: tuple[Combination, ...]
    answer: Deployment | FleetPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternatives:
    """Near-optimal alternatives of one scenario, the optimum first, by the objective.

    Attributes
    ----------
    objective, preference
        What is best, and k of ``preferred``.
    differ
        What each answer differs in from every other.
    within
        Share by which the last may be worse than the first.
    count
        As many were asked for at most; ``None``: all.
    next_one
        Where the list ends with ``beyond``: the best of what is left, which is too far from the optimum.
    complete
        Proven: whatever else lies within the share uses all that some answer of the list uses.
    stopped
        Why the search ended early, if it did.
    """

    scenario: Scenario | Fleet
    objective: str
    preference: float | None
    differ: tuple[Differ, ...]
    within: float
    count: int | None
    found: tuple[Alternative, ...]
    next_one: Alternative | None
    ended: Ended
    complete: bool
    stopped: str | None
    solver: SolverConfig
    solves: int
    seconds: float
    versions: Versions

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, index: int) -> Alternative:
        return self.found[index]

    @property
    def of_fleet(self) -> bool:
        """Whether the answers are plans."""
        return isinstance(self.scenario, Fleet)

    def to_dataframe(self) -> pd.DataFrame:
        """One row a deployment, or one for each type of instance of a plan, with ``rank`` from 1."""
        from ieco_opt.results.tables import rows_to_dataframe

        kind: type[Deployment | InstanceRow] = InstanceRow if self.of_fleet else Deployment
        rows = [(rank, each, row) for rank, each in enumerate(self.found, 1) for row in rows_of(each)]
        table = rows_to_dataframe(kind, [row for _, _, row in rows])
        columns: tuple[list[Any], ...] = (
            [rank for rank, _, _ in rows],
            [each.excess for _, each, _ in rows],
            [each.objective for _, each, _ in rows],
            ["; ".join(map(str, each.combinations)) for _, each, _ in rows],
        )
        for at, (name, values) in enumerate(zip(_FIRST, columns, strict=True)):
            table.insert(at, name, values)
        return table

    def to_mapping(self) -> dict[str, Any]:
        """Everything, as a JSON file has it; what is infinite is null."""
        own = {item.name: plain(getattr(self, item.name)) for item in fields(self) if item.name != "scenario"}
        return {"scenario": self.scenario.to_mapping(), **own}

    def to_json(self) -> str:
        """The same as text."""
        from ieco_opt.documents.json_document import json_text

        return json_text(self.to_mapping())


def rows_of(alternative: Alternative) -> tuple[Deployment | InstanceRow, ...]:
    """Rows of tables of one alternative."""
    answer = alternative.answer
    return (answer,) if isinstance(answer, Deployment) else answer.instances


def check_asked(within: float, count: int | None, differ: Sequence[str], known: Sequence[str]) -> None:
    """Refuse what no list of alternatives can be asked to be.

    Raises
    ------
    ScenarioError
        A share that is negative or not finite, a count below 1, or something that answers cannot differ in.
    """
    if not 0.0 <= within < math.inf:
        raise ScenarioError.single(f"found {within}, expected a number from 0 on", field="within")
    if count is not None and count < 1:
        raise ScenarioError.single(f"found {count}, expected at least 1", field="count")
    wrong = [name for name in differ if name not in known]
    if wrong or not differ:
        found = f"'{wrong[0]}'" if wrong else "nothing"
        about = "of a fleet" if "pool" in known else "of a deployment"
        expected = f"one of {', '.join(known)} {about}"
        raise ScenarioError.single(f"found {found}, expected {expected}", field="differ")


OF_FLEETS: tuple[Differ, ...] = get_args(Differ)
"""What plans can differ in."""

OF_DEPLOYMENTS: tuple[Differ, ...] = tuple(name for name in OF_FLEETS if name != "pool")
"""What deployments can differ in."""
