"""Where the time of a token of each instance type goes, and where the figures behind it come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from ieco_opt.catalog.mappings import USER
from ieco_opt.catalog.precision import FORMATS, PARTS
from ieco_opt.catalog.types import Accelerator
from ieco_opt.explanation.fleet_setups import Setup, decoding, setup_of
from ieco_opt.explanation.token_parts import Part, parts_of_pass, parts_of_token
from ieco_opt.fleet.instances import PrefillSetups
from ieco_opt.fleet.space import FleetSpace
from ieco_opt.performance.calibrated import computes_experts_in_8_bits
from ieco_opt.performance.rules import is_deployable
from ieco_opt.performance.serving import first_token_of
from ieco_opt.results.fleet_explanation import FigureSource, SourceKind, Term, TokenTime
from ieco_opt.results.plan import FleetPlan

_WEAKEST_FIRST: tuple[SourceKind, ...] = ("from memory", "assumed", "given", "published", "measured")

_OF_PROFILE: dict[str, tuple[Term, ...]] = {
    "step_s": ("launch overhead",),
    "layer_s": ("launch overhead",),
    "layer_kernels": ("launch overhead",),
    "all_reduce": ("network",),
    "all_reduce_share": ("network",),
    "all_gather": ("network",),
    "all_to_all": ("network",),
    "quantised_exchange": ("network",),
    "linear_share": ("weights",),
    "expert_share": ("weights",),
    "cache_share": ("cache",),
    "attention_share": ("cache",),
    "decode_share": ("compute",),
    "prefill_share": ("prompts",),
    "prefill_attention_share": ("prompts",),
    "first_token": ("front end",),
}
"""Constants of a calibration profile, and the parts of the time that they are in."""

_OF_ACCELERATOR: dict[str, tuple[Term, ...]] = {
    "intra_node_bytes_per_s": ("network",),
    "inter_node_bytes_per_s": ("network", "cache transfer"),
    "hbm_bytes_per_s": ("weights", "cache"),
    "flops_16bit": ("compute", "prompts", "cache"),
    "flops_8bit": ("compute", "prompts"),
    "flops_4bit": ("compute", "prompts"),
}
"""Figures of an accelerator, likewise; those below only without a calibration."""

_WITHOUT_PROFILE: dict[str, tuple[Term, ...]] = {
    "kernel_launch_s": ("launch overhead",),
    "memory_cap": ("weights", "cache"),
    "arithmetic_cap": ("compute", "prompts"),
}


def token_times(space: FleetSpace, plan: FleetPlan) -> tuple[tuple[TokenTime, ...], tuple[FigureSource, ...]]:
    """Parts of the time of a token of every row, and the figures that are in any of them."""
    times: list[TokenTime] = []
    sources: dict[tuple[str, str], FigureSource] = {}
    for row in plan.instances:
        setup = setup_of(space, row)
        if setup is None:
            continue
        parts = list(_parts(setup))
        total = row.latency_s or row.time_to_first_token_s or sum(part.seconds for part in parts if not part.hidden)
        figures = list(_figures(setup, {part.term for part in parts}))
        sources |= {(each.of, each.figure): _joined(sources.get((each.of, each.figure)), each) for each in figures}
        times += [
            TokenTime(
                workload=row.workload,
                phase=row.phase,
                pool=row.pool,
                instance_type=row.instance_type,
                term=part.term,
                seconds=part.seconds,
                share=part.seconds / total,
                hidden=part.hidden,
                sources=_kinds(figures, part.term),
            )
            for part in parts
        ]
    return tuple(times), tuple(sources.values())


def _joined(known: FigureSource | None, other: FigureSource) -> FigureSource:
    """One figure with the terms of several rows."""
    if known is None:
        return other
    terms = (*known.terms, *(term for term in other.terms if term not in known.terms))
    return FigureSource(of=other.of, figure=other.figure, terms=terms, kind=other.kind, source=other.source)


def _kinds(figures: Iterable[FigureSource], term: Term) -> tuple[SourceKind, ...]:
    found = {each.kind for each in figures if term in each.terms or term == "draft"}
    return tuple(kind for kind in _WEAKEST_FIRST if kind in found)


def _parts(setup: Setup) -> Iterator[Part]:
    """Of the pass that generates tokens; of prefill that over a prompt, what is before it, and the move of its cache.

    The move is that to the slowest receiver.
    """
    if not isinstance(setup.setups, PrefillSetups):
        yield from parts_of_token(decoding(setup).alternatives.take(np.array([setup.at])), setup.batch)
        return
    time, batch = setup.setups.time.take(np.array([setup.at])), np.array([float(setup.batch)])
    front = first_token_of(setup.setups.family.accelerator).seconds
    yield from parts_of_pass(time, batch)
    yield Part("front end", front)
    moved = (setup.row.time_to_first_token_s or 0.0) - front - float(time.latency_s(batch)[0])
    yield Part("cache transfer", max(0.0, moved))


def _figures(setup: Setup, terms: set[Term]) -> Iterator[FigureSource]:
    """Figures that are in some terms of a setup, with their sources."""
    family = setup.setups.family
    accelerator, profile = family.accelerator, family.accelerator.calibration
    wide = {bits: name for bits, name in ((8, "flops_8bit"), (4, "flops_4bit")) if getattr(accelerator, name)}
    assert family.shape.recipe is not None
    bits = {FORMATS[family.shape.recipe.name_of(part)].arithmetic_bits for part in PARTS}
    computed = {wide.get(each, "flops_16bit") for each in bits} | {"flops_16bit"}
    used = dict(_OF_ACCELERATOR) | ({} if profile is not None else _WITHOUT_PROFILE)
    for name, of in used.items():
        if name.startswith("flops") and name not in computed:
            continue
        mine = tuple(term for term in of if term in terms)
        if mine:
            text = accelerator.sources.get(name, USER)
            yield FigureSource(of=accelerator.name, figure=name, terms=mine, kind=kind_of(text), source=text)
    if profile is None:
        return
    fitted = profile.fitted_on
    usual = "assumed" if fitted is None else f"fitted to {fitted.rows:,} measured rows ({fitted.source})"
    for name, of in _OF_PROFILE.items():
        mine = tuple(term for term in of if term in terms)
        if mine and _is_used(name, accelerator, setup):
            text = profile.sources.get(name, usual)
            yield FigureSource(of=profile.name, figure=name, terms=mine, kind=kind_of(text), source=text)


def _is_used(name: str, accelerator: Accelerator, setup: Setup) -> bool:
    """Whether a constant of a profile is in the times of a setup at all."""
    experts = setup.setups.family.shape.experts > 1
    match name:
        case "expert_share":
            return experts
        case "all_gather" | "all_to_all":
            return setup.row.exchange == name
        case "quantised_exchange":
            shape, exchanging = setup.setups.family.shape, setup.row.exchange in ("all_gather", "all_to_all")
            return exchanging and is_deployable(shape) and computes_experts_in_8_bits(shape, accelerator)
        case "all_reduce_share":
            return accelerator.calibration is not None and accelerator.calibration.all_reduce_share != 1.0
        case "all_reduce":
            return bool(accelerator.calibration and accelerator.calibration.all_reduce)
        case _:
            return True


def kind_of(source: str) -> SourceKind:
    """What kind of source a text names, by the words that the catalog uses."""
    if source.startswith("memory"):
        return "from memory"
    if "assumed" in source:
        return "assumed"
    if source == USER:
        return "given"
    return "measured" if source.startswith("fitted") or "measured" in source else "published"
