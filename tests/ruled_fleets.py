"""Random fleets for one rule each, drawn so that the rule decides: without it the oracle has another optimum.

Rules that seldom bind are never tried by fleets that draw everything at once.
"""

from __future__ import annotations

import contextlib
import copy
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
from oracle import calibrated, deployable, energy, enumeration, fleet_answers, reserve, servers, serving
from oracle import fleet as brute_force
from oracle.deployable import Load
from oracle.fleet import Kind, OracleAnswer, TooLargeError, read, solve
from oracle.memory import forgotten
from oracle.serving import Figures, Phase, Service
from random_profiles import engines, random_profile

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
        if found is not None and (found.decided or rng.random() < 0.01):
            return found


def _one(rule: Rule, rng: random.Random) -> Ruled | None:
    mapping = rule.draw(rng)
    with contextlib.suppress(TooLargeError):
        answer, without = solve(mapping), rule.solve_without(mapping)
        return Ruled(mapping, answer, objective(answer) != objective(without))
    return None


def decided_without(solve_without: Callable[[Mapping], OracleAnswer | None], mapping: Mapping) -> bool:
    """Whether a fleet has another optimum without a rule, as far as that can be told."""
    with contextlib.suppress(TooLargeError):
        return objective(solve(mapping)) != objective(solve_without(mapping))
    return False


def objective(answer: OracleAnswer | None) -> float | None:
    # Plans that differ by rounding alone are no other answer.
    return None if answer is None else float(f"{answer.objective:.9g}")


# --- drawing ----------------------------------------------------------------------------------------------------------


def _fleet(rng: random.Random, pools: list[Mapping], workloads: list[Mapping], **more: Any) -> Mapping:
    objective = rng.choice(("cost", "cost", "power", "gpus"))
    given = {"kind": "fleet", "name": "ruled", "pools": pools, "workloads": workloads, "objective": objective}
    # Published constants decide by what profiles leave out; those of profiles are tried too.
    return given | rng.choice(({}, {"profile": "paper-constants"}, {"profile": "paper-constants"})) | more


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
    at = (service, "colocated", chosen.precision, chosen.setup)
    most = rng.choice((16, 64))
    workload["min_speed"] = serving.price(*at, most, chosen.decoding).speed_tokens_per_s
    workload["max_time_to_first_token_s"] = serving.price(*at, most // 4, chosen.decoding).pass_s * rng.choice(
        (1.0, 1.1)
    )
    return _with_demand(rng, mapping, "colocated")


def _late(rng: random.Random, **changes: Any) -> Mapping:
    """Draw a fleet whose instances are so late at their largest batch that they have to take a smaller one."""
    # Small batches, at which the prompts in the way are as long as the pass.
    space = {**_COARSE, "tensor_parallel": rng.choice(([1], [1, 2], [2])), "batch": {"max": rng.choice((16, 64))}}
    given: Mapping = {"serving": ["colocated"], "design_space": space, **changes}
    mapping = _fleet(rng, [_pool(rng, rented_by="gpu")], [_priced(rng, **given)])
    mapping["profile"] = rng.choice(("auto", "paper-constants", random_profile(rng)))
    (service,) = _services(mapping)
    found = serving.instances(service, "colocated")
    if found:
        chosen = rng.choice(found)
        at = (service, "colocated", chosen.precision, chosen.setup)
        one = serving.price(*at, rng.randint(1, max(1, chosen.batch - 1)), chosen.decoding)
        mapping["workloads"][0]["max_time_to_first_token_s"] = one.pass_s * 1.0001
    return _nearly_enough(rng, mapping, "colocated")


def _in_chunks(rng: random.Random) -> Mapping:
    """Draw a fleet whose servers take long prompts in many pieces, which makes some instance late at any batch."""
    engine, prompt = rng.choice(("vllm", "sglang", "trtllm")), rng.choice((8000, 30_000, 60_000))
    mapping = _late(rng, engine=engine, prompt_tokens=prompt, output_tokens=rng.choice((20, 200)))
    workload = mapping["workloads"][0]
    workload.pop("max_time_to_first_token_s", None)
    (service,) = _services(mapping)
    found = serving.instances(service, "colocated")
    if found:
        chosen = rng.choice(found)
        at = (service, "colocated", chosen.precision, chosen.setup, int(chosen.setup.sigma * chosen.setup.pipeline))
        late = serving.price(*at).pass_s
        with mock.patch.object(reserve, "chunk_tokens", _all_at_once):
            early = serving.price(*at).pass_s
        workload["max_time_to_first_token_s"] = early + rng.choice((0.1, 0.5, 0.9)) * (late - early)
    return _with_demand(rng, mapping, "colocated")


