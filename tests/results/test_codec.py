"""Results as JSON and back: nothing is lost, and whatever is changed in name, type or range is refused by name."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from places import DATA
from saved_results import KINDS, result

import ieco_opt
from ieco_opt.errors import ScenarioError
from ieco_opt.results.encoding import to_mapping
from ieco_opt.results.json_schema import result_schema
from ieco_opt.results.reading import from_json, load_result

Place = tuple[str | int, ...]

TOP_LEVEL = ("format", "format_version", "question", "scenario", "resolved", "guarantee", "status")
LAST = ("solver", "statistics", "versions", "notes")

FREE = {"options", "rejected", "models", "accelerators"}
"""Mappings whose keys are names that users or catalogs choose, and no names of fields."""

ANY_SIGN = {
    "claimed_speed_tokens_per_s",
    "claimed_cost_usd_per_mtok",
    "batch",
    "least",
    "median",
    "worst",
    "additive_epsilon",
    "igd_plus",
    "objective",
    "cost_cap",
    "value",
    "needed",
    "improves_from",
}
"""Numbers that may be negative as far as their types know."""


def fields_of(values: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every field of a mapping at any depth, but for what a scenario and its facts hold."""
    if isinstance(values, dict):
        for name, value in values.items():
            yield (*place, name), value
            if (*place, name) not in {("scenario",), ("resolved",)} and name not in FREE:
                yield from fields_of(value, (*place, name))
    if isinstance(values, list):
        for index, value in enumerate(values[:2]):
            yield from fields_of(value, (*place, index))


def changed(values: Any, place: Place, change: Any) -> Any:
    """A copy with one container changed: ``change`` gets it and the last key."""
    copied = copy.deepcopy(values)
    inner = copied
    for key in place[:-1]:
        inner = inner[key]
    change(inner, place[-1])
    return copied


def refusal(values: Any) -> str:
    with pytest.raises(ScenarioError) as caught:
        from_json(json.dumps(values), "file.json")
    return "\n".join(f"{fault.field}: {fault.message}" for fault in caught.value.faults)


def dotted(place: Place) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in place)[1:]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost(kind: str) -> None:
    answer = result(kind)
    text = answer.to_json()  # type: ignore[attr-defined]
    read = from_json(text)
    assert type(read) is type(answer)
    assert read == answer
    assert read.to_json() == text  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_the_top_level_is_that_of_file_format_2(kind: str) -> None:
    values = to_mapping(result(kind))
    points = "plans" if "plans" in values else "deployments"
    assert tuple(values)[: len(TOP_LEVEL)] == TOP_LEVEL
    assert tuple(values)[-len(LAST) :] == LAST
    assert isinstance(values[points], list)
    assert (values["format"], values["format_version"]) == ("ieco_opt result", 2)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_flat(kind: str) -> None:
    values = to_mapping(result(kind))
    rows = values.get("deployments", []) + [row for plan in values.get("plans", []) for row in plan["instances"]]
    for row in rows:
        assert all(not isinstance(value, dict | list) for value in row.values())
        if row["tensor_parallel"] is not None:
            assert row["stage_ranks"] == row["tensor_parallel"] * row["attention_data_parallel"]
            assert row["gpus"] == row["stage_ranks"] * row["pipeline_parallel"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_another_name_is_refused_by_name(kind: str) -> None:
    values = to_mapping(result(kind))
    for place, _ in fields_of(values):
        name = str(place[-1])
        for other in (name + "x", name[:-1], "x" + name[1:]):

            def rename(inner: Any, key: str | int, other: str = other) -> None:
                inner[other] = inner.pop(key)

            said = refusal(changed(values, place, rename))
            field = dotted((*place[:-1], other)) if other else name
            assert f"{field}: " in said or f"{dotted(place)}: " in said, (place, other, said)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_another_type_is_refused_by_name(kind: str) -> None:
    values = to_mapping(result(kind))
    for place, value in fields_of(values):
        for other in ("text\x00", 1.5, True, [["x"]], {"x": 1}, [1.5]):
            if type(other) is type(value) or (isinstance(other, float) and isinstance(value, int | float)):
                continue
            if isinstance(other, str | float) and value is None:
                # What is missing may be text or a number.
                continue

            def replace(inner: Any, key: str | int, other: Any = other) -> None:
                inner[key] = other

            said = refusal(changed(values, place, replace))
            assert any(line.startswith(dotted(place)) for line in said.splitlines()), (place, value, other, said)


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_out_of_its_range_is_refused_by_name(kind: str) -> None:
    values = to_mapping(result(kind))
    counted = 0
    for place, value in fields_of(values):
        free = str(place[-1]) in ANY_SIGN or (place[0] == "plans" and place[-1] == "bound")
        if isinstance(value, bool) or not isinstance(value, int | float) or free:
            continue
        counted += 1

        def negative(inner: Any, key: str | int) -> None:
            inner[key] = -1

        said = refusal(changed(values, place, negative))
        assert f"{dotted(place)}: found -1, expected" in said, (place, said)
    assert counted > 5


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_a_list_is_refused_where_it_is_another(kind: str) -> None:
    values = to_mapping(result(kind))
    words = {"kind", "status", "bottleneck", "tensor_layout", "phase", "serving", "rented_by", "part", "resource"}
    for place, value in fields_of(values):
        if place[-1] in words and isinstance(value, str) and place[0] not in ("scenario", "resolved"):

            def misspell(inner: Any, key: str | int) -> None:
                inner[key] = inner[key][:-1] + "~"

            said = refusal(changed(values, place, misspell))
            assert f"{dotted(place)}: found" in said, (place, said)


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_describes_every_result(kind: str) -> None:
    schema, values = result_schema(), to_mapping(result(kind))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(values)
    for broken in (values | {"other": 1}, values | {"format_version": 1}, values | {"status": "fine"}):
        assert not validator.is_valid(broken)
    assert not validator.is_valid({name: value for name, value in values.items() if name != "versions"})


def test_faults_name_the_line(tmp_path: Any) -> None:
    values = to_mapping(result("frontier"))
    values["deployments"][1]["batch"] = 0
    path = tmp_path / "result.json"
    path.write_text(json.dumps(values, indent=2))
    with pytest.raises(ScenarioError) as caught:
        load_result(path)
    (fault,) = caught.value.faults
    line = path.read_text().splitlines()[fault.line - 1] if fault.line else ""
    assert (fault.file, fault.field) == (str(path), "deployments[1].batch")
    assert line.strip().startswith('"batch": 0')


def test_degrees_that_contradict_each_other_are_refused() -> None:
    values = to_mapping(result("frontier"))
    values["deployments"][0]["stage_ranks"] += 1
    assert "deployments[0].stage_ranks: found 9, expected 8, as the degrees say" in refusal(values)


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"kind": "fleet"}', "[" * 100_000, "NaN"], ids=repr)
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_json(text, "file.json")
    assert all(fault.file == "file.json" for fault in caught.value.faults)


