"""What changed between two results: what was asked, what the answers depend on, and the answers themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ieco_opt.documents.types import Record, Text
from ieco_opt.results.answer import QuestionKind

if TYPE_CHECKING:
    import pandas as pd

SAME = 1e-9
"""Relative difference of numbers from which on they are others: less is rounding."""


def same_figure(one: object, other: object) -> bool:
    """Whether two values are the same: numbers but for rounding, everything else exactly."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or math.isclose(one, other, rel_tol=SAME)
    return one == other


Cause = Literal["scenario", "profile", "catalog", "question", "solver", "versions"]
"""Where two results may differ so that their answers do: fields of the scenario, constants of its calibration profiles,
facts and prices of the catalog, what was asked, the solver configuration, and versions."""


@dataclass(frozen=True, slots=True)
class Change(Record):
    """A value that is another one; ``None`` where there is none.

    Attributes
    ----------
    ratio
        After over before, where both are numbers above 0.
    """

    name: Text
    before: Any
    after: Any

    @property
    def ratio(self) -> float | None:
        """After over before; ``None`` where they are no numbers above 0."""
        pair = (self.before, self.after)
        if any(isinstance(each, bool) or not isinstance(each, int | float) or each <= 0 for each in pair):
            return None
        return float(self.after) / float(self.before)


@dataclass(frozen=True, slots=True)
class Step(Record):
    """The least cost at which each of two frontiers is as fast as ``speed``; ``None`` where one is not.

    Attributes
    ----------
    speed
        Of a fleet, whatever cost is traded against.
    layout_before, layout_after
        What is chosen there; ``None`` for plans.
    """

    speed: float
    cost_before: float | None
    cost_after: float | None
    layout_before: Text | None
    layout_after: Text | None


@dataclass(frozen=True, slots=True)
class Range(Record):
    """Least, median and greatest of some ratios, after over before; above 1 is more."""

    least: float
    median: float
    greatest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontierDifference(Record):
    """How two frontiers lie to each other.

    Attributes
    ----------
    axis
        What cost is traded against: ``speed`` (tokens/s; of a fleet a factor on all least speeds), or of a fleet also
        ``power`` (kW), ``gpus`` or ``throughput`` (a factor on all demands).
    cost_at_equal_speed, speed_at_equal_cost
        Over all speeds, or costs, that both reach; ``None`` where there is none.
    delta
        Coverage of the coarser of the two, so much of cost and of speed is left open between their points; 0 where both
        are complete, ``None`` where one guarantees none.
    steps
        At every speed that is a point of one of them, fastest first.
    came, went
        Layouts that only the second, or the first, lists, each with its number of points.
    """

    axis: Text
    cost_at_equal_speed: Range | None
    speed_at_equal_cost: Range | None
    delta: float | None
    steps: tuple[Step, ...]
    came: tuple[tuple[Text, int], ...]
    went: tuple[tuple[Text, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancesChange(Record):
    """Instances of one workload, phase, pool and layout, of two plans."""

    workload: Text
    phase: Text
    pool: Text
    layout: Text
    instances_before: int
    instances_after: int
    gpus_before: int
    gpus_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeuristicChange(Record):
    """What a heuristic finds in two comparisons; ``None`` where one has it not, or nothing that is comparable.

    Attributes
    ----------
    share_found_before, share_found_after
        Share of the points of the exact frontier that it found.
    cost_regret_before, cost_regret_after
        Median regret of its points at matched speed, as a share.
    hypervolume_before, hypervolume_after
        Its hypervolume over that of the exact frontier.
    """

    name: Text
    share_found_before: float | None
    share_found_after: float | None
    cost_regret_before: float | None
    cost_regret_after: float | None
    hypervolume_before: float | None
    hypervolume_after: float | None

    @property
    def moved(self) -> bool:
        """Whether any of the figures is another one."""
        before = (self.share_found_before, self.cost_regret_before, self.hypervolume_before)
        after = (self.share_found_after, self.cost_regret_after, self.hypervolume_after)
        return not all(map(same_figure, before, after))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference(Record):
    """What changed from one result to another of the same sort.

    Attributes
    ----------
    names
        Of the scenarios.
    causes
        What differs of what answers depend on, by where.
    answer
        Figures of the answer that differ: columns of a deployment, totals of a plan, ends and number of points of a
        frontier, and of workloads and pools by their names. Of explanations also what is said of limits, by their
        fields, and of runner-ups; of comparisons the measures of heuristics, by their names.
    frontier
        Of frontiers, and of the exact frontiers of comparisons.
    instances
        Of plans, and of plans that are explained.
    heuristics
        Of comparisons.
    """

    kind: QuestionKind
    names: tuple[Text, Text]
    causes: dict[Cause, tuple[Change, ...]]
    answer: tuple[Change, ...]
    frontier: FrontierDifference | None = None
    instances: tuple[InstancesChange, ...] = ()
    heuristics: tuple[HeuristicChange, ...] = ()

    @property
    def frontier_moved(self) -> bool:
        """Whether two frontiers differ anywhere."""
        return self.frontier is not None and any(
            (step.cost_before, step.layout_before) != (step.cost_after, step.layout_after)
            for step in self.frontier.steps
        )

    @property
    def same_answer(self) -> bool:
        """Whether nothing changed in the answer."""
        return not (self.answer or self.instances or self.frontier_moved)

    @property
    def same(self) -> bool:
        """Whether nothing differs at all."""
        return self.same_answer and not any(self.causes.values())

    def to_json(self) -> str:
        """Everything as JSON."""
        from ieco_opt.documents.json_document import json_text
        from ieco_opt.results.encoding import plain

        head = {"format": "ieco_opt difference", "format_version": 1}
        return json_text(head | {"same": self.same, "same_answer": self.same_answer} | plain(self))

    def to_dataframe(self) -> pd.DataFrame:
        """Everything that is another value: ``where`` (a cause, or ``answer``), ``name``, ``before``, ``after``."""
        import pandas as pd

        every = [(where, change) for where, changes in self.causes.items() for change in changes]
        rows = [
            {"where": where, "name": each.name, "before": each.before, "after": each.after}
            for where, each in [*every, *(("answer", each) for each in self.answer)]
        ]
        return pd.DataFrame(rows, columns=["where", "name", "before", "after"])