def _pessimistic(rng: random.Random) -> Mapping:
    """Draw a fleet that just meets its demand, its speed or its time to first token without an error."""
    mapping = _fleet(rng, [_pool(rng, number, rented_by="gpu") for number in range(rng.choice((1, 2)))], [_priced(rng)])
    mapping |= {"model_error": rng.choice((0.1, 0.3, "profile")), "profile": rng.choice(("auto", "paper-constants"))}
    workload = mapping["workloads"][0] | {"serving": [rng.choice(("colocated", "disaggregated"))]}
    mapping["workloads"] = [workload]
    nominal = {**mapping, "model_error": 0}
    phase: Phase = "colocated" if workload["serving"] == ["colocated"] else "prefill"
    chosen = rng.choice(_kinds(nominal, phase))
    if rng.random() < 0.5:
        first = chosen.pass_s[0] + chosen.transfer_s[0]
        workload["max_time_to_first_token_s"] = first * rng.choice((0.9, 1.0001, 1.1))
    workload["requests_per_s"] = chosen.capacity[0] * rng.randint(1, 4) * rng.uniform(0.85, 0.999)
    return mapping


def _one_server(rng: random.Random) -> Mapping:
    """Draw a fleet of one server, or of several with launches of their own, and short prompts: launches take long."""
    engine = rng.choice(("vllm", "sglang", ["trtllm"], ["vllm", "sglang"], "any"))
    own = not isinstance(engine, str) or engine == "any"
    space = {**_COARSE, "tensor_parallel": [1, 2], "batch": rng.choice(({"max": 16}, {"max": 64}))}
    given: Mapping = {"prompt_tokens": 100, "output_tokens": 500, "serving": ["colocated"], "design_space": space}
    mapping = _fleet(rng, [_pool(rng, rented_by="gpu")], [_priced(rng, engine=engine, engine_factors=own, **given)])
    mapping["profile"] = rng.choice(("auto", "auto", random_profile(rng) | {"engines": engines(rng)}))
    return _nearly_enough(rng, mapping, "colocated")


def _calibrated(rng: random.Random) -> Mapping:
    mapping = _fleet(rng, [_pool(rng, rented_by="gpu")], [_priced(rng)])
    mapping.pop("profile", None)
    return _nearly_enough(rng, mapping, "colocated")


def _nearly_enough(rng: random.Random, mapping: Mapping, phase: Phase) -> Mapping:
    """Ask for a little more, or a little less, than some instances of a type of the phase can serve."""
    kinds = _kinds(mapping, phase)
    if kinds:
        rate = max(rng.choice(kinds).sure_capacity) * rng.randint(1, 3)
        mapping["workloads"][0]["requests_per_s"] = rate * rng.choice((0.99, 1.01))
    return mapping


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
    # The instance type that is best for the long prompts is a little late for them, whatever its batch.
    best = max(serving.instances(long, phase), key=lambda one: one.capacity_requests_per_s / one.gpus)
    least = int(best.setup.sigma * best.setup.pipeline)
    alone = serving.price(long, phase, best.precision, best.setup, least)
    workload["max_time_to_first_token_s"] = (alone.pass_s + best.transfer_s) * rng.choice((0.7, 0.9, 0.97, 1.0))
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
        service.model,
        one.setup,
        one.precision,
        np.array(float(one.batch)),
        service.request.prompt_tokens,
        service.accelerator,
    )
    held = float(needed) + service.reserve.reserve_bytes(service.model, service.accelerator, one.setup)
    share = held / service.accelerator.hbm_bytes * rng.choice((0.8, 0.95, 0.999))
    workload["memory_utilization"] = min(1.0, share)
    return _with_demand(rng, mapping, "prefill")


def _found(rng: random.Random, **changes: Any) -> Mapping:
    """Draw a fleet of which parts of prompts are in the prefix cache, and so fast a network that prefill decides."""
    workload = _priced(
        rng,
        prompt_tokens=rng.choice((2000, 20_000, 100_000)),
        output_tokens=rng.choice((10, 100)),
        prefix_hit=rng.choice((0.3, 0.6, 0.95)),
        serving=rng.choice((["colocated"], ["disaggregated"])),
        **changes,
    )
    mapping = _fleet(rng, [_pool(rng, rented_by="gpu", accelerator=_quick(rng))], [workload])
    return _with_demand(rng, mapping, "prefill" if workload["serving"] == ["disaggregated"] else "colocated")


