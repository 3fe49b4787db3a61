"""Names of regimes that a reader of an exported program understands."""

from __future__ import annotations

import re

from ieco_opt.design_space.regimes import Regimes
from ieco_opt.design_space.space import DesignSpace


def regime_names(space: DesignSpace, regimes: Regimes) -> list[str]:
    """One name a regime: accelerator, precision, degrees, layout, speculation and batches.

    ``H100_SXM_fp8_t8_p1_e1_a2_1d_b64_127`` runs T = 8, P = 1, Q = 1, sigma = 2 on batches 64 to 127;
    ``_k4_t2_p4_e1_a1_1d`` before the batches means 4 draft tokens with that draft setup.
    """
    return [_name(space, regimes, index) for index in range(len(regimes))]


def _name(space: DesignSpace, regimes: Regimes, index: int) -> str:
    row = regimes.alternatives
    accelerator = space.accelerators[int(row.accelerator[index])].name
    weights = space.weights[int(row.weights[index])]
    parts = [accelerator, *([weights] if weights else []), _degrees(regimes, index, draft=False)]
    if row.draft_tokens[index]:
        parts += [f"k{row.draft_tokens[index]}", _degrees(regimes, index, draft=True)]
    parts.append(f"b{regimes.lo[index]}_{regimes.hi[index]}")
    return re.sub(r"\W+", "_", "_".join(parts))


def _degrees(regimes: Regimes, index: int, *, draft: bool) -> str:
    degrees = regimes.alternatives.draft_degrees if draft else regimes.alternatives.degrees
    return (
        f"t{int(degrees.tensor_parallel[index])}_p{int(degrees.pipeline_parallel[index])}"
        f"_e{int(degrees.expert_parallel[index])}_a{int(degrees.attention_data_parallel[index])}"
        f"_{'2d' if degrees.two_dimensional[index] else '1d'}"
    )
