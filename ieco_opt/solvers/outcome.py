"""What a solve came to, whichever solver ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Outcome(StrEnum):
    """How a solve ended."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no_solution"


@dataclass(frozen=True, slots=True)
class Solution:
    """Result of one solve; variables of the program hold the incumbent where there is one.

    ``objective`` is the incumbent's, ``bound`` what was proven about the optimum; both are ``None`` where the solver
    gave none. ``FEASIBLE`` and ``NO_SOLUTION`` mean that a limit or an interrupt ended the search.
    """

    outcome: Outcome
    objective: float | None
    bound: float | None
    seconds: float

    @property
    def has_incumbent(self) -> bool:
        """Whether the variables hold a feasible solution."""
        return self.outcome in (Outcome.OPTIMAL, Outcome.FEASIBLE)


TERMINATIONS: Mapping[str, Outcome] = MappingProxyType(
    {
        # HiGHS
        "kOptimal": Outcome.OPTIMAL,
        "kTimeLimit": Outcome.FEASIBLE,
        "kIterationLimit": Outcome.FEASIBLE,
        "kSolutionLimit": Outcome.FEASIBLE,
        "kInterrupt": Outcome.FEASIBLE,
        "kInfeasible": Outcome.INFEASIBLE,
        # Every program here is bounded: costs and latencies are not negative, batches have an upper bound.
        "kUnboundedOrInfeasible": Outcome.INFEASIBLE,
        # pyomo.opt
        "optimal": Outcome.OPTIMAL,
        "maxIterations": Outcome.FEASIBLE,
        "maxEvaluations": Outcome.FEASIBLE,
        "feasible": Outcome.FEASIBLE,
        "userInterrupt": Outcome.FEASIBLE,
        "resourceInterrupt": Outcome.FEASIBLE,
        "infeasible": Outcome.INFEASIBLE,
    }
)
"""Termination conditions by name; one that is not listed is an error, never taken for a result."""