def _quick(rng: random.Random, **changes: Any) -> Mapping:
    like = rng.choice(("H100-SXM", "A100-SXM-80GB"))
    return {"like": like, "name": "quick", "inter_node_bytes_per_s": 1e13, **changes}


def _read_again(rng: random.Random) -> Mapping:
    mapping = _found(rng)
    # Nearly all is found, and reading it takes longer than computing the rest.
    mapping["pools"][0]["accelerator"] = _quick(rng, hbm_bytes_per_s=rng.choice((1e11, 3e11)))
    mapping["workloads"][0] |= {"prefix_hit": 0.99, "prompt_tokens": 100_000}
    return _with_demand(
        rng, mapping, "prefill" if mapping["workloads"][0]["serving"] == ["disaggregated"] else "colocated"
    )


def _drafted(rng: random.Random) -> Mapping:
    """Draw a fleet whose draft has long prompts to read, most of them found."""
    mapping = _drafts(rng)
    workload = mapping["workloads"][0]
    del workload["max_time_to_first_token_s"], workload["min_speed"]
    workload |= {"prefix_hit": rng.choice((0.5, 0.9)), "prompt_tokens": 2000, "output_tokens": 50}
    (service,) = _services(mapping)
    drafted = [one for one in serving.instances(service, "colocated") if one.decoding.draft_tokens]
    if drafted:
        # A little slower than what some draft allows, so that plain decoding seldom will do.
        workload["min_speed"] = (rng.choice(drafted).speed_tokens_per_s or 1.0) * 0.98
    return _with_demand(rng, mapping, "colocated")


def _own(rng: random.Random, **attention: Any) -> Mapping:
    """Give a model of which some layers have that attention and the others grouped-query attention."""
    plain = {"kind": "grouped_query", "query_heads": 32, "kv_heads": rng.choice((4, 8)), "head_width": 128}
    full = rng.choice((4, 8, 16))
    return {
        "name": "own",
        "layers": 32,
        "width": 4096,
        "vocabulary": 50_000,
        "tied_embeddings": False,
        "blocks": [
            {"layers": full, "attention": plain},
            {"layers": 32 - full, "attention": plain | attention if "kind" not in attention else attention},
        ],
        "feed_forward": [{"layers": 32, "width": 14_336}],
    }


def _state(rng: random.Random) -> Mapping:
    return {
        "kind": "recurrent",
        "heads": 32,
        "input_width": 12_288,
        "output_width": 4096,
        "state_words": 524_288,
        "state_bytes": rng.choice((1_100_000, 2_200_000, 8_400_000)),
    }


def _sent(rng: random.Random, attention: Mapping) -> Mapping:
    """Draw a fleet whose transfers are slow and of layers of several kinds, in one precision or another."""
    speed = rng.choice((3e8, 1e9, 3e9))
    accelerator = {"like": "H100-SXM", "name": "slow", "inter_node_bytes_per_s": speed}
    workload = _priced(
        rng, model=_own(rng, **attention), serving=["disaggregated"], kv_cache=rng.choice((["bf16"], ["fp8"]))
    )
    return _with_demand(rng, _fleet(rng, [_pool(rng, accelerator=accelerator)], [workload]), "decode")


def _sent_in_8_bits(rng: random.Random) -> Mapping:
    mapping = _sent(rng, {"window": rng.choice((None, 500))})
    mapping["workloads"][0]["kv_cache"] = rng.choice((["fp8"], ["fp8", "bf16"]))
    return _with_demand(rng, mapping, "decode")


def _tight(rng: random.Random, phase: Phase = "decode", **changes: Any) -> Mapping:
    """Draw a fleet on a card that holds between none and a handful of sequences beside weights and reserve."""
    given: Mapping = {"serving": ["disaggregated" if phase == "decode" else "colocated"], **changes}
    workload = _priced(rng, prompt_tokens=rng.choice((2000, 8000)), **given)
    card = _quick(rng, hbm_bytes=1e15) | ({"like": "H100-SXM"} if "kv_cache" in changes else {})
    mapping = _fleet(rng, [_pool(rng, rented_by="gpu", accelerator=card)], [workload])
    (service,) = _services(mapping)
    one = rng.choice(serving.instances(replace(service, batches=np.array([1, 2, 4])), phase))
    needed = deployable.resident_bytes(
        service.model,
        one.setup,
        one.precision,
        np.array(float(rng.randint(1, 6))),
        serving.resident_tokens(service, phase),
        service.accelerator,
    )
    small = replace(service.accelerator, hbm_bytes=6e10)
    held = float(needed) + rng.choice((0.0, 0.9, 1.0)) * service.reserve.reserve_bytes(service.model, small, one.setup)
    hbm_bytes = held / service.memory_utilization * rng.choice((1.0001, 1.05, 1.2))
    mapping["pools"][0]["accelerator"]["hbm_bytes"] = hbm_bytes
    return _with_demand(rng, mapping, phase)


