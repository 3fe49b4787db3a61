"""The limits of a scenario as values that can be loosened or removed one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

import numpy as np

from ieco_opt.catalog.types import Fidelity
from ieco_opt.design_space.from_scenario import limits_of
from ieco_opt.design_space.limits import Limits
from ieco_opt.performance.energy import Measure
from ieco_opt.scenario import ResolvedScenario
from ieco_opt.scenario.fields import MAX_DEGREE

MOST_GPUS = MAX_DEGREE
MOST_BATCH = MAX_DEGREE
"""What stands for a bound that is removed: the most that a scenario can say."""


class Limit(StrEnum):
    """What can keep a deployment out; the value is the field of the scenario.

    In the order in which a infeasible_subset is told apart: where either of two could be blamed, the later one is.
    """

    BATCH_MIN = "design_space.batch.min"
    BATCH_MAX = "design_space.batch.max"
    BATCHES = "design_space.batch"
    MAX_GPUS = "design_space.max_gpus"
    MEMORY = "memory_utilization"
    MAX_POWER = "limits.max_power_kw"
    MIN_THROUGHPUT = "limits.min_throughput"
    MAX_THROUGHPUT = "limits.max_throughput"
    MAX_CARBON = "limits.max_carbon_kg_per_mtok"
    MAX_ENERGY = "limits.max_energy_j_per_token"
    MAX_END_TO_END = "limits.max_end_to_end_s"
    MAX_TO_FIRST = "limits.max_time_to_first_token_s"
    MAX_COST = "limits.max_cost"
    MIN_SPEED = "limits.min_speed"

    @property
    def is_least(self) -> bool:
        """Whether the limit is loosened downwards."""
        return self in (Limit.BATCH_MIN, Limit.MIN_THROUGHPUT, Limit.MIN_SPEED)

    @property
    def measure(self) -> Measure:
        """What a token may take so much of, where the limit is one on that."""
        return next(each for each in Measure if each.limit == _ATTRIBUTES[self])

    @property
    def is_whole(self) -> bool:
        """Whether only integers make sense."""
        return self in (Limit.BATCH_MIN, Limit.BATCH_MAX, Limit.MAX_GPUS)

    @property
    def unit(self) -> str:
        """Unit of the limit in words."""
        return _UNITS[self]


_UNITS = {
    Limit.BATCH_MIN: "sequences in flight",
    Limit.BATCH_MAX: "sequences in flight",
    Limit.BATCHES: "sequences in flight",
    Limit.MAX_GPUS: "GPUs",
    Limit.MEMORY: "of each GPU's memory",
    Limit.MAX_POWER: "kW",
    Limit.MIN_THROUGHPUT: "tokens/s over all requests",
    Limit.MAX_THROUGHPUT: "tokens/s over all requests",
    Limit.MAX_CARBON: Measure.CARBON.unit,
    Limit.MAX_ENERGY: Measure.ENERGY.unit,
    Limit.MAX_END_TO_END: "seconds to the last token",
    Limit.MAX_TO_FIRST: "seconds to the first token",
    Limit.MAX_COST: Measure.COST.unit,
    Limit.MIN_SPEED: "tokens/s for each request",
}
_ATTRIBUTES = {
    Limit.BATCH_MIN: "batch_min",
    Limit.BATCH_MAX: "batch_max",
    Limit.BATCHES: "batches",
    Limit.MAX_GPUS: "max_gpus",
    Limit.MEMORY: "memory_utilization",
    Limit.MAX_POWER: "max_power_kw",
    Limit.MIN_THROUGHPUT: "min_throughput",
    Limit.MAX_THROUGHPUT: "max_throughput",
    Limit.MAX_CARBON: Measure.CARBON.limit,
    Limit.MAX_ENERGY: Measure.ENERGY.limit,
    Limit.MAX_END_TO_END: "max_end_to_end_s",
    Limit.MAX_TO_FIRST: "max_time_to_first_token_s",
    Limit.MAX_COST: Measure.COST.limit,
    Limit.MIN_SPEED: "min_speed",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """A value for every limit; the defaults keep nothing out that a machine could run.

    Units: tokens/s, $ per million tokens, kW, GPUs, sequences, a share of the memory, J per token, kg per million
    tokens, seconds. Limits hold with the error of the model that the scenario plans with; ``least_speed`` and
    ``most_taken`` are no limits, but what a deployment must reach besides, and what a token may take of the pool's
    measure, as priced.
    """

    min_speed: float = 0.0
    max_cost: float = np.inf
    max_throughput: float = np.inf
    min_throughput: float = 0.0
    max_power_kw: float = np.inf
    max_gpus: int = MOST_GPUS
    batch_min: int = 1
    batch_max: int = MOST_BATCH
    batches: tuple[int, ...] | None = None
    memory_utilization: float = 1.0
    max_energy_j_per_token: float = np.inf
    max_carbon_kg_per_mtok: float = np.inf
    max_time_to_first_token_s: float = np.inf
    max_end_to_end_s: float = np.inf
    least_speed: float = 0.0
    most_taken: float = np.inf

    def value(self, limit: Limit) -> Any:
        """Value of one limit."""
        return getattr(self, _ATTRIBUTES[limit])

    def most(self, measure: Measure) -> float:
        """Most that a token may take of a measure."""
        return float(getattr(self, measure.limit))

    def given(self, limit: Limit, value: Any) -> Bounds:
        """Change one limit."""
        return replace(self, **{_ATTRIBUTES[limit]: value})

    def without(self, limits: Iterable[Limit]) -> Bounds:
        """Remove some limits."""
        names = [_ATTRIBUTES[limit] for limit in limits]
        return replace(self, **{name: getattr(NONE, name) for name in names})

    def present(self) -> tuple[Limit, ...]:
        """Limits that keep anything out at all."""
        return tuple(limit for limit in Limit if self.value(limit) != NONE.value(limit))

    @property
    def scenario_limits(self) -> Limits:
        """The part that a scenario calls its limits."""
        return Limits(**{item.name: getattr(self, item.name) for item in fields(Limits)})


NONE = Bounds()


def bounds_of(resolved: ResolvedScenario, most_gpus: int) -> Bounds:
    """Limits of a scenario whose largest setup has ``most_gpus`` GPUs."""
    limits, listed = limits_of(resolved.scenario), resolved.design_space
    deployable = resolved.scenario.fidelity is Fidelity.DEPLOYABLE
    ranged = listed.batches is None
    return Bounds(
        min_speed=limits.min_speed,
        max_cost=limits.max_cost,
        max_throughput=limits.max_throughput,
        min_throughput=limits.min_throughput,
        max_power_kw=limits.max_power_kw,
        max_energy_j_per_token=limits.max_energy_j_per_token,
        max_carbon_kg_per_mtok=limits.max_carbon_kg_per_mtok,
        max_time_to_first_token_s=limits.max_time_to_first_token_s,
        max_end_to_end_s=limits.max_end_to_end_s,
        max_gpus=listed.max_gpus if listed.max_gpus < most_gpus else MOST_GPUS,
        batch_min=listed.batch_min if ranged else 1,
        batch_max=listed.batch_max if ranged else MOST_BATCH,
        batches=listed.batches,
        memory_utilization=resolved.scenario.memory_utilization if deployable else 1.0,
    )


def one_unit(bounds: Bounds, limit: Limit, gpu_counts: Iterable[int]) -> tuple[float | int, str] | None:
    """Value of a limit loosened by one unit, and that unit in words; ``None`` where a list has no unit.

    Parameters
    ----------
    gpu_counts
        Numbers of GPUs that the degrees of the scenario multiply to.
    """
    value = bounds.value(limit)
    match limit:
        case Limit.MIN_SPEED:
            return max(0.0, value - 1.0), "1 token/s"
        case Limit.MAX_COST:
            return value + 0.01, "$0.01"
        case Limit.MIN_THROUGHPUT:
            return value * 0.99, "1 %"
        case Limit.MAX_THROUGHPUT | Limit.MAX_ENERGY | Limit.MAX_CARBON | Limit.MAX_TO_FIRST | Limit.MAX_END_TO_END:
            return value * 1.01, "1 %"
        case Limit.MAX_POWER:
            return value + 1.0, "1 kW"
        case Limit.MAX_GPUS:
            return min(count for count in gpu_counts if count > value), "the next number of GPUs that degrees give"
        case Limit.MEMORY:
            return min(1.0, value + 0.01), "0.01"
        case Limit.BATCH_MAX | Limit.BATCH_MIN:
            return value + (-1 if limit.is_least else 1), "1 sequence"
        case Limit.BATCHES:
            return None
