"""A scenario brings engine profiles of its own: which servers it then asks, and what is refused."""

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


def names(engine: object) -> list[str]:
    """Servers that a deployment and a fleet ask, which are the same."""
    of_fleet = resolve_fleet(load_fleet_mapping(workload(engine=engine))).workloads[0].engines
    of_deployment = resolve(load_scenario_mapping(DEPLOYMENT | {"engine": engine})).engines
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


MINE, OTHER = own_profile(), own_profile(engine="other")
OUR_VLLM = own_profile(engine="vllm")


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (MINE, ["mine"]),
        ([MINE], ["mine"]),
        (["any", MINE], ["vllm", "sglang", "trtllm", "mine"]),
        ([MINE, "any"], ["mine", "vllm", "sglang", "trtllm"]),
        (["vllm", MINE], ["vllm", "mine"]),
        ([MINE, "sglang", OTHER], ["mine", "sglang", "other"]),
        (OUR_VLLM, ["vllm"]),
        (["any", OUR_VLLM], ["vllm", "sglang", "trtllm"]),
        (["sglang", "vllm", MINE, OUR_VLLM], ["sglang", "vllm", "mine"]),
        ([OUR_VLLM, "trtllm"], ["vllm", "trtllm"]),
    ],
    ids=range(10),
)
def test_it_is_one_of_the_servers_in_their_order(engine: Any, expected: list[str]) -> None:
    assert names(engine) == expected


@pytest.mark.parametrize("engine", [["any", OUR_VLLM], ["sglang", "vllm", OUR_VLLM], OUR_VLLM], ids=["any", "list", ""])
def test_a_profile_of_a_shipped_name_stands_for_it(engine: object) -> None:
    given = DEPLOYMENT | {"engine": engine}
    (found,) = [each for each in resolve(load_scenario_mapping(given)).engines if each.name == "vllm"]
    assert (found.title, found.version) == ("My server", VERSION)
    assert profile("vllm").version != VERSION


KNOWN = "expected 'any', 'none', 'vllm', 'sglang', 'trtllm', or an engine profile: a file (.yaml, .yml, .json, or with "


@pytest.mark.parametrize(
    ("engine", "field", "message"),
    [
        (["none", MINE], "engine[0]", "found 'none', expected it alone"),
        (["any", "vllm", MINE], "engine[0]", "found 'any', expected it alone, or with engine profiles of your own"),
        (["any", MINE, "any"], "engine[2]", "found 'any', expected each entry once"),
        ("mine", "engine[0]", f"found 'mine', {KNOWN}"),
        ([MINE, "mine"], "engine[1]", f"found 'mine', {KNOWN}"),
        ([MINE, 3], "engine[1]", f"found 3, {KNOWN}"),
        ([MINE, [MINE]], "engine[1]", f"found a list, {KNOWN}"),
        ([MINE, MINE], "engine[1].engine", "found 'mine', expected one profile of each engine"),
        ([own_profile(engine=f"m{at}") for at in range(9)], "engine", "found a list, expected at most 8 engine profi"),
        (["vllm", MINE | {"engine": 5}], "engine[1].engine", "found 5, "),
    ],
    ids=range(10),
)
def test_servers_that_do_not_go_together_are_refused(engine: Any, field: str, message: str) -> None:
    (fault,) = faults(lambda: resolve(load_scenario_mapping(DEPLOYMENT | {"engine": engine})))
    assert fault.startswith(f"{field}: {message}")
    (fault,) = faults(lambda: resolve_fleet(load_fleet_mapping(workload(engine=engine))))
    assert fault.startswith(f"workloads[0].{field}: {message}")


@pytest.mark.parametrize("fleet", [False, True], ids=["deployment", "fleet"])
def test_two_files_of_one_engine_are_refused_once_they_are_read(fleet: bool, tmp_path: Path) -> None:
    engine = ["./mine.yaml", "any", "mine.yaml"]
    path = written(tmp_path, workload(engine=engine) if fleet else DEPLOYMENT | {"engine": engine})
    (fault,) = faults(lambda: ieco_opt.load_scenario(path))
    assert fault.startswith(f"{path}:")
    assert fault.endswith("engine[2].engine: found 'mine', expected one profile of each engine")


def test_an_engine_profile_beside_the_servers_is_refused() -> None:
    for load, mapping in (
        (load_scenario_mapping, DEPLOYMENT | {"profile": MINE}),
        (load_fleet_mapping, workload(profile=MINE)),
    ):
        assert all(
            "profile" in each.split(": ")[0] for each in faults(lambda load=load, mapping=mapping: load(mapping))
        )  # type: ignore[operator]


def test_fidelity_paper_knows_no_server() -> None:
    mapping = {key: value for key, value in DEPLOYMENT.items() if key != "weights"} | PAPER
    for given in (MINE, "mine.yaml"):
        (fault,) = faults(lambda given=given: load_scenario_mapping(mapping | {"engine": given}))
        assert fault.startswith("engine: found 'mine")
        assert fault.endswith(", expected nothing in fidelity paper, which knows no server")


def test_a_workload_of_operating_points_alone_has_no_server() -> None:
    points = [{"pool": "p", "gpus": 1, "throughput_requests_per_s": 1.0}]
    mapping = workload(model=None, weights=None, operating_points=points, engine=["mine.yaml", MINE])
    assert faults(lambda: load_fleet_mapping(mapping)) == [
        "workloads[0].engine[0]: found 'mine.yaml', expected no engine profile without a model",
        "workloads[0].engine[1]: found a mapping, expected no engine profile without a model",
    ]


def named_and_whole(fleet: bool, engine: str, profile: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """A scenario that names a file beside a server, and the same with what stands in the file."""
    both: list[Any] = [["sglang", engine], ["sglang", profile]]
    named, whole = [workload(engine=each) if fleet else DEPLOYMENT | {"engine": each} for each in both]
    return named | {"name": "same"}, whole | {"name": "same"}


@pytest.mark.parametrize("name", ["mine.yaml", "./mine.yaml", "../own/mine.yaml"])
@pytest.mark.parametrize("fleet", [False, True], ids=["deployment", "fleet"])
def test_a_file_is_found_beside_the_scenario_and_becomes_a_mapping(fleet: bool, name: str, tmp_path: Path) -> None:
    named, whole = named_and_whole(fleet, name, MINE)
    loaded = ieco_opt.load_scenario(written(tmp_path, named))
    again = load_fleet_mapping if fleet else load_scenario_mapping
    assert loaded == again(whole)
    assert loaded == again(json.loads(json.dumps(loaded.to_mapping())), files=False)
    assert [each.name for each in resolved_engines(loaded)] == ["sglang", "mine"]
    assert resolved_engines(loaded)[1].rules == profile("vllm").rules


@pytest.mark.parametrize("name", ["mine.json", "folder/mine", "mine.YML"])
@pytest.mark.parametrize("fleet", [False, True], ids=["deployment", "fleet"])
def test_files_of_json_and_of_any_ending_below_a_folder_are_read(fleet: bool, name: str, tmp_path: Path) -> None:
    named, whole = named_and_whole(fleet, name, MINE)
    path = written(tmp_path, named)
    (path.parent / name).parent.mkdir(exist_ok=True)
    (path.parent / name).write_text(json.dumps(MINE, indent="\t") if name.endswith("json") else TEXT)
    again = load_fleet_mapping if fleet else load_scenario_mapping
    assert ieco_opt.load_scenario(path) == again(whole)


def test_a_fault_in_json_has_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, DEPLOYMENT | {"engine": "mine.json"})
    text = json.dumps(own_profile(port=0), indent=2)
    (path.parent / "mine.json").write_text(text)
    line = text[: text.index('"port"')].count("\n") + 1
    (fault,) = faults(lambda: ieco_opt.load_scenario(path))
    assert fault == f"{path.parent / 'mine.json'}:{line}: port: found 0, expected a whole number from 1 to 65535"


