"""Whether work may go on: what every long loop asks, whoever answers."""

from __future__ import annotations

from typing import Protocol


class Ask(Protocol):
    """Asked by every loop before each of its steps; ``doing`` says in words what begins, for people to read.

    The one who answers raises an exception of his own where the work must end. Loops let it pass, but for those that
    have something to show for what they did.
    """

    def __call__(self, doing: str = "", /) -> object:
        """Return where the work may go on."""


def go_on(_doing: str = "", /) -> None:
    """Let all work go on: the answer where nobody set a limit."""