def _reserved(rng: random.Random) -> Mapping:
    return _tight(rng, engine=rng.choice(("any", "vllm", "sglang", "trtllm")))


def _in_stages(rng: random.Random) -> Mapping:
    """Draw a fleet whose decode instances have little memory on one GPU, and much in several stages."""
    space = {**_COARSE, "tensor_parallel": [1], "pipeline_parallel": rng.choice(([1, 2], [1, 2, 4]))}
    engine = rng.choice(("vllm", "sglang", "any", ["sglang", "vllm"], ["vllm", "trtllm"]))
    return _tight(rng, engine=engine, design_space=space)


def _generations(rng: random.Random) -> Mapping:
    """Draw a fleet of two small pools, of which one had better prefill and the other decode."""
    unknown = {"like": "H100-SXM", "name": "unknown", "generation": None}
    cards = rng.choice(
        (("H100-SXM", "B200-SXM"), ("A100-SXM-80GB", "H200-SXM"), ("MI300X", "H100-SXM"), (unknown, "H200-SXM"))
    )
    pools = [
        _pool(rng, at, rented_by="gpu", accelerator=card, gpus=rng.choice((1, 2, 4)), node_size=4)
        for at, card in enumerate(cards)
    ]
    workload = _priced(
        rng,
        engine=rng.choice(("any", "vllm", "sglang", ["vllm", "sglang"], ["sglang", "trtllm"])),
        serving=["disaggregated"],
        design_space={**_COARSE, "tensor_parallel": [1, 2]},
    )
    return _with_demand(rng, _fleet(rng, pools, [workload]), rng.choice(("prefill", "decode")))


def _few_kv_heads(rng: random.Random) -> Mapping:
    """Draw a fleet on a card that holds the weights of a model of few KV heads on several ranks, and a dear one."""
    model = _own(rng, kv_heads=rng.choice((1, 2)))
    space = {**_COARSE, "tensor_parallel": rng.choice(([2, 4], [1, 2, 4], [4, 8]))}
    engine = rng.choice(("vllm", "vllm", "any", ["vllm", "sglang"]))
    return _beside_a_dear_one(rng, _tight(rng, model=model, engine=engine, design_space=space))


def _beside_a_dear_one(rng: random.Random, mapping: Mapping) -> Mapping:
    """Add a pool that holds all that a tight one does not."""
    dear = round(rng.uniform(3.0, 9.0), 2)
    mapping["pools"].append(_pool(rng, 1, rented_by="gpu", accelerator="H200-SXM", usd_per_gpu_hour=dear))
    return mapping


def _uneven(rng: random.Random) -> Mapping:
    """Draw a fleet of a model whose layers differ in KV heads, on a card that stages or ranks share, and a dear one."""
    general = {"kind": "general", "query_heads": 32, "kv_heads": 1, "matrices": [[5120, 4096], [4096, 4096]]}
    general |= {"cache_words": 1024, "flop_per_entry": 16_384}
    fewer = {"kv_heads": rng.choice((1, 2, 16)), "window": rng.choice((None, 500))}
    model = _own(rng, **rng.choice((fewer, fewer, general)))
    if rng.random() < 0.3:
        # Layers without KV heads do not count.
        model["blocks"][-1]["layers"] -= 4
        model["blocks"].append({"layers": 4, "attention": _state(rng)})
    modes = rng.choice((["disaggregated"], ["disaggregated"], ["colocated", "disaggregated"]))
    stages = {"tensor_parallel": rng.choice(([1], [1, 2], [2])), "pipeline_parallel": rng.choice(([1, 2], [1, 2, 4]))}
    # Where it is alone the rule nearly always decides, and leaves no plan: in most fleets others are to serve instead.
    several = "any", "any", ["sglang", "trtllm"], ["vllm", "trtllm"]
    engine = "trtllm" if rng.random() < 0.05 else rng.choice(several)
    # By the rule TensorRT-LLM has no instance apart whose memory could be tight.
    with forgotten(), mock.patch.object(serving, "exchanges_cache", _any_cache):
        mapping = _tight(rng, model=model, engine=engine, serving=modes, design_space={**_COARSE, **stages})
        if "colocated" in modes:
            # So fast that an instance which absorbs prompts too has to have a smaller batch.
            (service,) = _services(mapping)
            if found := serving.instances(service, "decode"):
                mapping["workloads"][0]["min_speed"] = (rng.choice(found).speed_tokens_per_s or 1.0) * 0.98
    return _beside_a_dear_one(rng, mapping)


