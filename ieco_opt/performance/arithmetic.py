"""Arithmetic of a pass, at the rate of each part of the model."""

from __future__ import annotations

import numpy as np

from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.performance.architecture import Architecture, paper_peak_flops, seconds
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees, pace_of
from ieco_opt.performance.traffic import Traffic


def arithmetic_s(architecture: Architecture, accelerator: Accelerator, degrees: Degrees, traffic: Traffic) -> Array:
    """Seconds of arithmetic for each sequence of the batch."""
    rate = degrees.gpus * accelerator.arithmetic_cap
    if architecture.fidelity is Fidelity.PAPER:
        return _of_paper(architecture, accelerator, traffic, degrees.attention_data_parallel) / rate
    layers, embeddings = _of_layers(architecture, accelerator, traffic)
    return np.asarray((pace_of(architecture, degrees) * layers + embeddings) / rate)


def useful_s(architecture: Architecture, accelerator: Accelerator, traffic: Traffic) -> Array:
    """Seconds of arithmetic of what a sequence brings to a pass, on one GPU at its peak rates, for the utilisation."""
    if architecture.fidelity is Fidelity.PAPER:
        return _of_paper(architecture, accelerator, traffic, np.array(1.0))
    layers, embeddings = _of_layers(architecture, accelerator, traffic)
    return layers + embeddings


def _of_paper(architecture: Architecture, accelerator: Accelerator, traffic: Traffic, scale_down: Array) -> Array:
    """The paper's arithmetic at the peak of one GPU: projections and embeddings are repeated sigma times."""
    attended = traffic.generated * architecture.attended_flop_per_token(traffic.cached_from, traffic.cached_to)
    per_token = architecture.feed_forward_flop_per_token + scale_down * architecture.rest_flop_per_token
    peak = paper_peak_flops(accelerator, architecture.weight_bytes)
    return np.asarray((traffic.tokens * per_token + attended) / peak)


def _of_layers(architecture: Architecture, accelerator: Accelerator, traffic: Traffic) -> tuple[Array, Array]:
    """Seconds of layers and of embeddings at the peak rates of one GPU."""
    attended = traffic.generated * architecture.attended_flop_per_token(traffic.cached_from, traffic.cached_to)
    for kind in architecture.attention:
        prompt = kind.prompt_flop(traffic.prefix_tokens, traffic.prompt_tokens)
        attended = attended + traffic.prompts * kind.layers * prompt
    # Attention over the cache computes in 16 bits, whatever the weights are in.
    layers = traffic.tokens * seconds(architecture.layer_flop(), accelerator) + attended / accelerator.flops_16bit
    embeddings = traffic.tokens * seconds(architecture.embedding_flop(), accelerator)
    return np.asarray(layers), np.asarray(embeddings)