def resolved_engines(scenario: Scenario | Fleet) -> Any:
    return resolve_fleet(scenario).workloads[0].engines if isinstance(scenario, Fleet) else resolve(scenario).engines


@pytest.mark.parametrize("name", ["mine.yaml", "/etc/passwd", "a/vllm", "../x"])
@pytest.mark.parametrize("fleet", [False, True], ids=["deployment", "fleet"])
def test_a_scenario_that_may_name_no_file_names_no_profile(fleet: bool, name: str, tmp_path: Path) -> None:
    mapping = workload(engine=name) if fleet else DEPLOYMENT | {"engine": name}
    path = written(tmp_path, mapping)
    field = "workloads[0].engine[0]" if fleet else "engine[0]"
    for load in (
        lambda: ieco_opt.load_scenario(path, files=False),
        lambda: ieco_opt.load_scenario(path.read_text(), files=False),
    ):
        (fault,) = faults(load)
        refused = f"{field}: found {name!r}, expected no name of a file: this scenario may not name any"
        assert fault.endswith(refused)


def test_a_scenario_that_may_name_no_file_may_bring_a_mapping() -> None:
    text = yaml.safe_dump(DEPLOYMENT | {"engine": MINE})
    assert [each.name for each in resolved_engines(ieco_opt.load_scenario(text, files=False))] == ["mine"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, DEPLOYMENT | {"engine": "other.yaml"})
    (fault,) = faults(lambda: ieco_opt.load_scenario(path))
    expected = "engine[0]: found 'other.yaml', expected an engine profile in YAML or JSON that exists in"
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
        "accepts[21].rule: found batch, expected it in batch",
    ),
    ("dense_over: tensor_parallel", "dense_over: batch", "prices.dense_over: found batch, expected the degrees alone"),
]


@pytest.mark.parametrize(("old", "new", "message"), EDITS, ids=[new[:40] for _, new, _ in EDITS])
def test_a_fault_of_a_profile_is_told_with_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    line = text[: text.index(new)].count("\n") + 1
    path = written(tmp_path, DEPLOYMENT | {"engine": "mine.yaml"}, text)
    (fault,) = faults(lambda: ieco_opt.load_scenario(path))
    assert fault.startswith(f"{path.parent / 'mine.yaml'}:{line}: {message}")
    # The same as a mapping within the scenario, as the field itself and as an entry of it.
    before = len(yaml.safe_dump(DEPLOYMENT).splitlines()) + 1
    for field, head in (("engine", "engine:\n  "), ("engine[1]", "engine:\n- vllm\n- ")):
        block = "".join(f"  {each}\n" if each else "\n" for each in text.splitlines())
        scenario = yaml.safe_dump(DEPLOYMENT) + head + block[2:]
        (fault,) = faults(lambda given=scenario: resolve(ieco_opt.load_scenario(given, files=False)))  # type: ignore[misc]
        assert fault.startswith(f"scenario:{before + head.count('- v') + line}: {field}.{message}")
        assert fault.isprintable()


def test_every_fault_is_told_at_once() -> None:
    wrong = DEPLOYMENT | {
        "engine": ["vllm", own_profile(port=0, vendors="nvidia"), OTHER | {"port": 0}],
        "model": "none-such",
    }
    assert [each.split(":")[0] for each in faults(lambda: resolve(load_scenario_mapping(wrong)))] == [
        "model",
        "engine[1].vendors",
        "engine[1].port",
        "engine[2].port",
    ]


def test_rules_are_bounded_since_each_is_asked_about_every_configuration() -> None:
    rules = own_profile()["accepts"]
    many = DEPLOYMENT | {"engine": own_profile(accepts=rules * 10)}
    (fault,) = faults(lambda: resolve(load_scenario_mapping(many)))
    assert fault == f"engine[0].accepts: found a list of {10 * len(rules)} entries, expected at most 100"


