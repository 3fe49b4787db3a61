"""What the oracle keeps between questions: the prices of the last few design spaces.

Tests ask for one design space again and again with other limits and other demand, and prices heed neither. A rule is
left out by putting another function in the place of the oracle's, so nothing may be kept across that: see
:func:`forgotten`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

Value = TypeVar("Value")

_EVERY: list[Memory] = []


class Memory(dict[Hashable, object]):
    """The last ``most`` answers, by what was asked."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        _EVERY.append(self)

    def recall(self, asked: Hashable, answer: Callable[[], Value]) -> Value:
        """Return what was answered before, or ask."""
        if asked not in self:
            found = answer()
            while len(self) >= self.most:
                del self[next(iter(self))]
            self[asked] = found
        return self[asked]  # type: ignore[return-value]


@contextlib.contextmanager
def forgotten() -> Iterator[None]:
    """Keep nothing from before and nothing for afterwards: rules of the oracle are others within."""
    before = [dict(memory) for memory in _EVERY]
    for memory in _EVERY:
        memory.clear()
    try:
        yield
    finally:
        for memory, kept in zip(_EVERY, before, strict=True):
            memory.clear()
            memory.update(kept)