def _drafted_apart(rng: random.Random) -> Mapping:
    """Draw a fleet whose decode instances are fast enough with a draft alone."""
    speculation = {"draft_model": "Llama-3.2-1B", "acceptance": rng.choice((0.8, 0.95)), "max_draft_tokens": 4}
    workload = _priced(
        rng,
        engine=rng.choice(("vllm", "vllm", "any", ["vllm", "sglang"])),
        serving=["disaggregated"],
        speculation=speculation,
        design_space={**_COARSE, "tensor_parallel": rng.choice(([1, 2], [1, 4], [2]))},
    )
    mapping = _fleet(rng, [_pool(rng, rented_by="gpu")], [workload])
    (service,) = _services(mapping)
    with forgotten(), mock.patch.object(serving, "takes_draft", _decodes_with_a_draft):
        drafted = [one for one in serving.instances(service, "decode") if one.decoding.draft_tokens]
        chosen = rng.choice(drafted)
        at = (service, "decode", chosen.precision, chosen.setup)
        workload["min_speed"] = serving.price(*at, rng.choice((1, 4, 16)), chosen.decoding).speed_tokens_per_s
    return _with_demand(rng, mapping, "decode")


def _copied(rng: random.Random) -> Mapping:
    """Draw a fleet of a mixture of which much goes through no router, in attention groups."""
    mixture = [
        {"layers": 24, "width": 1536, "experts": 8, "active": 2},
        {"layers": 24, "width": rng.choice((4096, 8192)), "shared": True},
        {"layers": 8, "width": 14_336},
    ]
    space = {**_COARSE, "tensor_parallel": rng.choice(([1], [1, 2])), "attention_data_parallel": [1, 2, 4]}
    model = _own(rng) | {"feed_forward": mixture, "vocabulary": rng.choice((50_000, 250_000))}
    engine = rng.choice(("any", "vllm", "sglang", "trtllm"))
    return _tight(rng, rng.choice(("decode", "colocated")), model=model, design_space=space, engine=engine)


def _exchanged(rng: random.Random) -> Mapping:
    """Draw a fleet whose best prefill and decode instances are of another engine or cache each."""
    block = {"layers": 32, "width": 1536, "experts": rng.choice((8, 64)), "active": rng.choice((2, 4))}
    model = _own(rng) | {"feed_forward": [block], "vocabulary": rng.choice((50_000, 250_000))}
    space = {**_COARSE, "tensor_parallel": rng.choice(([1, 2], [1], [2])), "attention_data_parallel": [1, 2, 4]}
    speed = rng.choice((1e9, 1e10, 1e13))
    card = {"like": "H100-SXM", "name": "quick", "inter_node_bytes_per_s": speed, "hbm_bytes": rng.choice((2e10, 3e10))}
    workload = _priced(
        rng,
        model=model,
        engine=rng.choice(("any", ["sglang", "vllm"])),
        kv_cache=rng.choice((["bf16"], ["bf16", "fp8"])),
        serving=["disaggregated"],
        prompt_tokens=rng.choice((2000, 8000)),
        design_space=space,
    )
    pools = [_pool(rng, number, rented_by="gpu", accelerator=card | {"name": f"quick{number}"}) for number in range(1)]
    mapping = _fleet(rng, pools, [workload], profile="paper-constants")
    return _nearly_enough(rng, mapping, rng.choice(("prefill", "decode")))


def _in_groups(rng: random.Random) -> Mapping:
    """Draw a fleet whose few batches are seldom multiples of groups and stages."""
    space = {
        "tensor_parallel": [1],
        "pipeline_parallel": rng.choice(([1], [1, 2])),
        "attention_data_parallel": [2, 4],
        "batch": sorted(rng.sample(range(3, 40), 4)),
    }
    workload = _priced(rng, design_space=space, engine="none", serving=["colocated"])
    return _with_demand(rng, _fleet(rng, [_pool(rng, rented_by="gpu")], [workload]), "colocated")


def _given_reserve(rng: random.Random) -> Mapping:
    return _tight(rng, memory_reserve_gb=rng.choice((1, 3.5, 12)))


def _cached_in_8_bits(rng: random.Random) -> Mapping:
    return _tight(rng, kv_cache=rng.choice((["fp8"], ["bf16", "fp8"])), engine="none")


def _windowed(rng: random.Random) -> Mapping:
    return _tight(rng, model=_own(rng, window=rng.choice((100, 1000))), engine="none")


def _stateful(rng: random.Random) -> Mapping:
    return _tight(rng, model=_own(rng, **_state(rng)), engine="none")


