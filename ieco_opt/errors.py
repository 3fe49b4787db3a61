"""The one family of exceptions that ieco_opt raises on purpose."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of Unicode that break lines, steer terminals or cannot be encoded."""

_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of writing, and so what a line seems to say."""


def printable(text: str) -> str:
    """Escape whatever would break a line, steer a terminal or hide text, as Python does in a literal."""
    if text.isprintable():
        return text
    return "".join(repr(letter)[1:-1] if _is_unseen(letter) else letter for letter in text)


def _is_unseen(letter: str) -> bool:
    return unicodedata.category(letter) in _UNSEEN or letter in _TURNING


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
        place = self.file or ("" if self.field and self.line is None else "scenario")
        if self.line is not None:
            place = f"{place}:{self.line}"
        return printable(": ".join(part for part in (place, self.field, self.message) if part))


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


class UnwrittenError(ScenarioError):
    """A file could not be written after all, with the work for it done; the input is not what is wrong."""


class InfeasibleError(IecoOptError):
    """No deployment of the scenario meets its limits, and that is proven; the message says how.

    Attributes
    ----------
    reasons
        What is proven, and then why, as far as it was found out: each in words that stand by themselves.
    """

    def __init__(self, *reasons: str) -> None:
        self.reasons = reasons
        super().__init__(*reasons)

    @property
    def why(self) -> str:
        """All reasons in one line."""
        proven, *because = self.reasons
        return f"{proven} ({'; '.join(because)})" if because else proven

    def __str__(self) -> str:
        return f"proven infeasible: {self.why}"


class InfeasibleFleetError(InfeasibleError):
    """No plan serves all workloads of a fleet; the message says who cannot be served and what it would take."""

    @property
    def why(self) -> str:
        """All reasons in one line."""
        return "; ".join(self.reasons)


class NotListedError(InfeasibleError):
    """No deployment that a result lists is as asked for, which says nothing of those that it does not list."""

    def __str__(self) -> str:
        return self.why


class SolverError(IecoOptError):
    """The solver is missing, failed, or contradicted the performance model."""


class SearchStoppedError(SolverError):
    """A limit or an interrupt ended the search before it found anything."""


class SolverMissingError(SolverError):
    """The configuration names a solver that is not installed here."""
