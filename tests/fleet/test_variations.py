"""What stands beside the plan of one workload is what asking it anew gives: more GPUs, and instances of one size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

import ieco_opt
from ieco_opt.fleet.one_workload import variations
from ieco_opt.results.plan import FleetPlan
from ieco_opt.results.variations import Variation

Mapping = dict[str, Any]

POOL: Mapping = {"name": "h100", "accelerator": "H100-SXM", "gpus": 8, "usd_per_gpu_hour": 2.0}
CHAT: Mapping = {
    "name": "chat",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "engine": "vllm",
    "prompt_tokens": 1000,
    "output_tokens": 200,
    "serving": ["colocated"],
    "design_space": {"pipeline_parallel": [1]},
}


def point(gpus: int, requests_per_s: float, **more: Any) -> Mapping:
    return {"accelerator": "H100-SXM", "gpus": gpus, "throughput_requests_per_s": requests_per_s} | more


LISTED: Mapping = {
    "name": "listed",
    "prompt_tokens": 10,
    "output_tokens": 10,
    "serving": ["colocated", "disaggregated"],
    "operating_points": [
        *(point(gpus, requests, phase="colocated") for gpus, requests in ((1, 0.9), (2, 2.1), (4, 4.0), (5, 5.6))),
        *(point(gpus, requests, phase="prefill") for gpus, requests in ((1, 4.0), (2, 8.5))),
        *(point(gpus, requests, phase="decode") for gpus, requests in ((1, 1.0), (2, 2.4), (4, 4.4), (6, 8.0))),
    ],
}
"""Single GPUs fill what larger instances leave, and some sizes serve less for each GPU than smaller ones."""

BY_GPU = POOL | {"rented_by": "gpu"}


def fleet(workload: Mapping, *pools: Mapping, **more: Any) -> ieco_opt.Fleet:
    asked: Mapping = {"objective": "throughput"} | more
    return ieco_opt.Fleet(name="asked", pools=list(pools), workloads=[workload], **asked)


def beside(asked: ieco_opt.Fleet) -> tuple[Variation, ...]:
    found = variations(ieco_opt.plan(asked))
    assert found.stopped is None
    return found.beside


def figures(of: Variation | FleetPlan) -> list[float | None]:
    requests = of.requests_per_s if isinstance(of, Variation) else of.workloads[0].requests_per_s
    return [requests, of.usd_per_hour, of.gpus]


@pytest.mark.parametrize(
    ("workload", "pools", "limits", "label", "more"),
    [
        # A node more; of a large pool a quarter more, in whole nodes.
        (CHAT, [POOL], {}, "16 GPUs", 16),
        (CHAT | {"min_speed": 250, "serving": ["colocated", "disaggregated"]}, [POOL], {}, "16 GPUs", 16),
        (LISTED, [BY_GPU | {"gpus": 3}], {}, "11 GPUs", 11),
        (LISTED, [POOL | {"gpus": 26, "node_size": 2}], {}, "32 GPUs", 32),
        (LISTED, [BY_GPU | {"gpus": 14, "node_size": 4}], {}, "18 GPUs", 18),
        (LISTED, [BY_GPU | {"owned_gpus": 4}], {}, "16 GPUs", 16),
        # What limits leave of them.
        (LISTED, [BY_GPU], {"max_usd_per_hour": 23.0}, "16 GPUs", 16),
        (LISTED, [POOL], {"max_usd_per_hour": 23.0}, "16 GPUs", 16),
        (LISTED, [BY_GPU | {"max_power_kw": 7.0, "power_w": 700}], {}, "16 GPUs", 16),
        (LISTED | {"max_instances": 2}, [BY_GPU], {}, "16 GPUs", 16),
        # Of several pools the first.
        (LISTED, [BY_GPU | {"gpus": 4}, BY_GPU | {"name": "other", "gpus": 2}], {}, "12 of h100", 12),
    ],
)
def test_more_gpus_serve_what_asking_for_them_gives(
    workload: Mapping, pools: Sequence[Mapping], limits: Mapping, label: str, more: int
) -> None:
    (found,) = (
        each
        for each in beside(fleet(workload, *pools, limits=limits))
        if each.kind == "change" and re.fullmatch(r"\d+ (GPUs|of .*)", each.label)
    )
    anew = ieco_opt.plan(fleet(workload, pools[0] | {"gpus": more}, *pools[1:], limits=limits))
    assert (found.label, found.proven) == (label, True)
    assert figures(found) == pytest.approx(figures(anew[0]), rel=1e-9)


def layouts(asked: ieco_opt.Fleet) -> list[Variation]:
    return [each for each in beside(asked) if each.kind == "layout"]


@pytest.mark.parametrize(
    ("wish", "sizes"),
    [
        ({}, (1, 2, 4, 8)),
        # One GPU is too slow for that, and two serve less than half of four.
        ({"min_speed": 250}, (2, 4, 8)),
        ({"model": "Llama-3.1-70B"}, (2, 4, 8)),
    ],
)
def test_there_is_one_layout_for_each_size(wish: Mapping, sizes: Sequence[int]) -> None:
    found = layouts(fleet(CHAT | wish, POOL))
    assert [each.label for each in found] == [f"{8 // size} x TP{size}" for size in sizes]
    for size, each in zip(sizes, found, strict=True):
        alone = CHAT | wish | {"design_space": {"pipeline_parallel": [1], "stage_ranks": [size]}}
        anew = ieco_opt.plan(fleet(alone, POOL))
        assert figures(each) == pytest.approx(figures(anew[0]), rel=1e-9)


@pytest.mark.parametrize("objective", ["throughput", "cost"])
def test_a_layout_of_single_gpus_is_the_answer_with_no_larger_instance(objective: str) -> None:
    asked = {"serving": ["colocated", "disaggregated"], "design_space": {}}
    asked |= {"requests_per_s": 60.0} if objective == "cost" else {}
    found = layouts(fleet(CHAT | asked, BY_GPU, objective=objective))
    (single,) = (each for each in found if each.label.endswith("x TP1"))
    only = CHAT | asked | {"serving": ["colocated"], "design_space": {"max_gpus": 1}}
    anew = ieco_opt.plan(fleet(only, BY_GPU, objective=objective))
    assert figures(single) == pytest.approx(figures(anew[0]), rel=1e-9)


@pytest.mark.parametrize("pool", [BY_GPU, POOL | {"gpus": 16}])
def test_prefill_is_of_any_size_beside_decode_of_one(pool: Mapping) -> None:
    sized = [("colocated", size) for size in (1, 2, 4, 5)] + [("decode", size) for size in (1, 2, 4, 6)]
    found = layouts(fleet(LISTED, pool))
    assert len(found) == len(sized)
    for (phase, size), each in zip(sized, found, strict=True):
        points = [
            point
            for point in LISTED["operating_points"]
            if (point["phase"], point["gpus"]) == (phase, size) or (phase, point["phase"]) == ("decode", "prefill")
        ]
        mode = "colocated" if phase == "colocated" else "disaggregated"
        anew = ieco_opt.plan(fleet(LISTED | {"operating_points": points, "serving": [mode]}, pool))
        generating = sum(row.instances for row in anew[0].instances if row.phase != "prefill")
        split = " split" if phase == "decode" else ""
        assert re.fullmatch(rf"{generating} x {size} GPUs?{split}", each.label), each
        assert figures(each) == pytest.approx(figures(anew[0]), rel=1e-9)
