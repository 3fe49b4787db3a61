"""What the program of a fleet decides over, and what it decided."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ieco_opt.fleet.space import FleetProblem


class Quantity(StrEnum):
    """What a plan comes to; each can be minimised or capped."""

    COST = "cost"
    POWER = "power"
    GPUS = "gpus"
    INSTANCES = "instances"
    ENERGY = "energy"
    CARBON = "carbon"


class Goal(StrEnum):
    """What else a program can be solved for: any plan at all, or the greatest least slack over workloads."""

    ANY = "any"
    SLACK = "slack"


class Family(StrEnum):
    """Families of requirements of which one may be relaxed."""

    DEMAND = "demand"
    CAPACITY = "capacity"
    POOL_POWER = "pool_power"
    CAP = "cap"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: its family, and which workload, pool or quantity it is about.

    ``nodes`` are the whole nodes there are, where capacity is relaxed: the problem then has as many as can ever be of
    use.
    """

    family: Family
    which: int | Quantity
    nodes: int = 0


@dataclass(frozen=True, slots=True)
class FleetProgramData:
    """What one program decides over.

    Attributes
    ----------
    minimise
        The objective, or another goal; unless a requirement is relaxed: then its violation is minimised.
    epsilons
        Caps of an epsilon-constraint step, beside those of the problem.
    relaxed
        A requirement that may be violated: demand by a share of it, capacity by whole nodes, power and caps by a share.
    most_violation
        The violation may be so much, and ``minimise`` is the objective again; ``None``: the violation is minimised.
    least_covered
        Multiple of all demands that must be covered where the greatest is sought.
    """

    problem: FleetProblem
    minimise: Quantity | Goal = Quantity.COST
    epsilons: Mapping[Quantity, float] = field(default_factory=dict)
    relaxed: Requirement | None = None
    most_violation: float | None = None
    least_covered: float = 1.0


def column_names(problem: FleetProblem) -> list[str]:
    """One name a column that a reader of an exported program understands, such as ``chat_h100_decode_4g_b128``."""
    names = []
    for at, column in enumerate(problem.columns):
        parts = (problem.workloads[column.workload].name, problem.pools[column.pool].name, column.phase.value)
        names.append(plain_name("_".join((*parts, f"{column.gpus}g", f"b{max(column.batch)}")), at))
    return names


def plain_name(name: str, at: int) -> str:
    """A name that LP files accept, made unique by its position."""
    return f"{re.sub(r'[^0-9A-Za-z]+', '_', name)}_{at}"


def position(names: Any, name: str) -> int:
    """Position of a name in an ordered set of a program."""
    return int(names.ord(name)) - 1


@dataclass(frozen=True, slots=True)
class FleetDecision:
    """What a solved program decided, rounded.

    Attributes
    ----------
    instances
        Instances of each column, by position.
    nodes
        Nodes in use of each pool (whole ones).
    disaggregated
        Whether each workload runs disaggregated.
    share
        Share of a class that a column serves, by column and class; of workloads with a mix, and where loads are
        decided.
    flows
        By pool whose rests are no chain, and ``whole`` or ``partial`` nodes: how often each arc (start, size) is used.
    violation
        Of the relaxed requirement.
    """

    instances: tuple[int, ...]
    nodes: tuple[int, ...]
    disaggregated: tuple[bool, ...]
    share: dict[tuple[int, int], float]
    flows: dict[tuple[int, str], dict[tuple[int, int], int]]
    violation: float


def read_flows(model: Any) -> dict[tuple[int, str], dict[tuple[int, int], int]]:
    """How often each arc through the nodes of a pool is used; fields as of :class:`FleetDecision`."""
    flows: dict[tuple[int, str], dict[tuple[int, int], int]] = {}
    for at, pool in enumerate(model.pools):
        flow = getattr(model.filling[pool], "flow", {})
        for (name, start, size), variable in flow.items():
            if count := round(variable.value or 0.0):
                flows.setdefault((at, name), {})[start, size] = count
    return flows


def read_nodes(model: Any) -> tuple[int, ...]:
    """Nodes in use of each pool."""
    return tuple(round(variable.value or 0.0) for variable in model.nodes.values())


def read_fleet_decision(model: Any, problem: FleetProblem) -> FleetDecision:
    """Round the decision from a model whose variables hold a solution."""
    positions = {name: at for at, name in enumerate(model.columns)}
    slices = {
        name: problem.workloads[column.workload].slices or 1
        for name, column in zip(model.columns, problem.columns, strict=True)
    }
    return FleetDecision(
        instances=tuple(round(variable.value or 0.0) for variable in model.instances.values()),
        nodes=read_nodes(model),
        disaggregated=tuple(
            workload.modes == ("disaggregated",)
            or (name in model.disaggregated and (model.disaggregated[name].value or 0.0) > 0.5)
            for name, workload in zip(model.workloads, problem.workloads, strict=True)
        ),
        share={
            (positions[name], c): (variable.value or 0.0) / slices[name] for (name, c), variable in model.share.items()
        }
        | {(positions[name], 0): variable.value or 0.0 for name, variable in model.served_share.items()},
        flows=read_flows(model),
        violation=model.violation.value if hasattr(model, "violation") else 0.0,
    )


def values_of(model: Any) -> list[tuple[Any, float]]:
    """Every variable of a model with the value it holds, to start from."""
    import pyomo.core as pyo

    variables = model.component_data_objects(pyo.Var)
    return [(variable, variable.value) for variable in variables if variable.value is not None]
