"""Fields by other words (TTFT, TPOT, ISL, OSL), and lists that are written as one entry or with commas."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import pytest
import yaml

import ieco_opt
from ieco_opt.scenario import json_schema, load_fleet_mapping, load_scenario_mapping
from ieco_opt.scenario.other_words import MEANT

DEPLOYMENT = {
    "version": 2,
    "kind": "deployment",
    "model": "Llama-3.3-70B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000, "output_tokens": 500},
    "limits": {"min_speed": 20.0},
}
FLEET: dict[str, Any] = {
    "version": 2,
    "kind": "fleet",
    "pools": [
        {"name": "h100", "accelerator": "H100-SXM", "gpus": 8},
        {"name": "h200", "accelerator": "H200", "gpus": 8},
    ],
    "workloads": [
        {
            "name": "chat",
            "model": "Llama-3.1-8B",
            "requests_per_s": 1,
            "prompt_tokens": 2000,
            "output_tokens": 500,
            "min_speed": 40.0,
            "max_time_to_first_token_s": 2.0,
        },
        {
            "name": "mix",
            "model": "Llama-3.1-8B",
            "requests_per_s": 1,
            "request_mix": [{"share": 1, "prompt_tokens": 100, "output_tokens": 200}],
        },
    ],
}


def said_otherwise(mapping: Any) -> Any:
    """The same with every field by its alias."""
    if isinstance(mapping, list):
        return [said_otherwise(each) for each in mapping]
    if not isinstance(mapping, dict):
        return mapping
    aliases = {name: alias for alias, name in MEANT.items()}
    return {
        aliases.get(key, key): 1000.0 / value if key == "min_speed" else said_otherwise(value)
        for key, value in mapping.items()
    }


def schema_takes(mapping: dict[str, Any]) -> bool:
    return jsonschema.Draft202012Validator(json_schema(mapping["kind"])).is_valid(mapping)


def with_limits(**limits: object) -> dict[str, Any]:
    changed = copy.deepcopy(FLEET)
    for workload in changed["workloads"]:
        workload.pop("min_speed", None)
        workload.pop("max_time_to_first_token_s", None)
    return changed | {"limits": limits}


def faults(mapping: dict[str, Any], *overrides: str) -> list[str]:
    with pytest.raises(ieco_opt.ScenarioError) as error:
        ieco_opt.load_scenario(yaml.safe_dump(mapping, sort_keys=False), overrides)
    return [f"{fault.file or 'scenario'}: {fault.field}: {fault.message}" for fault in error.value.faults]


def test_a_fleet_means_the_same_by_aliases() -> None:
    other = said_otherwise(FLEET)
    assert {"isl", "osl", "ttft_s", "tpot_ms"} <= other["workloads"][0].keys()
    assert load_fleet_mapping(other) == load_fleet_mapping(FLEET)
    assert load_fleet_mapping(other).to_mapping() == load_fleet_mapping(FLEET).to_mapping()
    assert schema_takes(other)


def test_a_deployment_means_the_same_by_aliases() -> None:
    other = said_otherwise(DEPLOYMENT)
    assert (other["workload"]["osl"], other["limits"]) == (500, {"tpot_ms": 50.0})
    assert load_scenario_mapping(other) == load_scenario_mapping(DEPLOYMENT)
    assert schema_takes(other)


def test_limits_of_a_fleet_are_those_of_every_workload() -> None:
    fleet = load_fleet_mapping(with_limits(tpot_ms=25, ttft_s=3, max_gpus=8))
    assert [(each.min_speed, each.max_time_to_first_token_s) for each in fleet.workloads] == [(40.0, 3.0)] * 2
    assert fleet.limits.max_gpus == 8
    assert schema_takes(with_limits(tpot_ms=25, ttft_s=3))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"isl": 5}, "workloads[0].isl: found 5 beside prompt_tokens, which says the same; expected one of the two"),
        (
            {"tpot_ms": 5},
            "workloads[0].tpot_ms: found 5 beside min_speed, which says the same; expected one of the two",
        ),
        (
            {"prompt_tokens": None, "isl": "4k"},
            "workloads[0].isl: found '4k', expected an integer from 1 to 100,000,000",
        ),
        (
            {"min_speed": None, "tpot_ms": 0},
            "workloads[0].tpot_ms: found 0, expected a positive number from 1e-9 to 1e12",
        ),
    ],
    ids=["both-tokens", "both-speeds", "no-number", "zero"],
)
def test_faults_name_the_alias(changes: dict[str, Any], expected: str) -> None:
    mapping = copy.deepcopy(FLEET)
    given = mapping["workloads"][0] | changes
    mapping["workloads"][0] = {name: value for name, value in given.items() if value is not None}
    assert faults(mapping) == [f"scenario: {expected}"]


def test_a_limit_for_all_does_not_go_beside_one_of_a_workload() -> None:
    expected = "found 25 beside min_speed or tpot_ms of a workload; expected one of the two"
    assert faults(FLEET | {"limits": {"tpot_ms": 25}}) == [f"scenario: limits.tpot_ms: {expected}"]
    assert faults(with_limits(tpot_ms="fast")) == [
        "scenario: limits.tpot_ms: found 'fast', expected a positive number from 1e-9 to 1e12"
    ]


def test_the_schema_refuses_both() -> None:
    for change in ({"isl": 5}, {"tpot_ms": 5}):
        mapping = copy.deepcopy(FLEET)
        mapping["workloads"][0] |= change
        assert not schema_takes(mapping)
    mixed = copy.deepcopy(FLEET)
    mixed["workloads"][1]["request_mix"][0] |= {"osl": 5}
    assert not schema_takes(mixed)


@pytest.mark.parametrize(
    ("override", "speeds"),
    [
        ("workloads.chat.tpot_ms=50", [20.0, None]),
        ("workloads[0].tpot_ms=50", [20.0, None]),
        ("limits.tpot_ms=10", [100.0, 100.0]),
        ("limits.tpot_ms=", [None, None]),
        ("workloads.chat.tpot_ms=", [None, None]),
    ],
)
def test_an_override_replaces_what_says_the_same(override: str, speeds: list[float | None]) -> None:
    fleet = ieco_opt.load_scenario(yaml.safe_dump(FLEET), [override])
    assert isinstance(fleet, ieco_opt.Fleet)
    assert [each.min_speed for each in fleet.workloads] == speeds


def test_an_override_by_our_name_replaces_an_alias() -> None:
    text = yaml.safe_dump(said_otherwise(FLEET))
    fleet = ieco_opt.load_scenario(text, ["workloads.chat.prompt_tokens=7", "workloads.chat.min_speed=8"])
    assert isinstance(fleet, ieco_opt.Fleet)
    assert (fleet.workloads[0].prompt_tokens, fleet.workloads[0].min_speed) == (7, 8.0)
    assert faults(FLEET, "workloads.chat.isl=x") == [
        "--set: workloads[0].isl: found 'x', expected an integer from 1 to 100,000,000"
    ]


LISTS = {
    "weights": ("bf16, fp8", ["bf16", "fp8"]),
    "kv_cache": ("bf16,fp8", ["bf16", "fp8"]),
    "engine": ("vllm,sglang", ["vllm", "sglang"]),
    "accelerators": ("H100,H200", ["H100", "H200"]),
    "design_space.tensor_parallel": ("4,2", [4, 2]),
    "design_space.pipeline_parallel": (2, [2]),
    "design_space.expert_parallel": ("1,2", [1, 2]),
    "design_space.tensor_layout": ("1d,2d", ["1d", "2d"]),
    "design_space.batch": (64, [64]),
}


@pytest.mark.parametrize("field", LISTS)
def test_lists_are_read_from_one_entry_and_from_commas(field: str) -> None:
    shorter, whole = LISTS[field]
    section, _, name = field.rpartition(".")
    mappings = [DEPLOYMENT | ({section: {name: value}} if section else {name: value}) for value in (shorter, whole)]
    first, second = map(load_scenario_mapping, mappings)
    assert first == second
    assert first == ieco_opt.load_scenario(yaml.safe_dump(DEPLOYMENT), [f"{field}={shorter}"])
    assert all(map(schema_takes, mappings))


def test_pools_and_modes_of_a_workload_are_lists_too() -> None:
    changes = {"pools": "h100, h200", "serving": "colocated"}
    mapping = copy.deepcopy(FLEET)
    mapping["workloads"][0] |= changes
    workload = load_fleet_mapping(mapping).workloads[0]
    assert (workload.pools, workload.serving) == (("h100", "h200"), ("colocated",))
    assert schema_takes(mapping)


@pytest.mark.parametrize(
    "change", [{"weights": {"rest": "fp8"}}, {"weights": 8}, {"design_space": {"tensor_parallel": "four"}}], ids=repr
)
def test_what_is_no_list_stays_none(change: dict[str, Any]) -> None:
    mapping = DEPLOYMENT | change
    assert not schema_takes(mapping)
    with pytest.raises(ieco_opt.ScenarioError, match="expected a list of"):
        load_scenario_mapping(mapping)
