"""The one family of exceptions that ieco_opt raises on purpose."""

from __future__ import annotations

from dataclasses import dataclass


class IecoOptError(Exception):
    """Base of every error that ieco_opt raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input.

    Attributes
    ----------
    file
        Name of the file, or ``None`` where the input came from Python.
    line
        Line in the file, counted from 1, or ``None`` where it is unknown.
    field
        Dotted path of the field, such as ``limits.max_cost``; empty for the file as a whole.
    message
        What was found and what is expected, on one line.
    """

    file: str | None
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        place = self.file or "scenario"
        if self.line is not None:
            place = f"{place}:{self.line}"
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class ScenarioError(IecoOptError):
    """The input is wrong; ``faults`` holds every fault found, not only the first."""

    def __init__(self, faults: list[Fault] | tuple[Fault, ...]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    @classmethod
    def single(
        cls, message: str, *, field: str = "", file: str | None = None, line: int | None = None
    ) -> ScenarioError:
        """Build an error of one fault."""
        return cls([Fault(file=file, line=line, field=field, message=message)])


class InfeasibleError(IecoOptError):
    """No deployment of the scenario meets its limits, and that is proven; the message says how."""


class InfeasibleFleetError(InfeasibleError):
    """No plan serves all workloads of a fleet; the message says who cannot be served and what it would take."""


class SolverError(IecoOptError):
    """The solver is missing, failed, or contradicted the performance model."""


class SearchStoppedError(SolverError):
    """A limit or an interrupt ended the search before it found anything."""


class SolverMissingError(SolverError):
    """The configuration names a solver that is not installed here."""
