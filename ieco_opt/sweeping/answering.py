"""The answer to one point as a row: what a worker does, wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ieco_opt.defaults import DEFAULT_PREFERENCE, FleetObjective, ObjectiveName
from ieco_opt.errors import IecoOptError, InfeasibleError, ScenarioError, SearchStoppedError, printable
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.totals import FleetTotals
from ieco_opt.scenario import Fleet, Scenario
from ieco_opt.scenario.solver_config import SolverConfig
from ieco_opt.solvers.one_at_a_time import one_at_a_time
from ieco_opt.solvers.run import INTERRUPTED

Row = dict[str, Any]
"""Status, reason and columns of the answer, as plain values."""

_MOST_LETTERS = 300


class PointStatus(StrEnum):
    """What became of a point; the first two are those of an answer."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    """Proven: nothing meets the limits."""
    WRONG = "wrong"
    """The scenario of the point is wrong."""
    STOPPED = "stopped"
    """A limit of the solver configuration ended the search before it found anything."""
    FAILED = "failed"
    """The solver or ieco_opt failed."""
    LOST = "lost"
    """No worker returned an answer, also not when asked again."""
    PENDING = "pending"
    """The sweep ended before the point was answered."""


FINAL = frozenset({*PointStatus} - {PointStatus.LOST, PointStatus.PENDING})
"""What is kept: asking again would give the same."""


class InterruptedHereError(Exception):
    """The search of a point was interrupted, so that it has no answer yet."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of every point.

    Attributes
    ----------
    objective
        As of ``solve`` or of ``fleet``; ``None`` for their default.
    """

    config: SolverConfig
    objective: str | None = None
    preference: float = DEFAULT_PREFERENCE


def answered(scenario: Scenario | Fleet, asked: Asked) -> Row:
    """Answer a point; whatever is wrong with it becomes its status and its reason.

    Raises
    ------
    InterruptedHereError
        An interrupt ended the search.
    """
    try:
        return _solved(scenario, asked)
    except ScenarioError as error:
        return row_of_wrong(error)
    except InfeasibleError as error:
        return without_answer(PointStatus.INFEASIBLE, error.why)
    except SearchStoppedError as error:
        if INTERRUPTED in str(error):
            raise InterruptedHereError from None
        return without_answer(PointStatus.STOPPED, str(error))
    except InterruptedHereError:
        raise
    except IecoOptError as error:
        return without_answer(PointStatus.FAILED, str(error))
    except Exception as error:
        return without_answer(PointStatus.FAILED, f"an internal fault ({type(error).__name__}: {error})")


@one_at_a_time
def _solved(scenario: Scenario | Fleet, asked: Asked) -> Row:
    if isinstance(scenario, Scenario):
        from ieco_opt.pareto.run import answer

        objective: ObjectiveName | None = asked.objective  # type: ignore[assignment]
        found = answer(scenario, objective=objective, preference=asked.preference, solver_config=asked.config)
        return _row(found, found[0].to_dict() if len(found) else None)
    from ieco_opt.fleet.run import plan

    criterion: FleetObjective | None = asked.objective  # type: ignore[assignment]
    planned = plan(scenario, objective=criterion, solver_config=asked.config)
    return _row(planned, FleetTotals.of(planned).to_dict())


def _row(answer: Frontier | FleetResult, columns: dict[str, Any] | None) -> Row:
    if answer.stopped == INTERRUPTED:
        raise InterruptedHereError
    if columns is None:
        return without_answer(PointStatus.STOPPED, f"the search ended ({answer.stopped}) before it found a deployment")
    reason = None if answer.stopped is None else f"stopped early ({answer.stopped})"
    plain = {name: str(value) if isinstance(value, str) else value for name, value in columns.items()}
    return {**plain, "status": str(columns["status"]), "reason": reason}


def row_of_wrong(error: ScenarioError) -> Row:
    """The row of a point whose scenario is wrong: its first fault, and how many there are more."""
    first, *others = error.faults
    said = ": ".join(part for part in (first.field, first.message) if part)
    more = f" (and {len(others)} more)" if others else ""
    return without_answer(PointStatus.WRONG, said + more)


def without_answer(status: PointStatus, reason: str) -> Row:
    """The row of a point that has no answer, with the reason on one line."""
    line = printable(" ".join(reason.split()))
    return {"status": str(status), "reason": line if len(line) <= _MOST_LETTERS else f"{line[:_MOST_LETTERS]}..."}
