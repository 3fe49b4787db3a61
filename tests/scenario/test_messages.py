"""Messages about scenarios: the field that was meant, numbers as they were written, and parts that are of no use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from base_mappings import DEPLOYMENT, FLEET, with_field, workload

import ieco_opt
from ieco_opt.errors import InfeasibleError, ScenarioError
from ieco_opt.scenario import Limits, Scenario, load_fleet_mapping, load_scenario_mapping, resolve, resolve_fleet


def faults(mapping: dict[str, Any]) -> list[str]:
    def resolved() -> object:
        if mapping["kind"] == "fleet":
            return resolve_fleet(load_fleet_mapping(mapping))
        return resolve(load_scenario_mapping(mapping))

    with pytest.raises(ScenarioError) as error:
        resolved()
    return [str(fault) for fault in error.value.faults]


CARD = {"like": "H100-SXM", "name": "mine"}


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        (("accelerators", 0, "hbm_gb"), "hbm_bytes"),
        (("accelerators", 0, "price"), "usd_per_gpu_hour"),
        (("accelerators", 0, "usd_per_hour"), "usd_per_gpu_hour"),
        (("accelerators", 0, "tdp"), "power_w"),
        (("accelerators", 0, "vram"), "hbm_bytes"),
        (("limits", "tpot"), "limits.min_speed"),
        (("design_space", "tp"), "design_space.tensor_parallel"),
        (("design_space", "PP"), "design_space.pipeline_parallel"),
        (("limits", "power"), "limits.max_power_kw"),
        (("min_speed",), "limits.min_speed"),
        (("precision",), "weights"),
        (("gpu",), "accelerators"),
    ],
)
def test_the_field_that_was_meant_is_named(place: tuple[str | int, ...], meant: str) -> None:
    base = DEPLOYMENT | {"accelerators": [CARD], "limits": {}}
    (said,) = faults(with_field(base, place, 1))
    assert said.endswith(f": unknown field, expected perhaps {meant}")
    assert len(said) < 100


def test_other_unknown_fields_list_what_fits_on_a_line() -> None:
    (said,) = faults(DEPLOYMENT | {"accelerators": [CARD | {"colour": "red"}]})
    start = "accelerators[0].colour: unknown field, expected one of like, name, flops_16bit, "
    assert said.startswith(start)
    assert said.endswith(" more")
    assert len(said) < 300
    assert (
        faults(workload(rate=3))[0] == "workloads[0].rate: unknown field, expected perhaps workloads[0].requests_per_s"
    )


def test_long_names_and_lists_are_cut() -> None:
    names = [f"pool-{number}" * 10 for number in range(400)]
    pools = [{"name": name, "accelerator": "H100-SXM", "gpus": 8} for name in names]
    (said,) = faults(FLEET | {"pools": pools, "workloads": [FLEET["workloads"][0] | {"pools": ["none"]}]})
    assert said.endswith(" more)")
    assert len(said) < 400
    for mapping in (DEPLOYMENT | {"model": "x" * 200}, DEPLOYMENT | {"accelerators": [{"like": "x" * 5000}]}):
        (said,) = faults(mapping)
        assert f"'{'x' * 60}...'" in said
        assert len(said) < 250


@pytest.mark.parametrize(
    ("value", "shown"),
    [(np.int64(0), "0"), (np.float64(-0.5), "-0.5"), (np.bool_(True), "true"), (np.float32(0.0), "0.0")],
)
def test_numbers_of_numpy_are_shown_as_numbers(value: object, shown: str) -> None:
    with pytest.raises(ScenarioError, match=rf"^max_cost: found {shown}, expected a positive number"):
        Limits(max_cost=value)
    given = {name: DEPLOYMENT[name] for name in ("model", "weights", "workload")}
    with pytest.raises(ScenarioError) as error:
        Scenario(**given, accelerators=[CARD], design_space={"tensor_parallel": [value]})
    assert f"tensor_parallel[0]: found {shown}, expected an integer" in str(error.value)


CONTROL = "a\x1b[31mb"


@pytest.mark.parametrize(
    "mapping",
    [
        DEPLOYMENT | {"name": CONTROL},
        DEPLOYMENT | {"accelerators": [CARD | {"name": CONTROL}]},
        DEPLOYMENT | {CONTROL: 1},
        DEPLOYMENT | {"accelerators": [CARD | {CONTROL: 1}]},
        with_field(FLEET, ("pools", 0, "name"), CONTROL),
        with_field(FLEET, ("pools", 0, "accelerator"), CARD | {"name": CONTROL}),
        workload(name=CONTROL),
        workload(pools=[CONTROL]),
    ],
    ids=range(8),
)
def test_names_hold_no_control_characters(mapping: dict[str, Any]) -> None:
    said = "\n".join(faults(mapping))
    assert r"a\x1b[31mb" in said
    assert "\x1b" not in said


def test_names_of_results_hold_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    ieco_opt.frontier(load_scenario_mapping(DEPLOYMENT), points=2).to_json(path)
    values = json.loads(path.read_text())
    values["notes"] = [CONTROL]
    path.write_text(json.dumps(values))
    said = r"notes\[0\]: found 'a\\x1b\[31mb', expected text without control characters$"
    with pytest.raises(ScenarioError, match=said):
        ieco_opt.load_result(path)


def point(**changes: object) -> dict[str, object]:
    return {"accelerator": "H100-SXM", "gpus": 1, "throughput_tokens_per_s": 1000} | changes


def test_a_pool_smaller_than_its_node_is_told_so() -> None:
    small = with_field(FLEET, ("pools", 0, "gpus"), 4)
    said = "pool p: no instance can run there, since it has 4 GPUs, less than one node of 8, and is billed by the node"
    assert [note.split(";")[0] for note in load_fleet_mapping(small).notes()] == [said]
    for change in ({"rented_by": "gpu"}, {"node_size": 4}, {"gpus": 8}):
        assert load_fleet_mapping(with_field(small, ("pools", 0), small["pools"][0] | change)).notes() == ()
    with pytest.raises(InfeasibleError, match=r"smallest instance \(1 GPU\) does not fit .* \(p: 0 x 8 GPUs\)$"):
        ieco_opt.plan(load_fleet_mapping(small))


def test_points_for_no_pool_are_told_so() -> None:
    lost = workload(operating_points=[point(), point(accelerator="A100"), point(accelerator="MI300X")])
    said = (
        "workload chat: its operating points for A100, MI300X are of no use, since none of its pools has that "
        "accelerator; they have H100-SXM"
    )
    assert load_fleet_mapping(lost).notes() == (said,)
    assert load_fleet_mapping(workload(operating_points=[point(accelerator="h100"), point()])).notes() == ()
    both = FLEET["pools"] + [{"name": "q", "accelerator": "A100", "gpus": 8}]
    listed = lost["workloads"][0]
    assert "for MI300X are" in load_fleet_mapping(lost | {"pools": both}).notes()[0]
    restricted = lost | {"pools": both, "workloads": [listed | {"pools": ["p"]}]}
    assert "for A100, MI300X are" in load_fleet_mapping(restricted).notes()[0]


def test_a_model_that_fits_on_no_pool_is_told_so() -> None:
    for gpus, said in (
        (8, r"smallest instance \(\d+ GPUs\) does not fit on the nodes that its pools have \(p: 1 x 8"),
    ):
        large = workload(model="DeepSeek-V3", weights=["bf16"])
        large["pools"][0]["gpus"] = gpus
        with pytest.raises(InfeasibleError, match=said):
            ieco_opt.plan(load_fleet_mapping(large))
    tiny = workload(model="DeepSeek-V3", design_space={"max_gpus": 1})
    with pytest.raises(
        InfeasibleError, match=r"model fits \(p: \d+ x no batch of the design space fits in memory, \d+ x "
    ):
        ieco_opt.plan(load_fleet_mapping(tiny))