def _resident(rng: random.Random) -> Mapping:
    return _tight(rng, rng.choice(("decode", "colocated")), prefix_hit=rng.choice((0.5, 0.9)), engine="none")


def _spread(rng: random.Random) -> Mapping:
    """Draw a fleet of a mixture whose experts no degree divides without some more."""
    model = _own(rng) | {"feed_forward": [{"layers": 32, "width": 1536, "experts": rng.choice((6, 10)), "active": 2}]}
    space = {**_COARSE, "stage_ranks": [4, 8], "expert_parallel": [4, 8], "attention_data_parallel": [1, 4]}
    workload = _priced(rng, model=model, design_space=space | rng.choice(({}, {"redundant_experts": [0, 2, 6]})))
    return _with_demand(rng, _fleet(rng, [_pool(rng)], [workload]), rng.choice(("decode", "colocated")))


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
        with forgotten(), mock.patch.object(where, name, other):
            return solve(mapping)

    return solve_without


def _without_transfers(mapping: Mapping) -> OracleAnswer | None:
    honest = serving.meets

    def meets(service: Service, phase: Phase, known: Figures) -> Any:
        return honest(service, phase, replace(known, transfer_s=0.0))

    # Prices are kept before it is asked what they meet.
    with mock.patch.object(serving, "meets", meets), mock.patch.object(Kind, "pairs_with", return_value=True):
        return solve(mapping)


def _first_token_of_one_token(*given: Any) -> Any:
    *before, decoding, latency, batch = given
    return _HONEST_FIRST_TOKEN(*before, decoding, latency / decoding.expected, batch)


def _first_class_alone_in_time(case: Any, workload: Any, pool: int, request: Any) -> Service:
    service = _HONEST_SERVICE(case, workload, pool, request)
    first = next(iter(workload.classes.values()))
    return service if request == first else replace(service, max_time_to_first_token_s=None)


def _no_prompts(service: Service, phase: Phase) -> float:
    return 0.0 if phase == "prefill" else _HONEST_TOKENS(service, phase)


def _resident_of_new_tokens(service: Service, phase: Phase) -> float:
    return _HONEST_TOKENS(service, phase) - service.found_tokens


def _from_the_start(model: Any, load: Load) -> Any:
    """Let the new tokens of a prompt attend to one another alone."""
    new = load.prompt_tokens - load.found
    return _HONEST_FLOP(model, replace(load, prompt_tokens=new, found=0.0))


def _one_copy(setup: Any) -> servers.Sharers:
    return servers.Sharers(*[setup.stage_ranks] * 4)


def _every_phase(setup: Any, phase: Phase) -> bool:
    return True


def _any_cache(model: Any, setup: Any, phase: Phase) -> bool:
    return True


def _any_heads(model: Any, setup: Any, phase: Phase) -> bool:
    return True


def _decodes_with_a_draft(setup: Any, phase: Phase) -> bool:
    return phase != "prefill"


def _anywhere(engine: str, accelerator: Any) -> None:
    return None


def _any_beside_any(listed: Any, phases: Any) -> list[list[int]]:
    return [[index for index, kind in enumerate(listed) if kind.phase in phases]]


def _as_many_proposals(decoding: Any) -> int:
    return int(decoding.draft_tokens)


def _parts_of_groups(scenario: Any, model: Any, sigma: int, pipeline: int) -> Any:
    return scenario.batches >= pipeline


def _nothing_read(kind: Any, setup: Any, word_bytes: float, load: Load) -> float:
    return _HONEST_READ(kind, setup, word_bytes, replace(load, found=0.0))


def _drafting_whole_prompts(service: Service, *given: Any) -> Any:
    return _HONEST_DRAFT(replace(service, prefix_hit=0.0), *given)


def _everything_sent(model: Any, precision: Any, tokens: float) -> float:
    return sum(
        layers * replace(kind, window=math.inf).sequence_bytes(tokens, precision.word_bytes)
        for layers, kind in deployable.kinds(model)
    )


def _no_states_sent(model: Any, precision: Any, tokens: float) -> float:
    return sum(
        layers * replace(kind, state_bytes=0).sequence_bytes(tokens, precision.word_bytes)
        for layers, kind in deployable.kinds(model)
    )


def _sent_in_16_bits(model: Any, precision: Any, tokens: float) -> float:
    return _HONEST_PROMPT(model, replace(precision, kv_cache="bf16"), tokens)


def _first_workload(**changes: Any) -> Callable[[Mapping], OracleAnswer | None]:
    return _changed(lambda mapping: mapping["workloads"][0].update(changes))


