"""What a solver configuration says: which solver, how exact, how long, and its own options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ieco_opt.defaults import DEFAULT_CONFIG
from ieco_opt.documents.types import AboveZero, Flag, Integer, Number, Record, Share, Text
from ieco_opt.scenario.fields import expecting

OptionValue = Annotated[Flag | Integer | Number | Text, expecting("true, false, a number or text")]

FleetAlgorithm = Literal["auto", "patterns", "instances"]


@dataclass(frozen=True, slots=True)
class SolverConfig(Record):
    """How to solve.

    Attributes
    ----------
    solver
        ``highs``, or the name of another solver that Pyomo can run here.
    relative_gap
        Gap at which a step counts as solved; 0 proves the optimum.
    accepted_gap, patience_s
        After ``patience_s`` seconds of one solve a gap up to ``accepted_gap`` is good enough, too; ``None`` for never.
    time_limit_s, total_time_limit_s
        Limits of one solve and of a whole sweep; ``None`` for none.
    fleet_algorithm
        How fleets are planned: ``instances`` by the program of all instances, ``patterns`` by what workloads take of
        the pools where that is exact, ``auto`` by patterns where that is usually quicker.
    options
        Options of the solver by its own names.
    """

    name: Text = DEFAULT_CONFIG
    solver: Text = "highs"
    relative_gap: Share = 0.0
    accepted_gap: Share | None = None
    patience_s: AboveZero | None = None
    time_limit_s: AboveZero | None = None
    total_time_limit_s: AboveZero | None = None
    fleet_algorithm: FleetAlgorithm = "auto"
    options: dict[Text, OptionValue] = field(default_factory=dict)

    @property
    def largest_gap(self) -> float:
        """Gap that a step may be left with although nothing stopped it."""
        return max(self.relative_gap, self.accepted_gap or 0.0)
