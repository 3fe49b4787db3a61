"""Documents: YAML, JSON and CSV with the line of every field, bounded and refused in words."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import ROOT

from ieco_opt.documents import csv_table, json_document, yaml_document
from ieco_opt.documents.journal import opened
from ieco_opt.documents.origin import dotted, shortened, undotted
from ieco_opt.documents.text_file import read_text
from ieco_opt.errors import Fault, ScenarioError, UnwrittenError, printable

PACKAGE = ROOT / "ieco_opt"


# Not the characters that splitlines, but neither YAML nor JSON, takes for the end of a line.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\x85\ufeff"), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def _faults(text: str) -> list[tuple[int | None, str, str]]:
    with pytest.raises(ScenarioError) as error:
        json_document.parse(text, "x.json", "a model")
    assert {fault.file for fault in error.value.faults} == {"x.json"}
    return [(fault.line, fault.field, fault.message) for fault in error.value.faults]


def _locations(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for key, inner in pairs for each in [(*at, key), *_locations(inner, (*at, key))]]


@given(VALUES, st.sampled_from([None, 0, 2]))
def test_json_is_read_back_with_a_line_for_every_field(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    assert json_document.parse(text, None) == value
    lines = json_document.lines_of(text)
    assert sorted(map(repr, lines)) == sorted(map(repr, _locations(value)))
    written = text.split("\n")
    for location, line in lines.items():
        assert line is not None
        if isinstance(location[-1], str):
            assert json.dumps(location[-1], ensure_ascii=False) + ":" in written[line - 1]
    if indent is not None:
        # Written so, no line holds more than one field.
        assert len(set(lines.values())) == len(lines)


@given(VALUES)
def test_yaml_and_json_agree_on_lines(value: object) -> None:
    document = yaml_document.parse(text := json.dumps(value, indent=1, ensure_ascii=False), None)
    assert not document.faults
    lines = {location: line for location, line in document.lines.items() if location}
    assert lines == json_document.lines_of(text)


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ('{"a": NaN}', 1, "", "found NaN, which JSON does not know; expected a number"),
        ('{"NaN": 1,\n"b": [-Infinity]}', 2, "", "found -Infinity"),
        ('{"a": 1,\n"b": {"c": 1,\n"\\u0063": 2}}', 3, "b.c", "found twice (first on line 2), expected once"),
        ('[{"a": 1}, {"b": 1,\n"b": 1}]', 2, "[1].b", "found twice"),
        ('{"a":\n[1,]}', 2, "", "found no valid JSON"),
        ("", 1, "", "found no valid JSON (Expecting value), expected a model"),
        ("[" * 51 + "]" * 51, None, "", "found deeper nesting, expected at most 50 levels"),
        ("[" * 100_000, None, "", "found no readable JSON, expected a model"),
        ("1" * 5_000, None, "", "found no readable JSON"),
    ],
)
def test_json_is_strict(text: str, line: int | None, field: str, words: str) -> None:
    ((found_line, found_field, message),) = _faults(text)
    assert (found_line, found_field) == (line, field)
    assert words in message


def test_json_may_nest_as_deep_as_it_says() -> None:
    text = "[" * 50 + "]" * 50
    assert json_document.lines_of(text).keys() == {(0,) * depth for depth in range(1, 50)}
    assert json_document.parse(text, None)


def test_json_that_is_no_mapping_is_refused_by_what_it_is() -> None:
    assert json_document.parse_mapping('{"a": 1}', None) == {"a": 1}
    with pytest.raises(ScenarioError, match=r"x\.json: found a list, expected a model"):
        json_document.parse_mapping("[1]", "x.json", "a model")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.yaml")), ids=lambda path: path.name)
def test_files_of_the_package_read_the_same_with_and_without_lines(path: Path) -> None:
    text = path.read_text("utf-8")
    document = yaml_document.parse(text, path.name)
    assert document.faults == []
    # Also of the same types: 1 is not 1.0.
    assert repr(yaml_document.parse_trusted(text)) == repr(document.values)


@pytest.mark.parametrize(
    "scalar", ["1e4", "1e-3", "yes", "on", "010", "1:30", "1_000", ".inf", "~", "2024-01-01", "0x1f"]
)
def test_both_ways_of_reading_yaml_agree_on_scalars(scalar: str) -> None:
    text = f"- {scalar}\n- '{scalar}'\n"
    assert repr(yaml_document.parse_trusted(text)) == repr(yaml_document.parse(text, None).values)


def test_the_catalog_is_read_once_and_only_when_it_is_asked_for() -> None:
    script = """
import ieco_opt.documents.csv_table as tables, ieco_opt.documents.yaml_document as documents
read = []
def counted(parse):
    return lambda *arguments: (read.append(arguments), parse(*arguments))[1]
