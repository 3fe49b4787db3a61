"""What is said of fleets that cannot be served, and of what a better plan would violate: words, figures, time."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ended_solves import end_after, out_of_time

import ieco_opt
from ieco_opt import InfeasibleError
from ieco_opt.fleet import infeasibility
from ieco_opt.fleet.infeasibility import rounded
from ieco_opt.scenario import load_fleet_mapping

Mapping = dict[str, Any]

POOL: Mapping = {"name": "p", "accelerator": "H100-SXM", "gpus": 16, "node_size": 8, "usd_per_gpu_hour": 1}
MODELLED: Mapping = {
    "name": "chat",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "requests_per_s": 5,
    "prompt_tokens": 2000,
    "output_tokens": 200,
}
POINT: Mapping = {"pool": "p", "gpus": 8, "throughput_requests_per_s": 4}
LISTED: Mapping = {
    "name": "chat",
    "requests_per_s": 6,
    "prompt_tokens": 100,
    "output_tokens": 100,
    "serving": ["colocated"],
    "operating_points": [POINT],
}


def plan(workload: Mapping, pool: Mapping | None = None, **limits: float) -> Any:
    fleet = {"kind": "fleet", "pools": [POOL | (pool or {})], "workloads": [workload], "limits": limits}
    return ieco_opt.plan(load_fleet_mapping(fleet))


def refused(mapping: Mapping) -> str:
    with pytest.raises(InfeasibleError) as caught:
        ieco_opt.plan(load_fleet_mapping(mapping))
    return str(caught.value)


def refusal(workload: Mapping, pool: Mapping | None = None, **limits: float) -> str:
    with pytest.raises(InfeasibleError) as caught:
        plan(workload, pool, **limits)
    return str(caught.value)


@pytest.mark.parametrize(
    ("workload", "pool", "expected"),
    [
        (
            MODELLED | {"model": "DeepSeek-V3", "weights": ["fp8"], "design_space": {"max_gpus": 4}},
            {},
            r"no configuration of its model fits \(p: \d+ x ",
        ),
        (
            LISTED | {"operating_points": [{k: v for k, v in POINT.items() if k != "pool"} | {"accelerator": "L40S"}]},
            {},
            r"no operating point for its pools serves it colocated",
        ),
        (
            MODELLED
            | {"serving": ["disaggregated"], "design_space": {"attention_data_parallel": [2]}, "engine": "none"},
            {},
            r"no configuration of its design space can serve it disaggregated "
            r"\(prefill needs attention_data_parallel 1\)",
        ),
        (
            MODELLED
            | {"serving": ["disaggregated"], "design_space": {"pipeline_parallel": [2]}, "engine": ["vllm", "sglang"]},
            {},
            r"no configuration of its design space can serve it disaggregated "
            r"\(decode: \d+ x vLLM: prefill and decode instances apart have one stage, "
            r"\d+ x SGLang: a decode instance apart from prefill has one stage\)",
        ),
        (
            MODELLED | {"design_space": {"attention_data_parallel": [2]}},
            {},
            r"no configuration of its model fits \(p: \d+ x vLLM: this model runs with one attention group, \d+ x ",
        ),
        (LISTED | {"operating_points": [POINT | {"gpus": 24}]}, {}, r"its smallest instance \(24 GPUs\) does not fit"),
        (
            LISTED | {"operating_points": [POINT | {"gpus": 1}]},
            {"gpus": 7},
            r"its smallest instance \(1 GPU\) does not",
        ),
    ],
)
def test_a_workload_that_nothing_can_run_is_told_why(workload: Mapping, pool: Mapping, expected: str) -> None:
    assert re.search(f"^proven infeasible: chat cannot be served: {expected}", refusal(workload, pool))


def test_the_service_that_could_be_had_is_the_best_there_is() -> None:
    asked = MODELLED | {"max_time_to_first_token_s": 1e-4, "min_speed": 20}
    told = refusal(asked, {"gpus": 512})
    # A lower speed alone would not help, so no figure is given for it.
    meets = r"no configuration that fits on its pools meets min_speed 20 and max_time_to_first_token_s 0\.0001"
    found = re.search(meets + r" \(([\d.]+) s could be", told)
    assert found
    seconds = float(found[1])
    assert plan(asked | {"max_time_to_first_token_s": seconds * 1.001}, {"gpus": 512}).status == "optimal"
    assert "chat cannot be served" in refusal(asked | {"max_time_to_first_token_s": seconds * 0.99}, {"gpus": 512})
    # On fewer nodes the decode instances would fit, but it takes more GPUs to be so early.
    small = refusal(asked | {"max_time_to_first_token_s": seconds * 1.001})
    assert re.search(r"what does takes (\d{2,}) GPUs, which its nodes do not have", small)


def test_a_point_that_is_too_slow_says_how_fast_it_is() -> None:
    slow = LISTED | {"operating_points": [POINT | {"speed_tokens_per_s": 50}], "min_speed": 200}
    assert re.search(r"min_speed 200 \((49\.9|50)\d* tokens/s could be met, all else kept\)", refusal(slow))


@pytest.mark.parametrize(
    ("pool", "limits", "ways"),
    [
        (
            {"gpus": 8},
            {},
            ["demand of chat lowered by 2 requests/s (33.3 %)", "capacity of p raised by 8 GPUs (100 %)"],
        ),
        (
            {"power_w": 1000, "max_power_kw": 12.2},
            {},
            ["max_power_kw of p raised by 3.8 kW (31.1 %)", "demand of chat lowered by 2 requests/s (33.3 %)"],
        ),
        (
            {},
            {"max_gpus": 15},
            ["limits.max_gpus raised by 1 GPU (6.67 %)", "demand of chat lowered by 2 requests/s (33.3 %)"],
        ),
        (
            {},
            {"max_usd_per_hour": 10},
            [
                "demand of chat lowered by 2 requests/s (33.3 %)",
                "limits.max_usd_per_hour raised by 6 $/h (60 %)",
            ],
        ),
    ],
)
def test_what_it_would_take_is_the_least_and_the_smallest_share_comes_first(
    pool: Mapping, limits: Mapping, ways: list[str]
) -> None:
    # One instance serves 4 of 6 requests/s; the second needs 8 GPUs more.
    told = refusal(LISTED, pool, **limits)
    assert told.split("it would take one of: ")[1].split("; ") == [f"the {way}" for way in ways]


def test_every_reason_is_kept_whole_and_the_message_is_made_of_them() -> None:
    # Brackets of one reason list the pools with semicolons, as the message lists the reasons.
    two = [POOL | {"name": "p"}, POOL | {"name": "q", "accelerator": "L40S"}]
    large = MODELLED | {"model": "DeepSeek-V3", "design_space": {"max_gpus": 4}}
    with pytest.raises(InfeasibleError) as caught:
        ieco_opt.plan(load_fleet_mapping({"kind": "fleet", "pools": two, "workloads": [large], "model_error": 0.1}))
    fits, held = caught.value.reasons
    assert re.fullmatch(r"chat cannot be served: no configuration of its model fits \(p: .*; q: .*\)", fits)
    assert held == "limits hold if the model is 10 % too optimistic"
    assert str(caught.value) == f"proven infeasible: {fits}; {held}"
    fleet = {"kind": "fleet", "pools": [POOL | {"gpus": 8}], "workloads": [LISTED]}
    with pytest.raises(InfeasibleError) as caught:
        ieco_opt.plan(load_fleet_mapping(fleet))
    assert caught.value.reasons == (
        "the workloads cannot all be served within the limits",
        "it would take one of: the demand of chat lowered by 2 requests/s (33.3 %); the capacity of p raised by 8 GPUs "
        "(100 %)",
    )


def test_where_no_single_change_helps_that_is_said() -> None:
    told = refusal(LISTED | {"min_instances": 2}, {"gpus": 8}, max_usd_per_hour=10)
    assert told == "proven infeasible: no change of a single limit, capacity or demand is enough to serve all workloads"


def test_what_is_not_examined_in_time_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(infeasibility, "_LIMIT_S", 0.0)
    told = refusal(LISTED, {"gpus": 8})
    assert told.endswith("within the limits; not examined in time: demand of chat, capacity of p")
    result = plan(LISTED).relaxations()
    assert result.status == "optimal"
    left = [(each.requirement, each.amount, each.share, each.objective) for each in result[0].next_cheaper]
    assert left == [("demand of chat", None, None, None), ("capacity of p", None, None, None)]


@pytest.mark.parametrize(
    ("limits", "needed"),
    [({"max_usd_per_hour": 15.9999999}, 16.0), ({"max_usd_per_hour": 0.0}, 16.0), ({"max_usd_per_hour": 1e-9}, 16.0)],
    ids=str,
)
def test_a_limit_that_is_missed_by_almost_nothing_or_by_all_says_what_helps(limits: Mapping, needed: float) -> None:
    told = refusal(LISTED, **limits)
    found = re.search(r"limits\.max_usd_per_hour raised by ([\d.e-]+) \$/h", told)
    assert found, told
    enough = limits["max_usd_per_hour"] + float(found[1])
    assert needed * (1 - 1e-9) <= enough <= needed * (1 + 1e-3)
    assert plan(LISTED, max_usd_per_hour=enough).status == "optimal"


@pytest.mark.parametrize("most", [15.9999999, 1e-9])
def test_power_that_is_missed_by_almost_nothing_or_by_all_says_what_helps(most: float) -> None:
    pool = {"power_w": 1000, "max_power_kw": most}
    told = refusal(LISTED, pool)
    found = re.search(r"max_power_kw of p raised by ([\d.e-]+) kW", told)
    assert found, told
    enough = most + float(found[1])
    assert plan(LISTED, {"power_w": 1000, "max_power_kw": enough}).status == "optimal"
    assert enough < 16.001


@pytest.mark.parametrize("budget", [0.0, 1e-9, 1e-3])
def test_a_budget_for_nothing_leaves_what_is_owned(budget: float) -> None:
    found = plan(LISTED, {"owned_gpus": 16}, max_usd_per_hour=budget)
    assert (found.status, found[0].usd_per_hour, found[0].gpus) == ("optimal", 0.0, 16)
    assert "limits.max_usd_per_hour raised by" in refusal(LISTED, {"owned_gpus": 8}, max_usd_per_hour=budget)


def test_a_demand_of_which_almost_nothing_can_be_served_says_what_can_be() -> None:
    told = refusal(LISTED | {"requests_per_s": 4000}, {"gpus": 8})
    assert "the demand of chat lowered to 4 requests/s" in told
    assert plan(LISTED | {"requests_per_s": 4}, {"gpus": 8}).status == "optimal"


@pytest.mark.parametrize("amount", [13.3149, 0.0123456, 1.0, 9.9999999, 123456.7, 1e-9])
def test_amounts_are_rounded_to_the_side_that_helps(amount: float) -> None:
    up, down = float(rounded(amount, 4)), float(rounded(amount, 4, up=False))
    assert amount * (1 - 1e-9) <= up <= amount * 1.001001
    assert amount * 0.998999 <= down <= amount * (1 + 1e-9)


def test_a_change_that_is_not_proven_to_be_the_least_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first solve proves that there is no plan; all others end with a solution that may not be the best.
    end_after(1, out_of_time, monkeypatch)
    told = refusal(LISTED, {"gpus": 8})
    assert told.endswith("within the limits; not examined in time: demand of chat, capacity of p")


def test_a_plan_that_costs_nothing_has_no_better_one() -> None:
    result = plan(LISTED, {"owned_gpus": 16})
    assert (result[0].usd_per_hour, result[0].bound, result[0].gap) == (0.0, 0.0, 0.0)
    assert result.relaxations()[0].next_cheaper == ()


def test_of_service_that_takes_more_gpus_than_there_are_it_says_how_many_and_what_these_could_do() -> None:
    two = [{"accelerator": "H100-SXM", "gpus": 2, "throughput_requests_per_s": 9.0, "speed_tokens_per_s": 30.0}]
    four = [{"accelerator": "H100-SXM", "gpus": 4, "throughput_requests_per_s": 9.0, "speed_tokens_per_s": 60.0}]
    sized = {"name": "chat", "prompt_tokens": 10, "output_tokens": 10, "requests_per_s": 1.0, "serving": ["colocated"]}
    pool = {"name": "h100", "accelerator": "H100-SXM", "gpus": 2, "node_size": 2, "usd_per_gpu_hour": 1.0}
    # On nodes of 2, an instance of 4 takes two whole ones.
    asked = {"kind": "fleet", "pools": [pool], "workloads": [sized | {"operating_points": two + four, "min_speed": 50}]}
    assert refused(asked) == (
        "proven infeasible: chat cannot be served: no configuration that fits on its pools meets min_speed 50 "
        "(29.99 tokens/s could be met, all else kept); what does takes 4 GPUs, which its nodes do not have "
        "(h100: 1 x 2 GPUs)"
    )


def test_a_speed_that_could_be_met_leaves_room_for_the_prefill_beside_it() -> None:
    rates = {"accelerator": "H100-SXM", "throughput_requests_per_s": 9.0}
    prefill = [rates | {"phase": "prefill", "gpus": 2}]
    decode = [rates | {"phase": "decode", "gpus": gpus, "speed_tokens_per_s": 20.0 * gpus} for gpus in (2, 4)]
    split = {"name": "chat", "prompt_tokens": 10, "output_tokens": 10, "requests_per_s": 1.0}
    split |= {"serving": ["disaggregated"], "operating_points": prefill + decode, "min_speed": 100}
    pool = {"name": "h100", "accelerator": "H100-SXM", "gpus": 4, "node_size": 4, "usd_per_gpu_hour": 1.0}
    told = refused({"kind": "fleet", "pools": [pool], "workloads": [split]})
    assert re.search(r"min_speed 100 \(39\.9\d tokens/s could be met", told)
    told = refused({"kind": "fleet", "pools": [pool | {"gpus": 8}], "workloads": [split]})
    assert re.search(r"min_speed 100 \(79\.9\d tokens/s could be met", told)
