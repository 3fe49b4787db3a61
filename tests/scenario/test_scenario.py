"""Scenarios that are right: what they say, defaults, overrides, look-ups, round trips and the JSON Schema."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from malformed_scenarios import GOOD
from pydantic import ValidationError

from ieco_opt import catalog
from ieco_opt.catalog import profiles
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import (
    BatchRange,
    DesignSpace,
    Fidelity,
    Limits,
    Scenario,
    Speculation,
    Workload,
    json_schema,
    load_scenario,
    load_scenario_mapping,
    resolve,
)

PAPER = """\
kind: deployment
fidelity: paper
model: Llama 3 70B 8-bit
accelerators: [H100]
workload: {context_tokens: 0}
"""


def _write(folder: Path, text: str, name: str = "case.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _python_scenario(**changes: Any) -> Scenario:
    fields: dict[str, Any] = {
        "model": "Llama-3.3-70B",
        "weights": ["fp8"],
        "accelerators": ["H100-SXM"],
        "workload": Workload(context_tokens=1000),
    }
    return Scenario(**(fields | changes))


def _faults(error: pytest.ExceptionInfo[ScenarioError]) -> dict[str, str]:
    return {fault.field: fault.message for fault in error.value.faults}


def test_file_says_what_it_says(tmp_path: Path) -> None:
    scenario = load_scenario(_write(tmp_path, GOOD, "my scenario.yaml"))
    assert scenario.name == "my scenario"
    assert scenario.fidelity is Fidelity.DEPLOYABLE
    assert scenario.weights == ("fp8",)
    assert scenario.workload == Workload(context_tokens=1000, output_tokens=500)
    assert scenario.design_space.tensor_parallel == (1, 2, 4, 8)
    assert scenario.design_space.batch == BatchRange(min=1, max=256)
    assert scenario.speculation == Speculation(draft_model="Llama-3.1-8B", acceptance=0.8, max_draft_tokens=5)
    assert scenario.limits == Limits(min_speed=20)
    assert scenario.memory_utilization == 0.9
    assert scenario.notes() == ()


def test_python_and_file_give_equal_scenarios(tmp_path: Path) -> None:
    in_file = load_scenario(_write(tmp_path, GOOD))
    in_python = _python_scenario(
        name="case",
        workload={"context_tokens": 1000, "output_tokens": 500},
        design_space={"tensor_parallel": [8, 4, 2, 1], "batch": {"max": 256}},
        speculation={"draft_model": "Llama-3.1-8B", "acceptance": 0.8, "max_draft_tokens": 5},
        limits=Limits(min_speed=20),
    )
    assert in_python == in_file
    assert hash(in_python) == hash(in_file)
    assert pickle.loads(pickle.dumps(in_file)) == copy.deepcopy(in_file) == in_file  # noqa: S301


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e4", 10_000), ("1E+4", 10_000), ("1.5e3", 1500), ("10_000", 10_000), ("+7", 7), ("0", 0)],
)
def test_numbers_as_people_write_them(text: str, number: int, tmp_path: Path) -> None:
    scenario = load_scenario(_write(tmp_path, GOOD.replace("1000", text)))
    assert scenario.workload.context_tokens == number
    assert type(scenario.workload.context_tokens) is int


def test_anchors_byte_order_marks_and_null_are_fine(tmp_path: Path) -> None:
    text = GOOD.replace("tensor_parallel: [1, 2, 4, 8]", "tensor_parallel: &a [1, 2]\n  pipeline_parallel: *a")
    scenario = load_scenario(_write(tmp_path, "\ufeff" + text.replace("{min_speed: 20}", "")))
    assert scenario.design_space.pipeline_parallel == (1, 2)
    assert scenario.limits == Limits()


def test_null_sections_are_left_out(tmp_path: Path) -> None:
    path = _write(tmp_path, PAPER + "limits:\nspeculation:\ndesign_space:\nweights:\n")
    scenario = load_scenario(path)
    assert scenario == load_scenario(_write(tmp_path, PAPER))
    assert _round_trip(scenario) == scenario


def test_numpy_numbers_are_numbers() -> None:
    scenario = _python_scenario(
        workload={"context_tokens": np.int64(8)},
        design_space={"batch": list(np.arange(1, 4)), "tensor_parallel": range(1, 3)},
        limits={"max_cost": np.float64(2)},
    )
    assert scenario.workload.context_tokens == 8
    assert scenario.design_space.batch == (1, 2, 3)
    assert scenario.design_space.tensor_parallel == (1, 2)
    json.dumps(scenario.to_mapping())


def test_python_faults_are_of_the_family() -> None:
    with pytest.raises(ScenarioError) as error:
        _python_scenario(weights=8, limits={"max_cost": -1}, colour="red")
    assert set(_faults(error)) == {"weights", "limits.max_cost", "colour"}
    assert str(error.value).startswith("weights: found 8, expected a list of precisions")
    for build in (lambda: Workload(context_tokens=True), lambda: DesignSpace(batch=[]), lambda: Limits(x=1)):
        with pytest.raises(ScenarioError):
            build()


def test_scenarios_are_frozen() -> None:
    with pytest.raises(ValidationError):
        _python_scenario().limits.max_cost = 3.0


def test_inline_mappings_are_copied() -> None:
    mapping = {"like": "H100-SXM", "name": "mine", "usd_per_gpu_hour": 1.5}
    scenario = _python_scenario(accelerators=[mapping])
    mapping["usd_per_gpu_hour"] = -1
    assert resolve(scenario).accelerators[0].usd_per_gpu_hour == 1.5


@pytest.mark.parametrize(("fidelity", "layouts"), [(Fidelity.DEPLOYABLE, ("1d",)), (Fidelity.PAPER, ("1d", "2d"))])
def test_defaults_of_the_design_space(fidelity: Fidelity, layouts: tuple[str, ...]) -> None:
    space = DesignSpace().resolved(fidelity)
    assert (space.tensor_parallel, space.stage_ranks) == (None, (1, 2, 4, 8, 16, 32, 64))
    assert space.tensor_layout == layouts
    assert space.pipeline_parallel == (1, 2, 4, 8, 16)
    assert space.expert_parallel is None
    assert space.attention_data_parallel == (1, 2, 4, 8, 16, 32)
    assert (space.batch_min, space.batch_max, space.batches) == (1, 16_384, None)
    assert space.max_gpus == 512


def test_given_design_space_replaces_defaults() -> None:
    given = DesignSpace(tensor_layout=["2d", "1d"], expert_parallel=[4, 2], batch=[64, 1, 16], max_gpus=8)
    space = given.resolved(Fidelity.DEPLOYABLE)
    assert space.expert_parallel == (2, 4)
    assert (space.batch_min, space.batch_max, space.batches) == (1, 64, (1, 16, 64))
    assert space.max_gpus == 8
    assert sorted(space.tensor_layout) == ["1d", "2d"]
    assert DesignSpace(expert_parallel="auto").resolved(Fidelity.PAPER).expert_parallel is None


def test_overrides_replace_and_add(tmp_path: Path) -> None:
    changes = [
        "workload.context_tokens=8e3",
        "limits.max_cost=2.5",
        "design_space.batch=[8, 4]",
        "speculation=",
        "name=other",
        "accelerators=[H100-SXM, {like: H100-SXM, name: mine}]",
    ]
    scenario = load_scenario(_write(tmp_path, GOOD), changes)
    assert scenario.workload == Workload(context_tokens=8000, output_tokens=500)
    assert scenario.limits == Limits(min_speed=20, max_cost=2.5)
    assert scenario.design_space.batch == (4, 8)
    assert scenario.speculation is None
    assert scenario.name == "other"
    assert [each.name for each in resolve(scenario).accelerators] == ["H100-SXM", "mine"]


def test_overrides_make_sections(tmp_path: Path) -> None:
    scenario = load_scenario(_write(tmp_path, PAPER), ["limits.min_speed=5", "design_space.batch.max=9"])
    assert scenario.limits == Limits(min_speed=5)
    assert scenario.design_space.batch == BatchRange(max=9)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("limits.max_cost=cheap", "--set: limits.max_cost: found 'cheap', expected a positive number"),
        ("limits={max_cost: cheap}", "--set: limits.max_cost: found 'cheap'"),
        ("limits.max_costs=3", "--set: limits.max_costs: unknown field, expected perhaps limits.max_cost"),
        ("design_space.tensor_parallel=[1, x]", "--set: design_space.tensor_parallel[1]: found 'x'"),
        ("model=Llama-3.3-71B", "--set: model: "),
        ("model.layers=3", "--set: model: found 'Llama-3.3-70B' in the file, expected a mapping"),
        ("max_cost", "--set: found 'max_cost', expected FIELD=VALUE, such as "),
        ("=3", "--set: found '=3', expected FIELD=VALUE, such as "),
        ("limits.max_cost=[", "--set: limits.max_cost: not valid YAML"),
        ("limits.max_cost=!!python/name:os.system", "--set: limits.max_cost: found the tag"),
        ("limits={a: 1, a: 2}", "--set: limits: found twice"),
        ("kind=fleet", "--set: kind: found 'fleet', expected 'deployment'"),
        ("workload.output_tokens=" + "[" * 1000, "--set: workload.output_tokens: found more than"),
    ],
)
def test_overrides_that_are_wrong(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(load_scenario(_write(tmp_path, GOOD), [override]))
    assert message in str(error.value)
    assert len(error.value.faults) == 1


def test_file_and_override_faults_come_together(tmp_path: Path) -> None:
    path = _write(tmp_path, GOOD.replace("0.8", "8"))
    with pytest.raises(ScenarioError) as error:
        load_scenario(path, ["limits.max_cost=cheap", "foo"])
    assert [(fault.file, fault.line, fault.field) for fault in error.value.faults] == [
        ("--set", None, ""),
        (str(path), 11, "speculation.acceptance"),
        ("--set", None, "limits.max_cost"),
    ]


def test_resolve_looks_names_up(tmp_path: Path) -> None:
    resolved = resolve(load_scenario(_write(tmp_path, GOOD)))
    assert resolved.model == catalog.model("Llama-3.3-70B")
    hopper = profiles.calibration("hopper-2026-07")
    assert resolved.accelerators == (replace(catalog.accelerator("H100-SXM"), calibration=hopper),)
    assert resolved.draft == catalog.model("Llama-3.1-8B")
    assert resolved.design_space.batch_max == 256


def test_paper_fidelity_uses_the_paper_collection(tmp_path: Path) -> None:
    resolved = resolve(load_scenario(_write(tmp_path, PAPER)))
    paper = catalog.Collection.PAPER
    assert resolved.model == catalog.model("Llama 3 70B 8-bit", paper)
    assert resolved.accelerators == (catalog.accelerator("H100", paper),)
    assert resolved.draft is None


def test_names_of_the_other_collection_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(load_scenario(_write(tmp_path, GOOD.replace("Llama-3.3-70B", "Llama 3 70B 8-bit"))))
    assert "in the paper collection, which fidelity paper uses" in _faults(error)["model"]
    with pytest.raises(ScenarioError) as error:
        resolve(load_scenario(_write(tmp_path, PAPER.replace("H100", "MI300X"))))
    assert "in the real collection, which fidelity deployable uses" in _faults(error)["accelerators[0]"]


def test_resolve_collects_faults_of_all_parts(tmp_path: Path) -> None:
    text = GOOD.replace("Llama-3", "Lama-3").replace("[H100-SXM]", "[H101, H100, H100-SXM]")
    with pytest.raises(ScenarioError) as error:
        resolve(load_scenario(_write(tmp_path, text)))
    assert set(_faults(error)) == {"model", "speculation.draft_model", "accelerators[0]", "accelerators[2]"}


def test_missing_price_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"like": "H100-SXM", "name": "mine", "usd_per_gpu_hour": None}
    with pytest.raises(ScenarioError, match=r"'mine', expected accelerators\[0\] to state one as usd_per_gpu_hour"):
        resolve(_python_scenario(accelerators=[free]))
    assert resolve(_python_scenario(accelerators=[free | {"usd_per_gpu_hour": 2}]))
    unpriced = replace(catalog.accelerator("H100-SXM"), usd_per_gpu_hour=None)
    monkeypatch.setattr(catalog, "accelerator", lambda *_: unpriced)
    with pytest.raises(ScenarioError, match=r"\{like: H100-SXM, name: my-H100-SXM, usd_per_gpu_hour: X\}"):
        resolve(_python_scenario())


def test_power_limit_needs_power_of_every_accelerator() -> None:
    limits = Limits(max_power_kw=40)
    assert resolve(_python_scenario(limits=limits))
    dark = {"like": "H100-SXM", "name": "mine", "power_w": None}
    with pytest.raises(ScenarioError) as error:
        resolve(_python_scenario(accelerators=["H100-SXM", dark], limits=limits))
    assert "expected accelerators[1] to state one as power_w" in _faults(error)["limits.max_power_kw"]


def test_notes_name_fields_without_effect(tmp_path: Path) -> None:
    text = PAPER.replace("0}", "0, output_tokens: 9}") + "memory_utilization: 0.9\n"
    scenario = load_scenario(_write(tmp_path, text))
    assert len(scenario.notes()) == 2
    assert scenario.notes()[0].startswith("workload.output_tokens ")
    assert load_scenario_mapping(scenario.to_mapping()).notes() == scenario.notes()
    assert load_scenario(_write(tmp_path, PAPER)).notes() == ()


def _round_trip(scenario: Scenario) -> Scenario:
    return load_scenario_mapping(json.loads(json.dumps(scenario.to_mapping(), allow_nan=False)))


@pytest.mark.parametrize("text", [GOOD, PAPER])
def test_mappings_load_back_to_equal_scenarios(text: str, tmp_path: Path) -> None:
    scenario = load_scenario(_write(tmp_path, text))
    assert _round_trip(scenario) == scenario
    assert resolve(_round_trip(scenario)).design_space == resolve(scenario).design_space


def test_infinite_figures_survive_json(tmp_path: Path) -> None:
    text = GOOD.replace("[H100-SXM]", "[{like: H100-SXM, name: x, intra_node_bytes_per_s: .inf}]")
    scenario = load_scenario(_write(tmp_path, text))
    assert _round_trip(scenario) == scenario
    assert resolve(_round_trip(scenario)).accelerators[0].intra_node_bytes_per_s == float("inf")


def test_model_files_start_from_the_folder_and_become_mappings(tmp_path: Path) -> None:
    model = catalog.model_to_mapping(catalog.model("Llama-3.1-8B")) | {"name": "tiny"}
    (tmp_path / "models").mkdir()
    _write(tmp_path / "models", json.dumps(model), "tiny.yaml")
    text = GOOD.replace("Llama-3.3-70B", "models/tiny.yaml").replace("Llama-3.1-8B", "models/tiny.yaml")
    scenario = load_scenario(_write(tmp_path, text))
    (tmp_path / "models" / "tiny.yaml").unlink()
    assert isinstance(scenario.model, dict)
    assert _round_trip(scenario) == scenario
    resolved = resolve(_round_trip(scenario))
    assert resolved.model.name == "tiny"
    assert resolved.model == resolved.draft


def test_model_files_of_python_scenarios_start_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, json.dumps(catalog.model_to_mapping(catalog.model("Llama-3.1-8B"))), "m.yaml")
    monkeypatch.chdir(tmp_path)
    scenario = _python_scenario(model="m.yaml")
    resolved = resolve(scenario)
    assert resolved.model == catalog.model("Llama-3.1-8B")
    (tmp_path / "m.yaml").unlink()
    assert isinstance(resolved.scenario.to_mapping()["model"], dict)
    assert resolve(_round_trip(resolved.scenario)).model == resolved.model


def test_missing_model_files_are_one_fault_each_beside_all_others() -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(_python_scenario(model="nowhere.yaml", accelerators=["H1000"]))
    assert [fault.field for fault in error.value.faults] == ["model", "accelerators[0]"]


def test_faults_inside_model_files_name_that_file(tmp_path: Path) -> None:
    model = catalog.model_to_mapping(catalog.model("Llama-3.1-8B")) | {"layers": -1}
    broken = _write(tmp_path, json.dumps(model), "broken.yaml")
    with pytest.raises(ScenarioError) as error:
        load_scenario(_write(tmp_path, GOOD.replace("Llama-3.3-70B", "broken.yaml")))
    assert [(fault.file, fault.field) for fault in error.value.faults] == [(str(broken), "layers")]


def test_mapping_faults_name_the_file_they_are_told() -> None:
    with pytest.raises(ScenarioError) as error:
        load_scenario_mapping({"kind": "deployment", "limits": {"max_cost": "x"}}, file="result.json")
    assert "result.json: limits.max_cost: found 'x'" in str(error.value)
    with pytest.raises(ScenarioError, match="kind"):
        load_scenario_mapping({})
    with pytest.raises(ScenarioError, match="as the name of a field"):
        load_scenario_mapping({5: 1})  # type: ignore[dict-item]


def _properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in (schema, *schema["$defs"].values()):
        yield from part.get("properties", {}).items()


def test_json_schema_describes_every_field() -> None:
    schema = json_schema()
    json.dumps(schema, allow_nan=False)
    properties = dict(_properties(schema))
    assert {"model", "context_tokens", "tensor_parallel", "acceptance", "max_power_kw", "min"} <= set(properties)
    assert [name for name, field in properties.items() if not field.get("description")] == []
    assert schema["additionalProperties"] is False
    assert {"kind", "model", "accelerators", "workload"} == set(schema["required"])
    assert "2020-12" in schema["$schema"]


def test_json_schema_states_bounds() -> None:
    definitions = json_schema()["$defs"]
    context, _ = definitions["Workload"]["properties"]["context_tokens"]["anyOf"]
    assert (context["type"], context["minimum"], context["maximum"]) == ("integer", 0, 100_000_000)
    degrees = definitions["DesignSpace"]["properties"]["tensor_parallel"]["anyOf"][0]
    assert (degrees["minItems"], degrees["maxItems"], degrees["uniqueItems"]) == (1, 4096, True)