def _no_redundant_experts(mapping: Mapping) -> None:
    mapping["workloads"][0]["design_space"]["redundant_experts"] = [0]


def _without_in_layers(name: str, value: Any) -> Callable[[Mapping], OracleAnswer | None]:
    def change(mapping: Mapping) -> None:
        for block in mapping["workloads"][0]["model"]["blocks"]:
            if name in block["attention"]:
                block["attention"][name] = value

    return _changed(change)


_HONEST_FIRST_TOKEN, _HONEST_SERVICE = serving.first_token_s, brute_force.service
_HONEST_TOKENS = serving.resident_tokens
_HONEST_FLOP, _HONEST_READ, _HONEST_PROMPT = deployable.cache_flop, deployable.read_bytes, deployable.prompt_bytes
_HONEST_DRAFT = serving.draft_s


def _changed(change: Callable[[Mapping], None]) -> Callable[[Mapping], OracleAnswer | None]:
    def solve_without(mapping: Mapping) -> OracleAnswer | None:
        other = copy.deepcopy(mapping)
        change(other)
        return solve(other)

    return solve_without


def _whole_nodes(mapping: Mapping) -> None:
    for pool in mapping["pools"]:
        pool["gpus"] -= pool["gpus"] % pool["node_size"]


def _without_first_token(name: str) -> Callable[[Mapping], OracleAnswer | None]:
    """Solve without a constant of the time to first token."""

    def first_token(profile: Any) -> Any:
        return replace(_FIRST_TOKEN(profile), **{name: 0.0})

    return _patched(calibrated, "first_token_of", first_token)


def _all_at_once(accelerator: Any, engine: str) -> float:
    return math.inf


_FIRST_TOKEN = calibrated.first_token_of

RULES = {
    "the first token waits at least so long": Rule(_late, _without_first_token("seconds")),
    "prompts of others are in the way": Rule(_late, _without_first_token("prompts_in_the_way")),
    "prompts run in chunks": Rule(_in_chunks, _patched(reserve, "chunk_tokens", _all_at_once)),
    "a plan survives the error of the model": Rule(_pessimistic, _changed(lambda mapping: mapping.pop("model_error"))),
    "one server has its own launches": Rule(
        _one_server, _patched(calibrated, "launch_factor", mock.Mock(return_value=1.0))
    ),
    "each accelerator has a profile": Rule(
        _calibrated, _changed(lambda mapping: mapping.update(profile="paper-constants"))
    ),
    "the first token waits for the transfer": Rule(_transfers, _without_transfers),
    "the first token waits for the tokens proposed": Rule(
        _drafts, _patched(serving, "first_token_s", _first_token_of_one_token)
    ),
    "a class of a mix that starts late is not served": Rule(
        _mixes, _patched(brute_force, "service", _first_class_alone_in_time)
    ),
    "a prefill instance holds its prompts": Rule(_prompts, _patched(serving, "resident_tokens", _no_prompts)),
    "a part of a prompt is found": Rule(_found, _first_workload(prefix_hit=0.0)),
    "new tokens of a prompt attend to those found": Rule(_found, _patched(deployable, "cache_flop", _from_the_start)),
    "what is found of a prompt is read": Rule(_read_again, _patched(deployable, "read_bytes", _nothing_read)),
    "what is found of a prompt is resident": Rule(
        _resident, _patched(serving, "resident_tokens", _resident_of_new_tokens)
    ),
    "a draft finds its part of a prompt too": Rule(_drafted, _patched(serving, "draft_s", _drafting_whole_prompts)),
    "a window sends what it keeps": Rule(
        lambda rng: _sent(rng, {"window": rng.choice((100, 1000))}),
        _patched(deployable, "prompt_bytes", _everything_sent),
    ),
    "a state is sent whole": Rule(
        lambda rng: _sent(rng, _state(rng)), _patched(deployable, "prompt_bytes", _no_states_sent)
    ),
    "the cache is sent as it is kept": Rule(_sent_in_8_bits, _patched(deployable, "prompt_bytes", _sent_in_16_bits)),
    "the cache may be of 8 bits": Rule(_cached_in_8_bits, _first_workload(kv_cache=["bf16"])),
    "a window frees the cache": Rule(_windowed, _without_in_layers("window", None)),
    "a state takes memory": Rule(_stateful, _without_in_layers("state_bytes", 1)),
    "a disaggregated workload has one engine and one cache": Rule(
        _exchanged, _patched(brute_force, "alike_kinds", _any_beside_any)
    ),
    "decode instances of some servers have one stage": Rule(_in_stages, _patched(serving, "runs_phase", _every_phase)),
    "caches stay within a generation in some servers": Rule(_generations, _patched(servers, "caches_stay", _anywhere)),
    "prefill instances of some servers have few ranks": Rule(
        _few_kv_heads, _patched(serving, "sends_heads", _any_heads)
    ),
    "instances apart of some servers have one number of KV heads": Rule(
        _uneven, _patched(serving, "exchanges_cache", _any_cache)
    ),
    "decode instances of some servers have no draft": Rule(
        _drafted_apart, _patched(serving, "takes_draft", _decodes_with_a_draft)
    ),
    "batches are whole groups": Rule(_in_groups, _patched(enumeration, "_whole_groups", _parts_of_groups)),
    "one token of a pass is the model's own": Rule(
        _drafts, _patched(serving.Decoding, "proposed", property(_as_many_proposals))
    ),
    "a server needs a reserve": Rule(_reserved, _first_workload(engine="none")),
    "attention groups have copies of what no expert routes to": Rule(
        _copied, _patched(deployable, "sharers", _one_copy)
    ),
    "a reserve may be given": Rule(_given_reserve, _first_workload(memory_reserve_gb="auto")),
    "redundant experts let a degree divide": Rule(_spread, _changed(_no_redundant_experts)),
    "a slice goes to one instance type": Rule(_sliced, _changed(lambda mapping: mapping["workloads"][0].pop("slices"))),
    "no budget": Rule(_unpaid, _changed(lambda mapping: mapping.pop("limits"))),
    "a partial node serves too": Rule(_left_over, _changed(_whole_nodes)),
}


