"""What each workload of a plan has chosen, and the scenarios in which it must choose otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ieco_opt.catalog.precision import label
from ieco_opt.explanation.fleet_neighbours import Layout, Neighbours
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.results.fleet_explanation import ChoiceKind
from ieco_opt.results.instances import InstanceRow
from ieco_opt.results.parallelism import Parallelism
from ieco_opt.results.plan import FleetPlan
from ieco_opt.scenario import ResolvedFleet, ResolvedWorkload
from ieco_opt.scenario.engines import ANY, PREFERENCE, spoken


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a workload (at position ``at``) that is excluded.

    Attributes
    ----------
    others
        What is left to choose from; of layouts nothing is listed.
    changes
        Fields of the workload with which it is excluded; none for layouts, which are left out of what is priced.
    """

    at: int
    kind: ChoiceKind
    without: str
    others: tuple[str, ...]
    changes: dict[str, object]
    layout: Layout | None = None

    def space(self, near: Neighbours) -> FleetSpace:
        """The fleet without it."""
        if self.layout is not None:
            return near.space(near.fleet, (self.at, self.layout))
        workloads = list(near.fleet.workloads)
        workloads[self.at] = workloads[self.at].model_copy(update=self.changes)
        return near.space(near.fleet.model_copy(update={"workloads": tuple(workloads)}))

    def is_made_by(self, row: InstanceRow, serving: str) -> bool:
        """Whether a row of the workload in a plan makes the excluded choice."""
        match self.kind:
            case "layout":
                return row.parallelism is not None and layout_of(row) == self.layout
            case "serving":
                return serving == self.without
            case _:
                return bool(getattr(row, self.kind) == self.without)


def layout_of(row: InstanceRow) -> Layout:
    """The layout of a row that has one."""
    held = row.parallelism
    assert isinstance(held, Parallelism)
    return Layout(held.tensor, held.attention_data, held.pipeline, held.expert > 1, row.phase == "prefill")


def choices_of(resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[Choice]:
    """Every choice that a plan makes where the scenario leaves another one, by workload."""
    for at, workload in enumerate(resolved.workloads):
        rows = [row for row in plan.instances if row.workload == workload.workload.name]
        for layout in dict.fromkeys(layout_of(row) for row in rows if row.parallelism is not None):
            yield Choice(at, "layout", str(layout), (), {}, layout)
        summary = next(each for each in plan.workloads if each.workload == workload.workload.name)
        for kind, used in _used(rows, summary.serving):
            left, changes = _left(resolved, workload, kind, used)
            if left:
                yield Choice(at, kind, used, left, changes)


def unchosen(resolved: ResolvedFleet, plan: FleetPlan) -> Iterator[tuple[str, ChoiceKind, str]]:
    """Choices that are none, since the scenario has one alone: workload, kind, and what there is."""
    for workload in resolved.workloads:
        rows = [row for row in plan.instances if row.workload == workload.workload.name]
        summary = next(each for each in plan.workloads if each.workload == workload.workload.name)
        for kind, used in _used(rows, summary.serving):
            if not _left(resolved, workload, kind, used)[0]:
                yield workload.workload.name, kind, used


def _used(rows: list[InstanceRow], serving: str) -> Iterator[tuple[ChoiceKind, str]]:
    yield "serving", serving
    kinds: tuple[ChoiceKind, ...] = ("accelerator", "weights", "kv_cache", "engine")
    for kind in kinds:
        for used in dict.fromkeys(getattr(row, kind) for row in rows):
            if used is not None:
                yield kind, used


def _left(
    resolved: ResolvedFleet, workload: ResolvedWorkload, kind: ChoiceKind, used: str
) -> tuple[tuple[str, ...], dict[str, object]]:
    """What a workload may choose beside one choice, and the fields that say so."""
    asked = workload.workload
    match kind:
        case "serving":
            modes = tuple(each for each in asked.serving if each != used)
            return modes, {"serving": modes}
        case "accelerator":
            pools = [resolved.pools[at] for at in workload.pools if resolved.pools[at].accelerator.name != used]
            names = tuple(dict.fromkeys(pool.accelerator.name for pool in pools))
            return names, {"pools": tuple(pool.name for pool in pools)}
        case "weights":
            entries = tuple(each for each in asked.weights if label(each) != used)
            return tuple(map(label, entries)), {"weights": entries}
        case "kv_cache":
            caches = tuple(each for each in asked.kv_cache if each != used)
            return caches, {"kv_cache": caches}
        case _:
            listed = [name for each in asked.engine for name in (PREFERENCE if each == ANY else (each,))]
            own = {name for each, name in zip(listed, spoken(listed), strict=True) if not isinstance(each, str)}
            engines = tuple(
                each
                for each, name in zip(listed, spoken(listed), strict=True)
                if name != used and not (isinstance(each, str) and name in own)
            )
            return tuple(dict.fromkeys(spoken(engines))), {"engine": engines}
