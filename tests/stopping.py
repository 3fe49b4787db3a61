"""Ending work after so many questions whether it may go on, wherever that is, and however fast the machine is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from ieco_opt.solvers.run import OUT_OF_TIME, Run, Stopped


class Ends:
    """Answers what loops ask: they may go on so many times, and then never again."""

    def __init__(self, after: float = float("inf")) -> None:
        self.after = after
        self.asked = 0

    def __call__(self, _doing: str = "", /) -> None:
        """Let the work go on, if it still may."""
        self.asked += 1
        if self.asked > self.after:
            raise Stopped(OUT_OF_TIME)


def end_runs_after(asked: float, monkeypatch: pytest.MonkeyPatch) -> Ends:
    """Let every run end after so many questions, those before each solve included."""
    ends, honest = Ends(asked), Run.seconds_left

    def seconds_left(run: Run) -> float | None:
        ends()
        return honest(run)

    monkeypatch.setattr(Run, "seconds_left", seconds_left)
    return ends


def some_of(asked: int, most: int = 12) -> Iterator[int]:
    """Numbers of questions to end after: the first few, the last few, and some between."""
    chosen = {*range(min(3, asked)), *range(max(0, asked - 3), asked)}
    step = max(1, asked // most)
    return iter(sorted(chosen | set(range(0, asked, step))))


def steps_of(work: Callable[[Ends], object]) -> int:
    """Questions that some work asks when it may go on to its end."""
    ends = Ends()
    work(ends)
    return ends.asked


def clock(step_s: float) -> Callable[[], float]:
    """A clock that goes on by so much each time it is read."""
    ticks = count()
    return lambda: step_s * next(ticks)
