"""What a check of a saved result found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Verification:
    """What a check found.

    Attributes
    ----------
    problems
        One line for each thing that is wrong.
    unchecked
        One line for each thing that could not be checked.
    deployments, configurations, heuristics, plans, rows, nodes, alternatives
        What was looked at; ``configurations`` are all of the scenario, among which better deployments were sought.
    """

    deployments: int = 0
    configurations: int = 0
    heuristics: int = 0
    plans: int = 0
    rows: int = 0
    nodes: int = 0
    alternatives: int = 0
    problems: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems
