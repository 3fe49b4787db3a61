"""Small results of every kind, and every edit of them: a number up or down, another word, a list without an entry."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ended_solves import end_after, interrupted
from pydantic import TypeAdapter, ValidationError
from saved_results import DRAFTED, EXPERTS, FLEET

import ieco_opt
from ieco_opt.heuristics.registry import chosen
from ieco_opt.pareto import run
from ieco_opt.results.answer import Answer
from ieco_opt.results.encoding import to_mapping
from ieco_opt.results.reading import KINDS

Place = tuple[str | int, ...]

NOT_RESULTS = ("format", "format_version", "scenario", "resolved", "solver", "statistics", "versions", "notes")
"""What was asked of what, and what the search took; not what was found."""

SMALL = 1e-6
ROUNDING = 1e-9
"""A share below it, edited by a millionth of itself, is the same share but for rounding (4 times 2.2e-16)."""

WORDS: dict[str, tuple[str, ...]] = {
    "status": ("optimal", "feasible", "infeasible", "stopped"),
    "bottleneck": ("compute", "memory", "network", "launch overhead"),
    "resource": ("compute", "memory", "network", "launch overhead"),
    "part": ("model", "draft"),
    "kind": (
        *("complete", "covered", "sampled", "single", "partial", "none"),
        *("frontier", "solve", "plan", "fleet_frontier", "explain", "compare", "alternatives"),
    ),
    "objective": ("fastest", "cheapest", "preferred", "energy", "carbon", "cost", "power", "gpus"),
    "against": ("speed", "power", "gpus"),
    "between": ("close", "proven", "open"),
    "phase": ("colocated", "prefill", "decode"),
    "serving": ("colocated", "disaggregated"),
    "rented_by": ("node", "gpu"),
    "tensor_layout": ("1d", "2d"),
    "draft_tensor_layout": ("1d", "2d"),
    "kv_cache": ("bf16", "fp8"),
    "obstacle": ("fractional", "not offered", "memory", "limit"),
    "differ": ("accelerator", "engine", "layout", "pool"),
    "ended": ("beyond", "exhausted", "count", "stopped"),
    "criterion": ("cost", "speed_factor", "slack", "gpus", "instances"),
}
"""Members of the enumerated fields, by name."""


@dataclass(frozen=True)
class Edit:
    """One change of a result: where, what it was, and what it is now."""

    place: Place
    was: Any
    now: Any

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.place))}: {str(self.was)[:40]} -> {str(self.now)[:40]}"


def edits(values: dict[str, Any]) -> Iterator[Edit]:
    """Every edit of a result as a mapping, outside of what is no result."""
    for name, value in values.items():
        if name not in NOT_RESULTS:
            yield from _edits((name,), value)


def _edits(place: Place, value: Any) -> Iterator[Edit]:
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from _edits((*place, name), entry)
    elif isinstance(value, list):
        for at, entry in enumerate(value):
            if at in (0, 1, len(value) - 1):
                yield from _edits((*place, at), entry)
            yield Edit(place, value, value[:at] + value[at + 1 :])
            yield Edit(place, value, [*value[: at + 1], *value[at:]])
        if value != value[::-1]:
            yield Edit(place, value, value[::-1])
        if len(value) > 1:
            yield Edit(place, value, [])
    elif isinstance(value, bool):
        yield Edit(place, value, not value)
    elif isinstance(value, int):
        yield from (Edit(place, value, now) for now in (value - 1, value + 1))
    elif isinstance(value, float):
        # What is nothing but rounding is edited like zero.
        step = SMALL * (abs(value) if abs(value) > ROUNDING else 1.0)
        yield from (Edit(place, value, now) for now in (value - step, value + step))
    elif isinstance(value, str):
        word = next(str(part) for part in reversed(place) if isinstance(part, str))
        yield from (Edit(place, value, now) for now in WORDS.get(word, ()) if now != value)


def edited(values: dict[str, Any], edit: Edit) -> dict[str, Any]:
    """The result with one edit."""
    changed = dict(values)
    inside: Any = changed
    for part in edit.place[:-1]:
        inside[part] = copy.copy(inside[part])
        inside = inside[part]
    inside[edit.place[-1]] = edit.now
    return changed


class Edits:
    """A result, and what an edit of it makes, read like a file but for the scenario, which stays."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        mapping = to_mapping(answer)
        self.values = {name: value for name, value in mapping.items() if name not in ("format", "format_version")}
        self.values |= {"scenario": answer.scenario, "resolved": answer.resolved}

    def all(self) -> Iterator[Edit]:
        """Every edit."""
        return edits(self.values)

    def read(self, edit: Edit) -> Answer | str:
        """The edited answer, or why no reader takes it for one."""
        changed = edited(self.values, edit)
        record = KINDS.get(changed["question"]["kind"])
        if record is None or not isinstance(self.answer, record):
            return "question.kind"
        try:
            read: Answer = _reader(record).validate_python(changed)
        except ValidationError as error:
            return str(error)
        wrong = [f"{field}: {message}" for field, message in read.contradictions()]
        return "; ".join(wrong) if wrong else read


