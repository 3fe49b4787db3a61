"""Random fleets for one rule each, drawn so that the rule decides: without it the oracle has another optimum.

Rules that seldom bind are never tried by fleets that draw everything at once.
"""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from oracle import deployable, serving
from oracle import fleet as brute_force
from oracle.fleet import Kind, OracleAnswer, TooLargeError, read, solve
from oracle.serving import Figures, Phase, Service

Mapping = dict[str, Any]
Draw = Callable[[random.Random], Mapping]


@dataclass(frozen=True, slots=True)
class Rule:
    """How to draw fleets in which a rule may decide, and the oracle without the rule."""

    draw: Draw
    solve_without: Callable[[Mapping], OracleAnswer | None]


@dataclass(frozen=True, slots=True)
class Ruled:
    """A fleet, the oracle's answer, and whether it is another one without the rule."""

    mapping: Mapping
    answer: OracleAnswer | None
    decided: bool


def ruled_fleet(rule: Rule, number: int) -> Ruled:
    """Draw the fleet of one seed; most in which the rule decides nothing are drawn again."""
    rng = random.Random(number)  # noqa: S311 - chance, not secrets
    while True:
        found = _one(rule, rng)
        if found is not None and (found.decided or rng.random() < 0.03):
            return found


def _one(rule: Rule, rng: random.Random) -> Ruled | None:
    mapping = rule.draw(rng)
    with contextlib.suppress(TooLargeError):
        answer, without = solve(mapping), rule.solve_without(mapping)
        return Ruled(mapping, answer, _objective(answer) != _objective(without))
    return None


def _objective(answer: OracleAnswer | None) -> float | None:
    # Plans that differ by rounding alone are no other answer.
    return None if answer is None else float(f"{answer.objective:.9g}")


# --- drawing ----------------------------------------------------------------------------------------------------------


def _fleet(rng: random.Random, pools: list[Mapping], workloads: list[Mapping], **more: Any) -> Mapping:
    objective = rng.choice(("cost", "cost", "power", "gpus"))
    return {"kind": "fleet", "name": "ruled", "pools": pools, "workloads": workloads, "objective": objective, **more}


def _pool(rng: random.Random, number: int = 0, **changes: Any) -> Mapping:
    return {
        "name": f"p{number}",
        "accelerator": rng.choice(("H100-SXM", "A100-SXM-80GB", "H200-SXM")),
        "gpus": rng.choice((12, 16, 24, 30)),
        "node_size": rng.choice((8, 8, 4, 3)),
        "rented_by": rng.choice(("node", "gpu")),
        "usd_per_gpu_hour": round(rng.uniform(1.0, 3.0), 2),
    } | changes


def _priced(rng: random.Random, **changes: Any) -> Mapping:
    return {
        "name": "w",
        "model": "Llama-3.1-8B",
        "weights": ["fp8"],
        "requests_per_s": 1.0,
        "prompt_tokens": rng.choice((500, 2000, 8000)),
        "output_tokens": rng.choice((20, 100, 500)),
        "design_space": {
            "tensor_parallel": [1, 2, 4],
            "pipeline_parallel": rng.choice(([1], [1, 2])),
            "attention_data_parallel": [1],
            "batch": {"max": 128},
        },
    } | changes


_COARSE: Mapping = {"pipeline_parallel": [1], "attention_data_parallel": [1], "batch": [1, 4, 16, 64]}


def _services(mapping: Mapping) -> Iterator[Service]:
    """What instances of the first workload have to do, for each class on each pool."""
    case = read(mapping)
    workload = case.workloads[0]
    for pool in workload.pools:
        for request in workload.classes.values():
            yield brute_force.service(case, workload, pool, request)


def _kinds(mapping: Mapping, phase: Phase) -> list[Kind]:
    case = read(mapping)
    return [kind for kind in brute_force.kinds(case, case.workloads[0]) if kind.phase == phase and any(kind.capacity)]


def _with_demand(rng: random.Random, mapping: Mapping, phase: Phase) -> Mapping:
    """Ask for a few instances of some type of the phase."""
    kinds = _kinds(mapping, phase)
    if kinds:
        rate = max(rng.choice(kinds).capacity)
        mapping["workloads"][0]["requests_per_s"] = rate * rng.uniform(0.3, 3.0)
    return mapping


