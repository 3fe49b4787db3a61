"""`ieco-opt alternatives`: what is taken, what is refused, what is said of the rest, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from saved_results import FLEET
from stopping import end_runs_after

import ieco_opt
from ieco_opt.cli.main import main
from ieco_opt.errors import SearchStoppedError

ASKED = ("Llama-3.1-8B", "--gpus", "2xH100", "--isl", "1k", "--osl", "100", "--engine", "vllm", "--tpot", "20ms")
SMALL = {
    "version": 2,
    "kind": "deployment",
    "name": "small",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": ["H100-SXM", "L40S"],
    "engine": "vllm",
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {"tensor_parallel": [1, 2], "pipeline_parallel": [1, 2], "batch": {"max": 64}},
    "limits": {"min_speed": 20},
}


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(SMALL))
    return str(path)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(list(arguments))
    assert isinstance(left.value.code, int)
    return left.value.code


def test_files_hold_what_is_shown(small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, whole = tmp_path / "others.csv", tmp_path / "others.json"
    assert run("alternatives", small, "--within", "1000%", "--count", "3", "--out", str(table)) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "the cheapest deployment and 2 alternatives within 1,000 % that differ in accelerator or layout" in shown
    assert "3 were asked for; more may lie within" in shown
    rows = pd.read_csv(table)
    assert rows["rank"].tolist() == [1, 2, 3]
    assert rows["cost_usd_per_mtok"].is_monotonic_increasing
    assert rows["excess"].tolist() == pytest.approx((rows["objective"] / rows["objective"][0] - 1.0).tolist())
    assert rows["combinations"][0] == f"{rows['accelerator'][0]} TP{rows['tensor_parallel'][0]}"
    again = ("alternatives", small, "--within", "10", "--differ", "accelerator", "--out", str(whole))
    assert run(*again, "--set", "limits.min_speed=1") == 0
    assert "proven: every feasible deployment has the accelerator of one of these" in capsys.readouterr().out
    values = json.loads(whole.read_text())
    assert (values["ended"], values["complete"], values["next_one"]) == ("exhausted", True, None)
    assert [each["deployment"]["accelerator"] for each in values["found"]] == ["H100-SXM", "L40S"]


def test_a_question_is_answered_as_it_is_planned(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("alternatives", *ASKED, "--within", "0.04") == 0
    said = capsys.readouterr().out
    assert "the most-serving plan" in said
    assert "proven: every other plan within 4 % uses every pool and layout of one of these" in said
    assert run("alternatives", *ASKED[:-1], "1ms") == 3
    assert capsys.readouterr().err.startswith("NOT POSSIBLE, proven: Llama-3.1-8B")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--within", "-1%"), "expected a share such as 2% or 0.02"),
        (("--within", "a"), "expected a share such as 2% or 0.02"),
        (("--differ", "pool"), "differ: found 'pool', expected one of accelerator, engine, layout of a deployment"),
        (("--objective", "gpus"), "--objective: found gpus with a deployment"),
        (("--preference", "2"), "--preference goes with --objective preferred"),
        (("--isl", "1k"), "--isl: expected with --gpus and the name of a model"),
        (("--out", "others.txt"), "found the ending '.txt'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], said: str, small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("alternatives", small, *arguments) == 2
    assert said in capsys.readouterr().err


def test_no_answer_at_all_ends_with_3(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("alternatives", small, "--set", "limits.min_speed=100000") == 3
    assert "infeasible" in capsys.readouterr().err


def test_where_the_search_ends_what_was_found_is_kept(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it ends: the answers so far are those of the whole list, and nothing is called proven."""
    fleet = ieco_opt.load_scenario(yaml.safe_dump({"version": 2, "kind": "fleet"} | FLEET), files=False)
    for scenario in (ieco_opt.load_scenario(small), fleet):
        with monkeypatch.context() as patched:
            asked = end_runs_after(float("inf"), patched)
            whole = ieco_opt.alternatives(scenario, within=10.0, count=3, differ=("layout",))
        seen, last = set(), 0
        for after in range(0, asked.asked, max(1, asked.asked // 8)):
            with monkeypatch.context() as patched:
                end_runs_after(after, patched)
                try:
                    part = ieco_opt.alternatives(scenario, within=10.0, count=3, differ=("layout",))
                except SearchStoppedError:
                    seen.add(0)
                    continue
            assert part.stopped is not None
            assert not part.complete
            seen.add(len(part))
            last = after
            for one, other in zip(part.found[1:], whole.found[1:], strict=False):
                assert one.combinations == other.combinations
        assert {0, 1} <= seen, scenario.name
    end_runs_after(last, monkeypatch)
    fleet_file = tmp_path / "fleet.yaml"
    fleet_file.write_text(yaml.safe_dump({"version": 2, "kind": "fleet"} | FLEET))
    assert run("alternatives", str(fleet_file), "--within", "10", "--count", "3", "--differ", "layout") == 4
    said = capsys.readouterr()
    assert said.out.startswith("PARTIAL RESULT")
    assert said.err.startswith("stopped early (time limit)")


def test_that_there_is_no_alternative_is_said_only_where_it_was_looked_for(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("alternatives", small, "--count", "1") == 0
    assert "the cheapest deployment and so far no alternative within 2 %" in " ".join(capsys.readouterr().out.split())
    assert run("alternatives", small, "--within", "0%") == 0
    assert "the cheapest deployment and no alternative within 0 %" in " ".join(capsys.readouterr().out.split())


def test_saved_alternatives_are_explained(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Narrower, each configuration stands on a line of its own, below its terms.
    monkeypatch.setenv("COLUMNS", "120")
    others, why = str(tmp_path / "others.json"), tmp_path / "why.json"
    assert run("alternatives", small, "--within", "1000%", "--count", "3", "--out", others, "--quiet") == 0
    assert run("explain", others, "--out", str(why)) == 0
    said = capsys.readouterr().out
    assert "small: what decides the cheapest deployment" in said
    table = said[said.index("Why the others cost more: the cost by its terms, in $ per million tokens") :]
    listed = json.loads(Path(others).read_text())["found"]
    lines = table.strip().split("\n")[-3:]
    assert [line.split()[0] for line in lines] == ["1", "2", "3"]
    for line, each in zip(lines, listed, strict=True):
        assert str(each["deployment"]["accelerator"]) in line
    explained = json.loads(why.read_text())
    assert explained["format"] == "ieco_opt explained alternatives"
    # No cap proves an optimum that is searched for in all configurations.
    assert explained["best"]["deployments"] == [listed[0]["deployment"] | {"cost_cap": None}]
    assert [each["excess"] for each in explained["alternatives"]] == [each["excess"] for each in listed]
    for option in (("--set", "limits.min_speed=1"), ("--objective", "fastest"), ("--configuration", "TP1,B1")):
        assert run("explain", others, *option) == 2
        assert f"{option[0]}: found with saved alternatives" in capsys.readouterr().err
    assert run("explain", others, "--brief") == 2
    assert "--brief: found with alternatives of a deployment" in capsys.readouterr().err
    for command, *more in (("verify",), ("diff", others), ("launch",), ("report", "--out", str(tmp_path / "a.html"))):
        assert run(command, str(why), *more) == 2
        assert "found 'ieco_opt explained alternatives', which is not read again" in capsys.readouterr().err
    # Wherever the search ends, what was found is said; of a list that was changed nothing is.
    with monkeypatch.context() as patched:
        whole = end_runs_after(float("inf"), patched)
        assert run("explain", others, "--quiet") == 0
    capsys.readouterr()
    for after, said in ((1, "the search ended (time limit) before"), (whole.asked - 2, "not examined before")):
        with monkeypatch.context() as patched:
            end_runs_after(after, patched)
            assert run("explain", others) == 4
        stopped = capsys.readouterr()
        assert said in stopped.err
        assert ("Why the others cost more" in stopped.out) == (after > 1)
    values = json.loads(Path(others).read_text())
    values["found"][1]["deployment"]["latency_s"] *= 1.1
    Path(others).write_text(json.dumps(values))
    assert run("explain", others) == 2
    assert "found[1]: deployment: " in capsys.readouterr().err


def test_alternatives_of_a_question_say_what_binds_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = str(tmp_path / "others.json")
    assert run("alternatives", *ASKED, "--within", "30%", "--count", "2", "--out", others, "--quiet") == 0
    assert run("explain", others, "--brief") == 0
    assert capsys.readouterr().out.startswith("binds: pools.h100.gpus (no end without it)")
