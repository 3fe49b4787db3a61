"""Tables of setups that were priced already: workloads that ask the same of a card share them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from ieco_opt.catalog.precision import Precision
from ieco_opt.design_space.building import FamilyRequest
from ieco_opt.fleet.columns import SetupTable

Asked = tuple[FamilyRequest, ...]
"""What is asked for each class of requests."""

Numbered = tuple[int, Precision]
"""A precision with its position in the workload."""

Priced = tuple[Sequence[SetupTable], Counter[str]]
"""A table for each server, and how many setups are none by reason."""


@dataclass(frozen=True, slots=True)
class KnownTables:
    """What was priced, by all that decides it.

    Precisions and the rules of servers have no hash: they are compared.
    """

    _found: dict[Hashable, list[tuple[Numbered, Asked, Priced]]] = field(default_factory=dict)

    def find(self, key: Hashable, precision: Numbered, asked: Asked) -> Priced | None:
        """What was priced for the same request; ``None`` where nothing was."""
        for *other, priced in self._found.get(key, ()):
            if other == [precision, asked]:
                return priced
        return None

    def keep(self, key: Hashable, precision: Numbered, asked: Asked, priced: Priced) -> None:
        """Remember what was priced."""
        self._found.setdefault(key, []).append((precision, asked, priced))
