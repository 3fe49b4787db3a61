"""What a scenario says of energy: where it is refused, and what it must say before it can be limited or least."""

from __future__ import annotations

from typing import Any

import pytest
from places import ROOT

import ieco_opt
from ieco_opt import Scenario, catalog
from ieco_opt.errors import ScenarioError
from ieco_opt.results.frontier import Frontier
from ieco_opt.scenario import load_fleet_mapping, resolve, resolve_fleet

Mapping = dict[str, Any]
SITE = {"usd_per_kwh": 0.12, "pue": 1.3, "kg_co2_per_kwh": 0.35}
DENSE: Mapping = {
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "accelerators": [{"like": "H100-SXM", "power": SITE}],
    "workload": {"context_tokens": 1000, "output_tokens": 200},
    "design_space": {"tensor_parallel": [1, 2], "pipeline_parallel": [1], "batch": [1, 16]},
}
PAPER: Mapping = {
    "fidelity": "paper",
    "model": "Llama 3 8B",
    "accelerators": ["H100"],
    "workload": {"context_tokens": 1000},
}
UNKNOWN = {"like": "TPU-v5e", "usd_per_gpu_hour": 1.0}


def faults_of(mapping: Mapping) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        resolve(Scenario(**mapping))
    return [f"{fault.field}: {fault.message}" for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("power", "field"),
    [
        ({"usd_per_kwh": 0}, "power.usd_per_kwh: found 0, expected a number greater than or equal to 0.000001"),
        ({"usd_per_kwh": "cheap"}, "power.usd_per_kwh: found 'cheap', expected a number"),
        ({"pue": 0.9}, "power.pue: found 0.9, expected a number greater than or equal to 1"),
        ({"kg_co2_per_kwh": -1}, "power.kg_co2_per_kwh: found -1, expected a number greater than or equal to 0.000001"),
        ({"usd_per_kw": 1}, "power.usd_per_kw: unknown field, expected perhaps usd_per_kwh"),
        (700, "power: found 700, expected a mapping"),
    ],
)
def test_a_wrong_power_is_named_with_its_field(power: object, field: str) -> None:
    found = faults_of(DENSE | {"accelerators": [{"like": "H100-SXM", "power": power}]})
    assert [each for each in found if field in each], found


@pytest.mark.parametrize(
    ("mapping", "fault"),
    [
        (
            PAPER | {"accelerators": [{"like": "H100", "power": SITE}]},
            "accelerators[0].power: expected nothing in fidelity paper, which prices no energy",
        ),
        (
            PAPER | {"limits": {"max_energy_j_per_token": 2}},
            "limits.max_energy_j_per_token: found 2, expected nothing in fidelity paper, which prices no energy",
        ),
        (
            DENSE | {"engine": "none", "accelerators": [UNKNOWN | {"power": SITE}]},
            "accelerators[0].power: no board power is known for 'TPU-v5e', expected accelerators[0] to state power_w",
        ),
        (
            DENSE | {"engine": "none", "accelerators": [UNKNOWN], "limits": {"max_energy_j_per_token": 2}},
            "limits.max_energy_j_per_token: no board power is known for 'TPU-v5e', expected accelerators[0] to state "
            "power_w",
        ),
        (
            DENSE | {"accelerators": ["H100-SXM"], "limits": {"max_carbon_kg_per_mtok": 2}},
            "limits.max_carbon_kg_per_mtok: no carbon is known for 'H100-SXM', expected accelerators[0] to state it: "
            "{like: H100-SXM, power: {kg_co2_per_kwh: X}}",
        ),
    ],
)
def test_energy_that_cannot_be_priced_is_refused_with_the_reason(mapping: Mapping, fault: str) -> None:
    assert fault in faults_of(mapping)


@pytest.mark.parametrize(
    ("mapping", "objective", "message"),
    [
        (PAPER, "energy", "objective: found 'energy', expected another one in fidelity paper"),
        (DENSE | {"accelerators": ["H100-SXM"]}, "carbon", "objective: no carbon is known for 'H100-SXM'"),
    ],
)
def test_an_objective_needs_what_it_is_about(mapping: Mapping, objective: Any, message: str) -> None:
    for ask in (ieco_opt.solve, ieco_opt.explain):
        with pytest.raises(ScenarioError, match=message):
            ask(Scenario(**mapping), objective=objective)


def test_a_name_of_the_catalog_has_energy_without_a_price() -> None:
    found = ieco_opt.solve(Scenario(**DENSE | {"accelerators": ["H100-SXM"]}), objective="energy")
    assert found.energy_j_per_token is not None
    assert found.energy_usd_per_mtok is None
    assert found.carbon_kg_per_mtok is None
    assert "power" not in catalog.accelerator_to_mapping(catalog.accelerator("H100-SXM"))


def test_the_mapping_of_an_accelerator_keeps_what_its_energy_costs() -> None:
    accelerator = catalog.accelerator_from_mapping({"like": "H100-SXM", "power": SITE})
    mapping = catalog.accelerator_to_mapping(accelerator)
    assert mapping["power"] == SITE
    assert catalog.accelerator_from_mapping(mapping) == accelerator


def test_fleets_refuse_a_power_that_they_would_not_price() -> None:
    pool = {"name": "p", "accelerator": {"like": "H100-SXM", "power": SITE}, "gpus": 8}
    workload = {"name": "chat", "model": "Llama-3.1-8B", "requests_per_s": 1, "prompt_tokens": 100}
    fleet = {"kind": "fleet", "pools": [pool], "workloads": [workload | {"output_tokens": 100, "weights": ["fp8"]}]}
    with pytest.raises(ScenarioError, match=r"pools\[0\].accelerator.power: found a mapping, expected nothing"):
        resolve_fleet(load_fleet_mapping(fleet))


def test_files_of_earlier_models_say_no_energy() -> None:
    read = 0
    for folder in ("model1", "model2"):
        for path in sorted((ROOT / "tests" / "data" / folder).glob("*.json")):
            result = ieco_opt.load_result(path)
            for one in result.deployments if isinstance(result, Frontier) else ():
                assert (one.energy_j_per_token, one.energy_usd_per_mtok, one.carbon_kg_per_mtok) == (None, None, None)
                read += 1
    assert read
