"""Tables as CSV: numbers with every digit, and no text that a spreadsheet would run."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from ieco_opt.results.writing import csv_text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_text_like_a_formula_gets_an_apostrophe(start: str) -> None:
    text = f"{start}cmd|' /C calc'!A0"
    for dtype in ("object", "string"):
        table = pd.DataFrame({"name": pd.Series([text, "plain", f" {text}"], dtype=dtype), f"{start}x": [1, 2, 3]})
        header, *rows = csv.reader(io.StringIO(csv_text(table), newline=""))
        assert header == ["name", f"'{start}x"]
        assert [row[0] for row in rows] == [f"'{text}", "plain", f" {text}"]


def test_every_row_is_one_row() -> None:
    table = pd.DataFrame({"a\rb": ["\rx\ny", 'say "no"', "1,2"]})
    rows = [row[0] for row in csv.reader(io.StringIO(csv_text(table), newline=""))]
    assert rows == [r"a\rb", "\\rx\ny", 'say "no"', "1,2"]


def test_numbers_stay_as_they_are_also_in_columns_of_text() -> None:
    table = pd.DataFrame(
        {
            "number": [-1.5, 1e-300],
            "whole": pd.Series([-3, pd.NA], dtype="Int64"),
            "text": pd.Series(["-5", pd.NA], dtype="string"),
            "mixed": pd.Series(["+1e3", None], dtype="object"),
            "flag": [True, False],
        }
    )
    before = table.copy()
    assert csv_text(table) == "number,whole,text,mixed,flag\n-1.5,-3,-5,+1e3,True\n1e-300,,,,False\n"
    pd.testing.assert_frame_equal(table, before)
