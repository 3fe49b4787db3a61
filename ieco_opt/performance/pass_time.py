"""Pass times of setups: the equations with published constants, or with those of a calibration profile."""

from __future__ import annotations

import numpy as np

from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.performance.architecture import Architecture
from ieco_opt.performance.arithmetic import arithmetic_s
from ieco_opt.performance.calibrated import calibrated_pass
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees, pace_of
from ieco_opt.performance.network import network
from ieco_opt.performance.reads import attention_weights, block_traffic, cache_reads
from ieco_opt.performance.times import PassTime
from ieco_opt.performance.traffic import Traffic


def pass_time(architecture: Architecture, accelerator: Accelerator, degrees: Degrees, traffic: Traffic) -> PassTime:
    """Coefficients of the pass time of each setup, under what each sequence of the batch brings to a pass.

    Figures of ``traffic`` are scalars or have shape (setups,). Where the accelerator has a calibration profile, its
    constants count.
    """
    if accelerator.calibration is not None and architecture.fidelity is Fidelity.DEPLOYABLE:
        return calibrated_pass(architecture, accelerator, accelerator.calibration, degrees, traffic)
    collectives = network(architecture, accelerator, degrees)
    lines = [each.published(accelerator, traffic.tokens) for each in collectives]
    memory = _memory(architecture, accelerator, degrees, traffic)
    apart = np.zeros_like(degrees.stage_ranks)
    return PassTime(
        kernel_s=4 * architecture.layers * accelerator.kernel_launch_s * pace_of(architecture, degrees),
        network_latency_s=np.stack([latency for latency, _ in lines], axis=1),
        network_slope_s=np.stack([slope for _, slope in lines], axis=1),
        network_part=tuple(each.part for each in collectives),
        **memory,
        arithmetic_slope_s=arithmetic_s(architecture, accelerator, degrees, traffic),
        attention_slope_s=apart,
        prompt_slope_s=apart,
    )


def _memory(
    architecture: Architecture, accelerator: Accelerator, degrees: Degrees, traffic: Traffic
) -> dict[str, Array]:
    """Coefficients of the memory time; the names are those of ``PassTime``."""
    stages, pace = degrees.pipeline_parallel, pace_of(architecture, degrees)
    tokens_per_sequence = traffic.tokens / stages
    fixed, per_token = attention_weights(architecture, degrees)
    experts_fixed, experts_per_token, log_idle = [], [], []
    for block in architecture.blocks:
        weights, activations, sparsity = block_traffic(architecture, block, degrees)
        if block.experts > 1:
            experts_fixed.append(pace * weights)
            experts_per_token.append(pace * activations)
            # With copies some experts are idle also where a token passes all; without, none is: -inf.
            with np.errstate(divide="ignore"):
                log_idle.append(np.log1p(-1.0 / sparsity) * tokens_per_sequence)
        else:
            fixed = fixed + weights
            per_token = per_token + activations
    if architecture.fidelity is Fidelity.DEPLOYABLE:
        # Every rank of a stage reads norms and routers of its own.
        fixed = fixed + degrees.stage_ranks * architecture.norm_bytes(architecture.layers, architecture.routed_layers)
    heads = degrees.stage_ranks / degrees.spread.head_ranks
    unembedding = heads * architecture.bytes_of("head") * architecture.embedding_params
    cache = pace * cache_reads(architecture, degrees, traffic) / stages
    seconds_per_byte = stages / (degrees.gpus * accelerator.hbm_bytes_per_s * accelerator.memory_cap)
    columns = (len(stages), len(log_idle))
    return {
        "memory_fixed_s": seconds_per_byte * (pace * fixed + unembedding),
        "memory_slope_s": seconds_per_byte * (cache + pace * per_token * tokens_per_sequence),
        "expert_fixed_s": _stack([seconds_per_byte * item for item in experts_fixed], columns),
        "expert_slope_s": _stack(
            [seconds_per_byte * item * tokens_per_sequence for item in experts_per_token], columns
        ),
        "expert_log_idle": _stack(log_idle, columns),
    }


def _stack(columns: list[Array], shape: tuple[int, int]) -> Array:
    return np.stack(columns, axis=1) if columns else np.zeros(shape)
