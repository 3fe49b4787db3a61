"""Which columns may replace which: a column that is worse in anything that can matter is kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ieco_opt.fleet.columns import Candidates, Column, Origin, any_conflict, conflicts
from ieco_opt.fleet.dominance import nondominated, pareto_rows, without_pairing
from ieco_opt.fleet.pricing import build_candidates
from ieco_opt.fleet.space import Demand, useful_instances
from ieco_opt.performance.serving import Phase
from ieco_opt.scenario import ResolvedPool, load_fleet_mapping, resolve_fleet

DEMAND = 12.0
"""Requests/s that capacity must cover: 10 with a headroom of 0.2."""


def asked(classes: int = 1, **changes: Any) -> tuple[Candidates, tuple[ResolvedPool, ...]]:
    """A workload of so many classes on two pools of 8-GPU nodes."""
    sizes = {"prompt_tokens": 100, "output_tokens": 100}
    mix = [{"name": f"c{number}", "share": 1, **sizes} for number in range(classes)]
    labels = [{"kind": "k", "request_class": each["name"]} for each in mix] if classes > 1 else [{}]
    workload = {
        "name": "w",
        "requests_per_s": 10,
        "headroom": 0.2,
        "operating_points": [{"pool": "p", "gpus": 1, "throughput_requests_per_s": 1, **label} for label in labels],
        **({"request_mix": mix} if classes > 1 else sizes),
        **changes,
    }
    pools = [{"name": name, "accelerator": "H100-SXM", "gpus": 64, "node_size": 8} for name in "pq"]
    mapping = {"kind": "fleet", "pools": pools, "workloads": [workload]}
    resolved = resolve_fleet(load_fleet_mapping(mapping))
    return build_candidates(resolved.workloads[0], resolved.pools), tuple(resolved.pools)


def column(*served: float, **changes: Any) -> Column:
    """A prefill column of 2 GPUs on the first pool."""
    classes = len(served)
    fields: dict[str, Any] = {
        "workload": 0,
        "pool": 0,
        "phase": Phase.PREFILL,
        "gpus": 2,
        "requests_per_s": served,
        "room_s": (1.0,) * classes,
        "transfer_s": (0.5,) * classes,
        "batch": (1,) * classes,
        "origin": Origin(None, ()),
    }
    return Column(**fields | changes)


def left_of(columns: Sequence[Column], classes: int = 1, **workload: Any) -> list[Column]:
    candidate, pools = asked(classes, **workload)
    return nondominated(columns, candidate, pools)


BASE = column(3.0)


@pytest.mark.parametrize(
    "worse",
    [
        replace(BASE, requests_per_s=(2.9,)),
        replace(BASE, room_s=(0.9,)),
        replace(BASE, transfer_s=(0.6,)),
        replace(BASE, gpus=3),
    ],
)
def test_a_column_that_is_worse_in_one_thing_and_better_in_none_goes(worse: Column) -> None:
    assert left_of([BASE, worse]) == [BASE]


@pytest.mark.parametrize(
    "better",
    [
        replace(BASE, requests_per_s=(2.0,), room_s=(1.1,)),
        replace(BASE, requests_per_s=(2.0,), transfer_s=(0.4,)),
        replace(BASE, requests_per_s=(1.4,), gpus=1),
        replace(BASE, requests_per_s=(3.1,), gpus=3),
        replace(BASE, requests_per_s=(2.0,), pool=1),
        replace(BASE, requests_per_s=(2.0,), phase=Phase.DECODE),
        replace(BASE, requests_per_s=(7.0,), gpus=4),
    ],
)
def test_a_column_that_is_better_in_anything_stays(better: Column) -> None:
    assert set(left_of([BASE, better])) == {BASE, better}


def test_transfers_keep_no_column_alive_where_every_pair_is_in_time() -> None:
    candidate, pools = asked()
    slower = replace(BASE, requests_per_s=(2.0,), transfer_s=(0.4,))
    assert nondominated([BASE, slower], candidate, pools, paired=False) == [BASE]


@pytest.mark.parametrize("share", [1.0, 0.99])
def test_copies_count_where_they_fit_in_the_place_of_one(share: float) -> None:
    # Two of 2 GPUs always fit where one of 4 was, and two of 3 where one of 6 was, but three of 3 not where 9 were: 8
    # lie on a node of their own, and 1 shares another.
    for gpus, within, copies in ((2, 4, 2), (2, 5, 2), (3, 6, 2), (3, 9, 2), (8, 24, 3)):
        small = column(1.0, gpus=gpus)
        large = column(copies / share, gpus=within)
        assert left_of([small, large]) == ([small] if share == 1.0 else [small, large])


def test_replicas_are_no_replacement_where_they_are_limited() -> None:
    small, large = column(1.0, gpus=2), column(2.0, gpus=4)
    assert left_of([small, large]) == [small]
    assert left_of([small, large], max_instances=9) == [small, large]


def test_more_than_the_demand_is_worth_nothing() -> None:
    enough, more = column(DEMAND, gpus=2), column(DEMAND * 2, gpus=4)
    assert left_of([enough, more]) == [enough]
    short = column(DEMAND * (1 - 1e-9), gpus=2)
    assert left_of([short, more], max_instances=1) == [short, more]


def test_in_a_mix_capacity_beyond_the_demand_of_a_class_serves_the_others() -> None:
    # Each class asks for 6 requests/s; what serves one of them twice as fast has time for the other.
    one, other = column(6.0, 6.0, gpus=2), column(12.0, 6.0, gpus=3)
    assert left_of([one, other], classes=2) == [one, other]
    assert left_of([other, replace(one, gpus=3)], classes=2) == [other]


@pytest.mark.parametrize(
    ("prefill", "decode", "late"),
    [
        ({}, {"transfer_s": (1.0,)}, False),
        ({}, {"transfer_s": (1.0 + 1e-9,)}, True),
        ({"requests_per_s": (0.0,)}, {"transfer_s": (2.0,)}, False),
        ({}, {"transfer_s": (2.0,), "requests_per_s": (0.0,)}, False),
        ({"room_s": (math.inf,)}, {"transfer_s": (2.0,)}, False),
    ],
)
def test_pairs_that_miss_the_first_token(prefill: dict[str, Any], decode: dict[str, Any], late: bool) -> None:
    columns = [replace(BASE, phase=Phase.DECODE, **decode), replace(BASE, **prefill)]
    assert conflicts(columns) == ([(1, 0)] if late else [])
    assert any_conflict(columns) is late
    assert all(each.room_s == each.transfer_s == (0.0,) for each in without_pairing(columns))


def test_columns_of_two_workloads_are_no_pair() -> None:
    assert conflicts([replace(BASE, phase=Phase.DECODE, transfer_s=(2.0,)), replace(BASE, workload=1)]) == []


def test_a_pair_that_is_late_for_one_class_of_two_is_late() -> None:
    receiving = column(1.0, 1.0, phase=Phase.DECODE, transfer_s=(0.5, 2.0))
    assert conflicts([column(1.0, 1.0), receiving]) == [(0, 1)]
    assert conflicts([column(1.0, 0.0), receiving]) == []


def test_rows_that_nothing_exceeds_and_one_of_equals() -> None:
    criteria = np.array([[1.0, 5.0], [2.0, 4.0], [2.0, 4.0], [2.0, 3.0], [0.0, 6.0], [1.0, 4.0]])
    assert sorted(pareto_rows(criteria).tolist()) in ([0, 1, 4], [0, 2, 4])


@pytest.mark.parametrize(
    ("requests", "least", "most", "useful"),
    [(11.9, 1, None, 4), (12.1, 1, None, 5), (0.1, 1, None, 1), (0.1, 3, None, 3), (11.9, 1, 2, 2), (11.9, 1, 9, 4)],
)
def test_instances_beyond_which_another_one_serves_nothing(
    requests: float, least: int, most: int | None, useful: int
) -> None:
    demand = Demand("w", (requests,), (requests,), 0.0, least, most, ("disaggregated",), None)
    assert useful_instances(BASE, demand) == useful


def test_each_class_of_a_mix_takes_instances_of_its_own() -> None:
    demand = Demand("w", (5.9, 5.9), (5.9, 5.9), 0.0, 1, None, ("disaggregated",), None)
    assert useful_instances(column(3.0, 2.0), demand) == 5
    assert useful_instances(column(3.0, 0.0), demand) == 2
