"""Scenarios of strangers: they name no file, and ask for no more work than they may."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from base_mappings import DEPLOYMENT, FLEET, with_field, workload
from own_profiles import TEXT
from places import ROOT

import ieco_opt
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import (
    Fleet,
    Scenario,
    bounds,
    load_fleet_mapping,
    load_scenario_mapping,
    resolve,
    resolve_fleet,
)

DRAFT = {"acceptance": 0.8, "max_draft_tokens": 5}


NAMES_A_FILE: dict[str, tuple[dict[str, Any], str]] = {
    "model": (DEPLOYMENT | {"model": "FILE.yaml"}, "model"),
    "config": (DEPLOYMENT | {"model": "FILE.JSON"}, "model"),
    "draft": (DEPLOYMENT | {"speculation": DRAFT | {"draft_model": "FILE.yml"}}, "speculation.draft_model"),
    "model of a fleet": (workload(model="FILE.yaml"), "workloads[0].model"),
    "draft of a fleet": (
        workload(speculation=DRAFT | {"draft_model": "FILE.yaml"}),
        "workloads[0].speculation.draft_model",
    ),
    "points": (workload(operating_points="FILE.csv"), "workloads[0].operating_points"),
    "points without an ending": (workload(operating_points="/etc/passwd"), "workloads[0].operating_points"),
}


def only_fault(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ScenarioError) as error:
        call()
    (fault,) = error.value.faults
    return fault.field, fault.message


@pytest.mark.parametrize("name", NAMES_A_FILE)
def test_a_scenario_that_may_name_no_file_reads_none(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mapping, field = NAMES_A_FILE[name]
    monkeypatch.chdir(tmp_path)
    text = yaml.safe_dump(mapping)
    (tmp_path / "scenario.yaml").write_text(text)
    loads: list[Callable[[], object]] = [
        lambda: ieco_opt.load_scenario(text, files=False),
        lambda: ieco_opt.load_scenario(Path("scenario.yaml"), files=False),
        lambda: load_mapping(mapping, files=False),
    ]
    said = {only_fault(load) for load in loads}
    assert len(said) == 1
    # Whether there is such a file is not for strangers to know.
    for ending in ("yaml", "JSON", "yml", "csv"):
        (tmp_path / f"FILE.{ending}").write_text("secret: 1\n")
    assert {only_fault(load) for load in loads} == said
    ((where, message),) = said
    assert where == field
    assert re.fullmatch(r"found '[^']+', expected no name of a file: this scenario may not name any", message)


def load_mapping(mapping: dict[str, Any], **options: Any) -> Scenario | Fleet:
    load = load_fleet_mapping if mapping["kind"] == "fleet" else load_scenario_mapping
    return load(mapping, **options)


def test_overrides_name_no_file_either() -> None:
    text = yaml.safe_dump(DEPLOYMENT)
    where, message = only_fault(lambda: ieco_opt.load_scenario(text, ["model=x.yaml"], files=False))
    assert (where, message[:14]) == ("model", "found 'x.yaml'")


@pytest.mark.parametrize("mapping", [DEPLOYMENT, FLEET], ids=["deployment", "fleet"])
def test_text_is_a_scenario_as_a_file_is(mapping: dict[str, Any], tmp_path: Path) -> None:
    text = yaml.safe_dump(mapping | {"name": "same"})
    path = tmp_path / "same.yaml"
    path.write_text(text)
    from_file = ieco_opt.load_scenario(path)
    assert from_file == ieco_opt.load_scenario(str(path)) == ieco_opt.load_scenario(text)
    assert from_file == ieco_opt.load_scenario(text, files=False) == ieco_opt.load_scenario(path, files=False)
    assert from_file == ieco_opt.load_scenario(json.dumps(mapping | {"name": "same"}), files=False)


def test_text_of_a_stranger_is_never_a_path(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(yaml.safe_dump(DEPLOYMENT))
    for text in (str(path), "/etc/passwd", "-"):
        _, message = only_fault(lambda text=text: ieco_opt.load_scenario(text, files=False))
        assert "expected a mapping of fields (a file is named by a pathlib.Path here, not by text)" in message
    assert only_fault(lambda: ieco_opt.load_scenario("", files=False))[1] == "found nothing, expected a scenario"


def test_faults_of_a_text_name_the_line() -> None:
    with pytest.raises(ScenarioError, match=r"^scenario:2: kind: found 'x', expected 'deployment'$"):
        ieco_opt.load_scenario("version: 2\nkind: x\n")


def test_scenarios_of_results_name_no_file(tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    ieco_opt.solve(load_scenario_mapping(DEPLOYMENT), objective="fastest")
    front = ieco_opt.frontier(load_scenario_mapping(DEPLOYMENT), points=2)
    front.to_json(saved)
    values = json.loads(saved.read_text())
    values["scenario"]["model"] = "/etc/hosts.yaml"
    saved.write_text(json.dumps(values))
    with pytest.raises(ScenarioError, match=r"scenario\.model: found '/etc/hosts\.yaml', expected no name of a file"):
        ieco_opt.load_result(saved)


def test_there_is_one_way_from_a_field_to_a_file() -> None:
    folders = {
        path.name for path in (ROOT / "ieco_opt").rglob("*.py") if re.search(r"\.folder\b", path.read_text("utf-8"))
    }
    assert folders == {"origin.py"}


LONG = list(range(1, 401))
PAPER = {
    "kind": "deployment",
    "fidelity": "paper",
    "model": "Llama 3 70B",
    "accelerators": ["H100"],
    "workload": {"context_tokens": 1000},
}
TOO_MUCH: dict[str, tuple[dict[str, Any], int, str]] = {
    "degrees": (
        with_field(DEPLOYMENT, ("design_space",), {"tensor_parallel": LONG, "attention_data_parallel": LONG}),
        400 * 400 * 5 * 3,
        "(tensor_parallel 400 x attention_data_parallel 400 x pipeline_parallel 5 x engine 3)",
    ),
    "ranks, experts and layouts": (
        with_field(
            DEPLOYMENT,
            ("design_space",),
            {"stage_ranks": LONG, "expert_parallel": LONG, "tensor_layout": ["1d", "2d"]},
        ),
        400 * 400 * 6 * 5 * 2 * 3,
        "(stage_ranks 400 x expert_parallel 400 x attention_data_parallel 6 x pipeline_parallel 5 x others)",
    ),
    "batches": (
        with_field(DEPLOYMENT, ("design_space",), {"batch": list(range(1, 4097))}),
        7 * 6 * 5 * 4096 * 3,
        "(batch 4,096 x stage_ranks 7 x attention_data_parallel 6 x pipeline_parallel 5 x others)",
    ),
    "cards and precisions": (
        DEPLOYMENT
        | {
            "accelerators": [{"like": "H100", "name": f"h{number}"} for number in range(1500)],
            "weights": ["bf16", "fp8"],
            "design_space": {},
        },
        1500 * 2 * 7 * 6 * 5 * 3,
        "(accelerators 1,500 x stage_ranks 7 x attention_data_parallel 6 x pipeline_parallel 5 x others)",
    ),
    "drafts": (
        with_field(DEPLOYMENT, ("design_space",), {"stage_ranks": LONG})
        | {"speculation": DRAFT | {"draft_model": "Llama-3.1-8B", "max_draft_tokens": 64}},
        400 * 6 * 5 * 64 * 3,
        "(stage_ranks 400 x max_draft_tokens 64 x attention_data_parallel 6 x pipeline_parallel 5 x others)",
    ),
    "every batch of a range": (
        PAPER
        | {
            "design_space": {"batch": {"max": 1_000_000}},
            "speculation": DRAFT | {"draft_model": "Llama 3 8B"},
            "limits": {"max_throughput": 1e5},
        },
        7 * 6 * 5 * 2 * 5 * 3907,
        "(batch 3,907 x stage_ranks 7 x attention_data_parallel 6 x pipeline_parallel 5 x others)",
    ),
    "a workload": (
        workload(design_space={"tensor_parallel": LONG, "attention_data_parallel": LONG}),
        400 * 400 * 5 * 3 * 3,
        "(tensor_parallel 400 x attention_data_parallel 400 x pipeline_parallel 5 x engine 3 x others)",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_lists_that_multiply_to_too_much_are_refused_at_once(name: str) -> None:
    mapping, count, lists = TOO_MUCH[name]
    place = "workloads[0].design_space" if mapping["kind"] == "fleet" else "design_space"
    ask = ieco_opt.plan if mapping["kind"] == "fleet" else ieco_opt.frontier
    scenario = load_mapping(mapping)
    began = time.process_time()
    where, message = only_fault(lambda: ask(scenario))  # type: ignore[operator]
    assert time.process_time() - began < 3.0
    assert where == place
    assert message.startswith(
        f"found lists for {count:,} configurations to price {lists}, expected at most 1,500,000; shorten "
    )
    assert message.endswith("or raise max_setups (--max-setups)")


def test_batches_do_not_count_where_the_draft_model_stands_on_the_ranks_of_the_model() -> None:
    mapping, _, _ = TOO_MUCH["every batch of a range"]
    resolve(load_scenario_mapping(DEPLOYMENT | {name: mapping[name] for name in ("design_space", "limits")}
                                  | {"speculation": DRAFT | {"draft_model": "Llama-3.1-8B"}}))  # fmt: skip


def test_workloads_add_up() -> None:
    one = FLEET["workloads"][0] | {"design_space": {"tensor_parallel": list(range(1, 101))}}
    many = [one | {"name": f"w{number}"} for number in range(1, 300)]
    where, message = only_fault(lambda: resolve_fleet(load_fleet_mapping(FLEET | {"workloads": many})))
    assert where == "workloads[0].design_space"
    assert message.startswith("found lists for 27,000 of the 8,073,000 configurations to price (tensor_parallel 100 x ")


def test_only_pools_of_different_accelerators_count() -> None:
    alike = [{"name": f"p{number}", "accelerator": "H100-SXM", "gpus": 8, "usd_per_gpu_hour": number + 1.0}
             for number in range(400)]  # fmt: skip
    resolve_fleet(load_fleet_mapping(FLEET | {"pools": alike}, max_setups=1890))
    other = [pool | {"node_size": 1 + number % 2} for number, pool in enumerate(alike)]
    _, message = only_fault(lambda: resolve_fleet(load_fleet_mapping(FLEET | {"pools": other}, max_setups=3779)))
    assert message.startswith("found lists for 3,780 configurations")


def test_callers_say_how_much_is_too_much(tmp_path: Path) -> None:
    """A bound is one of the scenario, whatever is asked of it afterwards."""
    text = yaml.safe_dump(DEPLOYMENT)
    listed = 2 * 6 * 1 * 3
    scenario = ieco_opt.load_scenario(text, max_setups=listed)
    front = ieco_opt.frontier(scenario, points=2)
    front.to_json(tmp_path / "front.json")
    refused: list[Callable[[], object]] = [
        lambda: ieco_opt.frontier(ieco_opt.load_scenario(text, max_setups=listed - 1)),
        lambda: ieco_opt.solve(scenario.with_max_setups(listed - 1), objective="fastest"),
        lambda: ieco_opt.explain(load_scenario_mapping(DEPLOYMENT, max_setups=listed - 1)),
        lambda: ieco_opt.compare(scenario.with_max_setups(listed - 1), ["rule-of-thumb"]),
        lambda: ieco_opt.export(scenario.with_max_setups(listed - 1), tmp_path / "x.lp"),
        lambda: ieco_opt.verify(ieco_opt.load_result(tmp_path / "front.json", max_setups=listed - 1)),
    ]
    for ask in refused:
        assert only_fault(ask)[1].startswith(
            f"found lists for {listed} configurations to price (attention_data_parallel 6 x "
        )
    assert ieco_opt.verify(ieco_opt.load_result(tmp_path / "front.json", max_setups=listed)).holds
    fleet = load_fleet_mapping(FLEET, max_setups=10)
    assert only_fault(lambda: ieco_opt.plan(fleet))[1].startswith("found lists for 1,890 configurations")
    assert resolve_fleet(fleet.with_max_setups(1890)).fleet.origin.max_setups == 1890
    assert fleet.with_max_setups(1890) == fleet


def test_each_server_counts(tmp_path: Path) -> None:
    """Every one of them prices its own; the equations alone are priced once."""
    own = tmp_path / "mine.yaml"
    own.write_text(TEXT, encoding="utf-8")
    for engine, servers in (("any", 3), (["vllm"], 1), (["any", str(own)], 4), ("none", 1)):
        scenario = load_scenario_mapping(DEPLOYMENT | {"engine": engine}, max_setups=2 * 6 * servers)
        assert len(resolve(scenario).engines) == (0 if engine == "none" else servers)
        with pytest.raises(ScenarioError, match=rf"found lists for {12 * servers} configurations"):
            resolve(scenario.with_max_setups(12 * servers - 1))
        workload = FLEET["workloads"][0] | {"engine": engine}
        fleet = load_fleet_mapping(FLEET | {"workloads": [workload]}, max_setups=630 * servers)
        resolve_fleet(fleet)
        with pytest.raises(ScenarioError, match=rf"found lists for {630 * servers:,} configurations"):
            resolve_fleet(fleet.with_max_setups(630 * servers - 1))


def test_what_people_ask_for_is_far_from_the_bound() -> None:
    everything = Scenario(
        model="gpt-oss-120b",
        weights=("bf16", "mxfp4", {"experts": "mxfp4", "rest": "fp8"}),
        accelerators=("H100", "H200", "B200", "MI300X", "A100"),
        workload={"context_tokens": 1000},
        speculation={"draft_model": "Llama-3.1-8B", "acceptance": 0.8, "max_draft_tokens": 8},
    )
    resolved = resolve(everything)
    counted = math.prod(bounds.factors_of(everything, resolved.design_space, len(resolved.engines)).values())
    assert counted == 7 * 6 * 5 * 3 * 5 * 8 * 3 < bounds.DEFAULT_MAX_SETUPS / 10


def test_the_recipe_for_services_answers_and_refuses() -> None:
    command = [sys.executable, str(ROOT / "examples" / "service.py")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    answered, named_a_file, too_much = done.stdout.splitlines()
    assert answered.startswith("200 {")
    assert named_a_file.startswith("422 scenario:4: model: found '/etc/model.yaml', expected no name of a file")
    assert too_much.startswith("422 scenario:8: design_space: found lists for 2,400,000 configurations to price (")


def test_the_page_quotes_what_is_said() -> None:
    page = (ROOT / "docs" / "embedding.md").read_text("utf-8")
    lists = f"design_space: {{tensor_parallel: {LONG}, attention_data_parallel: {LONG}}}"
    plain = {name: DEPLOYMENT[name] for name in DEPLOYMENT if name != "design_space"}
    with pytest.raises(ScenarioError) as error:
        resolve(ieco_opt.load_scenario(f"\n{yaml.safe_dump(plain, default_flow_style=None)}{lists}\n"))  # type: ignore[arg-type]
    assert f"\n{error.value}\n" in page
