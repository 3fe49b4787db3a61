"""Explanations of plans that a limit ends: what was found is given, what was not examined is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from explained_fleets import counted
from stopping import end_runs_after, some_of

import ieco_opt
from ieco_opt.errors import SearchStoppedError
from ieco_opt.explanation.fleet_explainer import explain_fleet
from ieco_opt.reports.text import render
from ieco_opt.reports.text.explanation_fleet import one_line
from ieco_opt.results.reading import load_result


def test_wherever_an_explanation_ends_it_says_what_it_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with monkeypatch.context() as patch:
        ends = end_runs_after(float("inf"), patch)
        whole = explain_fleet(counted())
    assert (whole.stopped, whole.status) == (None, "optimal")
    parts = []
    for after in some_of(ends.asked):
        with monkeypatch.context() as patch:
            end_runs_after(after, patch)
            try:
                part = explain_fleet(counted())
            except SearchStoppedError:
                # Before there was a plan.
                assert not parts
                continue
        parts.append(part)
        assert (part.status, part.guarantee.kind, part.stopped) == ("stopped", "partial", "time limit")
        assert part.plan.usd_per_hour == pytest.approx(whole.plan.usd_per_hour, rel=1e-9)
        assert [effect.limit for effect in part.limits] == [effect.limit for effect in whole.limits]
        for effect, full in zip(part.limits, whole.limits, strict=True):
            assert effect.binds in (None, full.binds)
        assert part.runner_ups == whole.runner_ups[: len(part.runner_ups)]
        (note,) = [each for each in part.notes if each.startswith("not examined before the search ended: ")]
        assert "least relaxations" in note
        unknown = [effect.limit for effect in part.limits if effect.binds is None]
        assert all(limit in one_line(part) for limit in unknown)
        assert ieco_opt.verify(part).problems == []
        part.to_json(tmp_path / "x.json")
        assert load_result(tmp_path / "x.json") == part
        assert "time limit" in render(part).split("\n")[0]
    assert len(parts) > 3
    assert any(effect.binds for effect in parts[-1].limits)
