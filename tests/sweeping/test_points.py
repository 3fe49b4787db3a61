"""The points of a sweep: texts, grids and rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ieco_opt.errors import ScenarioError
from ieco_opt.sweeping.points import from_file, from_rows, from_texts, grid, shown, split


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[H100],[H200]", ["[H100]", "[H200]"]),
        ("1k, 8k", ["1k", "8k"]),
        ("{a: 1, b: [2, 3]},x", ["{a: 1, b: [2, 3]}", "x"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("one", ["one"]),
    ],
)
def test_commas_separate_values_outside_of_brackets(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_a_grid_is_every_combination_and_its_last_field_changes_fastest() -> None:
    points = from_texts(["accelerators=[H100],[H100,H200]", "workload.context_tokens=1k,1.5M,800", "model_error=0.1"])
    assert points == [
        {"accelerators": cards, "workload.context_tokens": tokens, "model_error": 0.1}
        for cards in (["H100"], ["H100", "H200"])
        for tokens in (1000, 1_500_000, 800)
    ]
    assert all(type(point["workload.context_tokens"]) is int for point in points)


def test_thousands_are_numbers_inside_of_lists_too_and_texts_with_commas_stay() -> None:
    assert from_texts(["design_space.batch=[1k,2]"]) == [{"design_space.batch": [1000, 2]}]
    assert from_rows([{"design_space.batch": "1,128", "weights": "fp8"}]) == [
        {"design_space.batch": "1,128", "weights": "fp8"}
    ]


def test_a_file_is_one_point_a_row_and_an_empty_cell_sets_nothing(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('accelerators,limits.min_speed\n"[H100, H200]",4k\nH200,\n', encoding="utf-8")
    assert from_file(file) == [
        {"accelerators": ["H100", "H200"], "limits.min_speed": 4000},
        {"accelerators": "H200"},
    ]
    assert from_rows(pd.read_csv(file)) == from_file(file)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["workload"], "over: found 'workload', expected FIELD=VALUE,VALUE"),
        (["a b=1"], "over: found 'a b=1', expected FIELD=VALUE,VALUE"),
        (["a=1", "a=2"], "over: found a twice, expected all its values in one list"),
        (["a=1,,2"], "a: found nothing, expected a value"),
        (["a=[1"], "a: not valid YAML"),
        (["a=" + ",".join(["1"] * 1001), "b=" + ",".join(["1"] * 1000)], "over: found 1,001,000 combinations"),
    ],
)
def test_wrong_texts_are_refused_in_words(texts: list[str], said: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        from_texts(texts)
    assert str(refused.value).startswith(said)


def test_wrong_files_and_arguments_are_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    for text, said in (
        ("a b,c\n1,2\n", f"{file}:1: found the column 'a b', expected a field"),
        ("a\n", f"{file}: found no row below the header"),
        ("a,b\n1,2\n3,[4\n", f"{file}:3: b: not valid YAML"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ScenarioError) as refused:
            from_file(file)
        assert str(refused.value).startswith(said)
    for over, said in (({}, "found no field"), ({"a": []}, "found no value for a"), ({"a": "xy"}, "expected a list")):
        with pytest.raises(ScenarioError, match=said):
            grid(over)


def test_cells_can_be_typed_again() -> None:
    assert shown(["H100", 2]) == "[H100, 2]"
    assert shown({"like": "H100", "usd": [1, 2]}) == "{like: H100, usd: [1, 2]}"
    assert shown(3) == 3
