"""What changed between two results: what was asked, what the answers depend on, and the answers themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ieco_opt.documents.types import Record, Text
from ieco_opt.results.answer import QuestionKind

if TYPE_CHECKING:
    import pandas as pd

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
        frontier, and of workloads and pools by their names.
    frontier
        Of frontiers.
    instances
        Of plans.
    """

    kind: QuestionKind
    names: tuple[Text, Text]
    causes: dict[Cause, tuple[Change, ...]]
    answer: tuple[Change, ...]
    frontier: FrontierDifference | None = None
    instances: tuple[InstancesChange, ...] = ()

    @property
    def same_answer(self) -> bool:
        """Whether nothing changed in the answer."""
        moved = self.frontier is not None and any(
            (step.cost_before, step.layout_before) != (step.cost_after, step.layout_after)
            for step in self.frontier.steps
        )
        return not (self.answer or self.instances or moved)

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
