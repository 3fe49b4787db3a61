"""Latency, memory and feasibility of given rows of one model, accelerator and precision, on their servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.types import Accelerator
from ieco_opt.engines.spread import EXCHANGES
from ieco_opt.performance import memory, rules
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.network import NETWORK_PARTS
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.reserve import ENGINES, chunk_tokens, reserve_bytes
from ieco_opt.performance.servers import Server
from ieco_opt.performance.serving import PromptTimes
from ieco_opt.performance.traffic import decode_traffic, prefill_traffic
from ieco_opt.performance.validated import Validated

USUAL = -1.0
"""Number in place of an exchange of experts: what the server does without being asked."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Columns of some rows, and which of them exist and fit; every array has shape (rows,)."""

    columns: dict[str, NDArray[Any]]
    feasible: NDArray[np.bool_]


def priced_rows(
    shape: Architecture,
    accelerator: Accelerator,
    numbers: dict[str, Array],
    two_dimensional: NDArray[np.bool_],
    servers: Sequence[Server | None],
    known: Validated | None,
) -> Evaluated:
    """Price rows, each on the server that runs it fastest; ``known`` is what is known of the error of their times.

    A row that no server starts is priced by the equations alone, and is not feasible.
    """
    degrees = _degrees(shape, numbers, two_dimensional)
    if not rules.is_deployable(shape):
        return _paper(shape, accelerator, numbers, degrees)
    count = len(degrees.gpus)
    best = _on_server(shape, accelerator, numbers, degrees, None)
    if known is not None:
        best = replace(best, columns=best.columns | _trusted(known, numbers))
    if None in servers:
        return best
    best = Evaluated(best.columns, np.zeros(count, dtype=bool))
    starts, names = np.zeros(count, dtype=bool), [list[str]() for _ in range(count)]
    for server in servers:
        assert server is not None
        exchange = numbers["exchange"]
        said = np.where(exchange == USUAL, server.usual_exchange(degrees, server.experts), exchange).astype(np.int64)
        accepted = server.accepted(degrees, said)[0] & _offered(server, degrees, exchange)
        found = _on_server(shape, accelerator, numbers, degrees, server)
        fits = found.feasible & accepted
        for row in np.flatnonzero(fits):
            names[row].append(server.profile.name)
        quicker = found.columns["latency_s"] < best.columns["latency_s"]
        better = (fits & (~best.feasible | quicker)) | (accepted & ~starts & ~best.feasible)
        best = Evaluated(
            {name: np.where(better, found.columns.get(name, value), value) for name, value in best.columns.items()},
            best.feasible | fits,
        )
        starts |= accepted
    best.columns["engines"] = np.array([",".join(sorted(each)) for each in names], dtype=object)
    return best


def _degrees(shape: Architecture, numbers: dict[str, Array], two_dimensional: NDArray[np.bool_]) -> Degrees:
    stages, batch = numbers["pipeline_parallel"], numbers["batch"]
    ranks = numbers["gpus"] / stages
    deployable = rules.is_deployable(shape)
    experts = numbers["expert_parallel"] if deployable else rules.paper_expert_parallel(shape, ranks, batch / stages)
    copies = numbers["redundant_experts"] if deployable else np.zeros_like(ranks)
    return Degrees.plain(ranks, stages, experts, numbers["attention_data_parallel"], two_dimensional, copies)


def _offered(server: Server, degrees: Degrees, exchange: Array) -> NDArray[np.bool_]:
    """Whether a server has the exchange of experts that a row asks for."""
    asked = np.maximum(exchange, 0.0).astype(np.int64)
    return np.asarray((exchange == USUAL) | server.offers(degrees)[np.arange(len(asked)), asked])


def _on_server(
    shape: Architecture, accelerator: Accelerator, numbers: dict[str, Array], degrees: Degrees, server: Server | None
) -> Evaluated:
    """Rows as one server runs them; ``None``: as the equations alone price them."""
    name, reserved = "none", "none"
    if server is not None:
        accelerator = server.accelerator
        asked, usual = numbers["exchange"], server.usual_exchange(degrees, server.experts)
        degrees = server.laid_out(degrees, np.where(asked == USUAL, usual, asked).astype(np.int64))
        name, reserved = server.profile.name, server.profile.prices.reserve
    held = _memory(shape, accelerator, degrees, numbers, reserved)
    fits = _whole(shape, degrees, numbers["batch"]) & (held["free_gb"] >= 0.0)
    times = _times(shape, accelerator, degrees, numbers, numbers["context_tokens"] + numbers["output_tokens"])
    if "prompt_tokens" in numbers:
        chunk = chunk_tokens(next(each for each in ENGINES if each == reserved), accelerator)
        times |= _waits(shape, accelerator, degrees, numbers, times["latency_s"], chunk)
    said = np.array(EXCHANGES, dtype=object)[degrees.spread.exchange]
    words = {
        "engine": np.full(len(fits), name, dtype=object),
        "engines": np.full(len(fits), "", dtype=object),
        "exchange": said if shape.experts > 1 else np.full(len(fits), "", dtype=object),
    }
    return Evaluated({**_degree_columns(degrees), **times, **held, **words}, fits)