tables.parse, documents.parse_trusted = counted(tables.parse), counted(documents.parse_trusted)
from ieco_opt import catalog
from ieco_opt.errors import Fault, ScenarioError, printable
print(len(read))
for _ in range(3):
    for collection in catalog.Collection:
        for name in catalog.model_names(collection)[:3]:
            catalog.model(name, collection), catalog.describe(name, collection)
        for name in catalog.accelerator_names(collection)[:3]:
            catalog.accelerator(name, collection)
            catalog.accelerator_from_mapping({"like": name}, collection)
        try:
            catalog.model("nothing of the kind", collection)
        except ScenarioError:
            pass
    print(len(read), len({str(each) for each in read}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    none, first, *later = done.stdout.splitlines()
    parsed, different = map(int, first.split())
    # Each file or entry is parsed when it is first asked for, and never again.
    assert (none, parsed, later) == ("0", different, [first, first])


def test_tables_say_where_their_rows_begin() -> None:
    table = csv_table.parse('\n a ,b,\n1,"x\ny",\n\n2\n', "t.csv")
    assert table.header == ("a", "b", "")
    assert table.rows == ({"a": "1", "b": "x\ny", "": ""}, {"a": "2"})
    assert table.lines == (3, 6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["t.csv: found an empty file, expected a table with a header"]),
        ("\n\n", ["t.csv: found an empty file, expected a table with a header"]),
        ("a,b, a\n", ["t.csv:1: a: found the column 2 times, expected once"]),
        (f"{'a' * 90},{'a' * 90}\n", [f"t.csv:1: {'a' * 60}...: found the column 2 times, expected once"]),
        (
            "a,b\n1,2\n1,2,3\n\n1,2,3,4\n",
            [
                "t.csv:3: column 3: found 3 cells, expected at most 2, as in the header",
                "t.csv:5: column 3: found 4 cells, expected at most 2, as in the header",
            ],
        ),
        ('a,b\n1,"2\n', ["t.csv:2: no valid CSV (unexpected end of data)"]),
    ],
)
def test_tables_are_refused_by_line_and_column(text: str, expected: list[str]) -> None:
    for read in (csv_table.parse, csv_table.check):
        with pytest.raises(ScenarioError) as error:
            read(text, "t.csv")
        assert [str(fault) for fault in error.value.faults] == expected


def test_text_is_bounded_where_it_is_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"\xef\xbb\xbf" + b"a" * 1_000_000)
    with pytest.raises(ScenarioError, match="found a larger file, expected at most 1,000,000 bytes"):
        read_text(path)
    assert read_text(path, most_bytes=None) == read_text(path, most_bytes=2_000_000) == "a" * 1_000_000
    with pytest.raises(ScenarioError, match=r"cannot be read \(.*\); expected a story"):
        read_text(tmp_path, expected="a story", field_name="book")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("中文 émoji 👩‍💻", "中文 émoji 👩‍💻"),
        ("no-break\xa0space", "no-break\xa0space"),
        ("a\nb\tc\x00", r"a\nb\tc\x00"),
        ("\x1b[31mred\x9b", r"\x1b[31mred\x9b"),
        ("\u2028\u202egnp.exe\udcff", r"\u2028\u202egnp.exe\udcff"),
    ],
)
def test_what_breaks_lines_or_steers_terminals_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert str(Fault(text, 3, text, text)) == f"{shown}:3: {shown}: {shown}"


def test_faults_without_a_file_begin_with_their_field() -> None:
    assert str(Fault(None, None, "delta", "found 0")) == "delta: found 0"
    assert str(Fault(None, 3, "limits", "found 0")) == "scenario:3: limits: found 0"
    assert str(Fault(None, None, "", "found nothing")) == "scenario: found nothing"


def test_lists_of_names_are_cut_to_a_line() -> None:
    assert shortened(["a", "b"]) == "a, b"
    assert shortened([]) == ""
    assert shortened(["x" * 100]) == "x" * 60 + "..."
    assert shortened(["x\n" * 10_000]) == r"x\n" * 30 + "..."
    many = shortened(f"name-{number}" for number in range(1000))
    assert many.startswith("name-0, name-1, ")
    assert many.endswith(" more")
    assert int(many.split()[-2]) == 1000 - many.count("name-")
    assert len(many) < 220


@given(st.lists(st.integers(0, 99) | st.text(max_size=12).filter(lambda key: not key.isdecimal()), min_size=1))
def test_locations_are_read_back(location: list[str | int]) -> None:
    location = ["top", *location]
    assert undotted(dotted(tuple(location))) == tuple(location)


def test_a_journal_that_the_disk_takes_no_more_of_is_named_and_keeps_what_it_has(tmp_path: Path) -> None:
    path, limits = tmp_path / "x.journal", resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(path) as journal:
        journal.append("first")
        resource.setrlimit(resource.RLIMIT_FSIZE, (12, limits[1]))
        try:
            with pytest.raises(UnwrittenError, match="cannot be written") as refused:
                journal.append("second")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [fault.file for fault in refused.value.faults] == [str(path)]
    with opened(path) as journal:
        assert journal.lines == ("first",)
