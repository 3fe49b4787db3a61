"""Draft modes: which engine takes which, and what its command says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import ieco_opt
from ieco_opt.engines.columns import DRAFT, POINT
from ieco_opt.engines.reading import read, read_draft_mode
from ieco_opt.engines.store import NAMES
from ieco_opt.errors import ScenarioError
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.launching import servers_of
from ieco_opt.scenario import Scenario, load_fleet_mapping, load_scenario_mapping, resolve

R1 = {"model": "DeepSeek-R1", "accelerators": ["H200-SXM"]}
LLAMA = {"model": "Llama-3.3-70B", "accelerators": ["H100-SXM"]}
EAGLE = {"mode": "eagle3", "draft_model": "owner/head", "acceptance": 0.9, "max_draft_tokens": 3}
MTP = {"mode": "mtp", "accepted_tokens": {2: 2.5}}
SAID = {"vllm": {"mtp": "mtp", "eagle3": "eagle3"}, "sglang": {"mtp": "NEXTN", "eagle3": "EAGLE3"}}


def _scenario(model: dict[str, Any], speculation: dict[str, Any], **fields: Any) -> Scenario:
    given = {
        "kind": "deployment",
        "version": 2,
        "weights": ["fp8"],
        "workload": {"context_tokens": 1000, "output_tokens": 500},
        "design_space": {"stage_ranks": [8], "pipeline_parallel": [1], "batch": [16]},
        "speculation": speculation,
    }
    found = load_scenario_mapping(given | model | fields)
    assert isinstance(found, Scenario)
    return found


def _drafted(scenario: Scenario) -> Frontier:
    """The frontier, of which some points have to speculate."""
    front = ieco_opt.frontier(scenario, delta=0.01)
    assert any(each.draft_tokens for each in front)
    return front


@pytest.mark.parametrize("engine", NAMES)
@pytest.mark.parametrize(("model", "speculation"), [(R1, MTP), (LLAMA, EAGLE)], ids=["mtp", "eagle3"])
def test_a_point_is_said_and_read_back(model: dict[str, Any], speculation: dict[str, Any], engine: str) -> None:
    front = _drafted(_scenario(model, speculation, engine=engine))
    for deployment, server in zip(front, servers_of(front, None), strict=True):
        assert (server.broken, server.not_expressible) == ("", ())
        mode = speculation["mode"] if deployment.draft_tokens else None
        named = "owner/head" if mode == "eagle3" else None
        assert (deployment.draft_mode, deployment.draft_model) == (mode, named)
        command = server.command()
        known = {"experts": server.numbers["experts"]}
        found = read(server.profile, command.argv, command.files, known)
        assert found == {name: int(server.numbers[name]) for name in (*POINT, *(DRAFT if mode else ()))}
        assert read_draft_mode(server.profile, command.argv, command.files) == mode
    assert ieco_opt.verify(front).holds


def test_words_of_the_commands() -> None:
    for model, speculation in ((R1, MTP), (LLAMA, EAGLE)):
        mode = speculation["mode"]
        for engine in NAMES:
            front = _drafted(_scenario(model, speculation, engine=engine))
            number = next(at for at, each in enumerate(front, start=1) if each.draft_tokens)
            command = front.launch(point=number)
            words = " ".join(command.argv)
            if engine == "trtllm":
                (text,) = command.files.values()
                held = yaml.safe_load(text)["speculative_config"]
                assert held["decoding_type"] == {"mtp": "MTP", "eagle3": "Eagle3"}[mode]
                assert held["max_draft_len"] == 2
                assert held.get("num_nextn_predict_layers") == (2 if mode == "mtp" else None)
                assert held.get("speculative_model") == (None if mode == "mtp" else "owner/head")
                continue
            assert SAID[engine][mode] in words
            assert ("owner/head" in words) == (mode == "eagle3")
            # SGLang is told where the MTP layer lies, vLLM looks into the repository of the model by itself.
            assert words.count("deepseek-ai/DeepSeek-R1") == (0 if mode == "eagle3" else 1 + (engine == "sglang"))


def test_a_head_without_a_repository_is_priced_and_cannot_be_launched() -> None:
    front = _drafted(_scenario(LLAMA, {key: EAGLE[key] for key in EAGLE if key != "draft_model"}))
    number = next(at for at, each in enumerate(front, start=1) if each.draft_tokens)
    assert front[number - 1].draft_model is None
    command = front.launch(point=number)
    assert command.not_expressible == (
        "draft model: no repository of the EAGLE-3 head is known; name it in speculation.draft_model",
    )


@pytest.mark.parametrize(
    ("engine", "model", "mode", "groups", "takes"),
    [
        ("sglang", R1, MTP, 2, True),
        ("vllm", R1, MTP, 2, True),
        ("trtllm", R1, MTP, 8, True),
        ("sglang", R1, EAGLE, 2, False),
        ("vllm", R1, EAGLE, 2, True),
        ("trtllm", R1, EAGLE, 1, False),
        ("sglang", {"model": "MiniMax-M2.5", "accelerators": ["H200-SXM"]}, MTP, 1, False),
        ("vllm", {"model": "MiniMax-M2.5", "accelerators": ["H200-SXM"]}, MTP, 1, False),
        ("trtllm", {"model": "GLM-5", "accelerators": ["B200-SXM"]}, MTP, 1, False),
        ("vllm", {"model": "GLM-5", "accelerators": ["B200-SXM"]}, MTP, 1, True),
        ("none", {"model": "MiniMax-M2.5", "accelerators": ["H200-SXM"]}, MTP, 1, True),
        ("vllm", {"model": "Mixtral-8x22B", "accelerators": ["H200-SXM"]}, EAGLE, 1, False),
    ],
)
def test_which_engine_takes_which_mode(
    engine: str, model: dict[str, Any], mode: dict[str, Any], groups: int, *, takes: bool
) -> None:
    space = {"stage_ranks": [8], "pipeline_parallel": [1], "batch": [groups], "attention_data_parallel": [groups]}
    front = ieco_opt.frontier(_scenario(model, mode, engine=engine, design_space=space), delta=0.01)
    assert len(front)
    assert any(each.draft_tokens for each in front) == takes


def test_no_head_goes_with_pipeline_stages() -> None:
    space = {"stage_ranks": [4], "pipeline_parallel": [2], "batch": [16]}
    for engine in (*NAMES, "none"):
        front = ieco_opt.frontier(_scenario(LLAMA, EAGLE, engine=engine, design_space=space), delta=0.1)
        assert len(front)
        assert not any(each.draft_tokens for each in front)


def test_what_a_yield_says_in_other_words_gives_the_same_answer() -> None:
    alpha = 0.6
    listed = {drafts: (1 - alpha ** (drafts + 1)) / (1 - alpha) for drafts in (1, 2, 3)}
    space = {"stage_ranks": [8], "pipeline_parallel": [1], "batch": {"min": 1, "max": 64}}
    one = _drafted(_scenario(R1, {"mode": "mtp", "acceptance": alpha, "max_draft_tokens": 4}, design_space=space))
    two = _drafted(_scenario(R1, {"mode": "mtp", "accepted_tokens": listed}, design_space=space))
    assert len(one) == len(two)
    for left, right in zip(one, two, strict=True):
        assert (left.parallelism, left.batch, left.draft_tokens) == (right.parallelism, right.batch, right.draft_tokens)
        assert left.latency_s == pytest.approx(right.latency_s, rel=1e-12)


def test_a_named_set_stands_in_the_result_as_its_numbers() -> None:
    scenario = resolve(_scenario(R1, {"mode": "mtp", "accepted_tokens": "deepseek-r1-mtp"})).scenario
    assert scenario.speculation is not None
    assert scenario.speculation.accepted_tokens == {1: 1.92, 2: 2.58, 3: 2.82, 4: 2.99, 5: 3.01}
    again = load_scenario_mapping(scenario.to_mapping())
    assert again == scenario


def test_only_listed_widths_are_chosen(tmp_path: Path) -> None:
    front = _drafted(_scenario(R1, {"mode": "mtp", "accepted_tokens": {1: 1.9, 3: 3.5}, "max_draft_tokens": 3}))
    assert {each.draft_tokens for each in front} <= {0, 2}
    explained = ieco_opt.explain_configuration(
        _scenario(R1, {"mode": "mtp", "accepted_tokens": {1: 1.9, 3: 3.5}}), "TP8,B16,K3"
    )
    explained.to_json(tmp_path / "why.json")
    assert "speculation.accepted_tokens" in (tmp_path / "why.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("speculation", "field"),
    [
        ({"mode": "mtp", "acceptance": 0.5, "max_draft_tokens": 2}, "speculation.mode"),
        ({"draft_model": "Llama 3 8B", "accepted_tokens": {1: 1.5}}, "speculation.accepted_tokens"),
    ],
)
def test_fidelity_paper_knows_draft_models_and_an_acceptance_alone(speculation: dict[str, Any], field: str) -> None:
    with pytest.raises(ScenarioError, match=f"{field}: found .* in fidelity paper"):
        load_scenario_mapping(
            {
                "kind": "deployment",
                "version": 2,
                "fidelity": "paper",
                "model": "Llama 3 70B",
                "accelerators": ["H100"],
                "workload": {"context_tokens": 1000},
                "speculation": speculation,
            }
        )


def test_a_fleet_speculates_with_a_head_in_both_ways_of_serving() -> None:
    """Fleets price the same passes: with other words for the yield the plan is the same, and verifies."""
    alpha, plans = 0.7, []
    for speculation in (
        {"mode": "mtp", "acceptance": alpha, "max_draft_tokens": 3},
        {"mode": "mtp", "accepted_tokens": {1: 1 + alpha, 2: 1 + alpha + alpha**2}},
    ):
        fleet = load_fleet_mapping(
            {
                "kind": "fleet",
                "version": 2,
                "pools": [{"name": "h200", "accelerator": "H200-SXM", "gpus": 64, "rented_by": "gpu"}],
                "workloads": [
                    {
                        "name": "chat",
                        "model": "DeepSeek-R1",
                        "weights": ["fp8"],
                        "requests_per_s": 1,
                        "prompt_tokens": 1000,
                        "output_tokens": 500,
                        "min_speed": 100,
                        "serving": ["colocated", "disaggregated"],
                        "speculation": speculation,
                        "design_space": {"stage_ranks": [8], "pipeline_parallel": [1]},
                    }
                ],
            }
        )
        result = ieco_opt.plan(fleet)  # type: ignore[arg-type]
        assert ieco_opt.verify(result).holds
        decoding = [row for row in result[0].instances if row.phase != "prefill"]
        assert {(row.draft_mode, row.draft_model) for row in decoding} == {("mtp", None)}
        plans.append([(row.instance_type, row.instances, row.usd_per_hour) for row in result[0].instances])
    assert plans[0] == plans[1]
