"""One instance over two kinds of cards: refused with the reason and what to write instead, wherever it is asked for."""

from __future__ import annotations

import pytest
from base_mappings import DEPLOYMENT, FLEET, with_field

from ieco_opt import catalog
from ieco_opt.catalog import Collection
from ieco_opt.catalog.types import Accelerator
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import load_fleet_mapping, load_scenario_mapping, resolve, resolve_fleet

REASON = (
    "expected one accelerator: an instance runs on one kind of card, because its ranks advance in step; list the kinds "
    "apart (accelerators: [H100-SXM, H200-SXM]) and the solver chooses, or give each its pool in a fleet"
)
MIXTURES: tuple[object, ...] = (
    ["H100-SXM", "H200-SXM"],
    [{"like": "H100-SXM"}, "H200-SXM"],
    "H100-SXM+H200-SXM",
    "H100, H200",
    "4xH100-SXM and 4 x H200-SXM",
    "4*L4/4*L40S",
    "MI300X & MI325X",
    {"like": ["H100-SXM", "H200-SXM"]},
    {"H100-SXM": 4, "H200-SXM": 4},
)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_deployment_over_two_kinds_is_refused(mixture: object) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(load_scenario_mapping(with_field(DEPLOYMENT, ("accelerators", 0), mixture)))
    (fault,) = error.value.faults
    assert fault.field in ("accelerators[0]", "accelerators[0].like")
    assert REASON in fault.message


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_pool_of_two_kinds_is_refused(mixture: object) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve_fleet(load_fleet_mapping(with_field(FLEET, ("pools", 0, "accelerator"), mixture)))
    (fault,) = error.value.faults
    assert fault.field in ("pools[0].accelerator", "pools[0].accelerator.like")
    assert REASON in fault.message


def test_a_name_that_holds_a_separator_is_one_kind() -> None:
    with pytest.raises(ScenarioError, match="no price is known for 'MI250X'"):
        resolve(load_scenario_mapping(with_field(DEPLOYMENT, ("accelerators", 0), "AMD Instinct MI250X/MI250")))


@pytest.mark.parametrize("name", ["H100-SXM+H1000", "8xH100", "H100+h100_sxm", "Turbo/9"])
def test_other_text_is_an_unknown_name(name: str) -> None:
    with pytest.raises(ScenarioError) as error:
        resolve(load_scenario_mapping(with_field(DEPLOYMENT, ("accelerators", 0), name)))
    assert "one kind of card" not in str(error.value)
    assert name in str(error.value)


def test_fields_of_an_accelerator_are_not_looked_up_as_names() -> None:
    mapping = catalog.accelerator_to_mapping(catalog.accelerator("H100-SXM"))
    looked_up: list[str] = []

    def find(name: str, collection: Collection) -> Accelerator:
        looked_up.append(name)
        return catalog.accelerator(name, collection)

    assert catalog.accelerator_from_mapping(mapping, find=find) == catalog.accelerator("H100-SXM")
    assert looked_up == []
