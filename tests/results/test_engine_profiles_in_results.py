"""Results of scenarios that bring an engine profile: they keep it, and are checked and launched with it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from base_mappings import DEPLOYMENT, FLEET, workload
from own_profiles import TEXT, VERSION, own_profile

import ieco_opt
from ieco_opt.cli.main import main
from ieco_opt.engines import profile
from ieco_opt.errors import ScenarioError
from ieco_opt.results.encoding import to_mapping
from ieco_opt.results.launching import launched
from ieco_opt.results.reading import from_json

STARTED = TEXT.replace('[vllm, serve, "{model}"]', '[mine, serve, "{model}"]')
OTHER = own_profile(
    say=own_profile()["say"] | {"command": ["my-server", "start", "{model}"]},
    versions={"read": "1", "from": "1", "below": "2"},
)


def front(tmp_path: Path, **changes: object) -> Path:
    (tmp_path / "mine.yaml").write_text(STARTED)
    path = tmp_path / "scenario.yaml"
    path.write_text(json.dumps(DEPLOYMENT | {"engine": "mine.yaml"} | changes))
    scenario = ieco_opt.load_scenario(path)
    assert isinstance(scenario, ieco_opt.Scenario)
    saved = tmp_path / "front.json"
    ieco_opt.frontier(scenario, points=2).to_json(saved)
    (tmp_path / "mine.yaml").unlink()
    path.unlink()
    return saved


class Call:
    """The command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words)])
        assert isinstance(ended.value.code, int | None)
        return ended.value.code or 0, *self._capsys.readouterr()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    return Call(capsys)


def test_a_result_needs_no_file_of_its_profile(call: Call, tmp_path: Path) -> None:
    saved = front(tmp_path)
    values = json.loads(saved.read_text())
    assert values["scenario"]["engine"] == [own_profile(STARTED)]
    assert values["versions"]["engines"] == {"mine": VERSION}
    assert {each["engine"] for each in values["deployments"]} == {"mine"}
    answer = ieco_opt.load_result(saved)
    assert ieco_opt.verify(answer).problems == []
    for words in ([], ["--engine", "mine"], ["--engine", "MINE"]):
        code, said, _ = call("launch", saved, "--point", "1", "--format", "line", *words)
        assert code == 0
        assert " mine serve nvidia/Llama-3.1-8B-Instruct-FP8" in said
    code, said, _ = call("launch", saved, "--point", "1", "--format", "line", "--engine", "vllm")
    assert code == 0
    assert " vllm serve " in said
    code, said, error = call("launch", saved, "--point", "1", "--engine", "mien")
    assert (code, said) == (2, "")
    assert "found 'mien', expected one of mine, sglang, trtllm, vllm, or an engine profile in a file" in error


def test_a_profile_of_a_shipped_name_is_what_the_result_means_by_it(tmp_path: Path) -> None:
    scenario = ieco_opt.Scenario(**(DEPLOYMENT | {"engine": [OTHER | {"engine": "vllm"}, "sglang"]}))
    answer = ieco_opt.frontier(scenario, points=2)
    assert answer.versions.engines == {"sglang": profile("sglang").version, "vllm": ">=1,<2"}
    assert ieco_opt.verify(answer).problems == []
    for name in ("vllm", "vLLM"):
        assert answer.launch(engine=name, point=1).argv[:2] == ("my-server", "start")
    path = tmp_path / "file.yaml"
    path.write_text(TEXT.replace("engine: mine", "engine: vllm"))
    assert answer.launch(engine=str(path), point=1).argv[:2] == ("vllm", "serve")


def test_another_profile_of_the_same_name_is_told_where_it_prices_otherwise(tmp_path: Path) -> None:
    own = own_profile()
    prices = own["prices"] | {"dense_over": "1"}
    answer = ieco_opt.frontier(ieco_opt.Scenario(**(DEPLOYMENT | {"engine": own | {"prices": prices}})), points=2)
    number = next(at for at, each in enumerate(answer, start=1) if each.gpus == 2)
    assert launched(answer, "mine", [number]).unsaid == ()
    path = tmp_path / "file.yaml"
    path.write_text(TEXT)
    (unsaid,) = launched(answer, str(path), [number]).unsaid
    assert "it was priced as My server runs it, and My server spreads dense layers over other ranks" in unsaid


@pytest.mark.parametrize("name", ["mine.yaml", "/mine"])
def test_a_row_names_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(TEXT)
    (tmp_path / "mine").write_text(TEXT)
    answer = ieco_opt.frontier(ieco_opt.Scenario(**DEPLOYMENT), points=2)
    file = str(tmp_path / "mine.yaml") if name == "mine.yaml" else f"{tmp_path}{name}"
    edited = dataclasses.replace(answer, deployments=tuple(dataclasses.replace(each, engine=file) for each in answer))
    with pytest.raises(ScenarioError, match="expected one of sglang, trtllm, vllm"):
        edited.launch(point=1)


