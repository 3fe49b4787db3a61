"""Factors of servers on launches: where they count, whose they are, and what they do to servers that run alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from base_mappings import small_scenario as scenario
from base_mappings import workload
from own_profiles import own_profile

import ieco_opt
from ieco_opt.catalog.profiles import calibration
from ieco_opt.design_space.building import build_families, distinct
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.from_scenario import family_request
from ieco_opt.errors import ScenarioError
from ieco_opt.results.deployment import Deployment
from ieco_opt.scenario import Fleet, Scenario, resolve
from ieco_opt.scenario.calibration_fields import NO_FACTORS

STEP_S = 1e-4


def profile(**factors: object) -> dict[str, Any]:
    mapping = calibration("hopper-2026-07").model_dump(mode="json", exclude_defaults=True)
    without = {name: value for name, value in mapping.items() if name not in ("engines", "pairs")}
    return without | {"name": "with-factors", "step_s": STEP_S} | factors


def families(one: Scenario) -> list[Family]:
    resolved = resolve(one)
    return build_families(family_request(resolved), (0, resolved.accelerators[0]), (0, resolved.precisions[0]))[0]


def launches(one: Scenario) -> dict[str | None, float]:
    """Launch time of the layers of the first configuration, by server."""
    found = {}
    for family in families(one):
        time = family.model_pass(np.array([0]), 0)
        found[family.engine] = float(time.kernel_s[0]) - STEP_S
    return found


FACTORS = {
    "engines": {"vllm": 2.0, "dynamo-vllm": 9.0, "dynamo-sglang": 3.0, "trtllm": 9.0, "trt": 0.5, "atom": 7.0},
    "pairs": {"vllm": {"Llama-3.1-8B": 1.5, "Llama-3.1-70B": 9.0}, "dynamo-trt": {"Llama-3.1-8B": 9.0}},
}


@pytest.mark.parametrize(("engine", "expected"), [("vllm", 3.0), (["sglang"], 3.0), ("trtllm", 0.5)])
def test_a_server_that_is_alone_takes_its_factor_of_the_model(engine: object, expected: float) -> None:
    (plain,) = launches(scenario(engine=engine, profile=profile())).values()
    (own,) = launches(scenario(engine=engine, profile=profile(**FACTORS))).values()
    assert own == pytest.approx(expected * plain, rel=1e-12)


@pytest.mark.parametrize("engine", ["any", ["vllm", "sglang"], "none"])
def test_several_servers_and_the_equations_alone_take_none(engine: object) -> None:
    assert launches(scenario(engine=engine, profile=profile(**FACTORS))) == launches(
        scenario(engine=engine, profile=profile())
    )


def test_with_engine_factors_each_of_several_takes_its_own() -> None:
    plain = launches(scenario(profile=profile()))
    own = launches(scenario(engine_factors=True, profile=profile(**FACTORS)))
    assert {name: own[name] / plain[name] for name in plain} == pytest.approx(
        {"vllm": 3.0, "sglang": 3.0, "trtllm": 0.5}
    )


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ({"engines": {"dynamo-vllm": 2.0}}, 2.0),
        ({"pairs": {"vllm": {"other": 4.0}}, "engines": {"dynamo-vllm": 2.0}}, 1.0),
        ({"engines": {"atom": 2.0}}, 1.0),
        ({"pairs": {"vllm": {"Llama-3.1-8B": 4.0}}}, 4.0),
    ],
)
def test_the_first_name_that_the_profile_has_counts(factors: dict[str, Any], expected: float) -> None:
    (plain,) = launches(scenario(engine="vllm", profile=profile())).values()
    (own,) = launches(scenario(engine="vllm", profile=profile(**factors))).values()
    assert own == pytest.approx(expected * plain, rel=1e-12)


@pytest.mark.parametrize(("name", "expected"), [("mine", 4.0), ("vllm", 2.0)])
def test_an_engine_of_ones_own_takes_the_factor_of_its_name(name: str, expected: float) -> None:
    engine = own_profile(engine=name)
    (plain,) = launches(scenario(engine=engine, profile=profile())).values()
    (own,) = launches(scenario(engine=engine, profile=profile(engines={"vllm": 2.0, "mine": 4.0}))).values()
    assert own == pytest.approx(expected * plain, rel=1e-12)


def test_a_draft_takes_the_factor_of_the_model_that_it_drafts_for() -> None:
    drafting = {"draft_model": "Llama-3.2-1B", "acceptance": 0.7, "max_draft_tokens": 2}
    factors = {"engines": {"vllm": 2.0}, "pairs": {"vllm": {"Llama-3.1-8B": 1.5, "Llama-3.2-1B": 9.0}}}

    def of_draft(given: dict[str, Any]) -> float:
        (family,) = families(scenario(engine="vllm", profile=given, speculation=drafting))
        assert family.drafts is not None
        return float(family.drafts.time.kernel_s[0]) - STEP_S

    assert of_draft(profile(**factors)) == pytest.approx(3.0 * of_draft(profile()), rel=1e-12)


def test_servers_that_run_alike_are_merged_only_where_their_launches_are_alike() -> None:
    alike = families(scenario(engine=["vllm", "trtllm"], profile=profile(**FACTORS)))
    apart = families(
        scenario(engine=["vllm", "trtllm"], engine_factors=True, profile=profile(engines={"vllm": 1.5, "trt": 0.5}))
    )
    same = families(
        scenario(engine=["vllm", "trtllm"], engine_factors=True, profile=profile(engines={"vllm": 1.5, "trt": 1.5}))
    )

    def count(found: list[Family]) -> int:
        return sum(len(each.setups) for each in distinct(found))

    assert count(alike) == count(same) == len(alike[0].setups)
    assert count(apart) == 2 * len(alike[0].setups)


@pytest.mark.parametrize(("quicker", "slower"), [("vllm", "trtllm"), ("trtllm", "vllm")])
def test_the_server_with_the_shorter_launches_is_chosen_and_verified(quicker: str, slower: str) -> None:
    called = {"vllm": "vllm", "trtllm": "trt"}
    factors = profile(engines={called[quicker]: 0.5, called[slower]: 2.0})
    found = ieco_opt.solve(
        scenario(engine=["vllm", "trtllm"], engine_factors=True, profile=factors), objective="fastest"
    )
    assert found.engine == quicker
    alone = ieco_opt.solve(scenario(engine=quicker, profile=factors), objective="fastest")
    assert found.latency_s == alone.latency_s
    asked = scenario(engine=["vllm", "trtllm"], engine_factors=True, profile=factors)
    assert ieco_opt.verify(ieco_opt.frontier(asked, delta=0.5)).holds


def test_all_expert_setups_of_two_servers_stay_apart_when_one_is_explained() -> None:
    """A pool of all configurations numbers those of servers with other launches apart."""
    from ieco_opt.explanation.pool import build_pool

    def keys(*, apart: bool) -> int:
        asked = scenario(
            engine=["vllm", "trtllm"], engine_factors=apart, profile=profile(engines={"vllm": 1.5, "trt": 0.5})
        )
        return len(np.unique(build_pool(resolve(asked)).setup_keys()))

    assert keys(apart=True) == 2 * keys(apart=False)


def test_each_workload_of_a_fleet_asks_for_its_own_factors() -> None:
    def kernel_s(**fields: object) -> float:
        fleet = Fleet(**(workload(serving=["colocated"], **fields) | {"profile": profile(engines={"vllm": 2.0})}))
        result = ieco_opt.plan(fleet)
        assert ieco_opt.verify(result).holds
        (row,) = result[0].instances
        assert row.kernel_s is not None
        return row.kernel_s - STEP_S

    assert kernel_s(engine="vllm") == pytest.approx(2.0 * kernel_s(engine="none"), rel=1e-12)
    several = ["vllm", own_profile(engine="mine")]
    assert kernel_s(engine=several) == pytest.approx(kernel_s(engine="none"), rel=1e-12)


def test_factors_are_refused_or_said_to_be_of_no_use_where_there_are_none() -> None:
    with pytest.raises(ScenarioError, match="engine_factors: found true, expected nothing in fidelity paper"):
        ieco_opt.load_scenario("scenarios/paper-llama-3-70b.yaml", overrides=["engine_factors=true"])
    assert scenario(engine_factors=True, profile="paper-constants").notes() == (NO_FACTORS,)
    assert scenario(engine_factors=True).notes() == ()
    fleet = Fleet(**(workload(engine_factors=True) | {"profile": "paper-constants"}))
    assert f"workload chat: {NO_FACTORS}" in fleet.notes()


MEASURED_DEGREES = {"tensor_parallel": [8], "pipeline_parallel": [1], "attention_data_parallel": [1]}


def columns(one: Deployment) -> tuple[object, ...]:
    return one.profile, one.in_range, one.expected_error


def one_of(**fields: Any) -> Deployment:
    return ieco_opt.solve(scenario(engine="none", **fields), objective="fastest")


def test_rows_say_how_far_they_can_be_trusted() -> None:
    measured: dict[str, Any] = {"model": "Llama-3.1-70B", "workload": {"context_tokens": 1000, "output_tokens": 1000}}
    measured |= {"design_space": MEASURED_DEGREES | {"batch": [64]}}
    hopper = calibration("hopper-2026-07").fitted_on
    assert hopper is not None
    assert columns(one_of(**measured)) == ("hopper-2026-07", True, hopper.p90_error)
    same_layers = columns(one_of(**(measured | {"model": "Llama-3.3-70B"})))
    assert same_layers == ("hopper-2026-07", True, hopper.p90_error)
    own_price = [{"like": "H100-SXM", "name": "mine", "usd_per_gpu_hour": 1.0}]
    assert columns(one_of(**(measured | {"accelerators": own_price}))) == same_layers
    outside = ("hopper-2026-07", False, hopper.p90_error)
    for changes in (
        {"model": "Llama-3.1-8B"},
        {"weights": ["bf16"]},
        {"workload": {"context_tokens": 100, "output_tokens": 100}},
        {"design_space": measured["design_space"] | {"batch": [600]}},
        {"design_space": measured["design_space"] | {"tensor_parallel": [32], "stage_ranks": [32]}},
    ):
        assert columns(one_of(**(measured | changes))) == outside, changes
    for accelerator in ("A100-SXM-80GB", {"like": "H100-SXM", "name": "faster", "hbm_bytes_per_s": 9e12}):
        assert columns(one_of(**(measured | {"accelerators": [accelerator]}))) == ("hopper-2026-07", False, 0.3)
    published = columns(one_of(**(measured | {"profile": "paper-constants"})))
    assert published == ("paper-constants", False, 0.3)


def test_nothing_that_speculates_is_in_range() -> None:
    drafting = {"draft_model": "Llama-3.1-8B", "acceptance": 0.9, "max_draft_tokens": 4}
    measured = {"model": "Llama-3.1-70B", "design_space": MEASURED_DEGREES | {"batch": [64]}}
    plain, quick = one_of(**measured), one_of(**measured, speculation=drafting)
    assert (plain.in_range, plain.draft_tokens) == (True, 0)
    assert not quick.in_range
    assert quick.draft_tokens
