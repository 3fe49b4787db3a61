"""What a latency is worth: speed, throughput, cost per token, utilisation; plain arithmetic on arrays or numbers."""

from __future__ import annotations

import numpy as np

from ieco_opt.performance.collectives import Array

SECONDS_PER_HOUR = 3600.0
TOKENS_PER_MTOK = 1e6


def usd_per_second(gpus: Array, usd_per_gpu_hour: Array) -> Array:
    """Rent of a deployment, in $/s."""
    return gpus * usd_per_gpu_hour / SECONDS_PER_HOUR


def cost_usd_per_mtok(usd_per_s: Array, latency_s: Array, batch: Array) -> Array:
    """Cost of a million generated tokens: 1e6 N price / 3600 latency / B."""
    return TOKENS_PER_MTOK * usd_per_s * latency_s / batch


def model_flops_utilization(tokens_per_s: Array, useful_s: Array, gpus: Array) -> Array:
    """Share of the time that GPUs at their peak rates, without the cap, would compute for ``tokens_per_s``."""
    return tokens_per_s * useful_s / gpus


def speculation_factor(draft_tokens: Array, acceptance: float) -> Array:
    """Passes needed for one token when ``draft_tokens`` are verified at once; 1 without speculation.

    (1 - alpha) / (1 - alpha^gamma), or 1 / gamma when every proposal is accepted.
    """
    gamma = np.maximum(draft_tokens, 1.0)
    if acceptance == 1.0:
        return 1.0 / gamma
    return np.asarray((1.0 - acceptance) / (1.0 - acceptance**gamma))
