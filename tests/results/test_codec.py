"""Results as JSON and back: nothing is lost, and whatever is changed in name, type or range is refused by name.

What a field may hold is read off the published JSON Schema; tables here say how lax that may be at the most.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jsonschema
import pytest
from places import DATA, SCENARIOS
from saved_results import KINDS, result

import ieco_opt
from ieco_opt.documents.origin import dotted
from ieco_opt.errors import ScenarioError
from ieco_opt.results.answer import Answer
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.encoding import to_mapping
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.json_schema import result_schema
from ieco_opt.results.parallelism import COLUMNS
from ieco_opt.results.reading import from_json, load_result

Place = tuple[str | int, ...]

TOP_LEVEL = ("format", "format_version", "question", "scenario", "resolved", "guarantee", "status")
LAST = ("solver", "statistics", "versions", "notes")
FORMAT_1 = sorted((DATA / "format1").glob("*.json"))
MODEL_1 = sorted((DATA / "model1").glob("*.json"))
MODEL_2 = sorted((DATA / "model2").glob("*.json"))
MODEL_3 = sorted((DATA / "model3").glob("*.json"))
MODEL_4 = sorted((DATA / "model4").glob("*.json"))
"""Files of format 2 of earlier performance models, as the versions with these models wrote them."""

OTHERS: tuple[Any, ...] = ("text", 2.5, -1, 0, True, None, ["text"], {"text": 1}, 10**400)
"""Values of every type that JSON knows, in and out of the range of most fields."""

NAMED = {"options", "rejected", "engines"}
"""Mappings whose keys are no names of fields."""

ANY_SIGN = {
    "claimed_speed_tokens_per_s",
    "claimed_cost_usd_per_mtok",
    "batch",  # Of a proposal; that of a deployment is a whole number.
    "least",
    "median",
    "worst",
    "additive_epsilon",
    "igd_plus",
    "objective",
    "bound",  # Of a plan; that of a deployment is above 0.
    "cost_cap",
    "free_gb",
    "value",
    "needed",
    "improves_from",
}
"""Numbers that may be negative as far as their types know."""

ANY_NUMBER = {"value", "needed", "improves_from"}
"""Limits, of which some are whole numbers."""

ANY_TEXT = {
    *("accelerator", "weights", "workload", "pool", "instance_type", "requirement", "unit", "limit", "step"),
    *("stopped", "name", "text", "solver", "ieco_opt", "pyomo", "highspy", "python"),
    *("engine", "engines", "draft_model", "profile", "sglang", "trtllm", "vllm"),
    "layout",  # Of a combination, as tables show it.
}
"""Text that is no word of a list."""

OPTIONAL = {
    *("objective", "preference", "against", "delta", "points"),  # Of a question.
    *("coverage", "stopped", "latency_hi_s", "cost_hi", "between"),  # Of a guarantee.
    *("accepted_gap", "patience_s", "time_limit_s", "total_time_limit_s", "seconds"),  # Of a solver or a budget.
    *("weights", "power_kw", "bound", "gap", "cost_cap", "expert_tensor_parallel"),
    # What an operating point leaves open, or a phase does not have.
    *("time_to_first_token_s", "speed_tokens_per_s", "cost_usd_per_mtok", "latency_s", "batch", "draft_tokens"),
    *("mfu", "bottleneck", "kernel_s", "network_s", "memory_s", "arithmetic_s", "memory_per_gpu_gb"),
    *("memory_limit_gb", "tensor_parallel", "attention_data_parallel", "pipeline_parallel", "expert_parallel"),
    *("stage_ranks", "tensor_layout", "share", "kv_cache", "redundant_experts", "cache_tokens"),
    *("weights_gb", "cache_gb", "draft_gb", "reserve_gb", "free_gb"),
    *("engine", "engines", "exchange", "draft_mode", "draft_model"),
    *("profile", "in_range", "expected_error"),  # Of nothing that the performance model prices.
    *("energy_j_per_token", "energy_usd_per_mtok", "carbon_kg_per_mtok"),
    *("energy_kw", "energy_usd_per_hour", "carbon_kg_per_hour"),
    # Of an explanation.
    *("value", "step", "relaxed", "removed", "improves_from", "needed", "deployment", "infeasible_subset"),
    *("confirmed", "margin"),
    *("count", "excess", "plan", "next_one"),  # Of alternatives.
    # Of a frontier with a band.
    "pessimistic",
    # Of a comparison.
    *("least", "median", "worst", "worst_speed", "worst_cost", "additive_epsilon", "igd_plus", "accelerator"),
    "exact",
}
"""Fields that may be null in some record; those of a draft model besides."""

FIRST = ("frontier", "plan", "explanation", "comparison")
"""Kinds of results, one for each record."""

SCHEMA = result_schema()


def small(kind: str) -> dict[str, Any]:
    """A result as a mapping, with at most two entries of each list."""

    def cut(values: Any) -> Any:
        if isinstance(values, dict):
            return {name: cut(value) for name, value in values.items()}
        return [cut(value) for value in values[:2]] if isinstance(values, list) else values

    values = to_mapping(result(kind))
    asked = {name: values[name] for name in ("scenario", "resolved")}
    return {name: asked.get(name, cut(value)) for name, value in values.items()}


def new_fields(kind: str) -> list[tuple[Place, Any]]:
    """Fields of a kind of result that no kind of the same record before it has."""
    record, found = type(result(kind)), fields_of(small(kind))
    for earlier in KINDS[: KINDS.index(kind)]:
        if type(result(earlier)) is record:
            known = fields_of(small(earlier))
            found = {alike: field for alike, field in found.items() if alike not in known}
    return list(found.values())


def fields_of(values: Any) -> dict[tuple[Place, type], tuple[Place, Any]]:
    """Every field at any depth with its value, but for what a scenario and its facts hold.

    Of places that differ in positions of lists only, the first one with each type of value.
    """
    found: dict[tuple[Place, type], tuple[Place, Any]] = {}
    for place, value in _fields_of(values, ()):
        alike = tuple("*" if isinstance(key, int) else key for key in place)
        found.setdefault((alike, type(value)), (place, value))
    return found


def _fields_of(values: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    entries: Any = values.items() if isinstance(values, dict) else ()
    for key, value in enumerate(values) if isinstance(values, list) else entries:
        yield (*place, key), value
        if (*place, key) not in {("scenario",), ("resolved",)}:
            yield from _fields_of(value, (*place, key))


def has_a_name(place: Place) -> bool:
    """Whether the last key is the name of a field."""
    return isinstance(place[-1], str) and (len(place) < 2 or place[-2] not in NAMED)


@contextmanager
def replaced(values: Any, place: Place, other: Any) -> Iterator[None]:
    """Another value in the place of one."""
    inner = inside(values, place[:-1])
    before = inner[place[-1]]
    inner[place[-1]] = other
    yield
    inner[place[-1]] = before


@contextmanager
def renamed(values: Any, place: Place, other: str) -> Iterator[None]:
    """Another name in the place of one."""
    inner = inside(values, place[:-1])
    before = dict(inner)
    inner[other] = inner.pop(place[-1])
    yield
    inner.clear()
    inner.update(before)


def inside(values: Any, place: Place) -> Any:
    for key in place:
        values = values[key]
    return values


def refused(values: Any) -> dict[str, str]:
    """Message of each field that is refused; empty where the result is read."""
    try:
        from_json(json.dumps(values), "file.json")
    except ScenarioError as error:
        return {fault.field: fault.message for fault in error.faults if fault.file == "file.json"}
    return {}


def is_about(field: str, place: Place) -> bool:
    """Whether a fault names the field at a place, or something in it."""
    name = dotted(place)
    return field == name or field.startswith((f"{name}.", f"{name}["))


def schemas_at(schema: dict[str, Any], place: Place, record: str) -> list[dict[str, Any]]:
    """What the schema says of a field of a kind of result; several where it gives a choice."""
    found = [schema["$defs"][record]]
    for key in place:
        plain = [each for one in found for each in without_choices(schema, one)]
        inner = [each.get("items") if isinstance(key, int) else _property(each, key) for each in plain]
        found = [each for each in inner if each is not None]
        assert found, place
    return found


def _property(schema: dict[str, Any], name: str) -> dict[str, Any] | None:
    free = schema.get("additionalProperties")
    described: dict[str, Any] | None = schema.get("properties", {}).get(name, free if isinstance(free, dict) else None)
    return described


def without_choices(schema: dict[str, Any], one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in one:
        yield from without_choices(schema, schema["$defs"][one["$ref"].rpartition("/")[2]])
        return
    yield one
    for choice in (*one.get("anyOf", ()), *one.get("allOf", ())):
        yield from without_choices(schema, choice)


VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def is_allowed(place: Place, record: str, other: Any) -> bool:
    """Whether the schema knows a field with this value."""
    return any(VALIDATOR.evolve(schema=each).is_valid(other) for each in schemas_at(SCHEMA, place, record))


def is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


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
    points = next(name for name in ("plans", "deployments", "found") if name in values)
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
    values = small(kind)
    assert refused(values) == {}
    for place, _ in new_fields(kind):
        if not has_a_name(place):
            continue
        name = str(place[-1])
        half = len(name) // 2
        for other in (f"{name}x", name[:-1], f"{name[:half]}~{name[half + 1 :]}"):
            with renamed(values, place, other):
                said = refused(values)
            assert {dotted((*place[:-1], other)), dotted(place)} & said.keys(), (place, other, said)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_that_is_missing_is_refused_by_name(kind: str) -> None:
    values, record = small(kind), type(result(kind)).__name__
    required = 0
    for place, _ in new_fields(kind):
        around = schemas_at(SCHEMA, place[:-1], record)
        plain = [each for one in around for each in without_choices(SCHEMA, one)]
        needed = any(place[-1] in each.get("required", ()) for each in plain)
        if has_a_name(place):
            inner = inside(values, place[:-1])
            before = dict(inner)
            del inner[place[-1]]
            said = refused(values)
            inner.update(before)
            # What may be left out by itself may still be needed beside another field.
            assert dotted(place) in said or not (needed or said), (place, said)
            required += needed
    assert required > 40 or kind not in FIRST


@pytest.mark.parametrize("share", [3, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_another_type_or_out_of_its_range_is_refused_by_name(kind: str, share: int) -> None:
    values, record = small(kind), type(result(kind)).__name__
    checked = 0
    for at, (place, value) in enumerate(new_fields(kind)):
        # One value in so many for each field: the next field gets the next ones.
        for other in OTHERS[at % share :: share]:
            if is_same(value, other):
                continue
            with replaced(values, place, other):
                said = refused(values)
            if not is_allowed(place, record, other):
                assert any(is_about(field, place) for field in said), (place, value, other, said)
                checked += 1
    assert checked > 400 // share or kind not in FIRST


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_as_strict_as_the_records_ought_to_be(kind: str) -> None:
    record = type(result(kind)).__name__
    numbers = 0
    for place, value in fields_of(small(kind)).values():
        name = str(place[-1])
        if place[:2] == ("solver", "options") and len(place) > 2:
            # Each option has a type of its own, which the solver knows.
            continue
        allowed = [other for other in OTHERS if is_allowed(place, record, other)]
        types = {type(other) for other in allowed} - {type(None), dict, list}
        # Combinations name only what alternatives are to differ in.
        is_null = name in OPTIONAL or name.removeprefix("draft_") in OPTIONAL or "combinations" in place
        assert (None in allowed) <= (is_null and has_a_name(place)), place
        if isinstance(value, bool):
            assert types == {bool}, place
        elif isinstance(value, int):
            numbers += 1
            assert types <= ({int, float} if name in ANY_NUMBER else {int}), place
        elif isinstance(value, float):
            numbers += 1
            assert types <= {int, float}, place
        elif isinstance(value, str):
            free = name in ANY_TEXT or place[0] in ("notes", "binding_together")
            assert types == ({str} if free else set()), place
        elif value is None:
            assert None in allowed, place
            assert types in (set(), {str}, {int}, {float}, {int, float}, {bool}), place
        else:
            assert types == set(), place
            assert all(isinstance(other, type(value) | None) for other in allowed), place
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in ANY_SIGN:
            assert -1 not in allowed, place
    assert numbers > 10


@pytest.mark.parametrize("kind", KINDS)
def test_every_word_of_a_list_is_refused_where_it_is_another(kind: str) -> None:
    values = small(kind)
    words = 0
    for place, value in fields_of(values).values():
        if isinstance(value, str) and str(place[-1]) not in ANY_TEXT and place[0] not in ("notes", "binding_together"):
            with replaced(values, place, value[:-1] + "~"):
                said = refused(values)
            assert said[dotted(place)].startswith(f"found '{value[:-1]}~', expected "), (place, said)
            words += 1
    assert words > 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_describes_every_result(kind: str) -> None:
    values = to_mapping(result(kind))
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(values)
    for broken in (values | {"other": 1}, values | {"format_version": 1}, values | {"status": "fine"}):
        assert not VALIDATOR.is_valid(broken)
    assert not VALIDATOR.is_valid({name: value for name, value in values.items() if name != "versions"})


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
    values["deployments"][0]["stage_ranks"] = 9
    assert refused(values) == {"deployments[0].stage_ranks": "found 9, expected 8, as the degrees say"}


def test_a_parallelism_is_flat_and_whole() -> None:
    values = to_mapping(result("frontier"))
    at, row = next((at, row) for at, row in enumerate(values["deployments"]) if row["draft_tokens"])
    held = {name: row[name] for name in ("tensor_parallel", "attention_data_parallel", "pipeline_parallel")}
    for name in ("parallelism", "draft"):
        with replaced(values, ("deployments", at), row | {name: held}):
            assert refused(values)[f"deployments[{at}].{name}"].startswith("unknown field, expected ")
    columns = [f"draft_{name}" for name in COLUMNS]
    assert all(row[name] is not None for name in columns)
    # All of them empty say that there is no draft model; one of them, or none at all, is a mistake.
    with replaced(values, ("deployments", at), row | dict.fromkeys(columns)):
        assert refused(values) == {}
    with replaced(values, ("deployments", at), {name: value for name, value in row.items() if name not in columns}):
        said = refused(values)
        assert said.keys() == {f"deployments[{at}].{name}" for name in columns}
        assert all(message.startswith("the field is missing, expected") for message in said.values())


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"kind": "fleet"}', "[" * 100_000, "NaN"], ids=repr)
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        from_json(text, "file.json")
    assert all(fault.file == "file.json" for fault in caught.value.faults)


OTHER_MODEL = (
    "versions.model: found {}, this version has the performance model 5; figures of the model were not checked"
)


@pytest.mark.parametrize("path", FORMAT_1, ids=lambda path: path.stem)
def test_files_of_format_1_are_read(path: Any) -> None:
    old, read = json.loads(path.read_text()), load_result(path)
    assert from_json(read.to_json()) == read  # type: ignore[attr-defined]
    assert ieco_opt.verify(read).problems == [OTHER_MODEL.format(1)]
    before, now = rows_of_format_1(old), rows_of(read)
    assert len(now) == len(before)
    for was, is_now in zip(before, now, strict=True):
        for prefix in ("", "draft_"):
            assert is_now[f"{prefix}stage_ranks"] == was[f"{prefix}tensor_parallel"]
            assert is_now[f"{prefix}pipeline_parallel"] == was[f"{prefix}pipeline_parallel"]
        for name in ("latency_s", "gpus", "batch", "accelerator", "status"):
            assert is_now[name] == was[name]
    if isinstance(read, Comparison):
        assert read.statistics.exact is None
        for result_now, result_then in zip(read.heuristics, old["heuristics"], strict=True):
            assert len(result_now.proposals) == result_then["proposals"]
            assert len(result_now.deployable()) == result_then["deployable"]
            assert len(result_now.points()) == result_then["undominated"]


def rows_of_format_1(old: dict[str, Any]) -> list[dict[str, Any]]:
    """Deployments, runner-ups among them, or rows of instances."""
    match old["format"]:
        case "ieco_opt explanation":
            chosen = [] if old["chosen"] is None else [old["chosen"]]
            return chosen + [each["deployment"] for each in old["runner_ups"]]
        case "ieco_opt comparison":
            return list(old["exact"]["deployments"])
        case "ieco_opt fleet":
            return [row for plan in old["plans"] for row in plan["instances"]]
        case _:
            return list(old["deployments"])


def rows_of(answer: Answer) -> list[dict[str, Any]]:
    values = to_mapping(answer)
    rows = values.get("deployments", []) + [row for plan in values.get("plans", []) for row in plan["instances"]]
    return rows + ([each["deployment"] for each in values["runner_ups"]] if isinstance(answer, Explanation) else [])


MALFORMED = [
    *FORMAT_1,
    DATA / "model1" / "stopped.json",
    DATA / "model1" / "frontier.json",
    DATA / "model2" / "plan.json",
]


@pytest.mark.parametrize("path", MALFORMED, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_old_files_that_are_malformed_are_refused_without_a_traceback(path: Any) -> None:
    values = json.loads(path.read_text())
    refusals = 0
    for place, value in fields_of(values).values():
        for other in ("text", None, 10**400):
            if not is_same(value, other):
                with replaced(values, place, other):
                    refusals += bool(refused(values))
    assert refusals > 100


def flat_rows(values: Any) -> list[dict[str, Any]]:
    """Everything at any depth that has the degrees of a configuration."""
    if isinstance(values, list):
        return [row for each in values for row in flat_rows(each)]
    if not isinstance(values, dict):
        return []
    inner = [row for name, each in values.items() if name not in NO_ROWS for row in flat_rows(each)]
    return [values, *inner] if "tensor_parallel" in values else inner


NO_ROWS = ("scenario", "resolved", "versions", "solver")
UNKNOWN_TO_MODEL_2 = ("engine", "engines", "exchange")
UNKNOWN_TO_MODEL_1 = ("cache_tokens", "weights_gb", "cache_gb", "draft_gb", "reserve_gb", "free_gb")


@pytest.mark.parametrize("path", FORMAT_1 + MODEL_1, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_rows_of_model_1_are_completed(path: Any) -> None:
    read = to_mapping(load_result(path))
    rows = flat_rows({name: part for name, part in read.items() if name not in NO_ROWS})
    assert rows or path.stem in ("infeasible", "stopped")
    for row in rows:
        assert row["kv_cache"] == (None if row["weights"] is None else "bf16")
        for prefix in ("", "draft_"):
            degree = row[f"{prefix}tensor_parallel"]
            assert row[f"{prefix}redundant_experts"] == (None if degree is None else 0)
        if "memory_per_gpu_gb" in row:
            assert {row[name] for name in UNKNOWN_TO_MODEL_1} == {None}


@pytest.mark.parametrize("path", FORMAT_1 + MODEL_1 + MODEL_2, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_rows_of_models_that_asked_no_server_are_completed(path: Any) -> None:
    answer = load_result(path)
    assert answer.versions.engines == {}
    rows = [row for row in flat_rows(to_mapping(answer)) if "memory_per_gpu_gb" in row]
    assert rows or path.stem in ("infeasible", "stopped")
    drafts = set()
    for row in rows:
        assert {row[name] for name in UNKNOWN_TO_MODEL_2} == {None}
        drafts.add((row["draft_mode"], row["draft_model"]))
        assert (row["draft_mode"] is None) == (not row["draft_tokens"])
    assert drafts <= {(None, None), ("draft_model", "Llama-3.2-1B")}
    if path.parent.name == "model2" and path.stem in ("frontier", "plan", "explanation"):
        assert ("draft_model", "Llama-3.2-1B") in drafts


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"like": "Llama-3.2-1B"}, "Llama-3.2-1B"),
        ({"like": "Llama-3.2-1B", "name": "my-draft"}, "my-draft"),
        ("llama-3.2-1b", "Llama-3.2-1B"),
    ],
    ids=repr,
)
def test_a_draft_model_of_model_2_has_the_name_that_the_scenario_gives_it(reference: Any, expected: str) -> None:
    values = json.loads((DATA / "model2" / "frontier.json").read_text())
    values["scenario"]["speculation"]["draft_model"] = reference
    if isinstance(reference, str):
        values["resolved"]["models"][reference] = values["resolved"]["models"].pop("Llama-3.2-1B")
    drafts = {row.draft_model for row in from_json(json.dumps(values)).deployments}  # type: ignore[attr-defined]
    assert drafts == {None, expected}


@pytest.mark.parametrize("path", MODEL_1 + MODEL_2 + MODEL_3, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_files_of_earlier_models_are_read_and_lose_nothing(path: Any) -> None:
    old, read = json.loads(path.read_text()), load_result(path)
    model = int(path.parent.name[-1])
    assert (old["format_version"], old["versions"]["model"]) == (2, model)
    assert from_json(read.to_json()) == read  # type: ignore[attr-defined]
    assert ieco_opt.verify(read).problems == [OTHER_MODEL.format(model)]
    before, now = flat_rows(old), flat_rows(to_mapping(read))
    assert len(before) == len(now)
    for was, is_now in zip(before, now, strict=True):
        assert was == {name: is_now[name] for name in was}
    # What named no profile was priced with the published constants.
    assert ("profile" in old["scenario"]) == (path.stem == "calibrated")
    assert to_mapping(read)["scenario"] == {"profile": ["paper-constants"]} | old["scenario"]
    trusted = [(row["profile"], row["in_range"], row["expected_error"]) for row in now if "memory_per_gpu_gb" in row]
    assert set(trusted) <= {(None, None, None)}


@pytest.mark.parametrize("path", MODEL_4, ids=lambda path: path.stem)
def test_files_of_model_4_are_read_and_lose_nothing(path: Any) -> None:
    old, read = json.loads(path.read_text()), load_result(path)
    assert (old["format_version"], old["versions"]["model"]) == (2, 4)
    assert from_json(read.to_json()) == read  # type: ignore[attr-defined]
    assert ieco_opt.verify(read).problems == [OTHER_MODEL.format(4)]
    for was, is_now in zip(flat_rows(old), flat_rows(to_mapping(read)), strict=True):
        assert was == {name: is_now[name] for name in was}


@pytest.mark.parametrize("model", [1, 2, 3])
def test_fidelity_paper_of_an_earlier_model_has_no_profile(model: int) -> None:
    asked = ieco_opt.load_scenario(SCENARIOS / "paper-llama-3-70b.yaml", ["design_space.max_gpus=8"])
    values = to_mapping(ieco_opt.frontier(asked, delta=1.0))  # type: ignore[arg-type]
    values["versions"]["model"] = model
    read = from_json(json.dumps(values))
    assert "profile" not in to_mapping(read)["scenario"]
    assert ieco_opt.verify(read).problems == [OTHER_MODEL.format(model)]


@pytest.mark.parametrize(
    ("name", "models"),
    [
        *(
            (name, [1])
            for name in ("kv_cache", "redundant_experts", "draft_redundant_experts", "weights_gb", "free_gb")
        ),
        *((name, [1, 2]) for name in ("engine", "engines", "exchange", "draft_mode", "draft_model")),
        *((name, [1, 2, 3]) for name in ("profile", "in_range", "expected_error")),
    ],
)
def test_a_file_of_this_model_lacks_nothing(name: str, models: list[int]) -> None:
    values = to_mapping(result("frontier"))
    del values["deployments"][0][name]
    for model in (1, 2, 3, 4, 5):
        values["versions"]["model"] = model
        assert refused(values).keys() == (set() if model in models else {f"deployments[0].{name}"})
    # True equals 1, but is no number of a model.
    values["versions"]["model"] = True
    assert f"deployments[0].{name}" in refused(values)


@pytest.mark.parametrize("model", [1, 2])
@pytest.mark.parametrize(("name", "value"), [("kv_cache", "fp8"), ("weights_gb", 5.0), ("draft_model", "other")])
def test_what_a_file_of_an_earlier_model_says_stays(name: str, value: Any, model: int) -> None:
    values = to_mapping(result("frontier"))
    values["versions"]["model"] = model
    values["deployments"][0][name] = value
    read = from_json(json.dumps(values))
    assert getattr(read.deployments[0], name) == value  # type: ignore[attr-defined]
    assert read.versions.engines.keys() == {"sglang", "trtllm", "vllm"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_later_result_is_none_of_format_1(kind: str) -> None:
    values = to_mapping(result(kind)) | {"format_version": 1}
    assert refused(values)["guarantee"] == "unknown field in file format 1"


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
    said = refused(values)
    assert said["resolved.models.Other"].startswith("unknown field")
    assert said["resolved.models.'Llama-3.2-1B'"] == "the field is missing"


def test_facts_are_checked_field_by_field() -> None:
    values = to_mapping(result("plan"))
    values["resolved"]["accelerators"]["H100"]["hbm_bytes"] = -1
    assert refused(values)["resolved.accelerators.H100.hbm_bytes"].startswith("found -1, expected")


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
