"""Precisions of weights and caches, servers and longest requests: what scenarios say of them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from base_mappings import DEPLOYMENT, FLEET

from ieco_opt import catalog
from ieco_opt.catalog.precision import Precision
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import (
    Fleet,
    Scenario,
    json_schema,
    load_fleet_mapping,
    load_scenario_mapping,
    resolve,
    resolve_fleet,
)
from ieco_opt.scenario.precisions import Served, too_long

Mapping = dict[str, Any]

OWN: Mapping = {
    "like": "Llama-3.1-8B",
    "name": "own",
    "published": [],
    "recipes": {},
    "checkpoint": None,
    "max_context_tokens": None,
}
"""A model of which nothing but its shape is known."""


def deployment(**changes: Any) -> Scenario:
    """The small deployment with fields changed; ``None`` leaves one out."""
    fields = DEPLOYMENT | {"model": OWN} | changes
    return load_scenario_mapping({name: value for name, value in fields.items() if value is not None})


def fleet(**changes: Any) -> Fleet:
    """The small fleet with fields of its workload changed; ``None`` leaves one out."""
    fields = FLEET["workloads"][0] | {"model": OWN} | changes
    workload = {name: value for name, value in fields.items() if value is not None}
    return load_fleet_mapping(FLEET | {"workloads": [workload]})


def precisions(**changes: Any) -> tuple[Precision, ...]:
    """What the solver chooses from, which a deployment and a workload of a fleet read alike."""
    of_deployment = resolve(deployment(**changes)).precisions
    assert resolve_fleet(fleet(**changes)).workloads[0].precisions == of_deployment
    return of_deployment


def faults(**changes: Any) -> dict[str, str]:
    """Why a scenario is refused, by field, which a deployment and a workload of a fleet say alike."""
    with pytest.raises(ScenarioError) as error:
        resolve(deployment(**changes))
    found = {fault.field: fault.message for fault in error.value.faults}
    with pytest.raises(ScenarioError) as error:
        resolve_fleet(fleet(**changes))
    assert {fault.field: fault.message for fault in error.value.faults} == {
        f"workloads[0].{field}": message for field, message in found.items()
    }
    return found


def test_every_pair_of_weights_and_cache_in_the_order_of_the_lists() -> None:
    assert precisions() == (Precision("fp8", "bf16"),)
    assert precisions(kv_cache="fp8") == precisions(kv_cache=["fp8"]) == (Precision("fp8", "fp8"),)
    mixed = {"feed_forward": "nvfp4", "rest": "bf16"}
    assert precisions(weights=[mixed, "fp8"], kv_cache=["fp8", "bf16"]) == (
        Precision(mixed, "fp8"),
        Precision(mixed, "bf16"),
        Precision("fp8", "fp8"),
        Precision("fp8", "bf16"),
    )


def test_mappings_are_labelled_in_one_order_of_parts() -> None:
    (given,) = precisions(weights=[{"rest": "bf16", "head": "fp8", "attention": "fp8"}])
    assert given.label == "attention=fp8,head=fp8,rest=bf16"


def test_scenarios_keep_what_they_said() -> None:
    said: Mapping = {
        "weights": ["bf16", {"rest": "fp8"}],
        "kv_cache": ["fp8"],
        "engine": ["sglang", "vllm"],
        "memory_reserve_gb": 2.5,
    }
    for scenario in (deployment(**said), fleet(**said).workloads[0]):
        written = scenario.model_dump(mode="json", exclude_unset=True)
        assert {name: written[name] for name in said} == said
    scenario, many = deployment(**said), fleet(**said, prefix_hit=0.5)
    assert load_scenario_mapping(scenario.to_mapping()) == scenario
    assert load_fleet_mapping(many.to_mapping()) == many
    assert many.workloads[0].prefix_hit == 0.5


def test_defaults() -> None:
    for scenario in (deployment(), fleet().workloads[0]):
        assert (scenario.kv_cache, scenario.engine, scenario.memory_reserve_gb) == (("bf16",), ("any",), "auto")
    assert fleet().workloads[0].prefix_hit == 0.0
    assert deployment(memory_reserve_gb="auto") == deployment()


@pytest.mark.parametrize("nothing", [None, []])
def test_weights_left_out_are_those_of_the_checkpoint(nothing: object) -> None:
    model = OWN | {"checkpoint": "int4"}
    assert precisions(model=model, weights=None) == (Precision("int4", "bf16"),)
    scenario = load_scenario_mapping(DEPLOYMENT | {"model": model, "weights": nothing})
    assert resolve(scenario).precisions == (Precision("int4", "bf16"),)
    # What is saved is read again.
    assert resolve(load_scenario_mapping(scenario.to_mapping())).precisions == (Precision("int4", "bf16"),)
    # A checkpoint decides nothing where weights are given.
    assert precisions(model=model, weights=["bf16"]) == (Precision("bf16", "bf16"),)


def test_weights_left_out_of_a_model_without_checkpoint_are_missed() -> None:
    (found,) = faults(weights=None).items()
    assert found[0] == "weights"
    assert found[1].startswith("found nothing, expected a list of precisions (bf16, fp16, fp8, ")
    assert found[1].endswith("or a model whose checkpoint says one")


REFUSED: list[tuple[Mapping, str, str]] = [
    ({"weights": [{"expert": "fp8", "rest": "bf16"}]}, "weights[0].expert", "found 'expert', expected parts of a mod"),
    ({"weights": ["fp8", {"rest": "fp9"}]}, "weights[1].rest", "found 'fp9', expected a format (bf16, fp16, fp8, "),
    ({"weights": [{"head": "fp4", "rest": "fp8"}]}, "weights[0].head", "found 'fp4', expected a format (bf16, "),
    ({"weights": [{"rest": 8}]}, "weights[0].rest", "found 8, expected a format ("),
    (
        {"weights": [{"head": "bf16", "attention": "fp8"}]},
        "weights[0].rest",
        "found nothing, expected the format of what is not named (experts, shared_experts, feed_forward, embedding, no",
    ),
    ({"weights": [{}]}, "weights[0].rest", "found nothing, expected the format of what is not named (experts, shared"),
    ({"weights": [{"rest": "fp8", "head": "bf16"}, {"head": "bf16", "rest": "fp8"}]}, "weights[1]", "found 'head=bf16"),
    ({"weights": [8]}, "weights[0]", "found 8, expected a precision (bf16, "),
    ({"weights": {"rest": "fp8"}}, "weights", "found a mapping, expected a list of precisions (bf16, "),
    ({"kv_cache": "fp9"}, "kv_cache[0]", "found 'fp9', expected 'bf16' or 'fp8'"),
    ({"kv_cache": ["bf16", "bf16"]}, "kv_cache[1]", "found 'bf16', expected each entry once"),
    ({"kv_cache": []}, "kv_cache", "found a list of 0 entries, expected 1 to 4096 precisions ('bf16', 'fp8')"),
    ({"kv_cache": 8}, "kv_cache", "found 8, expected a list of precisions ('bf16', 'fp8')"),
    ({"engine": "tgi"}, "engine[0]", "found 'tgi', expected 'any', 'none', 'vllm', 'sglang', 'trtllm', or an engine"),
    (
        {"engine": ["vllm", "tgi"]},
        "engine[1]",
        "found 'tgi', expected 'any', 'none', 'vllm', 'sglang', 'trtllm', or an engine",
    ),
    ({"engine": ["vllm", "vllm"]}, "engine[1]", "found 'vllm', expected each entry once"),
    ({"engine": ["vllm", "any"]}, "engine[1]", "found 'any', expected it alone"),
    ({"engine": ["none", "sglang"]}, "engine[0]", "found 'none', expected it alone"),
    ({"engine": []}, "engine", "found a list of 0 entries, expected 1 to 4096 servers ('vllm', 'sglang', 'trtllm')"),
    ({"engine": 3}, "engine", "found 3, expected a list of servers ('vllm', 'sglang', 'trtllm'), or 'any' or 'none'"),
    ({"memory_reserve_gb": -1}, "memory_reserve_gb", "found -1, expected 'auto', or a number from 0 to 1e6"),
    ({"memory_reserve_gb": "none"}, "memory_reserve_gb", "found 'none', expected 'auto', or a number from 0 to 1e6"),
    ({"memory_reserve_gb": True}, "memory_reserve_gb", "found true, expected 'auto', or a number from 0 to 1e6"),
    (
        {"design_space": {"redundant_experts": [-1]}},
        "design_space.redundant_experts[0]",
        "found -1, expected an integer from 0 to 1,000,000",
    ),
    (
        {"design_space": {"redundant_experts": "none"}},
        "design_space.redundant_experts",
        "found 'none', expected 'auto' or a list of integers",
    ),
    ({"design_space": {"redundant_experts": [2, 2]}}, "design_space.redundant_experts[1]", "found 2, expected each"),
]


@pytest.mark.parametrize(("changes", "field", "message"), REFUSED)
def test_what_is_wrong_is_refused_where_it_is(changes: Mapping, field: str, message: str) -> None:
    found = faults(**changes)
    assert list(found) == [field]
    assert found[field].startswith(message), found[field]


@pytest.mark.parametrize(("share", "found"), [(1, "1"), (-0.1, "-0.1"), ("half", "'half'"), (True, "true")])
def test_a_share_of_the_prompts_is_found_but_never_all(share: object, found: str) -> None:
    with pytest.raises(ScenarioError) as error:
        fleet(prefix_hit=share)
    assert str(error.value) == f"workloads[0].prefix_hit: found {found}, expected a number from 0 on and below 1"


def test_deployments_know_no_prefixes() -> None:
    with pytest.raises(ScenarioError, match="prefix_hit: unknown field"):
        deployment(prefix_hit=0.5)


def test_a_precision_that_no_checkpoint_has_is_refused_with_the_nearest() -> None:
    model = OWN | {"published": ["bf16", "nvfp4", "fp8"]}
    assert faults(model=model, weights=["fp8", "int4"]) == {
        "weights[1]": "found 'int4', which no checkpoint of own has, expected nvfp4 (experts=nvfp4,shared_experts="
        "nvfp4,feed_forward=nvfp4,attention=nvfp4,rest=bf16) or fp8 (experts=fp8,shared_experts=fp8,feed_forward=fp8,"
        "attention=fp8,rest=bf16) or bf16 (rest=bf16)"
    }
    # A recipe of one's own is a checkpoint of one's own; fp4 is NVFP4 on this accelerator.
    assert len(precisions(model=model, weights=[{"rest": "int4"}, "fp4"])) == 2


def test_a_draft_without_such_a_checkpoint_is_named() -> None:
    draft = OWN | {"name": "draft", "published": ["bf16"]}
    speculation = {"draft_model": draft, "acceptance": 0.5, "max_draft_tokens": 2}
    (found,) = faults(speculation=speculation).items()
    assert found[0] == "speculation.draft_model"
    assert found[1] == "found 'fp8', which no checkpoint of draft has, expected bf16 (rest=bf16)"


def test_a_cache_in_fp8_needs_a_card_that_computes_in_8_bits() -> None:
    alone = deployment(kv_cache="fp8", accelerators=["A100-SXM-80GB"])
    with pytest.raises(ScenarioError) as error:
        resolve(alone)
    message = "kv_cache: found fp8, which needs 8-bit arithmetic, expected bf16 on A100-SXM-80GB"
    assert str(error.value) == message
    pools = [{"name": "p", "accelerator": "A100-SXM-80GB", "gpus": 16}]
    with pytest.raises(ScenarioError) as error:
        resolve_fleet(load_fleet_mapping(FLEET | {"pools": pools, "workloads": [fleet_workload(kv_cache="fp8")]}))
    assert str(error.value) == f"workloads[0].{message}"
    # Where another pair of card and cache exists, only this one is left out.
    resolve(deployment(kv_cache=["bf16", "fp8"], accelerators=["A100-SXM-80GB"]))
    resolve(deployment(kv_cache="fp8", accelerators=["A100-SXM-80GB", "H100-SXM"]))


def fleet_workload(**changes: Any) -> Mapping:
    return FLEET["workloads"][0] | {"model": OWN} | changes


LONG = OWN | {"max_context_tokens": 1200}


def test_requests_longer_than_the_model_was_made_for_are_refused() -> None:
    # 1000 + 200 tokens in the deployment, 1000 + 100 in the fleet.
    resolve(deployment(model=LONG))
    resolve_fleet(fleet(model=LONG, output_tokens=200))
    with pytest.raises(ScenarioError) as error:
        resolve(deployment(model=LONG, workload={"context_tokens": 1001, "output_tokens": 200}))
    assert str(error.value) == (
        "workload.context_tokens: found 1,201 tokens with the answer, expected at most the 1,200 that own was made "
        "for; where its positions are scaled, say so: model.max_context_tokens: 1201"
    )
    with pytest.raises(ScenarioError) as error:
        resolve_fleet(fleet(model=LONG, output_tokens=201))
    assert str(error.value).startswith("workloads[0].prompt_tokens: found 1,201 tokens with the answer, expected at mo")
    assert str(error.value).endswith("say so: model.max_context_tokens: 1201")


def test_each_class_of_a_mix_is_held_against_the_model() -> None:
    mix = [
        {"share": 1, "prompt_tokens": 1000, "output_tokens": 200},
        {"share": 1, "prompt_tokens": 1200, "output_tokens": 1},
    ]
    with pytest.raises(ScenarioError) as error:
        resolve_fleet(fleet(model=LONG, request_mix=mix, prompt_tokens=None, output_tokens=None))
    (fault,) = error.value.faults
    assert fault.field == "workloads[0].request_mix[1]"
    assert fault.message.startswith("found 1,201 tokens with the answer")


def test_a_draft_for_shorter_requests_is_named() -> None:
    speculation = {"draft_model": LONG | {"name": "draft"}, "acceptance": 0.5, "max_draft_tokens": 2}
    resolve(deployment(speculation=speculation))
    with pytest.raises(ScenarioError) as error:
        resolve(deployment(speculation=speculation, workload={"context_tokens": 2000}))
    assert str(error.value).endswith(
        "that draft was made for; where its positions are scaled, say so: "
        "speculation.draft_model.max_context_tokens: 2000"
    )


def test_what_the_message_says_is_taken() -> None:
    short = replace(catalog.model("Mistral-7B"), max_context_tokens=1000)
    named = Served(short, ("model",), "mistralai/Mistral-7B-v0.3")
    message = too_long(1001, [named])
    assert message is not None
    key, _, written = message.rpartition("say so: ")[2].partition(": ")
    assert (key, written) == ("model", "{like: mistralai/Mistral-7B-v0.3, max_context_tokens: 1001}")
    raised = yaml.safe_load(written)
    assert resolve(deployment(model=raised, workload={"context_tokens": 1001})).model.name == "Mistral-7B"
    assert too_long(1000, [named]) is None


def test_a_name_of_the_catalog_takes_longer_requests_where_the_scenario_says_so() -> None:
    # Positions of this model end long before these tokens.
    most = 100_000_000
    named: Mapping = DEPLOYMENT | {"model": "Mistral-7B", "workload": {"context_tokens": most}}
    raised = {"like": "Mistral-7B", "max_context_tokens": most}
    assert resolve(load_scenario_mapping(named | {"model": raised})).model.name == "Mistral-7B"
    given = resolve(load_scenario_mapping(named | {"model": raised | {"max_context_tokens": None}}))
    assert given.model.name == "Mistral-7B"
    with pytest.raises(ScenarioError) as error:
        resolve(load_scenario_mapping(named | {"model": raised | {"max_context_tokens": most - 1}}))
    assert [fault.field for fault in error.value.faults] == ["workload.context_tokens"]


PAPER: Mapping = {
    "version": 2,
    "kind": "deployment",
    "fidelity": "paper",
    "model": "Llama 3 8B",
    "accelerators": ["H100"],
    "workload": {"context_tokens": 0},
}


def test_fields_without_effect_in_fidelity_paper_are_told() -> None:
    given = PAPER | {"kv_cache": "fp8", "memory_reserve_gb": 3, "design_space": {"redundant_experts": [0]}}
    notes = load_scenario_mapping(given).notes()
    assert notes == tuple(
        f"{name} has no effect in fidelity paper"
        for name in ("design_space.redundant_experts", "kv_cache", "memory_reserve_gb")
    )
    assert load_scenario_mapping(PAPER).notes() == ()
    assert resolve(load_scenario_mapping(given)).precisions == ()


def test_fields_refused_in_fidelity_paper() -> None:
    with pytest.raises(ScenarioError) as error:
        load_scenario_mapping(PAPER | {"engine": "vllm", "weights": [{"rest": "fp8"}]})
    assert {fault.field: fault.message for fault in error.value.faults} == {
        "weights": "found a list, expected none in fidelity paper, where the model's name says the precision",
        "engine": "found 'vllm', expected nothing in fidelity paper, which knows no server",
    }


def test_without_a_model_there_are_no_weights() -> None:
    points = [{"pool": "p", "gpus": 1, "throughput_requests_per_s": 4}]
    with pytest.raises(ScenarioError) as error:
        fleet(model=None, operating_points=points, weights=[{"rest": "fp8"}])
    assert [fault.field for fault in error.value.faults] == ["workloads[0].weights"]
    assert resolve_fleet(fleet(model=None, operating_points=points, weights=None)).workloads[0].precisions == ()


def test_the_json_schema_describes_recipes_and_caches() -> None:
    properties = json_schema()["properties"]
    assert {"kv_cache", "engine", "memory_reserve_gb"} <= properties.keys()
    assert "weights" not in json_schema().get("required", [])
