"""One deployment as users see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

COLUMNS = (
    "speed_tokens_per_s",
    "cost_usd_per_mtok",
    "latency_s",
    "throughput_tokens_per_s",
    "gpus",
    "accelerator",
    "weights",
    "tensor_parallel",
    "tensor_layout",
    "pipeline_parallel",
    "expert_parallel",
    "attention_data_parallel",
    "batch",
    "draft_tokens",
    "mfu",
    "power_kw",
    "bottleneck",
    "kernel_s",
    "network_s",
    "memory_s",
    "arithmetic_s",
    "bound",
    "gap",
    "status",
)
"""Columns of a deployment that scripts rely on; the fields below add what a launch needs besides."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment that can be launched, with what it is worth and what is proven of it.

    Attributes
    ----------
    weights
        Precision; ``None`` in fidelity ``paper``, where the model's name says it.
    draft_tokens
        Tokens proposed at once by the draft model, 0 without speculation.
    power_kw
        Board power; ``None`` where the accelerator's is unknown.
    bottleneck
        The largest of the four times: ``kernel``, ``network``, ``memory`` or ``arithmetic``.
    kernel_s, network_s, memory_s, arithmetic_s
        Seconds per generated token. With speculation each is the sum over model and draft, so that the latency is
        at most kernel + network + memory + arithmetic and at least kernel + network + max(memory, arithmetic).
    bound
        Proven: no feasible deployment at this cost is faster than this, in tokens/s.
    gap
        (bound - speed) / speed.
    status
        ``optimal`` where the gap is closed (to 1e-6), otherwise ``feasible``.
    memory_per_gpu_gb, memory_limit_gb
        Bytes / 1e9 on the most loaded GPU, and what the server may use there. In fidelity ``paper`` the average
        over all GPUs under the paper's rule.
    draft_tensor_parallel, draft_tensor_layout, ...
        Setup of the draft model; ``None`` without speculation.
    """

    speed_tokens_per_s: float
    cost_usd_per_mtok: float
    latency_s: float
    throughput_tokens_per_s: float
    gpus: int
    accelerator: str
    weights: str | None
    tensor_parallel: int
    tensor_layout: str
    pipeline_parallel: int
    expert_parallel: int
    attention_data_parallel: int
    batch: int
    draft_tokens: int
    mfu: float
    power_kw: float | None
    bottleneck: str
    kernel_s: float
    network_s: float
    memory_s: float
    arithmetic_s: float
    bound: float
    gap: float
    status: str
    memory_per_gpu_gb: float
    memory_limit_gb: float
    draft_tensor_parallel: int | None
    draft_tensor_layout: str | None
    draft_pipeline_parallel: int | None
    draft_expert_parallel: int | None
    draft_attention_data_parallel: int | None
    cost_cap: float | None
    """Epsilon of the step that proved the point; ``None`` where no cap was set."""

    def to_dict(self) -> dict[str, object]:
        """Every column by name."""
        return asdict(self)


ALL_COLUMNS = tuple(item.name for item in fields(Deployment))
"""All columns of a deployment, in the order of tables."""
