"""Bands: two frontiers in one result, in tables, files and pictures, each with its proof."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from ended_solves import end_after, interrupted

import ieco_opt
from ieco_opt.cli import main
from ieco_opt.errors import InfeasibleError
from ieco_opt.reports import figures
from ieco_opt.reports.text import render
from ieco_opt.results.reading import from_json

SMALL = """
version: 2
kind: deployment
name: small
model: Llama-3.1-8B
weights: [fp8]
accelerators: [H100-SXM]
profile: paper-constants
workload: {context_tokens: 1000, output_tokens: 200}
design_space: {stage_ranks: [1, 2], pipeline_parallel: [1], batch: {min: 1, max: 64}}
"""


def small(*overrides: str) -> ieco_opt.Scenario:
    found = ieco_opt.load_scenario(SMALL, overrides)
    assert isinstance(found, ieco_opt.Scenario)
    return found


def test_both_ends_are_proven_and_survive_a_file() -> None:
    found = ieco_opt.frontier(small(), complete=True, band=True)
    assert found.pessimistic is not None
    assert found.pessimistic.errors == {"H100-SXM": 0.3}
    assert found.pessimistic.guarantee.kind == found.guarantee.kind == "complete"
    assert {each.status.value for each in (*found, *found.pessimistic.deployments)} == {"optimal"}
    assert ieco_opt.verify(found).problems == []
    again = from_json(found.to_json())
    assert again == found
    slowest, nominal = found.pessimistic.deployments[-1], found[-1]
    assert (slowest.parallelism, slowest.batch) == (nominal.parallelism, nominal.batch)
    assert slowest.cost_usd_per_mtok == pytest.approx(1.3 * nominal.cost_usd_per_mtok)
    assert slowest.speed_tokens_per_s == pytest.approx(nominal.speed_tokens_per_s / 1.3)
    assert ieco_opt.frontier(small(), complete=True).pessimistic is None


def test_limits_are_the_same_at_both_ends() -> None:
    found = ieco_opt.frontier(small("limits.min_speed=150"), complete=True, band=True)
    assert found.pessimistic is not None
    assert 150 <= min(each.speed_tokens_per_s for each in found) < 150 * 1.1
    assert 150 <= min(each.speed_tokens_per_s for each in found.pessimistic.deployments) < 150 * 1.1


def test_where_nothing_is_left_at_the_pessimistic_end_that_is_proven() -> None:
    fastest = ieco_opt.solve(small(), objective="fastest").speed_tokens_per_s
    tight = small(f"limits.min_speed={0.9 * fastest}")
    found = ieco_opt.frontier(tight, band=True)
    assert found.pessimistic is not None
    assert found.pessimistic.deployments == ()
    assert found.pessimistic.status == "infeasible"
    assert "proven: no deployment meets the limits then" in render(found, 120)
    assert from_json(found.to_json()) == found
    assert ieco_opt.verify(found).problems == []
    figures.figure_of(found)
    with pytest.raises(InfeasibleError):
        ieco_opt.frontier(small(f"limits.min_speed={1.1 * fastest}"), band=True)


def test_a_band_that_is_stopped_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ieco_opt.frontier(small(), complete=True)
    end_after(whole.statistics.solves + 2, interrupted, monkeypatch)
    found = ieco_opt.frontier(small(), complete=True, band=True)
    assert found.stopped is None
    end = found.pessimistic_end()
    assert end is not None
    assert end.stopped is not None
    assert "PARTIAL RESULT, NOT PROVEN" in render(found, 120).split("pessimistic end")[0]
    assert ieco_opt.verify(found).problems == []


def test_the_command_lists_and_draws_both(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scenario = tmp_path / "small.yaml"
    scenario.write_text(SMALL, "utf-8")

    def call(*arguments: str) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["frontier", str(scenario), "--delta", "0.3", *arguments])
        assert ended.value.code == 0

    call("--band", "--out", str(tmp_path / "out.json"), "--format", "table", "--plot", str(tmp_path / "out.svg"))
    out = " ".join(capfd.readouterr().out.split())
    first, second = out.split("pessimistic end of the band: every time and cost is 30 % more than the model says")
    assert "approximate Pareto set" in first
    assert "approximate Pareto set" in second
    assert first.count("/Mtok") == second.count("/Mtok") == 1
    assert "pessimistic end" in (tmp_path / "out.svg").read_text("utf-8")
    values = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert values["pessimistic"]["errors"] == {"H100-SXM": 0.3}
    call("--band", "--out", str(tmp_path / "out.csv"))
    tables = [pd.read_csv(tmp_path / name) for name in ("out.csv", "out.pessimistic.csv")]
    assert tables[0].columns.tolist() == tables[1].columns.tolist()
    assert len(tables[1]) == len(values["pessimistic"]["deployments"])
    call("--out", str(tmp_path / "plain.csv"))
    assert not (tmp_path / "plain.pessimistic.csv").exists()


def test_a_table_says_with_what_error_limits_hold() -> None:
    held = small("model_error=0.15", "limits.min_speed=50")
    for answer in (ieco_opt.frontier(held, delta=0.5), ieco_opt.api.answer(held, objective="fastest")):
        assert "limits hold if the model is 15 % too optimistic" in render(answer, 120)
    assert "optimistic" not in render(ieco_opt.frontier(small(), delta=0.5), 120)
