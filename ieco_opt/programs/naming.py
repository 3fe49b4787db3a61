"""Names of segments that a reader of an exported program understands."""

from __future__ import annotations

import re

from ieco_opt.design_space.segments import Segments
from ieco_opt.design_space.space import DesignSpace
from ieco_opt.engines.spread import EXCHANGES
from ieco_opt.performance.degrees import Degrees


def segment_names(space: DesignSpace, segments: Segments) -> list[str]:
    """One name a segment: accelerator, precision, engine, degrees, layout, exchange, speculation and batches.

    ``H100_SXM_fp8_tp4_dp2_pp1_ep1_1d_b64_127`` runs TP 4, DP 2, PP 1, EP 1 (8 GPUs) on batches 64 to 127;
    ``_k4_tp2_dp1_pp4_ep1_1d`` before the batches means 4 draft tokens with that draft setup.
    """
    return [_name(space, segments, index) for index in range(len(segments))]


def _name(space: DesignSpace, segments: Segments, index: int) -> str:
    row = segments.alternatives
    accelerator = space.accelerators[int(row.accelerator[index])].name
    precision = space.precisions[int(row.precision[index])]
    family = space.family_of(row, index)
    parts = [accelerator, *(() if precision is None else precision.short())]
    parts += [each for each in (family.engine,) if each is not None]
    parts.append(_degrees(segments, index, draft=False))
    if family.engine is not None and family.shape.experts > 1:
        parts.append(EXCHANGES[int(row.degrees.spread.exchange[index])])
    if row.draft_tokens[index]:
        parts += [f"k{row.draft_tokens[index]}", _degrees(segments, index, draft=True)]
    parts.append(f"b{segments.lo[index]}_{segments.hi[index]}")
    return re.sub(r"\W+", "_", "_".join(parts))


def _degrees(segments: Segments, index: int, *, draft: bool) -> str:
    degrees = segments.alternatives.draft_degrees if draft else segments.alternatives.degrees
    return (
        f"tp{int(degrees.tensor_parallel[index])}_dp{int(degrees.attention_data_parallel[index])}"
        f"_pp{int(degrees.pipeline_parallel[index])}_ep{int(degrees.expert_parallel[index])}{_copies(degrees, index)}"
        f"_{'2d' if degrees.two_dimensional[index] else '1d'}"
    )


def _copies(degrees: Degrees, index: int) -> str:
    copies = int(degrees.redundant_experts[index])
    return f"r{copies}" if copies else ""