def _transfers(rng: random.Random) -> Mapping:
    # Where one pool receives more slowly than the other sends, it matters which prefill instances leave it the time.
    speeds = rng.choice(((1e9,), (3e9,), (1e10,), (1e10, 1e9), (1e10, 3e9), (3e9, 3e9)))
    pools = [
        _pool(rng, number, accelerator={"like": "H100-SXM", "name": f"slow{number}", "inter_node_bytes_per_s": speed})
        for number, speed in enumerate(speeds)
    ]
    pools[-1]["usd_per_gpu_hour"] = round(rng.uniform(0.3, 3.0), 2)
    workload = _priced(rng, serving=rng.choice((["disaggregated"], ["disaggregated"], ["colocated", "disaggregated"])))
    mapping = _fleet(rng, pools, [workload])
    prefill = rng.choice(_kinds(mapping, "prefill"))
    decode = rng.choice([kind for kind in _kinds(mapping, "decode") if kind.pool == len(pools) - 1])
    transfer = max(prefill.transfer_s[0], decode.transfer_s[0])
    workload["max_time_to_first_token_s"] = prefill.pass_s[0] + transfer * rng.choice((0.2, 0.5, 0.9, 1.0, 1.0, 1.1))
    return _with_demand(rng, mapping, rng.choice(("prefill", "decode")))


def _drafts(rng: random.Random) -> Mapping:
    speculation = {
        "draft_model": "Llama-3.2-1B",
        "acceptance": rng.choice((0.7, 0.9, 1)),
        "max_draft_tokens": rng.choice((2, 3, 4)),
    }
    # A full instance waits for a whole pass of several tokens where its batch is not small beside the answer.
    workload = _priced(
        rng,
        prompt_tokens=rng.choice((50, 200)),
        output_tokens=rng.choice((2, 5, 10)),
        serving=["colocated"],
        speculation=speculation,
        design_space={**_COARSE, "tensor_parallel": rng.choice(([1, 2], [1, 4], [2]))},
    )
    mapping = _fleet(rng, [_pool(rng, rented_by="gpu")], [workload])
    (service,) = _services(mapping)
    drafted = [one for one in serving.instances(service, "colocated") if one.decoding.draft_tokens]
    chosen = rng.choice(drafted)
    # So fast that plain decoding seldom will do, and so early that the batch has to be smaller.
    at = (service, "colocated", chosen.weights, chosen.setup)
    most = rng.choice((16, 64))
    workload["min_speed"] = serving.price(*at, most, chosen.decoding).speed_tokens_per_s
    workload["max_time_to_first_token_s"] = serving.price(*at, most // 4, chosen.decoding).pass_s * rng.choice(
        (1.0, 1.1)
    )
    return _with_demand(rng, mapping, "colocated")


def _mixes(rng: random.Random) -> Mapping:
    # Few sizes and batches, so that a plan has to change where an instance type is late.
    space = {**_COARSE, "tensor_parallel": rng.choice(([1, 4], [1, 2], [2, 4]))}
    workload = _priced(rng, serving=rng.choice((["colocated"], ["disaggregated"])), design_space=space)
    del workload["prompt_tokens"], workload["output_tokens"]
    workload["request_mix"] = [
        {"name": "short", "share": rng.choice((1, 3)), "prompt_tokens": 200, "output_tokens": 100},
        {"name": "long", "share": 1, "prompt_tokens": rng.choice((3000, 9000)), "output_tokens": 50},
    ]
    mapping = _fleet(rng, [_pool(rng, rented_by="gpu")], [workload])
    phase: Phase = "prefill" if workload["serving"] == ["disaggregated"] else "colocated"
    _, long = _services(mapping)
    # The instance type that is best for the long prompts is a little late for them.
    best = max(serving.instances(long, phase), key=lambda one: one.capacity_requests_per_s / one.gpus)
    workload["max_time_to_first_token_s"] = (best.pass_s + best.transfer_s) * rng.choice((0.7, 0.9, 0.97, 1.0))
    workload["requests_per_s"] = best.capacity_requests_per_s * rng.uniform(0.5, 4.0)
    return mapping


def _prompts(rng: random.Random) -> Mapping:
    workload = _priced(
        rng, prompt_tokens=rng.choice((8000, 40_000, 100_000)), output_tokens=10, serving=["disaggregated"]
    )
    mapping = _fleet(rng, [_pool(rng, number) for number in range(rng.choice((1, 2)))], [workload])
    service = rng.choice(list(_services(mapping)))
    one = rng.choice(serving.instances(service, "prefill"))
    needed = deployable.resident_bytes(
        service.model, one.setup, one.weights, float(one.batch), service.request.prompt_tokens
    )
    share = float(needed) / service.accelerator.hbm_bytes * rng.choice((0.8, 0.95, 0.999))
    workload["memory_utilization"] = min(1.0, share)
    return _with_demand(rng, mapping, "prefill")


def _sliced(rng: random.Random) -> Mapping:
    pools = [_pool(rng, number, rented_by="gpu") for number in range(2)]
    mix = [
        {"name": "a", "share": rng.choice((1, 2)), "prompt_tokens": 100, "output_tokens": 100},
        {"name": "b", "share": rng.choice((1, 3)), "prompt_tokens": 900, "output_tokens": 10},
    ]
    points = [
        {
            "pool": rng.choice(pools)["name"],
            "gpus": size,
            "kind": f"k{number}",
            "request_class": entry["name"],
            "throughput_requests_per_s": round(size * rng.uniform(0.5, 2.0), 2),
        }
        for number, size in enumerate(rng.sample((1, 1, 2, 2, 4), rng.choice((2, 3))))
        for entry in rng.sample(mix, rng.choice((1, 2, 2)))
    ]
    rate = rng.choice(points)["throughput_requests_per_s"] * rng.uniform(2.0, 8.0)
    workload: Mapping = {"name": "w", "requests_per_s": rate, "request_mix": mix, "slices": rng.choice((1, 1, 2))}
    return _fleet(rng, pools, [{**workload, "operating_points": points}])