@pytest.mark.parametrize("path", sorted((DATA / "format1").glob("*.json")), ids=lambda path: path.stem)
def test_files_of_format_1_are_read(path: Any) -> None:
    old, read = json.loads(path.read_text()), load_result(path)
    assert from_json(read.to_json()) == read  # type: ignore[attr-defined]
    assert ieco_opt.verify(read).problems == []
    chosen = [old["chosen"]] if old.get("chosen") else []
    rows = old.get("deployments") or old.get("exact", {}).get("deployments") or chosen
    rows += [row for plan in old.get("plans", []) for row in plan["instances"]]
    values = to_mapping(read)
    now = values.get("deployments", []) + [row for plan in values.get("plans", []) for row in plan["instances"]]
    assert len(now) == len(rows)
    for before, after in zip(rows, now, strict=True):
        assert after["stage_ranks"] == before["tensor_parallel"]
        assert after["latency_s"] == before["latency_s"]
        assert (after["gpus"], after["batch"]) == (before["gpus"], before["batch"])


def test_a_changed_catalog_changes_no_saved_answer() -> None:
    values = to_mapping(result("frontier"))
    facts = values["resolved"]["models"]["Llama-3.1-8B"]
    read = from_json(json.dumps(values))
    assert ieco_opt.verify(read).holds
    facts["layers"] += 1
    facts["feed_forward"][0]["layers"] += 1
    changed_facts = from_json(json.dumps(values))
    # The figures no longer are those of the facts that the result keeps, though the catalog is the same.
    assert not ieco_opt.verify(changed_facts).holds


def test_facts_must_be_those_that_the_scenario_names() -> None:
    values = to_mapping(result("frontier"))
    values["resolved"]["models"]["Other"] = values["resolved"]["models"].pop("Llama-3.2-1B")
    said = refusal(values)
    assert "resolved.models.Other: unknown field" in said
    assert "the field is missing" in said


def test_facts_are_checked_field_by_field() -> None:
    values = to_mapping(result("plan"))
    values["resolved"]["accelerators"]["H100"]["hbm_bytes"] = -1
    assert "resolved.accelerators.H100.hbm_bytes: found -1" in refusal(values)


def test_the_same_question_gives_the_same_bytes_but_for_statistics() -> None:
    for kind in ("frontier", "plan", "comparison", "explanation"):
        first = to_mapping(result(kind))
        result.cache_clear()
        second = to_mapping(result(kind))
        for values in (first, second):
            del values["statistics"]
        assert json.dumps(first) == json.dumps(second)


def test_another_model_number_is_said_and_the_rest_is_checked() -> None:
    answer = result("frontier")
    other = dataclasses.replace(answer, versions=dataclasses.replace(answer.versions, model=99))
    (problem,) = ieco_opt.verify(other).problems
    assert problem.startswith("versions.model: found 99, this version has the performance model")
    values = to_mapping(other)
    values["deployments"].reverse()
    problems = ieco_opt.verify(from_json(json.dumps(values))).problems
    assert any("is not slower than the one before it" in each for each in problems)
