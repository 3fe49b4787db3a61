"""One deployment as users see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ieco_opt.catalog.types import DraftMode
from ieco_opt.documents.types import (
    AboveZero,
    AboveZeroOrInfinite,
    Count,
    Flag,
    FromZero,
    FromZeroOrInfinite,
    Number,
    Text,
    Whole,
)
from ieco_opt.engines.spread import ExchangeKind
from ieco_opt.results.guarantee import Status
from ieco_opt.results.parallelism import Parallelism, Row

Bottleneck = Literal["compute", "memory", "network", "launch overhead"]

RESOURCES: dict[str, Bottleneck] = {
    "kernel_s": "launch overhead",
    "network_s": "network",
    "memory_s": "memory",
    "arithmetic_s": "compute",
}
"""Columns of the four times of a token, and what each is called where it is the longest."""


def bottleneck_of(times: dict[str, float]) -> Bottleneck:
    """Name of the longest of the four times, which are named as in ``RESOURCES``."""
    return RESOURCES[max(times, key=lambda name: times[name])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(Row):
    """A deployment that can be launched, with what it is worth and what is proven of it.

    Attributes
    ----------
    weights, kv_cache
        Precisions of weights (a recipe of its own as ``experts=mxfp4,rest=bf16``) and cache; ``None`` in fidelity
        ``paper``, where the model's name says it.
    engine, engines
        Server that was priced, and all those of the scenario that start the configuration with this batch, sorted and
        separated by commas; ``None`` where none was asked for.
    parallelism, draft
        Degrees of the model, and of the draft model (``None`` without speculation).
    exchange
        What brings tokens to their experts: ``none`` (every rank has every token), ``all_gather`` or ``all_to_all``;
        ``None`` without routed experts and in fidelity ``paper``.
    draft_tokens
        Tokens that the model verifies in one pass, its own next one among them; 0 without speculation.
    draft_mode, draft_model
        How tokens are proposed, and the name of the draft model or the repository of the head; ``None`` without
        speculation, and the name also where there is none.
    mfu
        Model FLOPs utilisation: useful FLOP/s over the peak.
    power_kw
        Board power; ``None`` where the accelerator's is unknown.
    bottleneck
        The longest of the four times: ``launch overhead``, ``network``, ``memory`` or ``compute``.
    kernel_s, network_s, memory_s, arithmetic_s
        Seconds per generated token: launch overhead, network, memory and compute. With speculation each is the sum
        over model and draft, so that the latency is at most kernel + network + memory + arithmetic and at least
        kernel + network + max(memory, arithmetic).
    bound
        Proven: no feasible deployment at this cost is faster than this, in tokens/s. Where the least energy or carbon
        was asked for: none that takes as little of it.
    gap
        (bound - speed) / speed.
    status
        ``optimal`` where the gap is closed (to 1e-6), otherwise ``feasible``.
    memory_per_gpu_gb, memory_limit_gb
        Bytes / 1e9 on the most loaded GPU, and what the server may use there. In fidelity ``paper`` the average
        over all GPUs under the paper's rule.
    cache_tokens
        Tokens whose cache there is room for, of all attention groups, if every layer keeps every token: what servers
        log. ``None`` in fidelity ``paper``.
    weights_gb, cache_gb, draft_gb, reserve_gb, free_gb
        What the most loaded GPU holds, in 1e9 bytes: weights, cache of the batch, weights and cache of the draft
        model, what the server keeps for itself, and what is left.
    profile, in_range, expected_error
        Calibration profile behind the times, or ``paper-constants``; whether the configuration lies in what the profile
        was fitted in; and the relative error that nine times in ten are within. ``None`` in fidelity ``paper``.
    cost_cap
        Epsilon of the step that proved the point, in $ per million tokens; ``None`` where no cap was set. Where the
        least energy was asked for, in J per token, and carbon in kg per million tokens.
    energy_j_per_token
        Energy of a generated token at the boards, in joules; ``None`` where the accelerator's board power is unknown,
        and in fidelity ``paper``.
    energy_usd_per_mtok, carbon_kg_per_mtok
        What it costs, which is part of the cost, and the carbon dioxide of it, for a million tokens with what the site
        takes beside its boards; ``None`` where the scenario gives no price or no carbon of a kWh.
    time_to_first_token_s, end_to_end_s
        Seconds to the first and to the last token of a request. These and the columns below are ``None``, and no file
        or table has them, where decoding alone is priced.
    requests_per_s
        Requests that are served in a second.
    cost_usd_per_mtok_total, usd_per_request, usd_per_hour
        What a million tokens read and written cost, what a request does, and what an hour does.
    """

    speed_tokens_per_s: AboveZero
    cost_usd_per_mtok: AboveZero
    latency_s: AboveZero
    throughput_tokens_per_s: AboveZero
    gpus: Whole
    accelerator: Text
    weights: Text | None
    kv_cache: Literal["bf16", "fp8"] | None
    engine: Text | None
    engines: Text | None
    parallelism: Parallelism
    exchange: ExchangeKind | None
    batch: Whole
    draft_tokens: Count
    draft_mode: DraftMode | None
    draft_model: Text | None
    mfu: FromZero
    power_kw: FromZero | None
    bottleneck: Bottleneck
    kernel_s: FromZero
    network_s: FromZero
    memory_s: FromZero
    arithmetic_s: FromZero
    bound: AboveZeroOrInfinite
    gap: FromZeroOrInfinite
    status: Status
    memory_per_gpu_gb: FromZero
    memory_limit_gb: AboveZero
    cache_tokens: Count | None
    weights_gb: FromZero | None
    cache_gb: FromZero | None
    draft_gb: FromZero | None
    reserve_gb: FromZero | None
    free_gb: Number | None
    profile: Text | None
    in_range: Flag | None
    expected_error: AboveZero | None
    draft: Parallelism | None
    cost_cap: Number | None
    energy_j_per_token: FromZero | None
    energy_usd_per_mtok: FromZero | None
    carbon_kg_per_mtok: FromZero | None
    time_to_first_token_s: AboveZero | None = None
    end_to_end_s: AboveZero | None = None
    requests_per_s: AboveZero | None = None
    cost_usd_per_mtok_total: AboveZero | None = None
    usd_per_request: AboveZero | None = None
    usd_per_hour: AboveZero | None = None

    @classmethod
    def optional(cls) -> tuple[str, ...]:
        """Columns that only deployments have whose scenario prices prompts."""
        return (
            *("time_to_first_token_s", "end_to_end_s", "requests_per_s"),
            *("cost_usd_per_mtok_total", "usd_per_request", "usd_per_hour"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Every column by name; those of prompts only where they are priced."""
        absent = {name for name in self.optional() if getattr(self, name) is None}
        return {name: value for name, value in Row.to_dict(self).items() if name not in absent}
