"""Heuristics that a limit or Ctrl-C ends: what they had found counts and is marked, and the comparison is given."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from stopping import Ends, end_runs_after, some_of, steps_of

import ieco_opt
from ieco_opt import Scenario, SolverConfig
from ieco_opt.comparison import compare
from ieco_opt.errors import SearchStoppedError
from ieco_opt.heuristics import BUILT_IN, Budget, Proposals, paper_grid, published_search
from ieco_opt.heuristics.paper_grid import PaperGrid
from ieco_opt.heuristics.pricing import no_proposals
from ieco_opt.heuristics.registry import chosen
from ieco_opt.reports.text import render
from ieco_opt.results.reading import load_result
from ieco_opt.scenario import ResolvedScenario, resolve
from ieco_opt.solvers.run import Stopped

SMALL = Scenario(
    model="Llama-3.3-70B",
    weights=["fp8"],
    accelerators=["H100-SXM", "H200-SXM"],
    workload={"context_tokens": 2000, "output_tokens": 500},
    design_space={"stage_ranks": [1, 2, 4, 8], "pipeline_parallel": [1, 2], "batch": {"min": 1, "max": 256}},
    speculation={"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 3},
)
BUDGET = Budget(evaluations=500)


def points_of(proposals: Proposals) -> set[tuple[float, float]]:
    return set(zip(proposals.latency_s.tolist(), proposals.cost_usd_per_mtok.tolist(), strict=True))


@pytest.mark.parametrize("name", BUILT_IN)
def test_wherever_a_heuristic_ends_what_it_had_found_is_proposed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (heuristic,) = chosen([name], resolution=8)
    scenario = resolve(SMALL)

    def proposed(ask: Ends) -> Proposals:
        return heuristic.propose(scenario, BUDGET, ask)  # type: ignore[call-arg]

    whole, asked = proposed(Ends()), steps_of(proposed)
    found = []
    for after in some_of(asked, 2):
        ends = Ends(after)
        try:
            part = proposed(ends)
        except Stopped:
            # Before there was anything to price.
            assert after < len(SMALL.accelerators)
            continue
        # Searches of several passes ask once for each of those that they do not begin.
        assert ends.asked <= after + 10
        assert all(latency > 0.0 for latency, _ in points_of(part))
        for latency, cost in points_of(part):
            assert ((whole.latency_s <= latency) & (whole.cost_usd_per_mtok <= cost)).any()
        found.append(len(part))
    assert found[-1] > 0
    assert points_of(heuristic.propose(scenario, BUDGET)) == points_of(whole)


def test_a_comparison_is_given_wherever_its_heuristics_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    heuristics = chosen(["paper-grid", "rounded-grid", "coarse-grid", "random"], resolution=8)

    def compared() -> Any:
        return compare(SMALL, heuristics, budget=BUDGET, delta=0.5)

    with monkeypatch.context() as patch:
        ends = end_runs_after(float("inf"), patch)
        whole = compared()
    assert whole.stopped is None
    stops = 0
    for after in some_of(ends.asked, 4):
        with monkeypatch.context() as patch:
            end_runs_after(after, patch)
            try:
                result = compared()
            except SearchStoppedError:
                result = None
        if result is None:
            assert stops == 0
            continue
        stops += 1
        assert result.stopped == "time limit"
        late = [each.name for each in result.heuristics if each.stopped is not None]
        assert late == [each.name for each in heuristics][len(heuristics) - len(late) :]
        assert late or result.guarantee.kind == "partial"
        assert ieco_opt.verify(result).problems == []
        result.to_json(tmp_path / "x.json")
        assert load_result(tmp_path / "x.json") == result
        assert result.to_dataframe()["ended_early"].tolist() == [each.stopped is not None for each in result.heuristics]
        for name in late:
            assert f"{name}: ended early (time limit)" in " ".join(render(result, 200).split())
    assert stops > 5


@dataclass(frozen=True)
class Foreign:
    """A heuristic that knows nothing of asking, and is interrupted while it runs."""

    signals: tuple[signal.Signals, ...]
    seen: list[float | None]
    name: str = "foreign"

    def propose(self, scenario: ResolvedScenario, budget: Budget) -> Proposals:  # noqa: ARG002
        """Nothing, unless a signal comes first."""
        self.seen.append(budget.seconds)
        for number in self.signals:
            signal.raise_signal(number)
        return no_proposals(7)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_heuristic_that_asks_nothing_is_ended_by_an_interrupt_and_told_its_time() -> None:
    quiet, hit, after = Foreign((), []), Foreign((signal.SIGINT,), []), Foreign((), [])
    result = compare(
        SMALL, [quiet, hit, after, "random"], delta=0.5, solver_config=SolverConfig(total_time_limit_s=500.0)
    )
    assert [each.stopped for each in result.heuristics] == [None, "interrupted", "interrupted", "interrupted"]
    assert [each.evaluations for each in result.heuristics] == [7, 0, 0, 0]
    assert quiet.seen[0] is not None
    assert 0.0 < quiet.seen[0] < 500.0
    assert after.seen == []
    tight = Foreign((), [])
    compare(SMALL, [tight], budget=Budget(seconds=1e-3), delta=0.5)
    assert tight.seen == [1e-3]


def test_two_heuristics_share_one_published_search(monkeypatch: pytest.MonkeyPatch) -> None:
    honest, searches = published_search.search, []

    def search(request: Any, ask: Any) -> Any:
        searches.append(request)
        return honest(request, ask)

    monkeypatch.setattr(paper_grid, "search", search)
    compare(SMALL, chosen(["paper-grid", "rounded-grid"], resolution=8), delta=0.5)
    assert len(searches) == len(set(searches)) == len(SMALL.accelerators)
    # A search that had to end is no answer to the next question.
    grid = PaperGrid(resolution=8, searches={})
    few = grid.propose(resolve(SMALL), BUDGET, Ends(12))
    assert few.evaluations < grid.propose(resolve(SMALL), BUDGET).evaluations
