"""What a search counted and how long it took; nothing here is part of an answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """How large the search was: setups, alternatives with speculation, and segments left for the program."""

    setups: int
    alternatives: int
    segments: int
    rejected: dict[str, int]


@dataclass(frozen=True, slots=True)
class SearchStatistics:
    """What a search over the deployments of one scenario took."""

    steps: int
    solves: int
    closed_by_bounds: int
    solver_seconds: float
    seconds: float
    step_seconds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FleetStatistics:
    """What the search took: columns priced, columns left for the program, solves, and seconds.

    ``solver_seconds`` is the part spent solving, without pricing. What a better plan would violate is not in either.
    """

    columns: int
    columns_in_program: int
    variables: int
    constraints: int
    solves: int
    solver_seconds: float
    seconds: float
