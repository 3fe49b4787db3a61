"""The closed forms of sections 2.2 and 3.5 of arXiv 2506.04645, for checks against theory."""

from __future__ import annotations

import numpy as np

from ieco_opt.catalog.types import Accelerator, PaperModel
from ieco_opt.performance.architecture import paper_architecture, paper_peak_flops
from ieco_opt.performance.collectives import Array, collective, tensor_layout
from ieco_opt.performance.degrees import Degrees
from ieco_opt.performance.pass_time import pass_time
from ieco_opt.performance.traffic import decode_traffic

_RANK_S = 2e-6
_BASE_S = 6e-6


def section_2_2(model: PaperModel, accelerator: Accelerator, gpus: Array, batch: Array, context_tokens: Array) -> Array:
    """Latency from reduction latency and the weights alone, in seconds; inf where memory is short.

    latency = L c (2e-6 max(sqrt(N) - 1, 0) + 6e-6) + max(w params / (N beta), 2 params B / (N F)),
    with c all-reduces a layer: 4, or 2 with parallel attention.
    """
    shape = paper_architecture(model)
    reductions = 2 if model.parallel_attention else 4
    reduce_s = _RANK_S * np.maximum(np.sqrt(gpus) - 1.0, 0.0) + _BASE_S
    bandwidth = accelerator.hbm_bytes_per_s * accelerator.memory_cap
    flops = paper_peak_flops(accelerator, model.weight_bytes) * accelerator.arithmetic_cap
    memory_s = model.weight_bytes * shape.total_params / (gpus * bandwidth)
    arithmetic_s = 2.0 * shape.total_params * batch / (gpus * flops)
    latency = model.layers * reductions * reduce_s + np.maximum(memory_s, arithmetic_s)
    return _where_it_fits(model, accelerator, gpus, batch, context_tokens, latency)


def section_3_5(model: PaperModel, accelerator: Accelerator, gpus: Array, batch: Array, context_tokens: Array) -> Array:
    """Latency under 2-D tensor parallelism over all GPUs, in seconds; inf where memory is short."""
    shape = paper_architecture(model)
    ones = np.ones_like(gpus)
    flops = paper_peak_flops(accelerator, model.weight_bytes)
    degrees = Degrees.plain(gpus, ones, ones, ones, np.ones(gpus.shape, dtype=bool), np.zeros_like(gpus))
    time = pass_time(shape, accelerator, degrees, decode_traffic(1.0, context_tokens))
    layout = tensor_layout(gpus, degrees.two_dimensional, accelerator.node_size)
    block = shape.blocks[0]
    network_s = np.zeros_like(gpus)
    for words in (
        shape.attention[0].outputs,
        shape.width,
        block.active * block.up * block.width,
        block.active * block.down * shape.width,
    ):
        per_sequence = words / layout.parallel * shape.activation_bytes
        latency, slope = collective(accelerator, layout.ranks, layout.nodes, per_sequence, all_reduce=True)
        network_s += shape.layers * (latency + slope * batch[:, None]).min(axis=1)
    attended = shape.attended_flop_per_token(context_tokens, context_tokens)
    flop = shape.feed_forward_flop_per_token + shape.rest_flop_per_token + attended
    arithmetic_s = batch * flop / (gpus * flops * accelerator.arithmetic_cap)
    latency = time.kernel_s + network_s + np.maximum(time.memory_s(batch), arithmetic_s)
    return _where_it_fits(model, accelerator, gpus, batch, context_tokens, latency)


def _where_it_fits(
    model: PaperModel,
    accelerator: Accelerator,
    gpus: Array,
    batch: Array,
    context_tokens: Array,
    latency: Array,
) -> Array:
    shape = paper_architecture(model)
    needed = shape.resident_bytes(context_tokens) * batch + model.weight_bytes * shape.total_params
    return np.where(gpus * accelerator.hbm_bytes >= needed, latency, np.inf)
