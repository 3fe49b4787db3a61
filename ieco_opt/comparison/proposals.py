"""Proposals of a heuristic, and what becomes of them, as records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from ieco_opt.comparison.deployability import Verdicts
from ieco_opt.comparison.indicators import Indices
from ieco_opt.engines.spread import EXCHANGES
from ieco_opt.heuristics import Proposals
from ieco_opt.performance.degrees import Degrees
from ieco_opt.results.comparison import Proposal
from ieco_opt.scenario import ResolvedScenario

T = TypeVar("T")


def proposals_of(
    resolved: ResolvedScenario, proposals: Proposals, verdicts: Verdicts, nondominated: Indices
) -> tuple[Proposal, ...]:
    """One record a proposal; ``nondominated`` are the positions of those that are."""
    accelerators = [each.name for each in resolved.accelerators]
    kept = set(nondominated.tolist())
    return tuple(
        Proposal(
            claimed_speed_tokens_per_s=1.0 / float(proposals.latency_s[row]),
            claimed_cost_usd_per_mtok=float(proposals.cost_usd_per_mtok[row]),
            speed_tokens_per_s=_known(1.0 / verdicts.latency_s[row]),
            cost_usd_per_mtok=_known(verdicts.cost_usd_per_mtok[row]),
            nondominated=row in kept,
            gpus=float(proposals.degrees.gpus[row]),
            accelerator=_listed(accelerators, int(proposals.accelerator[row])),
            weights=_listed([each.label for each in resolved.precisions], int(proposals.precision[row])),
            kv_cache=_listed([each.kv_cache for each in resolved.precisions], int(proposals.precision[row])),
            engine=_listed([each.name for each in resolved.engines], int(verdicts.engine[row])),
            exchange=_listed(EXCHANGES, int(verdicts.exchange[row])),
            batch=float(proposals.batch[row]),
            draft_tokens=int(proposals.draft_tokens[row]),
            reasons=reasons,
            tensor_layout="2d" if proposals.degrees.two_dimensional[row] else "1d",
            **_degrees(proposals.degrees, row),
            **_draft_degrees(proposals.draft_degrees, row),
        )
        for row, reasons in enumerate(verdicts.reasons)
    )


def _degrees(degrees: Degrees, row: int) -> dict[str, Any]:
    return {
        "tensor_parallel": float(degrees.tensor_parallel[row]),
        "attention_data_parallel": float(degrees.attention_data_parallel[row]),
        "pipeline_parallel": float(degrees.pipeline_parallel[row]),
        "expert_parallel": float(degrees.expert_parallel[row]),
        "redundant_experts": float(degrees.redundant_experts[row]),
        "stage_ranks": float(degrees.stage_ranks[row]),
    }


def _draft_degrees(degrees: Degrees, row: int) -> dict[str, Any]:
    """Degrees of a draft model; ``None`` where they are unknown."""
    return {f"draft_{name}": _known(value) for name, value in _degrees(degrees, row).items()}


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _listed(names: Sequence[T], position: int) -> T | None:
    return names[position] if 0 <= position < len(names) else None
