"""What keeps a proposal from being launched, with all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from ieco_opt.pareto.resident import Resident
from ieco_opt.performance.servers import Refusal
from ieco_opt.results.comparison import Obstacle, Reason


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason against a proposal.

    Attributes
    ----------
    text, excess
        As in :class:`~ieco_opt.results.comparison.Reason`.
    field
        What says so in the scenario; empty where nothing there does.
    rule, source
        What says so of a server or of the model, with its expression and its source; empty where nothing does.
    here
        What the names of its expression stand for.
    held
        What the memory would have to hold, where it is over.
    """

    obstacle: Obstacle
    text: str
    excess: float = 0.0
    field: str = ""
    rule: str = ""
    source: str = ""
    here: str = ""
    held: Resident | None = None

    def reason(self) -> Reason:
        """What a comparison says of it."""
        return Reason(self.obstacle, self.text, self.excess)


def not_offered(text: str, field: str = "") -> Finding:
    """Something that the design space of the scenario does not have."""
    return Finding(Obstacle.NOT_OFFERED, text, field=field)


def refused(text: str, refusal: Refusal) -> Finding:
    """Something that a rule of a server refuses, in short words."""
    rule = refusal.rule
    return Finding(Obstacle.NOT_OFFERED, text, rule=str(rule), source=rule.source, here=refusal.here)


def ruled_out(text: str, rule: str, source: str) -> Finding:
    """The same of a rule that no profile has."""
    return Finding(Obstacle.NOT_OFFERED, text, rule=f"{rule} [{source}]", source=source)