def _no_caps(mapping: Mapping) -> None:
    for workload in mapping["workloads"]:
        if "model" in workload:
            workload.pop("max_time_to_first_token_s", None)


CAP = "a cap on the time to first token"

FREE_RULES: dict[str, Callable[[Mapping], OracleAnswer | None]] = {
    CAP: _changed(_no_caps),
    "prompts of others are in the way": _without_first_token("prompts_in_the_way"),
    "a plan survives the error of the model": _changed(lambda mapping: mapping.update(model_error=0)),
    "each accelerator has a profile": _changed(lambda mapping: mapping.setdefault("profile", "paper-constants")),
}
"""Rules that have to decide often enough in fleets that draw everything at once, and the oracle without each."""


def _without_power(name: str) -> Callable[[Mapping], OracleAnswer | None]:
    def answer_without(mapping: Mapping) -> OracleAnswer | None:
        other = copy.deepcopy(mapping)
        for pool in other["pools"]:
            card = pool["accelerator"]
            for held in (pool, card if isinstance(card, dict) else {}):
                held.get("power", {}).pop(name, None)
        return fleet_answers.answer(other)

    return answer_without


def _without_limits(*names: str) -> Callable[[Mapping], OracleAnswer | None]:
    def answer_without(mapping: Mapping) -> OracleAnswer | None:
        limits = {name: value for name, value in mapping.get("limits", {}).items() if name not in names}
        return fleet_answers.answer(mapping | {"limits": limits})

    return answer_without


def _with_supply(change: Callable[[Any, Any, Any], Any]) -> Callable[[Mapping], OracleAnswer | None]:
    def answer_without(mapping: Mapping) -> OracleAnswer | None:
        with forgotten(), mock.patch.object(energy, "supply", change):
            return fleet_answers.answer(mapping)

    return answer_without


_HONEST_SUPPLY = energy.supply

ENERGY_RULES: dict[str, Callable[[Mapping], OracleAnswer | None]] = {
    "energy has a price": _without_power("usd_per_kwh"),
    "a site takes more than its boards": _without_power("pue"),
    "energy and carbon are limited": _without_limits("max_energy_kw", "max_carbon_kg_per_hour"),
    "instances draw while they wait": _with_supply(lambda *given: replace(_HONEST_SUPPLY(*given), idle=0.0)),
    "requests take energy": _with_supply(lambda *given: replace(_HONEST_SUPPLY(*given), busy=0.0)),
    "a profile has shares of the board power": _with_supply(lambda *given: _HONEST_SUPPLY(None, *given[1:])),
}
"""Rules of the energy of fleets, and the oracle without each."""


def decided_in_plan(answer_without: Callable[[Mapping], OracleAnswer | None], mapping: Mapping) -> bool:
    """Whether other instances run without a rule of energy, or another plan is too much, as far as can be told."""
    with contextlib.suppress(TooLargeError):
        honest, other = fleet_answers.answer(mapping), answer_without(mapping)
        return (None if honest is None else honest.instances) != (None if other is None else other.instances)
    return False
