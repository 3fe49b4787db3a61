"""What a search counted and how long it took; nothing here is part of an answer."""

from __future__ import annotations

from dataclasses import dataclass

from ieco_opt.documents.types import Count, FromZero, Record, Text


@dataclass(frozen=True, slots=True)
class Counts(Record):
    """How large a design space was: setups, alternatives with speculation, and segments left for the program."""

    setups: Count
    alternatives: Count
    segments: Count
    rejected: dict[Text, Count]


@dataclass(frozen=True, slots=True)
class SearchStatistics(Record):
    """What a search over the deployments of one scenario took.

    ``steps`` are epsilon-constraint steps; ``closed_by_bounds`` counts the programs that bounds made unnecessary.
    """

    counts: Counts
    steps: Count
    solves: Count
    closed_by_bounds: Count
    solver_seconds: FromZero
    seconds: FromZero
    step_seconds: tuple[FromZero, ...]


@dataclass(frozen=True, slots=True)
class FleetStatistics(Record):
    """What the search of a fleet took: columns priced, columns left for the program, solves, and seconds.

    ``solver_seconds`` is the part spent solving, without pricing. What a better plan would violate is not in either.
    """

    columns: Count
    columns_in_program: Count
    variables: Count
    constraints: Count
    solves: Count
    solver_seconds: FromZero
    seconds: FromZero


@dataclass(frozen=True, slots=True)
class ExplanationStatistics(Record):
    """How long an explanation took."""

    seconds: FromZero


@dataclass(frozen=True, slots=True)
class ComparisonStatistics(Record):
    """What the exact search took (``None`` in files of format 1), and the seconds of each heuristic."""

    exact: SearchStatistics | None
    heuristic_seconds: tuple[FromZero, ...]


@dataclass(frozen=True, slots=True)
class AlternativesStatistics(Record):
    """How many programs near-optimal alternatives took, and how long."""

    solves: Count
    seconds: FromZero
