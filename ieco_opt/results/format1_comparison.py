"""Comparisons of file format 1, whose reasons were kept as text, as mappings of format 2."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from ieco_opt.results.comparison import Obstacle

_OWN = (
    "claimed_speed_tokens_per_s",
    "claimed_cost_usd_per_mtok",
    "speed_tokens_per_s",
    "cost_usd_per_mtok",
    "gpus",
    "accelerator",
    "weights",
    "attention_data_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "tensor_layout",
    "batch",
    "draft_tokens",
    "draft_attention_data_parallel",
    "draft_pipeline_parallel",
    "draft_expert_parallel",
)
_MEASURES = ("hypervolume_ratio", "additive_epsilon", "igd_plus", "beats_frontier", "evaluations")
_EXCESS = re.compile(r"memory over by .* \((\d+(?:\.\d+)?(?:e[+-]?\d+)?) %\)")


def upgraded_comparison(left: dict[str, Any], row: Callable[[object], object]) -> dict[str, Any]:
    """The parts of a comparison; takes out of ``left`` what it has understood.

    Parameters
    ----------
    row
        Gives a deployment its columns of format 2.
    """
    exact = left.pop("exact", None)
    exact = exact if isinstance(exact, dict) else {}
    heuristics = left.pop("heuristics", None)
    listed = heuristics if isinstance(heuristics, list) else []
    stopped, deployments = exact.get("stopped"), exact.get("deployments")
    rows = deployments if isinstance(deployments, list) else []
    proven = all(isinstance(each, dict) and each.get("status") == "optimal" for each in rows)
    return {
        "question": {"kind": "compare", "delta": exact.get("coverage")},
        "guarantee": {"kind": exact.get("claim"), "coverage": exact.get("coverage"), "stopped": stopped},
        "status": "stopped" if stopped is not None else "optimal" if proven else "feasible",
        "deployments": [row(each) for each in rows],
        "budget": left.pop("budget", None),
        "heuristics": [_heuristic(each) if isinstance(each, dict) else each for each in listed],
        "statistics": {
            "exact": None,
            "heuristic_seconds": [each.get("seconds") for each in listed if isinstance(each, dict)],
        },
        "notes": [],
    }


def _heuristic(values: Mapping[str, Any]) -> dict[str, Any]:
    points = values.get("points")
    proposals = [_proposal(each) for each in points if isinstance(each, dict)] if isinstance(points, list) else points
    if isinstance(proposals, list):
        _mark_nondominated(proposals)
    return {
        "name": values.get("heuristic"),
        "cost_regret": _regret(values, "cost_regret"),
        "speed_regret": _regret(values, "speed_regret"),
        "share_found": values.get("share_of_frontier_found"),
        **{name: values.get(name) for name in _MEASURES},
        "proposals": proposals,
    }


def _regret(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {
        "least": values.get(f"{name}_min"),
        "median": values.get(f"{name}_median"),
        "worst": values.get(f"{name}_worst"),
        "worst_speed": values.get(f"{name}_worst_at_speed_tokens_per_s"),
        "worst_cost": values.get(f"{name}_worst_at_cost_usd_per_mtok"),
    }


def _proposal(values: Mapping[str, Any]) -> dict[str, Any]:
    proposal = {name: values.get(name) for name in _OWN}
    for prefix in ("", "draft_"):
        ranks, groups = (values.get(f"{prefix}{name}_parallel") for name in ("tensor", "attention_data"))
        split = ranks / groups if _is_number(ranks) and _is_number(groups) and groups else ranks
        proposal[f"{prefix}tensor_parallel"] = split
        proposal[f"{prefix}stage_ranks"] = ranks
    texts = str(values.get("reasons") or "").split("; ")
    proposal["reasons"] = [_reason(text) for text in texts if text]
    return proposal | {"nondominated": False}


def _reason(text: str) -> dict[str, Any]:
    """What kept a proposal from being launched, told from the sentences that version 0.1 wrote."""
    memory = _EXCESS.match(text)
    if memory is not None:
        return {"obstacle": Obstacle.MEMORY.value, "text": text, "excess": float(memory[1]) / 100.0}
    if " misses limits." in text:
        obstacle = Obstacle.LIMIT
    elif re.search(r"where |which |no server|no such setup|are not offered|that is not listed", text):
        obstacle = Obstacle.NOT_OFFERED
    else:
        obstacle = Obstacle.FRACTIONAL
    return {"obstacle": obstacle.value, "text": text, "excess": 0.0}


def _mark_nondominated(proposals: list[dict[str, Any]]) -> None:
    """Mark the proposals of one heuristic that can be launched and that no other of its own dominates."""
    cheapest = float("inf")
    worth = ("speed_tokens_per_s", "cost_usd_per_mtok")
    known = [each for each in proposals if all(_is_number(each[name]) for name in worth)]
    for proposal in sorted(known, key=lambda each: (-each["speed_tokens_per_s"], each["cost_usd_per_mtok"])):
        if proposal["cost_usd_per_mtok"] < cheapest:
            proposal["nondominated"], cheapest = True, proposal["cost_usd_per_mtok"]


def _is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
