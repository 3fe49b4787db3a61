"""The instances of a plan as users see them: one row for each type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ieco_opt.catalog.types import DraftMode
from ieco_opt.documents.types import (
    AboveZero,
    Count,
    Flag,
    FromZero,
    FromZeroOrInfinite,
    Number,
    NumberOrMinusInfinite,
    Text,
    Whole,
)
from ieco_opt.engines.spread import ExchangeKind
from ieco_opt.results.deployment import Bottleneck
from ieco_opt.results.guarantee import Status
from ieco_opt.results.parallelism import Parallelism, Row

PhaseName = Literal["colocated", "prefill", "decode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow(Row):
    """All instances of one type: one workload, phase, pool and configuration.

    Figures of a deployment are those of one full instance; with a request mix, those of the slowest class it can serve.
    What the table of an operating point does not give is ``None``.

    Attributes
    ----------
    phase
        ``colocated``, ``prefill`` or ``decode``.
    instance_type
        Short name of the configuration, unique within workload, phase and pool.
    instances, nodes
        Instances of the type, and the nodes they touch (which others may share).
    requests_per_s, capacity_requests_per_s
        What all instances of the row serve, and could serve of the same mix.
    utilization
        Served over capacity, 0 to 1.
    usd_per_hour
        Hourly cost of the row: its share of the pool's, by GPUs.
    speed_tokens_per_s, latency_s
        ``None`` for prefill.
    time_to_first_token_s
        Of prefill: the pass and the slowest transfer to a decode instance of the plan. ``None`` for decode. With a
        request mix the longest of the classes it can serve.
    throughput_tokens_per_s
        Generated tokens of one full instance; for prefill, prompt tokens.
    energy_kw
        Mean power that the instances of the row draw at what they serve, with what cooling and supply take.
    bound, gap, status
        Of the plan: proven bound on its objective, relative gap, ``optimal`` or ``feasible``.
    engine ... expected_error
        As in :class:`~ieco_opt.results.deployment.Deployment`.
    """

    workload: Text
    phase: PhaseName
    pool: Text
    instance_type: Text
    instances: Whole
    nodes: Count
    usd_per_hour: FromZero
    utilization: FromZero
    time_to_first_token_s: AboveZero | None
    requests_per_s: FromZero
    capacity_requests_per_s: AboveZero
    speed_tokens_per_s: AboveZero | None
    cost_usd_per_mtok: FromZero | None
    latency_s: AboveZero | None
    throughput_tokens_per_s: AboveZero
    gpus: Whole
    accelerator: Text
    weights: Text | None
    kv_cache: Literal["bf16", "fp8"] | None
    engine: Text | None
    engines: Text | None
    parallelism: Parallelism | None
    exchange: ExchangeKind | None
    batch: Whole | None
    draft_tokens: Count | None
    draft_mode: DraftMode | None
    draft_model: Text | None
    mfu: FromZero | None
    power_kw: FromZero | None
    bottleneck: Bottleneck | None
    kernel_s: FromZero | None
    network_s: FromZero | None
    memory_s: FromZero | None
    arithmetic_s: FromZero | None
    bound: NumberOrMinusInfinite
    gap: FromZeroOrInfinite
    status: Status
    memory_per_gpu_gb: FromZero | None
    memory_limit_gb: AboveZero | None
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
    energy_kw: FromZero | None

    @property
    def layout(self) -> str:
        """How an instance is split over its GPUs, such as ``TP8 PP2``; of an operating point its instance type."""
        return self.instance_type if self.parallelism is None else self.parallelism.short()
