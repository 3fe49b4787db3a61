"""What a scenario says of energy: where it is refused, and what it must say before it can be limited or least."""

from __future__ import annotations

from dataclasses import asdict
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


def sited_fleet(pool: dict[str, Any]) -> ieco_opt.Fleet:
    workload = {"name": "chat", "model": "Llama-3.1-8B", "requests_per_s": 1, "prompt_tokens": 100}
    workload |= {"output_tokens": 100, "weights": ["fp8"]}
    return load_fleet_mapping({"kind": "fleet", "pools": [{"name": "p", "gpus": 8} | pool], "workloads": [workload]})


@pytest.mark.parametrize(
    ("pool", "site"),
    [
        ({"accelerator": "H100-SXM"}, None),
        ({"accelerator": {"like": "H100-SXM", "power": SITE}}, SITE),
        ({"accelerator": "H100-SXM", "power": SITE}, SITE),
        # As a whole: what the pool leaves out is not looked up at the accelerator.
        (
            {"accelerator": {"like": "H100-SXM", "power": SITE}, "power": {"pue": 2}},
            {"usd_per_kwh": None, "pue": 2.0, "kg_co2_per_kwh": None},
        ),
    ],
)
def test_the_site_of_a_pool_is_its_own_or_that_of_its_accelerator(
    pool: dict[str, Any], site: dict[str, Any] | None
) -> None:
    (resolved,) = resolve_fleet(sited_fleet(pool)).pools
    found = None if resolved.accelerator.power is None else asdict(resolved.accelerator.power)
    assert found == site
    assert resolved.usd_per_kwh == (site or {}).get("usd_per_kwh")


@pytest.mark.parametrize(
    ("power", "place", "expected"),
    [
        ({"usd_per_kwh": 0}, "usd_per_kwh", "a number from 1e-6 to 1000"),
        ({"usd_per_kwh": 1001}, "usd_per_kwh", "a number from 1e-6 to 1000"),
        ({"pue": 0.9}, "pue", "a number from 1 to 10"),
        ({"pue": 11}, "pue", "a number from 1 to 10"),
        ({"kg_co2_per_kwh": "green"}, "kg_co2_per_kwh", "a number from 1e-6 to 1000"),
        ({"price": 1}, "price", "unknown field"),
    ],
)
def test_a_site_of_a_pool_that_makes_no_sense_is_refused(power: dict[str, Any], place: str, expected: str) -> None:
    with pytest.raises(ScenarioError, match=rf"pools\[0\]\.power\.{place}: .*{expected}"):
        sited_fleet({"accelerator": "H100-SXM", "power": power})


def test_files_of_earlier_models_say_no_energy() -> None:
    read = 0
    for folder in ("model1", "model2"):
        for path in sorted((ROOT / "tests" / "data" / folder).glob("*.json")):
            result = ieco_opt.load_result(path)
            for one in result.deployments if isinstance(result, Frontier) else ():
                assert (one.energy_j_per_token, one.energy_usd_per_mtok, one.carbon_kg_per_mtok) == (None, None, None)
                read += 1
    assert read
