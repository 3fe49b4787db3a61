"""From a decision to a deployment: every column, recomputed by the performance model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.design_space.families import Family
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.pareto.points import Point
from ieco_opt.performance import memory, rules
from ieco_opt.performance.architecture import peak_flops
from ieco_opt.performance.economics import model_flops_utilization
from ieco_opt.performance.pass_time import Degrees
from ieco_opt.results.deployment import RESOURCES, Deployment, bottleneck_of
from ieco_opt.results.parallelism import Parallelism


def describe(space: DesignSpace, points: Sequence[Point]) -> tuple[Deployment, ...]:
    """Deployments of some points of a design space, fastest first."""
    ordered = sorted(points, key=lambda point: (point.latency_s, point.cost))
    return tuple(_deployment(space, point) for point in ordered)


def _deployment(space: DesignSpace, point: Point) -> Deployment:
    row = space.alternatives.take(np.array([point.alternative]))
    family = space.families[int(row.accelerator[0]) * len(space.weights) + int(row.weights[0])]
    batch = np.array([float(point.batch)])
    latency = float(row.latency_s(batch)[0])
    times = component_seconds(row, batch)
    throughput = point.batch / latency
    certificate = point.certificate
    bound = 1.0 / certificate.latency_bound_s if certificate.latency_bound_s > 0 else np.inf
    power = float(row.power_kw[0])
    used, limit = memory_gb(family, row, point.batch)
    flop = float(family.shape.flop_per_token(family.context.average_tokens))
    peak = peak_flops(family.accelerator, family.shape.weight_bytes, family.weights)
    gpus = int(row.gpus[0])
    return Deployment(
        speed_tokens_per_s=1.0 / latency,
        cost_usd_per_mtok=float(row.cost_usd_per_mtok(np.array([latency]), batch)[0]),
        latency_s=latency,
        throughput_tokens_per_s=throughput,
        gpus=gpus,
        accelerator=family.accelerator.name,
        weights=family.weights,
        parallelism=parallelism_of(row.degrees),
        batch=point.batch,
        draft_tokens=int(row.draft_tokens[0]),
        mfu=float(model_flops_utilization(np.array(throughput), np.array(flop), np.array(gpus), np.array(peak))),
        power_kw=None if np.isnan(power) else power,
        bottleneck=bottleneck_of(times),
        **times,
        bound=float(bound),
        gap=float(bound / (1.0 / latency) - 1.0),
        status=certificate.status,
        memory_per_gpu_gb=used,
        memory_limit_gb=limit,
        draft=parallelism_of(row.draft_degrees) if int(row.draft_tokens[0]) > 0 else None,
        cost_cap=certificate.cost_cap if np.isfinite(certificate.cost_cap) else None,
    )


def component_seconds(
    alternative: Alternatives, batch: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> dict[str, float]:
    """The four times of one alternative at one batch, model and draft together, per generated token."""
    times = dict.fromkeys(RESOURCES, 0.0)
    for time, share in (
        (alternative.model, alternative.model_share),
        (alternative.draft, alternative.draft_share),
    ):
        parts = time.components(batch)
        for name in times:
            times[name] += float(share[0] * getattr(parts, name)[0])
    return times


def memory_gb(family: Family, alternative: Alternatives, batch: int) -> tuple[float, float]:
    """What the most loaded GPU holds and what it may hold, in 1e9 bytes; averages in fidelity ``paper``."""
    shape, degrees = family.shape, alternative.degrees
    if not rules.is_deployable(shape):
        return average_bytes(family, degrees, batch) / 1e9, family.accelerator.hbm_bytes / 1e9
    used = resident_bytes(family, alternative.degrees, batch, draft=False)
    if int(alternative.draft_tokens[0]) > 0:
        used += resident_bytes(family, alternative.draft_degrees, batch, draft=True)
    return used / 1e9, family.usable_bytes / 1e9


def average_bytes(family: Family, degrees: Degrees, batch: float) -> float:
    """Weights and the cache of one micro-batch on an average GPU (``paper``)."""
    shape = family.shape
    cache = shape.cache_bytes_per_token * family.context.average_tokens * batch
    micro_batch = cache / float(degrees.pipeline_parallel[0])
    return (micro_batch + shape.weight_bytes * shape.total_params) / float(degrees.gpus[0])


def resident_bytes(family: Family, degrees: Degrees, batch: float, *, draft: bool) -> float:
    """Weights and cache of one model on the most loaded GPU (``deployable``)."""
    shape = family.shape
    if draft:
        assert family.drafts is not None
        shape = family.drafts.shape
    weights = memory.weight_bytes_per_gpu(shape, degrees)
    per_sequence = memory.cache_bytes_per_sequence(shape, degrees, family.context.resident_tokens)
    return float((weights + memory.sequences_per_gpu(degrees, np.array([float(batch)])) * per_sequence)[0])


def parallelism_of(degrees: Degrees, row: int = 0) -> Parallelism:
    """One of some setups as a record."""
    groups = int(degrees.attention_data_parallel[row])
    return Parallelism(
        tensor=int(degrees.stage_ranks[row]) // groups,
        attention_data=groups,
        pipeline=int(degrees.pipeline_parallel[row]),
        expert=int(degrees.expert_parallel[row]),
        layout="2d" if bool(degrees.two_dimensional[row]) else "1d",
    )


def rows_of(degrees: Degrees, held: Parallelism) -> NDArray[np.bool_]:
    """Which of some setups, shape (setups,), is the one that a record says."""
    same: NDArray[np.bool_] = (
        (degrees.stage_ranks == held.stage_ranks)
        & (degrees.attention_data_parallel == held.attention_data)
        & (degrees.pipeline_parallel == held.pipeline)
        & (degrees.expert_parallel == held.expert)
        & (degrees.two_dimensional == (held.layout == "2d"))
    )
    return same
