"""Deployments that price prompts, by hand and against instances of the oracle's fleets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from oracle import OracleScenario, Setup, deployable, enumerate_deployments, passes, reserve, serving
from oracle.breakdown import setup_of
from oracle.deployable import Load
from oracle.enumeration import limited_figures
from oracle.serving import Decoding, Request, Service, Speculation
from oracle.started import starting
from random_scenarios import numbered_or_refused, oracle_scenario
from small_chip import CHIP, DENSE

from ieco_opt import catalog

SCENARIO = OracleScenario(
    fidelity="deployable",
    model=DENSE,
    accelerators=(CHIP,),
    weights=("bf16",),
    batches=np.array([4, 8]),
    context_tokens=20,
    output_tokens=10,
    prompts=True,
    prefix_hit=0.25,
    stage_ranks=(2,),
    pipeline_parallel=(1, 2),
    attention_data_parallel=(1,),
    profile="paper-constants",
    engine="none",
)


def test_a_generated_token_brings_its_part_of_a_prompt() -> None:
    table = enumerate_deployments(SCENARIO)
    # Of 20 tokens 15 are new: with each of 10 tokens comes a tenth of a prompt, which is 1.5 tokens.
    for row, (batch, stages) in enumerate(zip(table["batch"], table["pipeline_parallel"], strict=True)):
        setup, load = Setup(2, "1d", int(stages), 1, 1), Load(2.5, 20, 30, 1.0, 0.1, 20, 5)
        passed = deployable.evaluate(DENSE, CHIP, setup, "bf16", np.array([float(batch)]), load)
        latency = float(passed.latency_s[0])
        assert table["latency_s"][row] == pytest.approx(latency, rel=1e-12)
        # A prompt for each stage, whole, that generates nothing.
        alone = Load(15, 0, 0, 0.0, 1.0, 20, 5)
        prompt = float(deployable.evaluate(DENSE, CHIP, setup, "bf16", np.array([float(stages)]), alone).latency_s[0])
        first = 0.040 + prompt * (1 + 0.065 * batch / stages) + latency
        assert table["time_to_first_token_s"][row] == pytest.approx(first, rel=1e-12)
        assert table["end_to_end_s"][row] == pytest.approx(first + 9 * latency, rel=1e-12)
    gpu_hours = table["gpus"] * CHIP.usd_per_gpu_hour
    assert table["usd_per_hour"] == pytest.approx(gpu_hours, rel=1e-12)
    assert table["requests_per_s"] == pytest.approx(table["throughput_tokens_per_s"] / 10, rel=1e-12)
    assert table["usd_per_request"] == pytest.approx(table["cost_usd_per_mtok"] / 1e5, rel=1e-12)
    assert table["cost_usd_per_mtok_total"] == pytest.approx(table["cost_usd_per_mtok"] / 3, rel=1e-12)
    useful = 2.5 * (deployable.matrix_s(DENSE, CHIP, "bf16") + deployable.ends_s(DENSE, CHIP, "bf16"))
    useful += float(deployable.cache_flop(DENSE, Load(2.5, 20, 30, 1.0, 0.1, 20, 5))) / CHIP.flops_16bit
    assert table["mfu"] == pytest.approx(useful * table["throughput_tokens_per_s"] / table["gpus"], rel=1e-12)


def test_decoding_alone_has_no_columns_of_prompts() -> None:
    table = enumerate_deployments(replace(SCENARIO, prompts=False))
    names = ("time_to_first_token_s", "end_to_end_s", "requests_per_s", "usd_per_request", "usd_per_hour")
    assert all(np.isnan(table[name]).all() for name in (*names, "cost_usd_per_mtok_total"))


def test_passes_share_the_prompts_of_a_round() -> None:
    # A round of 2.5 tokens brings a quarter of a prompt of 8 new tokens for answers of 10; three passes draft.
    assert passes.of_model(4, 2.5, 8, 10) == (6, 4, 0.25)
    carried, generated, prompts = passes.of_draft(3, 2.5, 8, 10)
    assert (generated, prompts) == (1, pytest.approx(0.25 / 3))
    assert carried == pytest.approx(1 + 2 / 3)


def test_servers_take_prompts_in_pieces() -> None:
    card = catalog.accelerator("H100-SXM")
    assert [reserve.chunks(8193, card, engine) for engine in ("vllm", "sglang", "trtllm", "none")] == [2, 2, 2, 1]
    small = replace(card, hbm_bytes=4e10)
    assert [reserve.chunks(8192, small, engine) for engine in ("vllm", "sglang")] == [4, 2]
    assert reserve.chunks(0.5, card, "vllm") == 1


def test_servers_with_other_pieces_are_others_only_where_a_time_is_limited() -> None:
    model, card = catalog.model("Llama-3.1-8B"), replace(catalog.accelerator("L40S"), hbm_bytes=4.5e10)
    given: Any = {"model": model, "accelerators": (card,), "weights": ("fp8",), "stage_ranks": (1,), "engine": "any"}
    given |= {"context_tokens": 16_000, "output_tokens": 200, "batches": np.array([1]), "pipeline_parallel": (1,)}
    scenario = replace(SCENARIO, **given, prefix_hit=0.0)
    table = enumerate_deployments(scenario)
    times = dict(zip(table["engine"].tolist(), table["time_to_first_token_s"].tolist(), strict=True))
    assert times["vllm"] == times["trtllm"] > times["sglang"]
    row = {name: values[table["engine"] == "vllm"][0].item() for name, values in table.items()}
    assert len({each.pace for each in starting(scenario, row)}) == 1
    limited = replace(scenario, max_end_to_end_s=1e6)
    assert {each.engine: each.pace for each in starting(limited, row)} == {
        "vllm": (1.0, 8),
        "sglang": (1.0, 4),
        "trtllm": (1.0, 8),
    }
    late = replace(scenario, max_time_to_first_token_s=(times["vllm"] + times["sglang"]) / 2)
    assert set(enumerate_deployments(late)["engine"].tolist()) == {"sglang"}


def test_limits_on_prompts_hold_with_the_error() -> None:
    table = enumerate_deployments(SCENARIO)
    limits = {"max_time_to_first_token_s": "time_to_first_token_s", "max_end_to_end_s": "end_to_end_s"}
    for name, column in limits.items():
        most = 1.5 * float(np.median(table[column])) * 1.000001
        found = enumerate_deployments(replace(SCENARIO, model_error=0.5, **{name: most}))
        assert 0 < found["batch"].size == np.count_nonzero(table[column] * 1.5 <= most) < table["batch"].size
    least = float(np.median(table["requests_per_s"])) / 1.5 * 0.999999
    found = enumerate_deployments(replace(SCENARIO, model_error=0.5, requests_per_s=least))
    assert 0 < found["batch"].size < table["batch"].size
    alike = replace(SCENARIO, model_error=0.5, min_throughput=10 * least)
    assert enumerate_deployments(alike)["latency_s"].tolist() == found["latency_s"].tolist()
    assert set(limited_figures(SCENARIO, table)) >= {*limits, "requests_per_s"}


def test_deployments_are_colocated_instances() -> None:
    """What a deployment is priced at is what the oracle of fleets prices its instance at."""
    compared = drafted = 0
    for number in range(60):
        oracle = numbered_or_refused(number)[0].oracle
        if not oracle.prompts or oracle.refused_field() is not None:
            continue
        table = enumerate_deployments(oracle)
        ways = (np.flatnonzero((table["draft_tokens"] > 0) == drafts) for drafts in (False, True))
        for at in [at for rows in ways for at in rows[:: max(1, rows.size // 3)]]:
            row = {name: values[at].item() for name, values in table.items()}
            one = _instance(oracle, row)
            compared, drafted = compared + 1, drafted + bool(row["draft_tokens"])
            figures = {"latency_s": one.latency_s, "time_to_first_token_s": one.pass_s}
            figures["requests_per_s"] = one.capacity_requests_per_s
            assert {name: row[name] for name in figures} == pytest.approx(figures, rel=1e-11), number
    assert compared >= 40
    assert drafted >= 5


def _instance(oracle: OracleScenario, row: dict[str, Any]) -> serving.Instance:
    accelerator = next(each for each in oracle.accelerators if each.name == row["accelerator"])
    draft: Any = oracle.draft_model
    speculation = draft and Speculation(draft, oracle.acceptance, oracle.max_draft_tokens, oracle.accepted_tokens)
    names = ("profile", "engine", "engine_factors", "prefix_hit")
    service = Service(
        model=oracle.model,  # type: ignore[arg-type]
        accelerator=accelerator,
        weights=oracle.weights,
        request=Request(oracle.context_tokens, oracle.output_tokens),
        speculation=speculation,
        **{name: getattr(oracle, name) for name in names},
    )
    setup = setup_of(row, service.model, accelerator)
    decoding = Decoding()
    if row["draft_tokens"]:
        decoding = next(
            each for each in serving.decodings(service, "colocated", setup) if each.draft_tokens == row["draft_tokens"]
        )
    precision = serving.Precision(row["weights"], row["kv_cache"])
    return serving.price(service, "colocated", precision, setup, row["batch"], decoding)


def test_the_workload_is_read() -> None:
    case = next(one for one, _ in map(numbered_or_refused, range(60)) if "prefix_hit" in one.mapping["workload"])
    workload = case.mapping["workload"]
    assert (case.oracle.context_tokens, case.oracle.output_tokens) == (
        workload["prompt_tokens"],
        workload["output_tokens"],
    )
    assert case.oracle.new_tokens == pytest.approx((1 - workload["prefix_hit"]) * workload["prompt_tokens"])
    asked = oracle_scenario(case.mapping | {"workload": workload | {"requests_per_s": 3.0}})
    assert asked.requests_per_s == 3.0
