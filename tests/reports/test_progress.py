"""How far a search is, in words, on a terminal that is put together by hand."""

from __future__ import annotations

import io
import math
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from ieco_opt.cli import fleet_progress
from ieco_opt.cli.fleet_progress import Line, shown_line
from ieco_opt.reports.text.progress import Shown, best_so_far, widest
from ieco_opt.scenario import load_fleet_mapping


def fleet_of(*rates: float, **changes: Any) -> Any:
    workloads = [
        {
            "name": f"w{at}",
            "model": "Llama-3.1-8B",
            "weights": "fp8",
            "requests_per_s": rate,
            "prompt_tokens": 1000,
            "output_tokens": 100,
        }
        for at, rate in enumerate(rates)
    ]
    pools = [{"name": "h100", "accelerator": "H100-SXM", "gpus": 8}]
    return load_fleet_mapping({"version": 2, "kind": "fleet", "pools": pools, "workloads": workloads, **changes})


def line_into(said: list[str]) -> Line:
    return Line(said.append, Shown(said.append, clock=iter(range(100)).__next__))


def test_a_sample_is_told_as_so_many_of_all() -> None:
    said: list[str] = []
    shown = Shown(said.append)
    shown.asking(points=80, proven=True)
    shown.found(38, 39, 1.0)
    shown.asking(points=9)
    shown.found(5, 2, 1.0)
    assert said == ["41 of 80 points proven", "7 of 9 points found"]


def test_a_covering_frontier_is_told_by_its_widest_gap() -> None:
    said: list[str] = []
    shown = Shown(said.append)
    shown.asking(delta=0.05, proven=True)
    shown.found(41, 3, 1.12)
    shown.found(1, 1, math.inf)
    shown.found(43, 0, 1.0)
    shown.asking(proven=True)
    shown.found(1200, 1000, 1.12)
    assert said == [
        "41 points proven, 3 gaps left, the widest 12 % (5 % will do)",
        "1 point proven, 1 gap left, the widest still without an end (5 % will do)",
        "43 points proven, no gap left",
        "1,200 points proven, 1,000 gaps left, the widest 12 %",
    ]


@pytest.mark.parametrize(
    ("objective", "rates", "incumbent", "bound", "expected"),
    [
        ("cost", (4.0,), 12.8, 6.4, "best $12.80/h, within 50 % of optimal"),
        ("cost", (4.0,), 12.8, 12.8, "best $12.80/h, optimal"),
        ("cost", (4.0,), math.inf, -math.inf, "no plan yet"),
        ("cost", (4.0,), math.inf, 6.4, "no plan yet, at least $6.40/h"),
        ("cost", (4.0,), 12.8, -math.inf, "best $12.80/h, not known how far from optimal"),
        ("cost", (4.0,), 12.8, 0.001, "best $12.80/h, not known how far from optimal"),
        ("throughput", (4.0,), 2.0, 32.0, "best 8 requests/s, at most 128 requests/s possible"),
        ("throughput", (4.0,), 2.0, 3.9999, "best 8 requests/s, within 100 % of optimal"),
        ("gpus", (4.0,), 16.0, 12.0, "best 16 GPUs, within 25 % of optimal"),
        ("power", (4.0,), 5.6, 5.32, "best 5.6 kW, within 5 % of optimal"),
        ("throughput", (4.0,), 2.0, 2.5, "best 8 requests/s, within 25 % of optimal"),
        ("throughput", (4.0, 1.0), 2.0, 2.5, "best 2 times the demand, within 25 % of optimal"),
        ("throughput", (4.0,), -math.inf, 2.5, "no plan yet, at most 10 requests/s"),
    ],
)
def test_a_plan_is_told_in_its_unit(
    objective: str, rates: tuple[float, ...], incumbent: float, bound: float, expected: str
) -> None:
    said: list[str] = []
    line = line_into(said)
    line.seeking(fleet_of(*rates), objective)
    line.bounds(incumbent, bound, 3.6)
    line.doing("pricing: workload 1 of 1")
    line.doing("289 instance types priced")
    line.bounds(incumbent, bound, 4.4)
    assert said[0] == f"{expected}, 4 s"
    assert said[-1] == f"289 instance types priced; {expected}, 4 s"


def test_a_frontier_of_plans_is_told_by_its_widest_gap() -> None:
    said: list[str] = []
    line = line_into(said)
    line.covering(0.05)
    line.points(1, math.inf)
    line.points(7, 1.31)
    assert said == [
        "1 plan found, the widest gap still without an end (5 % will do)",
        "7 plans found, the widest gap 31 % (5 % will do)",
    ]
    assert widest(1.31, None) == "31 %"
    assert best_so_far(0.0, 0.0, "{:g}".format) == "best 0, optimal"


def seen_on(terminal: bool, monkeypatch: pytest.MonkeyPatch, search: Callable[[Line | None], None]) -> str:
    """What a search writes to a standard error that is a terminal, or a pipe."""
    ours, theirs = os.pipe()
    with os.fdopen(ours, encoding="utf-8", newline="") as read:
        with os.fdopen(theirs, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", _Stream(stream, terminal=terminal))
            with shown_line(quiet=False) as line:
                search(line)
        return read.read()


class _Stream(io.TextIOBase):
    """A standard error that says whether it is a terminal."""

    def __init__(self, stream: Any, *, terminal: bool) -> None:
        self._stream, self._terminal = stream, terminal

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._terminal

    def fileno(self) -> int:
        """Where it writes."""
        return int(self._stream.fileno())


def test_a_line_is_written_on_a_terminal_and_wiped_and_nothing_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def search(line: Line | None) -> None:
        if line is not None:
            line.seeking(fleet_of(4.0), "cost")
            line.bounds(12.8, 6.4, 1.0)

    shown = seen_on(True, monkeypatch, search)
    assert "best $12.80/h, within 50 % of optimal, 1 s" in shown
    assert shown.endswith("\r\x1b[2K")
    assert seen_on(False, monkeypatch, search) == ""


@pytest.mark.parametrize(("objective", "unit"), [("cost", "$"), ("throughput", "requests/s")])
def test_the_solver_tells_what_is_sought_in_its_unit(
    objective: str, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value is one of the objective: none of the criteria after it, and of throughput multiples of the demand."""
    from contextlib import contextmanager

    from ieco_opt.scenario.solver_config import SolverConfig
    from ieco_opt.solvers.run import running

    told: list[tuple[float, float]] = []
    said: list[str] = []

    class Listening(Line):
        def bounds(self, incumbent: float, bound: float, seconds: float) -> None:
            """Keep what is told."""
            told.append((incumbent, bound))
            super().bounds(incumbent, bound, seconds)

    @contextmanager
    def listening(*, quiet: bool) -> Any:
        yield Listening(said.append, Shown(said.append))

    monkeypatch.setattr(fleet_progress, "shown_line", listening)
    fleet = fleet_of(200.0, objective=objective)
    with running(SolverConfig()) as run:
        plan = fleet_progress.plan_shown(fleet, run.config, run, quiet=False)[0]
    found = [incumbent for incumbent, _ in told if math.isfinite(incumbent)]
    assert found
    if objective == "cost":
        assert min(found) == pytest.approx(plan.objective)
        assert all(bound <= plan.objective * (1.0 + 1e-6) for _, bound in told)
    else:
        assert max(found) == pytest.approx(plan.demand_factor)
        assert all(bound >= plan.demand_factor * (1.0 - 1e-6) for _, bound in told)
    assert any(" instance types priced; best " in each and unit in each for each in said)