def test_edited_versions_are_told() -> None:
    answer = ieco_opt.frontier(ieco_opt.Scenario(**(DEPLOYMENT | {"engine": own_profile()})), points=2)
    edited = dataclasses.replace(answer, versions=dataclasses.replace(answer.versions, engines={"mine": ">=9,<10"}))
    (problem,) = ieco_opt.verify(edited).problems
    assert problem.startswith("versions.engines.mine: found >=9,<10, ")
    assert f"My server {VERSION}" in problem
    edited = dataclasses.replace(answer, versions=dataclasses.replace(answer.versions, engines={}))
    (problem,) = ieco_opt.verify(edited).problems
    assert problem == "versions.engines: found none, expected mine, which the scenario asks"


def test_an_edited_profile_is_not_what_the_figures_were_made_with(tmp_path: Path) -> None:
    saved = front(tmp_path)
    values = json.loads(saved.read_text())
    values["scenario"]["engine"][0]["prices"]["dense_over"] = "1"
    saved.write_text(json.dumps(values))
    assert any("latency_s: found" in each for each in ieco_opt.verify(ieco_opt.load_result(saved)).problems)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ("/etc/passwd", "scenario.engine[0]: found '/etc/passwd', expected no name of a file"),
        (own_profile(port=0), "engine[0].port: found 0, expected a whole number"),
        ({"engine": "mine"}, "engine[0].prices.dense_over: missing"),
        (own_profile(engine="vllm"), "versions.engines"),
    ],
    ids=["file", "port", "empty", "name"],
)
@pytest.mark.parametrize("command", ["verify", "launch"])
def test_a_result_with_another_profile_ends_with_words(
    edit: object, message: str, command: str, call: Call, tmp_path: Path
) -> None:
    saved = front(tmp_path)
    values = json.loads(saved.read_text())
    values["scenario"]["engine"] = edit
    saved.write_text(json.dumps(values))
    code, _, error = call(command, saved, *(["--point", "1"] if command == "launch" else []))
    assert code in (1, 2)
    assert message in error or (message == "versions.engines" and "engine: found 'mine'" in error)


def fleet(**second: object) -> dict[str, Any]:
    (chat,) = workload(engine=own_profile())["workloads"]
    return FLEET | {"workloads": [chat, FLEET["workloads"][0] | {"name": "other"} | second]}


def test_every_workload_has_its_own_profile(tmp_path: Path) -> None:
    answer = ieco_opt.plan(ieco_opt.Fleet(**fleet(engine=OTHER)))
    assert answer.versions.engines == {"mine": f"{VERSION} or >=1,<2"}
    assert ieco_opt.verify(answer).problems == []
    for engine in (None, "mine"):
        commands = {each.argv[0] for each in answer.launch(engine=engine)}
        assert commands == {"vllm", "my-server"}
    assert {each.argv[0] for each in answer.launch(engine="vllm")} == {"vllm"}
    saved = tmp_path / "plan.json"
    answer.to_json(saved)
    assert ieco_opt.load_result(saved) == answer


def test_a_profile_of_one_workload_starts_the_others_where_it_is_named() -> None:
    answer = ieco_opt.plan(ieco_opt.Fleet(**fleet(engine="sglang")))
    assert list(answer.versions.engines) == ["mine", "sglang"]
    assert ieco_opt.verify(answer).problems == []
    assert {each.argv[0] for each in answer.launch(engine="mine")} == {"vllm"}
    assert {each.argv[0] for each in answer.launch()} == {"vllm", "python"}
    with pytest.raises(ScenarioError, match="expected one of mine, sglang, trtllm, vllm"):
        answer.launch(engine="other")


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        (None, [OTHER]),
        (["any"], ["any", OTHER]),
        ("any", ["any", OTHER]),
        (["mine", "sglang"], [OTHER, "sglang"]),
        (["vllm", "mine"], ["vllm", OTHER]),
    ],
    ids=repr,
)
def test_a_profile_that_model_3_kept_beside_the_servers_is_one_of_them(engine: object, expected: list[object]) -> None:
    former = {"profile": OTHER} | ({} if engine is None else {"engine": engine})
    published: dict[str, Any] = {"engine": expected, "profile": "paper-constants"}
    values = to_mapping(ieco_opt.frontier(ieco_opt.Scenario(**(DEPLOYMENT | published)), points=2))
    values["versions"]["model"] = 3
    answer = from_json(json.dumps(values))
    rest = {name: part for name, part in values["scenario"].items() if name not in ("engine", "profile")}
    assert from_json(json.dumps(values | {"scenario": rest | former})) == answer
    planned = ieco_opt.plan(ieco_opt.Fleet(**(fleet(engine=expected) | {"profile": "paper-constants"})))
    values = to_mapping(planned)
    values["versions"]["model"] = 3
    planned = from_json(json.dumps(values))  # type: ignore[assignment]
    del values["scenario"]["profile"]
    chat, other = values["scenario"]["workloads"]
    values["scenario"]["workloads"] = [chat, {name: other[name] for name in other if name != "engine"} | former]
    assert from_json(json.dumps(values)) == planned


def test_any_other_profile_of_a_saved_scenario_is_no_engine() -> None:
    values = to_mapping(ieco_opt.frontier(ieco_opt.Scenario(**DEPLOYMENT), points=2))
    values["scenario"]["profile"] = {"engine": "mine"}
    with pytest.raises(ScenarioError, match=r"scenario\.profile"):
        from_json(json.dumps(values))