@pytest.mark.parametrize("dense", ["0", "0 - tensor_parallel", "2 * stage_ranks", "1 / 0", "0 / 0"])
def test_a_share_of_no_ranks_is_refused(dense: str) -> None:
    own = own_profile()
    scenario = load_scenario_mapping(DEPLOYMENT | {"engine": own | {"prices": own["prices"] | {"dense_over": dense}}})
    (fault,) = faults(lambda: ieco_opt.solve(scenario, objective="fastest"))
    assert fault.startswith("engine mine: prices.dense_over: found ")
    assert fault.endswith(" of 1 ranks of a stage, expected 1 to 1")


def test_accelerators_are_those_of_its_vendors() -> None:
    scenario = load_scenario_mapping(DEPLOYMENT | {"engine": own_profile(vendors=["google"])})
    (fault,) = faults(lambda: resolve(scenario))
    assert "an accelerator of nvidia, expected one of google for My server" in fault
    with_any = load_scenario_mapping(
        DEPLOYMENT | {"accelerators": ["TPU-v6e"], "engine": ["any", own_profile(vendors=["google"])]}
    )
    assert [each.name for each in resolve(with_any).engines][-1] == "mine"


def test_a_field_of_a_mapping_can_be_overridden() -> None:
    for engine, field in ((MINE, "engine"), (["vllm", MINE], "engine[1]")):
        text = yaml.safe_dump(DEPLOYMENT | {"engine": engine})
        changed = ieco_opt.load_scenario(text, [f"{field}.title=Other", f"{field}.accepts[0].says=x"], files=False)
        found = resolved_engines(changed)[-1]
        assert (found.title, found.rules[0].says) == ("Other", "x")
        (fault,) = faults(
            lambda text=text, field=field: resolved_engines(ieco_opt.load_scenario(text, [f"{field}.port=0"]))  # type: ignore[misc]
        )
        assert fault == f"--set: {field}.port: found 0, expected a whole number from 1 to 65535"


@pytest.mark.parametrize("engine", ["mine.yaml", "[any, ./mine.yaml]"])
def test_a_file_that_overrides_is_found_from_the_working_directory(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, DEPLOYMENT)
    (path.parent / "mine.yaml").rename(tmp_path / "mine.yaml")
    monkeypatch.chdir(tmp_path)
    loaded = ieco_opt.load_scenario(path, [f"engine={engine}"])
    assert resolved_engines(loaded)[-1].name == "mine"
    (tmp_path / "mine.yaml").rename(path.parent / "mine.yaml")
    (fault,) = faults(lambda: ieco_opt.load_scenario(path, [f"engine={engine}"]))
    assert fault.startswith("--set: engine[")
    assert fault.endswith("mine.yaml', expected an engine profile in YAML or JSON that exists in .")


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"engine": "vllm"}, True),
        ({"engine": ["vllm", "sglang"]}, True),
        ({"kv_cache": "fp8"}, True),
        ({"engine": "mine"}, False),
        ({"engine": ["mine"]}, False),
        ({"engine": "mine.yaml"}, True),
        ({"engine": ["any", "mine.JSON", "folder/mine"]}, True),
        ({"engine": "yaml"}, False),
        ({"engine": {"engine": "mine"}}, True),
        ({"engine": ["vllm", {"engine": "mine"}]}, True),
        ({"engine": 3}, False),
        ({"engine": [3]}, False),
        ({"engine": []}, False),
    ],
    ids=repr,
)
def test_the_json_schema_knows_the_names(changes: dict[str, Any], good: bool) -> None:
    for mapping in (DEPLOYMENT | changes, workload(**changes)):
        schema = json_schema(mapping["kind"])
        assert jsonschema.Draft202012Validator(schema).is_valid(mapping) is good
