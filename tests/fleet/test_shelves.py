"""Tables that are read off together have the columns of each alone, and only tables of the same are found again."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from ieco_opt.fleet.columns import Shelves
from ieco_opt.fleet.dominance import best_of_sizes, pareto_rows
from ieco_opt.fleet.pricing import build_candidates, columns_of_tables
from ieco_opt.scenario import load_fleet_mapping, resolve_fleet

MIX = [
    {"name": "a", "share": 1, "prompt_tokens": 500, "output_tokens": 300},
    {"name": "b", "share": 3, "prompt_tokens": 3000, "output_tokens": 60},
]


def _resolved(**workload: Any) -> Any:
    asked = {"name": "w", "model": "Llama-3.1-8B", "weights": ["fp8"], "requests_per_s": 20, "min_speed": 20}
    pools = [{"name": name, "accelerator": name, "gpus": 64} for name in ("H100-SXM", "L40S", "Gaudi3-OAM")]
    fleet = {"version": 2, "kind": "fleet", "name": "shelves", "pools": pools, "workloads": [asked | workload]}
    return resolve_fleet(load_fleet_mapping(fleet | {"model_error": "profile"}))


@pytest.mark.parametrize("classes", [{"prompt_tokens": 900, "output_tokens": 200}, {"request_mix": MIX}], ids=str)
@pytest.mark.parametrize("frugal", [False, True])
def test_tables_are_read_off_together_as_alone(classes: dict[str, Any], frugal: bool) -> None:
    resolved = _resolved(max_time_to_first_token_s=1.5, **classes)
    together, alone = (build_candidates(resolved.workloads[0], resolved.pools) for _ in range(2))
    every = range(len(together.tables))
    # Some tables have no setup, and not all of them hold with the same error.
    assert {table.count == 0 for table in together.tables} == {True, False}
    assert len({table.margin for table in together.tables}) > 1
    for factor in (1.0, 2.3):
        found = columns_of_tables(together, 0, every, factor, frugal=frugal)
        assert found == [columns_of_tables(alone, 0, [at], factor, frugal=frugal)[0] for at in every]
        assert sum(map(len, found)) > 20
        assert all(column.origin.table == at for at, columns in zip(every, found, strict=True) for column in columns)


def test_columns_are_those_of_the_place_where_a_table_stands() -> None:
    resolved = _resolved(prompt_tokens=900, output_tokens=200)
    candidate = build_candidates(resolved.workloads[0], resolved.pools)
    (first,) = columns_of_tables(candidate, 0, [0], 1.0, frugal=False)
    (moved,) = columns_of_tables(candidate, 5, [0], 1.0, frugal=False)
    assert {column.workload for column in first} == {0}
    assert {column.workload for column in moved} == {5}
    assert [column.requests_per_s for column in moved] == [column.requests_per_s for column in first]


def test_shelves_are_found_again_by_their_tables_alone() -> None:
    resolved = _resolved(prompt_tokens=900, output_tokens=200, serving=["colocated"])
    tables = build_candidates(resolved.workloads[0], resolved.pools).tables
    shelves = Shelves()
    shelf = shelves.of(tables)
    assert shelves.of(list(tables)) is shelf
    assert shelves.of(tables[:2]) is not shelf
    # In another process, or in a copy, the tables are other ones.
    copied_shelves, copied_tables = pickle.loads(pickle.dumps((shelves, tables)))  # noqa: S301
    assert all(one is other for one, other in zip(copied_shelves.of(copied_tables).tables, copied_tables, strict=True))


def test_the_best_of_each_size_are_those_that_none_of_it_exceeds() -> None:
    rng = np.random.default_rng(7)
    several = 0
    for _ in range(200):
        rows, criteria = int(rng.integers(0, 25)), int(rng.integers(1, 4))
        values = rng.integers(0, 4, (rows, criteria)).astype(float)
        if rng.random() < 0.5:
            values[:, 1:] = 0.0
        size = rng.integers(0, 5, rows)
        expected = [
            mine[pareto_rows(values[mine])].tolist() for each in range(5) if len(mine := np.flatnonzero(size == each))
        ]
        assert best_of_sizes(values, size).tolist() == [row for each in expected for row in each]
        several += sum(len(each) > 1 for each in expected)
    assert several > 50
