"""Narrow tables: the column of a limit that was stated stays, whatever else has to go."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from places import ROOT
from processes import on_terminal
from saved_results import DRAFTED, FLEET

import ieco_opt
from ieco_opt.catalog import to_dataframe
from ieco_opt.reports.text import render
from ieco_opt.reports.text.catalog import render_catalog
from ieco_opt.reports.text.stated import stated
from ieco_opt.reports.text.table import Column, fitting
from ieco_opt.scenario import load_fleet_mapping, load_scenario_mapping

NARROW = 50
WIDTHS = (40, 50, 60, 72, 80, 100, 110, 140)


def shown(text: str) -> set[str]:
    """Heads of all columns of tables in a text."""
    return {word for line in text.splitlines() for word in line.split()}


def frontier(**limits: float) -> ieco_opt.Frontier:
    return ieco_opt.frontier(load_scenario_mapping({"kind": "deployment"} | DRAFTED | {"limits": limits}), points=3)


def plan(limits: dict[str, float], **of_workloads: float) -> Any:
    workloads = [each | of_workloads for each in FLEET["workloads"]]
    return ieco_opt.plan(load_fleet_mapping({"kind": "fleet"} | FLEET | {"limits": limits, "workloads": workloads}))


@pytest.mark.parametrize(
    ("limit", "value", "head"),
    [("min_throughput", 1.0, "throughput"), ("max_power_kw", 1e4, "power"), ("max_energy_j_per_token", 1e6, "energy")],
)
def test_a_frontier_keeps_the_column_of_a_limit(limit: str, value: float, head: str) -> None:
    without, with_limit = frontier(), frontier(**{limit: value})
    assert head not in shown(render(without, NARROW).split("not shown")[0])
    for width in WIDTHS:
        text = render(with_limit, width)
        assert head in shown(text.split("not shown")[0]), width
        assert max(map(len, text.splitlines())) <= width


def test_all_limits_at_once_keep_all_their_columns() -> None:
    limits = {
        "min_speed": 1.0,
        "max_cost": 1e6,
        "min_throughput": 1.0,
        "max_power_kw": 1e4,
        "max_energy_j_per_token": 1e6,
    }
    result = frontier(**limits)
    for width in WIDTHS[1:]:
        text = render(result, width)
        assert {"tokens/s", "cost", "throughput", "power", "energy"} <= shown(text.split("not shown")[0]), width
        assert max(map(len, text.splitlines())) <= width


def test_a_plan_keeps_the_columns_of_its_limits() -> None:
    found = plan({"max_power_kw": 1e4, "max_gpus": 1000}, min_speed=1.0, max_time_to_first_token_s=100.0)
    free = plan({})
    for width in WIDTHS[1:]:
        text = render(found, width)
        instances, workloads, pools = (
            text.split(title)[1].split("\n\n")[0] for title in ("Instances", "Workloads", "Pools")
        )
        assert {"TTFT", "tokens/s"} <= shown(instances.split("not shown")[0]), width
        assert {"TTFT", "tokens/s", "power", "GPUs"} <= shown(workloads.split("not shown")[0]), width
        assert "power" in shown(pools.split("not shown")[0]), width
        assert max(map(len, text.splitlines())) <= width
    workloads = render(free, NARROW).split("Workloads")[1].split("\n\n")[0]
    assert {"power", "GPUs"} & shown(workloads.split("not shown")[0]) == set()


def test_limits_of_pools_and_workloads_count() -> None:
    pools = [each | {"max_power_kw": 100.0} for each in FLEET["pools"]]
    fleet = load_fleet_mapping({"kind": "fleet"} | FLEET | {"pools": pools})
    assert "power" in stated(fleet)
    assert "power" not in stated(load_fleet_mapping({"kind": "fleet"} | FLEET))


def test_without_limits_columns_go_in_the_same_order_as_ever() -> None:
    columns = [Column(name, "", ("x" * 8,)) for name in "abcd"]
    names = [[each.name for each in fitting(columns, width, ("c", "b"))] for width in (40, 30, 20, 8)]
    assert names == [["a", "b", "c", "d"], ["a", "b", "d"], ["a", "d"], ["a", "d"]]
    assert [each.name for each in fitting(columns, 20, ("c", "b"), {"c"})] == ["a", "c"]


@pytest.mark.parametrize("kind", ["models", "accelerators"])
def test_the_catalog_fits_a_terminal_and_is_whole_elsewhere(kind: Any) -> None:
    table = to_dataframe(kind)
    whole = render_catalog(table, kind)
    assert "not shown" not in whole
    assert render_catalog(table, kind, 200) == whole
    narrow = render_catalog(table, kind, 80)
    assert max(len(line) for line in narrow.splitlines()) <= 80
    assert "not shown at this width: " in narrow
    assert narrow.splitlines()[0].split()[:2] == whole.splitlines()[0].split()[:2]


def test_the_catalog_asks_the_terminal() -> None:
    words = ["catalog", "list", "accelerators"]
    piped = subprocess.run(
        [sys.executable, "-m", "ieco_opt", *words],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "70"},
    ).stdout
    assert max(map(len, piped.splitlines())) > 110
    assert on_terminal(words, 200) == piped
    assert max(len(line) for line in on_terminal(words, 90).splitlines()) <= 90