def _trusted(known: Validated, numbers: dict[str, Array]) -> dict[str, NDArray[Any]]:
    """How far rows can be trusted; no measurement verified tokens of a draft."""
    count = len(numbers["gpus"])
    context = numbers["context_tokens"] + numbers["output_tokens"] / 2.0
    plain = numbers["tokens_per_pass"] == 1.0
    return {
        "profile": np.full(count, known.profile, dtype=object),
        "in_range": known.in_range(numbers["gpus"], numbers["batch"], context) & plain,
        "expected_error": np.full(count, known.expected_error),
    }


def _paper(shape: Architecture, accelerator: Accelerator, numbers: dict[str, Array], degrees: Degrees) -> Evaluated:
    context = numbers["context_tokens"]
    times = _times(shape, accelerator, degrees, numbers, context)
    fits = rules.paper_fits(shape, accelerator, degrees, numbers["batch"], context)
    return Evaluated({**_degree_columns(degrees), **times}, fits)


def _times(
    shape: Architecture, accelerator: Accelerator, degrees: Degrees, numbers: dict[str, Array], longest: Array
) -> dict[str, Array]:
    traffic = decode_traffic(numbers["tokens_per_pass"], numbers["context_tokens"], longest)
    if "prompt_tokens" in numbers:
        found = numbers["prefix_hit"] * numbers["prompt_tokens"]
        traffic = traffic.with_prompts(1.0 / numbers["output_tokens"], numbers["prompt_tokens"], found)
    parts = pass_time(shape, accelerator, degrees, traffic).components(numbers["batch"])
    names = ("kernel_s", *NETWORK_PARTS, "memory_s", "arithmetic_s", "latency_s")
    return {name: getattr(parts, name) for name in names}


def _waits(
    shape: Architecture,
    accelerator: Accelerator,
    degrees: Degrees,
    numbers: dict[str, Array],
    latency_s: Array,
    chunk: float,
) -> dict[str, Array]:
    """Times to the first and to the last token of rows that read prompts."""
    prompt, output, batch = numbers["prompt_tokens"], numbers["output_tokens"], numbers["batch"]
    found = numbers["prefix_hit"] * prompt
    chunks = np.maximum(1.0, np.ceil((prompt - found) / chunk))
    alone = pass_time(shape, accelerator, degrees, prefill_traffic(prompt, found, chunks))
    times = PromptTimes.of(accelerator, degrees, chunks * alone.latency_s(degrees.groups), 1.0, output)
    return {
        "time_to_first_token_s": times.time_to_first_token_s(latency_s, batch),
        "end_to_end_s": times.end_to_end_s(latency_s, batch),
    }


def _degree_columns(degrees: Degrees) -> dict[str, Array]:
    return {
        "expert_parallel": degrees.expert_parallel,
        "tensor_parallel_feed_forward": degrees.expert_tensor_parallel,
        "tensor_parallel_attention": degrees.tensor_parallel,
        "tensor_parallel": degrees.tensor_parallel,
        "expert_tensor_parallel": degrees.expert_tensor_parallel,
        "stage_ranks": degrees.stage_ranks,
    }


def _memory(
    shape: Architecture, accelerator: Accelerator, degrees: Degrees, numbers: dict[str, Array], engine: str
) -> dict[str, Array]:
    """What the most loaded GPU holds, in 1e9 bytes, and the tokens that there is room for."""
    used_share, reserve = numbers["memory_utilization"], numbers["reserve"]
    given = reserve_bytes(engine, shape, accelerator, degrees, used_share)
    reserve = np.where(np.isnan(reserve), given, reserve)
    weights = memory.weight_bytes_per_gpu(shape, degrees)
    tokens = numbers["context_tokens"] + numbers["output_tokens"]
    per_sequence = memory.cache_bytes_per_sequence(shape, degrees, tokens)
    cache = memory.sequences_per_gpu(degrees, numbers["batch"]) * per_sequence
    left = used_share * accelerator.hbm_bytes - weights - reserve
    return {
        "cache_tokens": memory.cache_tokens(degrees, left, memory.cache_bytes_per_token(shape, degrees)),
        "weights_gb": weights / 1e9,
        "cache_gb": cache / 1e9,
        "reserve_gb": reserve / 1e9,
        "free_gb": (left - cache) / 1e9,
    }


def _whole(shape: Architecture, degrees: Degrees, batch: Array) -> NDArray[np.bool_]:
    """Integer degrees that divide as they must, and a batch of whole groups."""
    whole = np.ones(len(batch), dtype=bool)
    for values in (
        degrees.stage_ranks,
        degrees.pipeline_parallel,
        degrees.expert_parallel,
        degrees.attention_data_parallel,
        batch,
    ):
        whole &= (values == np.floor(values)) & (values >= 1.0)
    whole &= degrees.redundant_experts == np.floor(degrees.redundant_experts)
    return np.asarray(whole & rules.divide(shape, degrees) & (batch % degrees.groups == 0.0))