_READERS: dict[type[Answer], TypeAdapter[Any]] = {}


def _reader(record: type[Answer]) -> TypeAdapter[Any]:
    if record not in _READERS:
        _READERS[record] = TypeAdapter(record)
    return _READERS[record]


MIX = [
    {"name": "short", "share": 2, "prompt_tokens": 100, "output_tokens": 100},
    {"name": "long", "share": 1, "prompt_tokens": 4000, "output_tokens": 100},
]
POOLS = [
    {"name": "h100", "accelerator": "H100-SXM", "gpus": 32, "usd_per_gpu_hour": 2, "power_w": 700, "node_size": 8},
    {
        "name": "l40s",
        "accelerator": "L40S",
        "gpus": 11,
        "usd_per_gpu_hour": 1,
        "power_w": 350,
        "node_size": 4,
        "rented_by": "gpu",
        "owned_gpus": 2,
    },
]
CHAT: dict[str, Any] = {
    "name": "chat",
    "model": "Llama-3.1-8B",
    "weights": ["fp8"],
    "requests_per_s": 60,
    "prompt_tokens": 3000,
    "output_tokens": 300,
    "min_speed": 40,
    "pools": ["h100"],
    "design_space": {"tensor_parallel": [1, 2], "attention_data_parallel": [1, 2], "pipeline_parallel": [1]},
}
LISTED: dict[str, Any] = {
    "name": "listed",
    "requests_per_s": 5.5,
    "prompt_tokens": 500,
    "output_tokens": 100,
    "operating_points": [
        {
            "pool": "l40s",
            "gpus": gpus,
            "kind": kind,
            "throughput_requests_per_s": requests,
            "speed_tokens_per_s": speed,
            "time_to_first_token_s": 0.5,
        }
        for kind, gpus, requests, speed in (("large", 6, 5, 50), ("small", 1, 0.6, 30))
    ],
}


def _fleet(*workloads: dict[str, Any], **others: Any) -> ieco_opt.Fleet:
    pools = POOLS if LISTED in workloads else POOLS[:1]
    return ieco_opt.Fleet(name="edited", pools=pools, workloads=list(workloads), **others)


def _experts(**changes: Any) -> ieco_opt.Scenario:
    return ieco_opt.Scenario(**EXPERTS | changes)


def _drafted(**changes: Any) -> ieco_opt.Scenario:
    space = {"stage_ranks": [2, 4], "attention_data_parallel": [1, 2], "pipeline_parallel": [1, 2], "max_gpus": 4}
    space |= {"batch": {"min": 1, "max": 64}}
    return ieco_opt.Scenario(**DRAFTED | {"design_space": space} | changes)


def _precise(**changes: Any) -> ieco_opt.Scenario:
    """Two recipes, two precisions of the cache, copies of experts and the reserve of a server."""
    space = {"stage_ranks": [4], "attention_data_parallel": [1, 2], "expert_parallel": [4], "pipeline_parallel": [1]}
    return _experts(
        weights=[{"experts": "mxfp4", "rest": "bf16"}, "fp8"],
        kv_cache=["bf16", "fp8"],
        engine="sglang",
        design_space=space | {"redundant_experts": [4], "batch": [1, 8, 64], "max_gpus": 4},
        **changes,
    )


def _sited(**changes: Any) -> ieco_opt.Scenario:
    """Where energy costs about as much as the GPUs, and its carbon is known."""
    site = {"usd_per_kwh": 1.5, "pue": 1.3, "kg_co2_per_kwh": 0.4}
    return _drafted(accelerators=[{"like": "H100-SXM", "power": site}], **changes)


