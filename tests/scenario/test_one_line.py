"""A question on one line, and the scenario that asks the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import ieco_opt
from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario import load_fleet_mapping
from ieco_opt.scenario.one_line import Asked, fleet_mapping

SIZED: Asked = {"gpus": "8xH200", "isl": "1k", "osl": 200}


def mapping(model: str = "Llama-3.1-8B", **asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = fleet_mapping(model, SIZED | asked)  # type: ignore[typeddict-item]
    load_fleet_mapping(found)
    return found


def test_every_wish_has_its_field() -> None:
    found = mapping(
        gpus=["16xH200", "12 x MI300X@1.4"],
        ttft="2s",
        tpot="30ms",
        rate="600/min",
        minimise="gpus",
        weights="fp8",
        engine="vllm, sglang",
        profile="paper-constants",
        budget="$20/h",
        owned=True,
    )
    assert found["pools"] == [
        {"name": "h200", "accelerator": "H200-SXM", "gpus": 16, "owned_gpus": 16},
        # 12 are no whole nodes of 8: they are taken one by one.
        {
            "name": "mi300x",
            "accelerator": "MI300X",
            "gpus": 12,
            "rented_by": "gpu",
            "usd_per_gpu_hour": 1.4,
            "owned_gpus": 12,
        },
    ]
    assert found["workloads"] == [
        {
            "name": "requests",
            "model": "Llama-3.1-8B",
            "weights": ["fp8"],
            "engine": ["vllm", "sglang"],
            "requests_per_s": 10.0,
            "prompt_tokens": 1000,
            "output_tokens": 200,
            "min_speed": pytest.approx(1000.0 / 30.0),
            "max_time_to_first_token_s": 2.0,
        }
    ]
    assert (found["limits"], found["objective"]) == ({"max_usd_per_hour": 20.0}, "gpus")
    assert found["profile"] == ["paper-constants"]


def test_without_a_rate_as_many_as_possible_are_served() -> None:
    assert mapping()["objective"] == "throughput"
    assert mapping(rate=1)["objective"] == "cost"


def test_pools_of_one_accelerator_have_names_of_their_own() -> None:
    found = mapping(gpus="8xH200@1,8xH200@2,8xH200@3")
    assert [pool["name"] for pool in found["pools"]] == ["h200", "h200-2", "h200-3"]


def test_weights_are_those_of_the_checkpoint_or_what_fits() -> None:
    assert "weights" not in mapping("gpt-oss-120b")["workloads"][0]
    assert mapping("Llama-3.1-70B")["workloads"][0]["weights"] == ["bf16"]
    # 141 GB do not fit in the 80 of one card, and its 8 bits do not with a cache.
    assert mapping("Llama-3.1-70B", gpus="2xH100")["workloads"][0]["weights"] == ["fp8"]
    assert mapping("Llama-3.1-70B", gpus="1xH100")["workloads"][0]["weights"] == ["awq"]
    # Cards without 8-bit arithmetic.
    assert mapping("Llama-3.1-70B", gpus="2xA100")["workloads"][0]["weights"] == ["awq"]


def test_a_folder_is_its_config(tmp_path: Path) -> None:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "torch_dtype": "bfloat16",
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    for named in (tmp_path, tmp_path / "config.json"):
        assert mapping(str(named))["workloads"][0]["model"] == str(tmp_path / "config.json")


def test_all_that_is_wrong_is_said_at_once_under_the_name_it_has() -> None:
    wrong = {"gpus": "9H100", "isl": "many", "ttft": "soon", "tpot": 1, "min_speed": 3, "rate": "x", "budget": "free"}
    with pytest.raises(ScenarioError) as error:
        fleet_mapping("no-such-model", wrong | {"minimise": "tears"})  # type: ignore[arg-type]
    faults = {fault.field: fault.message for fault in error.value.faults}
    assert faults.keys() == {"gpus", "model", "isl", "osl", "ttft", "tpot", "rate", "budget", "minimise"}
    assert faults["osl"] == "missing, expected tokens, such as 4000 or 4k"
    assert faults["tpot"] == "found it beside min_speed, expected one of the two"
    assert faults["minimise"] == "found 'tears', expected one of cost, gpus, power"


@pytest.mark.parametrize("asks", [ieco_opt.plan, ieco_opt.alternatives])
@pytest.mark.parametrize(("name", "expected"), [("tppot", "perhaps tpot"), ("colour", "gpus, isl, osl, ttft")])
def test_what_nobody_asks_is_refused_by_its_name(asks: Any, name: str, expected: str) -> None:
    with pytest.raises(ScenarioError, match=f"^{name}: unknown question, expected {expected}"):
        asks(model="Llama-3.1-8B", gpus="1xH100", isl=1000, osl=200, **{name: "30ms"})


def test_the_least_of_something_is_about_a_rate() -> None:
    with pytest.raises(ScenarioError, match="minimise: found it without a rate"):
        mapping(minimise="gpus")


def test_what_is_written_gives_the_same_answer(tmp_path: Path) -> None:
    asked = SIZED | {"tpot": "20ms", "weights": "fp8", "engine": "vllm"}
    path = tmp_path / "question.yaml"
    path.write_text(yaml_text(fleet_mapping("Llama-3.1-8B", asked)))  # type: ignore[arg-type]
    written = ieco_opt.plan(ieco_opt.load_scenario(path))
    said = ieco_opt.plan(model="Llama-3.1-8B", **asked)  # type: ignore[typeddict-item]
    assert written.plans == said.plans


def test_a_question_and_a_fleet_are_one_too_many() -> None:
    fleet = load_fleet_mapping(mapping())
    for both in ({"fleet": fleet, "model": "Llama-3.1-8B"}, {"fleet": fleet, "isl": 3}):
        with pytest.raises(ScenarioError, match="found a fleet and a question, expected one of both"):
            ieco_opt.plan(**both)  # type: ignore[arg-type]
    with pytest.raises(ScenarioError, match="found nothing, expected a fleet for plan"):
        ieco_opt.plan()


@pytest.mark.parametrize(
    ("gpus", "counts"),
    [
        ("8xH100,16xH200", [8, 16]),
        (["8xH100, 16xH200"], [8, 16]),
        (("8xH100", "4xMI300X,1,024xB200"), [8, 4, 1024]),
        ("1,024xH100", [1024]),
        ("2 x H100@1.5, 4*H200 @ 2 ,", [2, 4]),
    ],
)
def test_commas_stand_between_cards_or_between_thousands(gpus: Any, counts: list[int]) -> None:
    assert [pool["gpus"] for pool in mapping(gpus=gpus)["pools"]] == counts


@pytest.mark.parametrize("gpus", ["4,8xH100", "8xH100,4", "8xH100,H200", ["8xH100", "H200"]])
def test_what_is_no_card_among_cards_is_refused(gpus: Any) -> None:
    with pytest.raises(ScenarioError, match="expected a count and an accelerator"):
        mapping(gpus=gpus)


@pytest.mark.parametrize("model", ["X" * 3000, "~nobody-at-all/model", "", " ", "a\0b"])
def test_what_is_neither_a_name_nor_a_path_is_an_unknown_model(model: str) -> None:
    with pytest.raises(ScenarioError, match=r"^model: found "):
        mapping(model)
