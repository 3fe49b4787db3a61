"""A scenario brings a server profile of its own: which servers it then asks, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from base_mappings import DEPLOYMENT, workload
from own_profiles import TEXT, VERSION, own_profile

import ieco_opt
from ieco_opt.engines import profile
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import (
    Fleet,
    Scenario,
    json_schema,
    load_fleet_mapping,
    load_scenario_mapping,
    resolve,
    resolve_fleet,
)

PAPER = {"fidelity": "paper", "model": "Llama 3 8B", "accelerators": ["H100"]}


def names(engine: object = None, own: object = None) -> list[str]:
    """Servers that a deployment and a fleet ask, which are the same."""
    given = {"profile": own_profile() if own is None else own} | ({} if engine is None else {"engine": engine})
    of_fleet = resolve_fleet(load_fleet_mapping(workload(**given))).workloads[0].engines
    of_deployment = resolve(load_scenario_mapping(DEPLOYMENT | given)).engines
    assert of_fleet == of_deployment
    return [each.name for each in of_deployment]


def faults(call: Callable[[], object]) -> list[str]:
    with pytest.raises(ScenarioError) as error:
        call()
    return [str(fault) for fault in error.value.faults]


def written(folder: Path, mapping: dict[str, Any], text: str = TEXT) -> Path:
    (folder / "own").mkdir(exist_ok=True)
    (folder / "own" / "mine.yaml").write_text(text, encoding="utf-8")
    path = folder / "own" / "scenario.yaml"
    path.write_text(yaml.safe_dump(mapping, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (None, ["mine"]),
        ("mine", ["mine"]),
        ("any", ["vllm", "sglang", "trtllm", "mine"]),
        (["vllm", "mine"], ["vllm", "mine"]),
        (["mine", "sglang"], ["mine", "sglang"]),
    ],
    ids=repr,
)
def test_its_engine_is_one_of_the_servers(engine: object, expected: list[str]) -> None:
    assert names(engine) == expected


@pytest.mark.parametrize("engine", ["any", ["sglang", "vllm"], "vllm", None], ids=repr)
def test_a_profile_of_a_shipped_name_stands_for_it(engine: object) -> None:
    own = own_profile(engine="vllm")
    assert names(engine, own) == names(engine or "vllm", own)
    given = DEPLOYMENT | {"profile": own} | ({} if engine is None else {"engine": engine})
    (found,) = [each for each in resolve(load_scenario_mapping(given)).engines if each.name == "vllm"]
    assert (found.title, found.version) == ("My server", VERSION)
    assert profile("vllm").version != VERSION


KNOWN = "'any', 'none', 'vllm', 'sglang'"


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"engine": "none"}, "engine", "found 'none', expected a server, since there is a profile of one"),
        ({"engine": "vllm"}, "engine", "found 'vllm', expected 'mine' among them, the engine of the profile"),
        ({"engine": "tgi"}, "engine[0]", f"found 'tgi', expected {KNOWN}, 'trtllm' or 'mine'"),
        ({"engine": ["mine", 3]}, "engine[1]", f"found 3, expected {KNOWN}"),
        ({"engine": ["any", "mine"]}, "engine[0]", "found 'any', expected it alone"),
        ({"engine": "mine", "profile": None}, "engine[0]", f"found 'mine', expected {KNOWN} or 'trtllm'"),
        ({"engine": "vllm", "profile": own_profile(engine="vllm") | {"engine": 5}}, "profile.engine", "found 5, "),
        ({"profile": 3}, "profile", "found 3, expected a profile of a server, as a file or a mapping"),
        ({"profile": ["mine.yaml"]}, "profile", "found a list, expected a profile of a server"),
    ],
    ids=lambda value: json.dumps(value)[:50] if isinstance(value, dict) else None,
)
def test_servers_that_do_not_go_with_it_are_refused(
    changes: dict[str, Any], field: str, message: str, tmp_path: Path
) -> None:
    given = {"profile": own_profile()} | changes
    (fault,) = faults(lambda: resolve(load_scenario_mapping(DEPLOYMENT | given)))
    assert fault.startswith(f"{field}: {message}")
    (fault,) = faults(lambda: resolve_fleet(load_fleet_mapping(workload(**given))))
    assert fault.startswith(f"workloads[0].{field}: {message}")
    if given["profile"] != own_profile():
        return
    for mapping in (DEPLOYMENT | given, workload(**given)):
        load = resolve_fleet if mapping["kind"] == "fleet" else resolve
        named = written(tmp_path, json.loads(json.dumps(mapping).replace(json.dumps(own_profile()), '"mine.yaml"')))
        (fault,) = faults(lambda load=load, named=named: load(ieco_opt.load_scenario(named)))  # type: ignore[operator]
        assert f"{field}: {message}" in fault
        assert fault.startswith(f"{named}:")


def test_fidelity_paper_knows_no_server() -> None:
    mapping = {key: value for key, value in DEPLOYMENT.items() if key != "weights"} | PAPER
    for given in (own_profile(), "mine.yaml"):
        found = faults(lambda given=given: load_scenario_mapping(mapping | {"profile": given, "engine": "any"}))
        assert [each.split(":")[0] for each in found] == ["engine", "profile"]
        assert all("in fidelity paper, which knows no server" in each for each in found)


def test_a_workload_of_operating_points_alone_has_no_server() -> None:
    points = [{"pool": "p", "gpus": 1, "throughput_requests_per_s": 1.0}]
    mapping = workload(model=None, weights=None, operating_points=points, profile=own_profile())
    assert faults(lambda: load_fleet_mapping(mapping)) == [
        "workloads[0].profile: found a mapping, expected nothing without a model"
    ]


@pytest.mark.parametrize("mapping", [DEPLOYMENT, workload()], ids=["deployment", "fleet"])
def test_a_file_is_found_beside_the_scenario_and_becomes_a_mapping(mapping: dict[str, Any], tmp_path: Path) -> None:
    fleet = mapping["kind"] == "fleet"
    named = workload(profile="mine.yaml") if fleet else mapping | {"profile": "mine.yaml"}
    whole = workload(profile=own_profile()) if fleet else mapping | {"profile": own_profile()}
    loaded = ieco_opt.load_scenario(written(tmp_path, named | {"name": "same"}))
    again = load_fleet_mapping if fleet else load_scenario_mapping
    assert loaded == again(whole | {"name": "same"})
    assert loaded == again(json.loads(json.dumps(loaded.to_mapping())), files=False)
    assert resolved_engines(loaded)[0].rules == profile("vllm").rules


def resolved_engines(scenario: Scenario | Fleet) -> Any:
    return resolve_fleet(scenario).workloads[0].engines if isinstance(scenario, Fleet) else resolve(scenario).engines


@pytest.mark.parametrize("name", ["mine.yaml", "/etc/passwd", "vllm", "../x"])
@pytest.mark.parametrize("fleet", [False, True], ids=["deployment", "fleet"])
def test_a_scenario_that_may_name_no_file_names_no_profile(fleet: bool, name: str, tmp_path: Path) -> None:
    mapping = workload(profile=name) if fleet else DEPLOYMENT | {"profile": name}
    path = written(tmp_path, mapping)
    field = "workloads[0].profile" if fleet else "profile"
    for load in (
        lambda: ieco_opt.load_scenario(path, files=False),
        lambda: ieco_opt.load_scenario(path.read_text(), files=False),
    ):
        (fault,) = faults(load)
        refused = f"{field}: found {name!r}, expected no name of a file: this scenario may not name any"
        assert fault.endswith(refused)


def test_a_scenario_that_may_name_no_file_may_bring_a_mapping() -> None:
    text = yaml.safe_dump(DEPLOYMENT | {"profile": own_profile()})
    assert [each.name for each in resolved_engines(ieco_opt.load_scenario(text, files=False))] == ["mine"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, DEPLOYMENT | {"profile": "other.yaml"})
    (fault,) = faults(lambda: ieco_opt.load_scenario(path))
    expected = "profile: found 'other.yaml', expected a profile of an engine in YAML that exists in"
    assert expected in fault
    assert fault.startswith(f"{path}:")


EDITS: list[tuple[str, str, str]] = [
    ("rule: heads % tensor", "rule: head % tensor", "accepts[0].rule: found 'head', expected the name of a column"),
    ("rule: heads % tensor", f"rule: {'1+' * 199}heads % tensor", "accepts[0].rule: found 4"),
    ("rule: heads % tensor", f"rule: {'not ' * 25}heads % tensor", "accepts[0].rule: found more than 20 levels"),
    ("rule: heads % tensor", "rule: 1or heads % tensor", "accepts[0].rule: found '1or heads"),
    ("rule: heads % tensor", "rule: heads.real % tensor", "accepts[0].rule: found 'heads.real', expected arithmetic"),
    ("engine: mine", 'engine: "mi\\nne"', "engine: found 'mi\\nne', expected text on one line"),
    ("engine: mine", 'engine: "mine,vllm"', "engine: found 'mine,vllm', expected a name of up to 40 lower-case"),
    ("engine: mine", "engine: any", "engine: found 'any', expected a name of up to 40 lower-case letters"),
    ("engine: mine", f"engine: {'m' * 41}", "engine: found 'mmm"),
    ("title: My server", 'title: "My\\u001b[31m server"', "title: found 'My\\x1b[31m server', expected text on one"),
    ("title: My server", 'title: "My \\u202e server"', "title: found 'My \\u202e server', expected text on one line"),
    (
        "rule: pipeline_parallel <= layers",
        "rule: batch <= 256",
        "accepts[16].rule: found batch, expected it in batch",
    ),
    ("dense_over: tensor_parallel", "dense_over: batch", "prices.dense_over: found batch, expected the degrees alone"),
]


@pytest.mark.parametrize(("old", "new", "message"), EDITS, ids=[new[:40] for _, new, _ in EDITS])
def test_a_fault_of_a_profile_is_told_with_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    line = text[: text.index(new)].count("\n") + 1
    path = written(tmp_path, DEPLOYMENT | {"profile": "mine.yaml"}, text)
    (fault,) = faults(lambda: ieco_opt.load_scenario(path))
    assert fault.startswith(f"{path.parent / 'mine.yaml'}:{line}: {message}")
    # The same as a mapping within the scenario, below its field.
    block = "".join(f"  {each}\n" if each else "\n" for each in text.splitlines())
    scenario = yaml.safe_dump(DEPLOYMENT) + "profile:\n" + block
    before = len(yaml.safe_dump(DEPLOYMENT).splitlines()) + 1
    (fault,) = faults(lambda: resolve(ieco_opt.load_scenario(scenario, files=False)))  # type: ignore[arg-type]
    assert fault.startswith(f"scenario:{before + line}: profile.{message}")
    assert fault.isprintable()


def test_every_fault_is_told_at_once() -> None:
    wrong = DEPLOYMENT | {"profile": own_profile(port=0, vendors="nvidia"), "model": "no-such-model"}
    assert [each.split(":")[0] for each in faults(lambda: resolve(load_scenario_mapping(wrong)))] == [
        "model",
        "profile.vendors",
        "profile.port",
    ]


def test_rules_are_bounded_since_each_is_asked_about_every_configuration() -> None:
    rules = own_profile()["accepts"]
    many = DEPLOYMENT | {"profile": own_profile(accepts=rules * 10)}
    (fault,) = faults(lambda: resolve(load_scenario_mapping(many)))
    assert fault == f"profile.accepts: found a list of {10 * len(rules)} entries, expected at most 100"


@pytest.mark.parametrize("dense", ["0", "0 - tensor_parallel", "2 * stage_ranks", "1 / 0", "0 / 0"])
def test_a_share_of_no_ranks_is_refused(dense: str) -> None:
    own = own_profile()
    scenario = load_scenario_mapping(DEPLOYMENT | {"profile": own | {"prices": own["prices"] | {"dense_over": dense}}})
    (fault,) = faults(lambda: ieco_opt.solve(scenario))
    assert fault.startswith("profile: prices.dense_over: found ")
    assert fault.endswith(" of 1 ranks of a stage, expected 1 to 1")


def test_accelerators_are_those_of_its_vendors() -> None:
    scenario = load_scenario_mapping(DEPLOYMENT | {"profile": own_profile(vendors=["google"])})
    (fault,) = faults(lambda: resolve(scenario))
    assert "an accelerator of nvidia, expected one of google for My server" in fault
    with_any = load_scenario_mapping(
        DEPLOYMENT | {"accelerators": ["TPU-v6e"], "profile": own_profile(vendors=["google"]), "engine": "any"}
    )
    assert [each.name for each in resolve(with_any).engines][-1] == "mine"


def test_a_field_of_a_mapping_can_be_overridden() -> None:
    text = yaml.safe_dump(DEPLOYMENT | {"profile": own_profile()})
    changed = ieco_opt.load_scenario(text, ["profile.title=Other", "profile.accepts[0].says=x"], files=False)
    (found,) = resolved_engines(changed)
    assert (found.title, found.rules[0].says) == ("Other", "x")
    (fault,) = faults(lambda: resolved_engines(ieco_opt.load_scenario(text, ["profile.port=0"])))
    assert fault == "--set: profile.port: found 0, expected a whole number from 1 to 65535"


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"engine": "vllm"}, True),
        ({"engine": ["vllm", "sglang"]}, True),
        ({"kv_cache": "fp8"}, True),
        ({"engine": "mine"}, False),
        ({"engine": ["mine"]}, False),
        ({"engine": "mine", "profile": None}, False),
        ({"engine": "mine", "profile": "mine.yaml"}, True),
        ({"engine": ["mine", "vllm"], "profile": {"engine": "mine"}}, True),
        ({"engine": 3, "profile": "mine.yaml"}, False),
        ({"profile": 3}, False),
    ],
    ids=repr,
)
def test_the_json_schema_knows_the_names(changes: dict[str, Any], good: bool) -> None:
    for mapping in (DEPLOYMENT | changes, workload(**changes)):
        schema = json_schema(mapping["kind"])
        assert jsonschema.Draft202012Validator(schema).is_valid(mapping) is good