def _stopped() -> Answer:
    with pytest.MonkeyPatch.context() as patch:
        end_after(7, interrupted, patch)
        return run.frontier(_drafted(), complete=True)


def _disaggregated() -> Answer:
    chat = CHAT | {"serving": ["disaggregated"], "max_time_to_first_token_s": 2, "headroom": 0.1}
    return ieco_opt.plan(_fleet(chat, LISTED), relaxations=True)


def _speculative() -> Answer:
    speculation = {"draft_model": "Llama-3.2-1B", "acceptance": 0.8, "max_draft_tokens": 3}
    chat = CHAT | {"requests_per_s": 20, "min_speed": 200, "speculation": speculation}
    return ieco_opt.plan(_fleet(chat), objective="power")


def _mixed() -> Answer:
    mixed = {name: value for name, value in CHAT.items() if name not in ("prompt_tokens", "output_tokens")}
    mixed |= {"request_mix": MIX, "requests_per_s": 30, "serving": ["colocated", "disaggregated"]}
    return ieco_opt.plan(_fleet(mixed), objective="gpus")


SITES = ({"usd_per_kwh": 1.5, "pue": 1.3, "kg_co2_per_kwh": 0.4}, {"pue": 1.1, "kg_co2_per_kwh": 0.05})


def _sited_fleet(*workloads: dict[str, Any], **others: Any) -> ieco_opt.Fleet:
    """Where energy of one pool costs about half as much as its GPUs, and the carbon of both is known."""
    pools = [pool | {"power": site} for pool, site in zip(POOLS, SITES, strict=True)]
    return ieco_opt.Fleet(name="sited", pools=pools, workloads=list(workloads), **others)


def _priced_plan() -> Answer:
    chat = CHAT | {"serving": ["disaggregated"], "max_time_to_first_token_s": 2, "headroom": 0.1}
    limits = {"max_energy_kw": 20, "max_carbon_kg_per_hour": 8}
    return ieco_opt.plan(_sited_fleet(chat, LISTED, limits=limits), relaxations=True)


def _frugal_mix() -> Answer:
    mixed = {name: value for name, value in CHAT.items() if name not in ("prompt_tokens", "output_tokens")}
    mixed |= {"request_mix": MIX, "requests_per_s": 30, "slices": 3}
    return ieco_opt.plan(_sited_fleet(mixed, LISTED), objective="energy")


def _traded() -> ieco_opt.Fleet:
    """A cheap pool, and one that does with less power and fewer GPUs: three plans, none of which beats another."""
    sizes = {"cheap": (4, 1, 400), "small": (1, 8, 700)}
    alike = {"accelerator": "L40S", "gpus": 8, "rented_by": "gpu"}
    pools = [
        alike | {"name": name, "usd_per_gpu_hour": price, "power_w": power} for name, (_, price, power) in sizes.items()
    ]
    points = [{"pool": name, "gpus": gpus, "throughput_requests_per_s": 5} for name, (gpus, _, _) in sizes.items()]
    listed = LISTED | {"requests_per_s": 10, "operating_points": points}
    return ieco_opt.Fleet(name="traded", pools=pools, workloads=[listed])


def _asked_whole(**changes: Any) -> ieco_opt.Scenario:
    """Prompts, half of each found, beside a draft."""
    return _drafted(**{"workload": {"prompt_tokens": 1000, "output_tokens": 200, "prefix_hit": 0.5}} | changes)


TIGHT = {"profile": "paper-constants"}
"""Constants with which a limit is met that the error of the model breaks."""

