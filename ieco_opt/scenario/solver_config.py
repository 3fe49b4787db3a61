"""What a solver configuration says: which solver, how exact, how long, and its own options."""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULT_CONFIG = "exact"


@dataclass(frozen=True, slots=True)
class SolverConfig:
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
    options
        Options of the solver by its own names.
    """

    name: str = DEFAULT_CONFIG
    solver: str = "highs"
    relative_gap: float = 0.0
    accepted_gap: float | None = None
    patience_s: float | None = None
    time_limit_s: float | None = None
    total_time_limit_s: float | None = None
    options: dict[str, bool | int | float | str] = field(default_factory=dict)