def _listed(rng: random.Random, pools: Sequence[Mapping], name: str) -> Mapping:
    points = [
        {
            "pool": rng.choice(pools)["name"],
            "gpus": size,
            "throughput_requests_per_s": round(size * rng.uniform(0.7, 1.6), 2),
        }
        for size in rng.sample((1, 2, 3, 4, 5, 6, 8), 3)
    ]
    rate = rng.choice(points)["throughput_requests_per_s"] * rng.uniform(0.5, 4.0)
    sizes = {"prompt_tokens": 100, "output_tokens": 100}
    return {"name": name, "requests_per_s": rate, **sizes, "operating_points": points}


def _unpaid(rng: random.Random) -> Mapping:
    pools = [_pool(rng, number) for number in range(2)]
    pools[0]["owned_gpus"] = pools[0]["gpus"]
    pools[1]["owned_gpus"] = rng.choice((0, pools[1]["gpus"] // 2))
    workloads = [_listed(rng, pools, f"w{number}") for number in range(rng.choice((1, 2)))]
    # So little that it pays for nothing.
    return _fleet(rng, pools, workloads, limits={"max_usd_per_hour": 1e-6})


def _left_over(rng: random.Random) -> Mapping:
    node = rng.choice((4, 8))
    pools = [
        _pool(rng, number, rented_by="gpu", node_size=node, gpus=node * rng.randint(0, 1) + rng.randint(1, node - 1))
        for number in range(rng.choice((1, 2)))
    ]
    return _fleet(rng, pools, [_listed(rng, pools, f"w{number}") for number in range(rng.choice((1, 2)))])


# --- the oracle without a rule ----------------------------------------------------------------------------------------


def _patched(where: Any, name: str, other: Any) -> Callable[[Mapping], OracleAnswer | None]:
    def solve_without(mapping: Mapping) -> OracleAnswer | None:
        with mock.patch.object(where, name, other):
            return solve(mapping)

    return solve_without


def _without_transfers(mapping: Mapping) -> OracleAnswer | None:
    honest = serving.meets

    def meets(service: Service, phase: Phase, known: Figures) -> Any:
        return honest(service, phase, replace(known, transfer_s=0.0))

    with mock.patch.object(serving, "meets", meets), mock.patch.object(Kind, "pairs_with", return_value=True):
        return solve(mapping)


def _first_token_of_one_token(*given: Any) -> Figures:
    service, phase, gpus, latency, _, batch = given
    return _HONEST_FIGURES(service, phase, gpus, latency, 1.0, batch)


def _first_class_alone_in_time(case: Any, workload: Any, pool: int, request: Any) -> Service:
    service = _HONEST_SERVICE(case, workload, pool, request)
    first = next(iter(workload.classes.values()))
    return service if request == first else replace(service, max_time_to_first_token_s=None)


def _no_prompts(service: Service, phase: Phase) -> float:
    return 0.0 if phase == "prefill" else _HONEST_TOKENS(service, phase)


_HONEST_FIGURES, _HONEST_SERVICE, _HONEST_TOKENS = serving.figures, brute_force.service, serving.resident_tokens


def _changed(change: Callable[[Mapping], None]) -> Callable[[Mapping], OracleAnswer | None]:
    def solve_without(mapping: Mapping) -> OracleAnswer | None:
        other = copy.deepcopy(mapping)
        change(other)
        return solve(other)

    return solve_without


def _whole_nodes(mapping: Mapping) -> None:
    for pool in mapping["pools"]:
        pool["gpus"] -= pool["gpus"] % pool["node_size"]


RULES = {
    "the first token waits for the transfer": Rule(_transfers, _without_transfers),
    "the first token waits for the tokens proposed": Rule(
        _drafts, _patched(serving, "figures", _first_token_of_one_token)
    ),
    "a class of a mix that starts late is not served": Rule(
        _mixes, _patched(brute_force, "service", _first_class_alone_in_time)
    ),
    "a prefill instance holds its prompts": Rule(_prompts, _patched(serving, "resident_tokens", _no_prompts)),
    "a slice goes to one instance type": Rule(_sliced, _changed(lambda mapping: mapping["workloads"][0].pop("slices"))),
    "no budget": Rule(_unpaid, _changed(lambda mapping: mapping.pop("limits"))),
    "a partial node serves too": Rule(_left_over, _changed(_whole_nodes)),
}