RESULTS: dict[str, Callable[[], Answer]] = {
    "covered": lambda: ieco_opt.frontier(_drafted(), delta=0.3),
    "complete": lambda: ieco_opt.frontier(_experts(), complete=True),
    "precise": lambda: ieco_opt.frontier(_precise(), complete=True),
    "sampled": lambda: ieco_opt.frontier(_drafted(), points=5),
    "stopped": _stopped,
    "band": lambda: ieco_opt.frontier(_precise(limits={"min_speed": 50}), delta=0.5, band=True),
    "band without an end": lambda: ieco_opt.frontier(
        _drafted(**TIGHT, limits={"min_speed": 500}), delta=0.5, band=True
    ),
    "fastest": lambda: run.answer(_drafted(limits={"max_cost": 0.5}), objective="fastest"),
    "cheapest": lambda: run.answer(_drafted(limits={"min_speed": 200}), objective="cheapest"),
    "preferred": lambda: run.answer(_experts(), objective="preferred"),
    "priced energy": lambda: ieco_opt.frontier(_sited(limits={"max_energy_j_per_token": 3}), delta=0.3),
    "least energy": lambda: run.answer(_sited(limits={"min_speed": 100, "max_cost": 1}), objective="energy"),
    "least carbon": lambda: run.answer(_sited(limits={"max_carbon_kg_per_mtok": 0.2}), objective="carbon"),
    "explained carbon": lambda: ieco_opt.explain(_sited(limits={"min_speed": 100}), objective="carbon"),
    "with prompts": lambda: ieco_opt.frontier(
        _asked_whole(limits={"max_time_to_first_token_s": 0.3, "max_end_to_end_s": 2}), delta=0.5, band=True
    ),
    "least cost with prompts": lambda: run.answer(
        _asked_whole(
            limits={"min_speed": 150}, workload={"prompt_tokens": 500, "output_tokens": 50, "requests_per_s": 3}
        )
    ),
    "explained with prompts": lambda: ieco_opt.explain(
        _asked_whole(limits={"max_time_to_first_token_s": 0.07, "max_end_to_end_s": 5}), objective="cheapest"
    ),
    "compared with prompts": lambda: ieco_opt.compare(
        _experts(workload={"prompt_tokens": 1000, "output_tokens": 200}, limits={"max_time_to_first_token_s": 0.5}),
        chosen(("rule-of-thumb", "nsga2"), 3),
    ),
    "explained": lambda: ieco_opt.explain(_drafted(limits={"min_speed": 200, "max_cost": 0.5}), objective="cheapest"),
    "explained experts": lambda: ieco_opt.explain(_experts(limits={"max_power_kw": 3}), objective="preferred"),
    "infeasible": lambda: ieco_opt.explain(_drafted(limits={"min_speed": 900, "max_cost": 0.5})),
    "explained with an error": lambda: ieco_opt.explain(_drafted(model_error=0.3, limits={"max_cost": 0.5})),
    "infeasible with an error": lambda: ieco_opt.explain(_drafted(**TIGHT, model_error=1, limits={"min_speed": 400})),
    "compared": lambda: ieco_opt.compare(
        _experts(profile="paper-constants"), chosen(("rule-of-thumb", "paper-grid"), 3)
    ),
    "plan": lambda: ieco_opt.plan(ieco_opt.Fleet(**FLEET)),
    "plan with an error": lambda: ieco_opt.plan(ieco_opt.Fleet(**FLEET, model_error=0.15)),
    "disaggregated": _disaggregated,
    "speculative": _speculative,
    "mixed": _mixed,
    "priced plan": _priced_plan,
    "plan of least energy": _frugal_mix,
    "plan of least carbon": lambda: ieco_opt.plan(_sited_fleet(CHAT), objective="carbon"),
    "alternatives": lambda: ieco_opt.alternatives(
        _drafted(limits={"min_speed": 100}), within=0.45, differ=("engine", "layout")
    ),
    "all alternatives": lambda: ieco_opt.alternatives(
        _sited(limits={"min_speed": 100}), within=9, objective="energy", differ=("layout",)
    ),
    "preferred alternatives": lambda: ieco_opt.alternatives(_experts(), within=9, count=3, objective="preferred"),
    "alternative plans": lambda: ieco_opt.alternatives(
        _fleet(CHAT | {"serving": ["disaggregated"]}, LISTED), within=0.01, count=2, differ=("layout", "pool")
    ),
    "alternatives that serve the most": lambda: ieco_opt.alternatives(
        _traded(), within=0.2, objective="throughput", differ=("accelerator", "pool")
    ),
    "plans by speed": lambda: ieco_opt.fleet_frontier(ieco_opt.Fleet(**FLEET), against="speed", delta=0.3),
    "plans by power": lambda: ieco_opt.fleet_frontier(_traded(), against="power", complete=True),
    "plans by GPUs": lambda: ieco_opt.fleet_frontier(_traded(), against="gpus", delta=0.05),
}
