"""Malformed fleets and tables of operating points are refused with faults that name the place and what is expected."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import SCENARIOS

from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import Fleet, load_deployment, load_fleet, load_fleet_mapping, resolve_fleet

Mapping = dict[str, Any]
Edit = Callable[[Mapping], object]

GOOD: Mapping = yaml.safe_load((SCENARIOS / "fleet-chat-and-code.yaml").read_text("utf-8"))


def _pool(**fields: Any) -> Edit:
    return lambda fleet: fleet["pools"][0].update(fields)


def _chat(**fields: Any) -> Edit:
    return lambda fleet: fleet["workloads"][0].update(fields)


def _points(**fields: Any) -> Edit:
    return _chat(operating_points=[{"accelerator": "H100", "gpus": 1, "throughput_tokens_per_s": 9.0, **fields}])


_MIX = {"name": "a", "share": 1, "prompt_tokens": 10, "output_tokens": 10}

REFUSED: dict[str, tuple[Edit, str]] = {
    "pool-without-stock": (lambda fleet: fleet["pools"][0].pop("gpus"), "pools[0].gpus: found nothing"),
    "pool-empty": (_pool(gpus=0), "pools[0].gpus: found 0, expected an integer from 1"),
    "pool-twice": (_pool(name="mi300x"), "pools[1].name: found 'mi300x', expected each name once"),
    "pool-rented": (_pool(rented_by="hour"), "pools[0].rented_by: found 'hour', expected 'node' or 'gpu'"),
    "pool-accelerator": (_pool(accelerator="H1000"), "pools[0].accelerator: found 'H1000'"),
    "pool-owned": (_pool(owned_gpus=513), "pools[0].owned_gpus: found 513, expected at most gpus, which is 512"),
    "pool-price": (_pool(usd_per_gpu_hour=-1), "pools[0].usd_per_gpu_hour: found -1"),
    "pool-nan": (_pool(usd_per_gpu_hour=float("nan")), "pools[0].usd_per_gpu_hour: found nan"),
    "pool-power": (_pool(accelerator="TPU-v5p"), "pools[0].power_w: no power is known for 'TPU-v5p'"),
    "pool-text": (lambda fleet: fleet["pools"].append("h100"), "pools[2]: found 'h100', expected a mapping"),
    "pools-none": (lambda fleet: fleet.update(pools=[]), "pools: found a list of 0 entries"),
    "workloads-none": (lambda fleet: fleet.update(workloads=[]), "workloads: found a list of 0 entries"),
    "workloads-mapping": (lambda fleet: fleet.update(workloads={"a": 1}), "workloads: found a mapping"),
    "workload-weights": (
        lambda fleet: fleet["workloads"][0].pop("weights"),
        "workloads[0].weights: found nothing, expected a list of precisions",
    ),
    "workload-rate": (_chat(requests_per_s=0), "workloads[0].requests_per_s: found 0"),
    "workload-prompt": (_chat(prompt_tokens=0), "workloads[0].prompt_tokens: found 0"),
    "workload-no-output": (
        lambda fleet: fleet["workloads"][0].pop("output_tokens"),
        "workloads[0].output_tokens: found nothing, expected this field, or a request_mix",
    ),
    "workload-model": (lambda fleet: fleet["workloads"][0].pop("model"), "workloads[0].model: found nothing"),
    "workload-unknown-model": (_chat(model="Lama"), "workloads[0].model: found 'Lama'"),
    "workload-pools": (_chat(pools=["nope"]), "workloads[0].pools[0]: found 'nope', expected the name of a pool"),
    "workload-no-pools": (_chat(pools=[]), "workloads[0].pools: found a list of 0 entries"),
    "workload-serving": (_chat(serving=["both"]), "workloads[0].serving[0]: found 'both'"),
    "workload-replicas": (_chat(max_instances=1), "workloads[0].max_instances: found 1, expected at least"),
    "workload-headroom": (_chat(headroom=-0.1), "workloads[0].headroom: found -0.1"),
    "workload-typo": (_chat(min_sped=3), "workloads[0].min_sped: unknown field, expected perhaps"),
    "workload-slices": (_chat(slices=3), "workloads[0].slices: found 3, expected nothing without a request_mix"),
    "workload-mix-and-size": (_chat(request_mix=[_MIX]), "workloads[0].prompt_tokens: found 2000, expected nothing"),
    "workload-draft": (
        _chat(speculation={"draft_model": "nope", "acceptance": 0.5, "max_draft_tokens": 4}),
        "workloads[0].speculation.draft_model: found 'nope'",
    ),
    "mix-twice": (
        lambda fleet: (_chat(request_mix=[_MIX, _MIX])(fleet), fleet["workloads"][0].pop("prompt_tokens")),
        "workloads[0].request_mix[1].name: found 'a', expected each name once",
    ),
    "points-missing-file": (_chat(operating_points="no.csv"), "workloads[0].operating_points: found 'no.csv'"),
    "points-nowhere": (_points(accelerator=None), "operating_points[0].accelerator: found nothing, expected either"),
    "points-twofold": (_points(pool="h100"), "operating_points[0].accelerator: found 'H100', expected either"),
    "points-pool": (_points(accelerator=None, pool="zz"), "operating_points[0].pool: found 'zz'"),
    "points-accelerator": (_points(accelerator="H999"), "operating_points[0].accelerator: found 'H999'"),
    "points-prefill": (_points(phase="prefill"), "expected throughput_requests_per_s instead"),
    "points-phase": (_points(phase="both"), "operating_points[0].phase: found 'both'"),
    "points-class": (_points(request_class="a"), "request_class: found 'a', expected nothing without"),
    "points-typo": (_points(sped=1), "operating_points[0].sped: unknown field"),
    "error": (
        lambda fleet: fleet.update(model_error=3),
        "model_error: found 3, expected a number from 0 to 2, or 'profile'",
    ),
    "objective": (lambda fleet: fleet.update(objective="speed"), "objective: found 'speed'"),
    "limits": (lambda fleet: fleet.update(limits={"max_gpus": 0}), "limits.max_gpus: found 0"),
    "kind": (lambda fleet: fleet.update(kind="deployment"), "kind: found 'deployment', expected 'fleet'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_fleets_are_refused_where_they_are_wrong(name: str) -> None:
    edit, expected = REFUSED[name]
    fleet = copy.deepcopy(GOOD)
    edit(fleet)
    with pytest.raises(ScenarioError) as caught:
        resolve_fleet(load_fleet_mapping(fleet))
    assert expected in str(caught.value)
    assert all("\n" not in str(fault) for fault in caught.value.faults)


def test_all_faults_are_collected() -> None:
    fleet = copy.deepcopy(GOOD)
    for edit in (_pool(gpus=0, rented_by="hour"), _chat(headroom=-1, serving=["both"])):
        edit(fleet)
    with pytest.raises(ScenarioError) as caught:
        load_fleet_mapping(fleet)
    assert len(caught.value.faults) == 4


def test_faults_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text((SCENARIOS / "fleet-chat-and-code.yaml").read_text("utf-8").replace("headroom: 0.2", "headroom: x"))
    with pytest.raises(ScenarioError, match=r"fleet\.yaml:17: workloads\[0\]\.headroom: found 'x'"):
        load_fleet(path)


def test_a_deployment_command_says_where_fleets_go() -> None:
    with pytest.raises(ScenarioError, match="for `ieco-opt fleet`"):
        load_deployment(SCENARIOS / "fleet-chat-and-code.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpus,throughput\n1,5\n", "points.csv:1: accelerator: found no such column"),
        ("accelerator,throughput\nH100,5\n", "points.csv:1: gpus: found no such column"),
        ("accelerator,gpus\nH100,5\n", "points.csv:1: throughput_tokens_per_s: found no such column"),
        ("accelerator,gpus,throughput\n", "points.csv: found 0 rows"),
        ("accelerator,gpus,throughput\nH100,x,5\n", "points.csv:2: gpus: found 'x'"),
        ("accelerator,gpus,throughput\nH100,1,5\nH100,1.5,5\n", "points.csv:3: gpus: found 1.5"),
        ("accelerator,gpus,throughput\nH100,1,-5\n", "points.csv:2: throughput_tokens_per_s: found -5"),
        ("accelerator,gpus,throughput\nH100,1,\n", "points.csv:2: throughput_tokens_per_s: found nothing"),
        ('accelerator,gpus,throughput\nH100,1,"5\n', "no valid CSV"),
        ("accelerator,gpus,throughput,phase\nH100,1,5,both\n", "points.csv:2: phase: found 'both'"),
        ("accelerator,gpus,throughput\n\nH100,1,5\n\nH100,x,5\n", "points.csv:5: gpus: found 'x'"),
        ("accelerator,gpus,throughput, gpus\nH100,1,5,1\n", "points.csv:1: gpus: found the column 2 times"),
        ("accelerator,gpus,throughput\nH100,1,5,1\n", "points.csv:2: column 4: found 4 cells, expected at most 3"),
        (
            "accelerator,gpus,throughput,throughput_tokens_per_s\nH100,1,5,6\n",
            "points.csv:1: throughput: found throughput_tokens_per_s too, expected one of the two",
        ),
    ],
)
def test_wrong_tables_are_refused_by_line_and_column(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "points.csv").write_text(text)
    path = tmp_path / "fleet.yaml"
    fleet = copy.deepcopy(GOOD)
    _chat(operating_points="points.csv")(fleet)
    path.write_text(yaml.safe_dump(fleet))
    with pytest.raises(ScenarioError) as caught:
        load_fleet(path)
    assert expected in str(caught.value)


def test_tables_become_part_of_the_fleet() -> None:
    fleet = load_fleet(SCENARIOS / "fleet-operating-points.yaml")
    points = fleet.workloads[0].operating_points
    assert isinstance(points, tuple)
    assert [point.gpus for point in points] == [2, 4, 8, 4, 8]
    assert load_fleet_mapping(fleet.to_mapping()) == fleet


def test_tables_of_python_fleets_are_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SCENARIOS)
    loaded = load_fleet(SCENARIOS / "fleet-operating-points.yaml")
    mapping = loaded.to_mapping()
    mapping["workloads"][0]["operating_points"] = "fleet-operating-points.csv"
    resolved = resolve_fleet(Fleet(**mapping))
    assert resolved.fleet.workloads[0].operating_points == loaded.workloads[0].operating_points
    assert len(resolved.workloads[0].points) == 5


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("workloads.chat.headroom=0.5", 0.5),
        ("workloads.0.headroom=0.6", 0.6),
    ],
)
def test_entries_of_lists_are_overridden_by_name_and_position(override: str, expected: float) -> None:
    assert load_fleet(SCENARIOS / "fleet-chat-and-code.yaml", [override]).workloads[0].headroom == expected


@pytest.mark.parametrize("override", ["workloads.nobody.headroom=1", "workloads.7=1", "pools.h100.gpus.x=1"])
def test_overrides_of_nothing_are_refused(override: str) -> None:
    with pytest.raises(ScenarioError, match="--set"):
        load_fleet(SCENARIOS / "fleet-chat-and-code.yaml", [override])
