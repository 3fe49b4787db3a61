"""Limits of a scenario, and which deployments they leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.design_space.alternatives import Alternatives
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.energy import Measure


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a scenario; an absent one is infinite or zero.

    Units: tokens/s, $ per million tokens, tokens/s over all requests, kW, J per token, kg per million tokens, seconds.
    """

    min_speed: float = 0.0
    max_cost: float = np.inf
    max_throughput: float = np.inf
    min_throughput: float = 0.0
    max_power_kw: float = np.inf
    max_energy_j_per_token: float = np.inf
    max_carbon_kg_per_mtok: float = np.inf
    max_time_to_first_token_s: float = np.inf
    max_end_to_end_s: float = np.inf

    def admits(self, alternatives: Alternatives, latency_s: Array, batch: Array) -> NDArray[np.bool_]:
        """Which deployments meet every limit: but for throughput's and power's cap, with the margin for the error."""
        late, cost = alternatives.at_limits(latency_s), alternatives.cost_usd_per_mtok(latency_s, batch)
        admitted: NDArray[np.bool_] = (
            (1.0 / late >= self.min_speed)
            & (alternatives.at_limits(cost) <= self.max_cost)
            & (batch / alternatives.nominal(latency_s) <= self.max_throughput)
            & (batch / late >= self.min_throughput)
        )
        if np.isfinite(self.max_power_kw):
            admitted &= alternatives.power_kw <= self.max_power_kw
        if self.on_prompts:
            admitted &= self.in_time(alternatives, latency_s, batch)
        return admitted & self.spares(alternatives, latency_s, batch) if self.on_energy else admitted

    def spares(self, alternatives: Alternatives, latency_s: Array, batch: Array) -> NDArray[np.bool_]:
        """Which deployments take no more energy and carbon than they may; one that does, does at larger batches too."""
        spared: NDArray[np.bool_] = np.ones(batch.shape, dtype=bool)
        if np.isfinite(self.max_energy_j_per_token):
            joules = alternatives.energy_j_per_token(latency_s, batch)
            spared &= alternatives.at_limits(joules) <= self.max_energy_j_per_token
        if np.isfinite(self.max_carbon_kg_per_mtok):
            kilograms = alternatives.carbon_kg_per_mtok(latency_s, batch)
            spared &= alternatives.at_limits(kilograms) <= self.max_carbon_kg_per_mtok
        return spared

    def in_time(self, alternatives: Alternatives, latency_s: Array, batch: Array) -> NDArray[np.bool_]:
        """Which deployments answer in time; one that does not, does not at larger batches either."""
        timely: NDArray[np.bool_] = np.ones(batch.shape, dtype=bool)
        if np.isfinite(self.max_time_to_first_token_s):
            first = alternatives.time_to_first_token_s(latency_s, batch)
            timely &= alternatives.at_limits(first) <= self.max_time_to_first_token_s
        if np.isfinite(self.max_end_to_end_s):
            last = alternatives.end_to_end_s(latency_s, batch)
            timely &= alternatives.at_limits(last) <= self.max_end_to_end_s
        return timely

    @property
    def on_prompts(self) -> bool:
        """Whether the time to first token or to the last one has a limit."""
        return bool(np.isfinite(self.max_time_to_first_token_s) or np.isfinite(self.max_end_to_end_s))

    @property
    def on_energy(self) -> bool:
        """Whether energy or carbon has a limit."""
        return bool(np.isfinite(self.max_energy_j_per_token) or np.isfinite(self.max_carbon_kg_per_mtok))

    def on(self, measure: Measure) -> float:
        """Most that a token may take of something."""
        return float(getattr(self, measure.limit))

    def excludes(
        self, alternatives: Alternatives, lo: Array, latency_lo_s: Array, hi: Array, latency_hi_s: Array
    ) -> NDArray[np.bool_]:
        """Which ranges of batches lo..hi hold no deployment that meets every limit.

        Latency and throughput rise with the batch, cost and energy fall, so the ends decide. A margin never depends on
        the batch, so it changes nothing of that.
        """
        cheapest = alternatives.cost_usd_per_mtok(latency_hi_s, hi)
        excluded: NDArray[np.bool_] = (
            (1.0 / alternatives.at_limits(latency_lo_s) < self.min_speed)
            | (lo / alternatives.nominal(latency_lo_s) > self.max_throughput)
            | (hi / alternatives.at_limits(latency_hi_s) < self.min_throughput)
            | (alternatives.at_limits(cheapest) > self.max_cost)
        )
        if np.isfinite(self.max_power_kw):
            excluded |= alternatives.power_kw > self.max_power_kw
        if self.on_prompts:
            excluded |= ~self.in_time(alternatives, latency_lo_s, lo)
        return excluded | ~self.spares(alternatives, latency_hi_s, hi) if self.on_energy else excluded
