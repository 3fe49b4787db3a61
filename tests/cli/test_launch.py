"""`ieco-opt launch`, and the same from Python: which points, which words, which exit status."""

from __future__ import annotations

import functools
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from saved_results import result

import ieco_opt
from ieco_opt.cli.main import main
from ieco_opt.engines.reading import read
from ieco_opt.engines.store import profile
from ieco_opt.errors import ScenarioError
from ieco_opt.results.encoding import to_json
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.launching import launched

WHOLE: dict[str, Any] = {
    "version": 2,
    "name": "whole",
    "model": "Llama-3.1-8B",
    "weights": ["bf16"],
    "accelerators": ["H100-SXM"],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {
        "tensor_parallel": [1, 2, 4],
        "attention_data_parallel": [1],
        "pipeline_parallel": [1, 2],
        "batch": [2, 8, 32, 128],
        "max_gpus": 8,
    },
}
"""A scenario whose every point starts in every engine."""

SPLIT: dict[str, Any] = {
    "version": 2,
    "name": "split",
    "pools": [{"name": "h100", "accelerator": "H100-SXM", "gpus": 16, "rented_by": "gpu"}],
    "workloads": [
        {
            "name": "rag",
            "model": "Llama-3.1-8B",
            "weights": ["bf16"],
            "requests_per_s": 12,
            "prompt_tokens": 2000,
            "output_tokens": 100,
            "min_speed": 40,
            "max_time_to_first_token_s": 2,
            "serving": ["disaggregated"],
            "design_space": {
                "tensor_parallel": [1, 2],
                "attention_data_parallel": [1],
                "pipeline_parallel": [1],
                "max_gpus": 2,
            },
        }
    ],
}


@functools.cache
def front() -> Frontier:
    return ieco_opt.frontier(ieco_opt.Scenario(**WHOLE), delta=0.3)


def served(name: str) -> dict[str, Any]:
    return SPLIT["workloads"][0] | {"name": name}


@functools.cache
def foreign() -> ieco_opt.FleetResult:
    """A plan whose names differ in letters that no file, cluster or container takes."""
    return ieco_opt.plan(
        ieco_opt.Fleet(**SPLIT | {"workloads": [served(name) for name in ("会話", "要約", "a b", "a-b")]})
    )


@functools.cache
def plan() -> ieco_opt.FleetResult:
    return ieco_opt.plan(ieco_opt.Fleet(**SPLIT))


