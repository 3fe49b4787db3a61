"""Versions in results: the servers that the scenario asks, each with the versions whose rules and prices it has."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from places import DATA
from saved_results import DRAFTED, FLEET, KINDS, result

import ieco_opt
from ieco_opt.engines import profiles
from ieco_opt.results.answer import Answer
from ieco_opt.results.reading import load_result
from ieco_opt.scenario import resolve, resolve_fleet
from ieco_opt.solvers.versions import engine_versions

INSTALLED = {each.name: each.version for each in profiles()}


def with_engines(answer: Answer, engines: dict[str, str]) -> Answer:
    return dataclasses.replace(answer, versions=dataclasses.replace(answer.versions, engines=engines))


@pytest.mark.parametrize("kind", KINDS)
def test_results_name_the_versions_of_every_engine_that_they_may_choose(kind: str) -> None:
    assert result(kind).versions.engines == INSTALLED
    assert list(INSTALLED) == ["sglang", "trtllm", "vllm"]
    assert all(version.startswith(">=") and ",<" in version for version in INSTALLED.values())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"engine": "none"}, []),
        ({"engine": "vllm"}, ["vllm"]),
        ({"engine": ["vllm", "sglang"]}, ["sglang", "vllm"]),
        (
            {
                "fidelity": "paper",
                "model": "Llama 3 8B",
                "weights": None,
                "accelerators": ["H100"],
                "speculation": None,
            },
            [],
        ),
    ],
    ids=repr,
)
def test_only_engines_that_the_scenario_asks_are_named(changes: dict[str, Any], expected: list[str]) -> None:
    asked = resolve(ieco_opt.Scenario(**(DRAFTED | changes)))
    assert engine_versions(asked) == {name: INSTALLED[name] for name in expected}


def test_a_fleet_names_the_engines_of_all_its_workloads_with_a_model() -> None:
    chat, table = FLEET["workloads"]
    workloads = [
        chat | {"engine": "vllm"},
        chat | {"name": "other", "engine": "sglang"},
        table | {"engine": "trtllm"},
    ]
    asked = resolve_fleet(ieco_opt.Fleet(**(FLEET | {"workloads": workloads})))
    assert engine_versions(asked) == {name: INSTALLED[name] for name in ("sglang", "vllm")}


@pytest.mark.parametrize("kind", ["frontier", "plan", "explanation", "comparison"])
def test_other_versions_of_an_engine_are_told_and_the_figures_are_checked(kind: str) -> None:
    edited = with_engines(result(kind), INSTALLED | {"vllm": ">=0.31,<0.32"})
    (problem,) = ieco_opt.verify(edited).problems
    assert problem == (
        "versions.engines.vllm: found >=0.31,<0.32, this version has the rules and prices of vLLM "
        f"{INSTALLED['vllm']}: the figures were made with others, and are checked with these"
    )
    assert ieco_opt.verify(edited).configurations == ieco_opt.verify(result(kind)).configurations


@pytest.mark.parametrize(
    ("engines", "found"),
    [
        ({}, "none"),
        ({"vllm": INSTALLED["vllm"]}, "vllm"),
        (INSTALLED | {"other": "1"}, "sglang, trtllm, vllm, other"),
    ],
    ids=repr,
)
def test_other_engines_than_those_of_the_scenario_are_told(engines: dict[str, str], found: str) -> None:
    (problem,) = ieco_opt.verify(with_engines(result("frontier"), engines)).problems
    asked = "sglang, trtllm, vllm"
    assert problem == f"versions.engines: found {found}, expected {asked}, which the scenario asks"


def test_the_file_keeps_them() -> None:
    values = json.loads(result("frontier").to_json())  # type: ignore[attr-defined]
    assert values["versions"]["engines"] == INSTALLED


def test_a_result_of_an_earlier_model_needs_no_server_for_its_accelerators() -> None:
    answer = load_result(DATA / "model2" / "tpu.json")
    with pytest.raises(ieco_opt.ScenarioError, match="engine: none prices the equations alone"):
        resolve(answer.scenario)  # type: ignore[arg-type]
    (problem,) = ieco_opt.verify(answer).problems
    assert problem.startswith("versions.model: found 2, ")


def test_what_does_not_depend_on_the_model_is_still_checked_there() -> None:
    answer = load_result(DATA / "model2" / "tpu.json")
    (first, *others) = answer.deployments  # type: ignore[attr-defined]
    faster = dataclasses.replace(first, speed_tokens_per_s=2 * first.speed_tokens_per_s)
    problems = ieco_opt.verify(dataclasses.replace(answer, deployments=(faster, *others))).problems  # type: ignore[call-arg]
    assert any(each.startswith("deployments[0]: speed_tokens_per_s: found ") for each in problems)


@pytest.mark.parametrize("engine", [None, "other"])
def test_a_row_of_a_plan_for_no_engine_of_the_workload_is_told(engine: str | None) -> None:
    answer = result("plan")
    (plan,) = answer.plans  # type: ignore[attr-defined]
    at, row = next((at, row) for at, row in enumerate(plan.instances) if row.parallelism is not None)
    assert row.engine == "vllm"
    rows = (*plan.instances[:at], dataclasses.replace(row, engine=engine), *plan.instances[at + 1 :])
    edited = dataclasses.replace(answer, plans=(dataclasses.replace(plan, instances=rows),))  # type: ignore[call-arg]
    (problem,) = ieco_opt.verify(edited).problems
    assert problem.startswith(f"plans[0]: workload chat: colocated {row.instance_type}: ")
    assert problem.endswith(f"engine: found {engine or 'null'}, expected sglang or trtllm or vllm")