def launch(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["launch", *map(str, arguments)])
    return int(exit_.value.code or 0)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "front.json"
    path.write_text(to_json(front()), encoding="utf-8")
    return path


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_every_point_is_said_and_read_back(engine: str, saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch(saved, "--engine", engine, "--point", "all", "--format", "line") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(front()) > 3
    for line, deployment in zip(lines, front(), strict=True):
        words = shlex.split(line, comments=True)
        files = {word: Path(word).read_text() for word in words if word.endswith(".yaml")}
        found = read(profile(engine), words, files)
        degrees = deployment.parallelism
        assert (found["tensor_parallel"], found["pipeline_parallel"]) == (degrees.tensor, degrees.pipeline)
        assert (found["batch"], found["draft_tokens"]) == (deployment.batch, 0)


def test_points_are_numbered_as_in_the_table(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch(saved, "--engine", "vllm", "--point", "2") == 0
    out = capsys.readouterr().out
    speed = front()[1].speed_tokens_per_s
    assert out.startswith(f"# point 2 of whole: {speed:.4g} tokens/s, ")
    slowest = front()[-1]
    assert launch(saved, "--engine", "vllm", "--speed", str(slowest.speed_tokens_per_s * 0.99)) == 0
    assert f"# point {len(front())} of whole" in capsys.readouterr().out
    assert launch(saved, "--engine", "vllm", "--cost", str(front()[0].cost_usd_per_mtok)) == 0
    assert "# point 1 of whole" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "points and no choice among them, expected --point N, --point all, --speed S or --cost C"),
        (("--point", "0"), "found 0, expected a point from 1 to "),
        (("--point", "99"), "found 99, expected a point from 1 to "),
        (("--point", "-1"), "expected a number from 1, or all"),
        (("--point", "two"), "found 'two', expected a number from 1, or all"),
        (("--point", "1", "--speed", "3"), "expected one of them"),
        (("--speed", "1e9"), "--speed: no deployment of the frontier reaches 1e+09 tokens/s"),
        (("--cost", "1e-9"), "--cost: no deployment of the frontier costs at most"),
        (("--point", "1", "--token-secret", "x"), "--token-secret goes with --format k8s"),
        (("--point", "1", "--engine", "vlm"), "--engine: found 'vlm', expected one of sglang, trtllm, vllm"),
        (("--point", "1", "--engine", "none.yaml"), "none.yaml: cannot be read"),
        (("--point", "1", "--format", "xml"), "'xml' is not one of"),
    ],
)
def test_wrong_options_exit_with_2(
    options: tuple[str, ...], message: str, saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(saved, *(() if "--engine" in options else ("--engine", "vllm")), *options) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("kind", ["explanation", "comparison", "infeasible"])
def test_other_results_are_refused(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    path.write_text(to_json(result(kind)), encoding="utf-8")
    assert launch(path, "--engine", "vllm") == 2
    assert "expected one of solve, frontier, fleet or alternatives" in capsys.readouterr().err


def test_an_empty_result_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "stopped.json"
    path.write_text(to_json(result("stopped")), encoding="utf-8")
    assert launch(path, "--engine", "vllm") == 2
    assert capsys.readouterr().err.startswith("error: RESULT: found no point, expected at least one")


def broken(tmp_path: Path) -> Path:
    """A frontier whose second point has a group too many for a dense model in vLLM."""
    first, second, *others = front()
    degrees = replace(second.parallelism, tensor=4, attention_data=2, pipeline=1)
    grouped = replace(second, parallelism=degrees, gpus=8, batch=8)
    path = tmp_path / "broken.json"
    found = replace(front(), deployments=(first, grouped, *others))
    path.write_text(to_json(found), encoding="utf-8")
    return path


def test_what_the_engine_does_not_start_is_said_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = broken(tmp_path)
    assert launch(path, "--engine", "vllm", "--point", "all", "--format", "line") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error: point 2 of whole: vLLM does not start it as it is: this model runs with one attention group" in (
        captured.err
    )
    assert "[vllm/v1/engine/core.py:1546" in captured.err
    assert launch(path, "--engine", "vllm", "--point", "all", "--format", "line", "--partial") == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == len(front()) - 1
    assert captured.err.startswith("note: point 2 of whole")
    assert launch(path, "--engine", "vllm", "--point", "2", "--partial") == 2
    assert "nothing is left to be printed" in capsys.readouterr().err


def test_what_is_not_known_is_said_and_stands_as_a_placeholder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.json"
    own = {"name": "$(touch pwned)", **_mapping("Llama-3.1-8B")}
    found = ieco_opt.frontier(ieco_opt.Scenario(**WHOLE | {"model": own}), delta=9)
    path.write_text(to_json(found), encoding="utf-8")
    assert launch(path, "--engine", "vllm", "--point", "1", "--format", "line") == 2
    assert "name the model by its repository, such as owner/name" in capsys.readouterr().err
    assert launch(path, "--engine", "vllm", "--point", "1", "--format", "line", "--partial") == 0
    captured = capsys.readouterr()
    assert all("vllm serve OWNER/REPOSITORY " in line for line in captured.out.splitlines())
    assert "pwned" not in captured.out


def _mapping(name: str) -> dict[str, object]:
    from ieco_opt import catalog

    return {key: value for key, value in catalog.model_to_mapping(catalog.model(name)).items() if key != "name"}


def test_the_file_of_options_is_written_where_it_is_asked_for(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(saved, "--engine", "trtllm", "--point", "1") == 0
    beside = tmp_path / "front-point-1-trtllm-options.yaml"
    assert f"--extra_llm_api_options {beside}" in capsys.readouterr().out
    assert yaml.safe_load(beside.read_text())["max_batch_size"]
    out = tmp_path / "new" / "folder"
    assert launch(saved, "--engine", "trtllm", "--point", "1", "--out", out) == 0
    assert (out / "front-point-1-trtllm-options.yaml").read_text() == beside.read_text()
    # A manifest holds its file itself.
    beside.unlink()
    assert launch(saved, "--engine", "trtllm", "--point", "1", "--format", "k8s") == 0
    assert not beside.exists()


def test_the_scenario_beside_a_result_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`solve my.yaml --out my.json` is followed by `launch my.json`, which writes its file into the same folder."""
    path, scenario = tmp_path / "my.json", tmp_path / "my.yaml"
    path.write_text(to_json(replace(front(), deployments=front().deployments[:1])), encoding="utf-8")
    scenario.write_text("version: 2", encoding="utf-8")
    assert launch(path, "--engine", "trtllm") == 0
    assert f"--extra_llm_api_options {tmp_path / 'my-trtllm-options.yaml'}" in capsys.readouterr().out
    assert scenario.read_text(encoding="utf-8") == "version: 2"


def test_a_folder_that_cannot_be_made_is_named(saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch(saved, "--engine", "trtllm", "--point", "1", "--out", tmp_path / "front.json" / "x") == 2
    assert "cannot be made" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
@pytest.mark.parametrize("output_format", ["sh", "line", "yaml", "k8s", "compose", "json"])
def test_a_disaggregated_plan_has_its_servers_and_its_router(
    engine: str, output_format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(to_json(plan()), encoding="utf-8")
    assert launch(path, "--engine", engine, "--format", output_format) == 0
    out = capsys.readouterr().out
    assert "router" in out
    count = sum(row.instances for row in plan()[0].instances)
    assert count >= 2
    if output_format == "json":
        commands = json.loads(out)
        assert [each["phase"] for each in commands].count("prefill") >= 1
        assert [each["phase"] for each in commands].count("decode") >= 1
        assert len(commands) == count + 1
        places = [
            (each["nodes"][0]["host"], device)
            for each in commands[:-1]
            for device in each["env"]["CUDA_VISIBLE_DEVICES"].split(",")
        ]
        assert len(set(places)) == len(places), "no accelerator is used twice"
        ports = [
            (each["nodes"][0]["host"], " ".join(each["argv"]).partition("--port ")[2][:5]) for each in commands[:-1]
        ]
        assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("engine", ["vllm", "trtllm"])
def test_names_that_differ_only_in_foreign_letters_stay_apart(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(to_json(foreign()), encoding="utf-8")
    assert launch(path, "--engine", engine, "--format", "json") == 0
    commands = json.loads(capsys.readouterr().out)
    assert len({each["name"] for each in commands}) == len(commands) >= 12
    files = [file for each in commands for file in each["files"]]
    assert len(set(files)) == len(files)
    assert launch(path, "--engine", engine, "--format", "compose") == 0
    assert len(yaml.safe_load(capsys.readouterr().out)["services"]) == len(commands)


def test_pools_that_differ_only_in_foreign_letters_have_nodes_of_their_own() -> None:
    pools = [SPLIT["pools"][0] | {"name": name, "gpus": 2} for name in ("東京", "大阪")]
    workloads = [served("a") | {"pools": ["東京"]}, served("b") | {"pools": ["大阪"]}]
    answer = ieco_opt.plan(ieco_opt.Fleet(**SPLIT | {"pools": pools, "workloads": workloads}))
    hosts = {row.pool: row for row in answer[0].nodes}
    assert len(hosts) == 2
    assert len({command.hosts[0] for command in answer.launch(engine="vllm") if command.phase != "router"}) == 2


def test_plans_of_a_frontier_have_names_of_their_own() -> None:
    two = replace(plan(), plans=(plan()[0], plan()[0]))
    commands = [command for each in launched(two, "trtllm").launches for command in each.commands()]
    assert len({command.name for command in commands}) == len(commands) == 2 * len(plan().launch(engine="trtllm"))
    assert commands[0].name.startswith("split-plan-1-rag-")


def test_operating_points_are_left_out_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.json"
    path.write_text(to_json(result("plan")), encoding="utf-8")
    assert launch(path, "--engine", "vllm") == 2
    captured = capsys.readouterr()
    why = "table, colocated (2 GPUs on mi300x): found an operating point, whose degrees are not known here\n"
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert why in captured.err
    assert launch(path, "--engine", "vllm", "--partial") == 0
    captured = capsys.readouterr()
    assert f"note: {why}" in captured.err
    assert "vllm serve" in captured.out
    assert "table" not in captured.out


def test_a_choice_among_plans_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plans.json"
    fleet = ieco_opt.Fleet(**SPLIT | {"workloads": [served("a") | {"serving": ["colocated"]}]})
    found = ieco_opt.fleet_frontier(fleet, against="speed", delta=0.3)
    assert len(found) > 1
    path.write_text(to_json(found), encoding="utf-8")
    assert launch(path, "--engine", "vllm") == 2
    assert "plans and no choice among them, expected --point N or --point all\n" in capsys.readouterr().err
    assert launch(path, "--engine", "vllm", "--point", "2") == 0
    assert capsys.readouterr().out.startswith("# plan 2 of split: ")


@pytest.mark.parametrize("name", ["", "a b", "Hub", "-hub", "$(x)\nb", "a" * 254])
def test_a_secret_has_a_name_that_clusters_take(name: str, saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch(saved, "--engine", "vllm", "--point", "1", "--format", "k8s", f"--token-secret={name}") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "expected the name of a secret" in captured.err.splitlines()[-1]


def test_the_library_gives_the_same_words(saved: Path) -> None:
    command = front().launch(engine="vllm", point=1)
    assert command.argv[:2] == ("vllm", "serve")
    assert command.nodes == (command.argv,)
    assert command.not_expressible == ()
    assert command.files == {}
    of_file = ieco_opt.load_result(saved)
    assert isinstance(of_file, Frontier)
    assert of_file.launch(engine="vllm", point=1) == command
    with pytest.raises(ScenarioError, match=r"point: found no choice among \d+ points"):
        front().launch(engine="vllm")
    (path,) = front().launch(engine="trtllm", point=1, folder="/nowhere").files
    assert path == "/nowhere/whole-point-1-trtllm-options.yaml"
    router = plan().launch(engine="sglang")[-1]
    assert router.phase == "router"
    assert router.benchmark == ()


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_nothing_else_listens_where_a_router_does(engine: str) -> None:
    servers, router = plan().launch(engine=engine)[:-1], plan().launch(engine=engine)[-1]
    beside = [command for command in servers if command.hosts[0] == router.hosts[0]]
    assert beside

    def port(words: tuple[str, ...], usual: int) -> int:
        return int(words[words.index("--port") + 1]) if "--port" in words else usual

    usual = {"vllm": 8000, "sglang": 30000, "trtllm": 8000}[engine]
    listens = [int(line.split()[1]) for text in router.files.values() for line in text.splitlines() if "port:" in line]
    listens = listens or [port(router.argv, 0)]
    assert listens[0] >= 8000
    assert listens[0] not in {port(command.argv, usual) for command in beside}


def test_the_library_names_the_rule_of_what_does_not_start(tmp_path: Path) -> None:
    found = ieco_opt.load_result(broken(tmp_path))
    assert isinstance(found, Frontier)
    with pytest.raises(ScenarioError, match="one attention group"):
        found.launch(engine="vllm", point=2)


def test_engines_are_listed_and_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def call(*arguments: str) -> str:
        with pytest.raises(SystemExit) as exit_:
            main(["catalog", *arguments])
        assert not exit_.value.code
        return capsys.readouterr().out

    assert [line.split()[0] for line in call("list", "engines").splitlines()] == ["engine", "sglang", "trtllm", "vllm"]
    assert len(json.loads(call("list", "engines", "--format", "json"))) == 3
    shown = call("show", "vllm")
    assert "heads % tensor_parallel == 0" in shown
    assert "vllm/config/model.py:1559" in shown
    own = tmp_path / "own.yaml"
    from importlib import resources

    text = resources.files("ieco_opt.engines").joinpath("data", "vllm.yaml").read_text(encoding="utf-8")
    own.write_text(text.replace("title: vLLM", "title: Mine"), encoding="utf-8")
    assert "Mine" in call("show", str(own))
    assert "Llama" in call("show", "Llama-3.1-8B")
