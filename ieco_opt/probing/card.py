"""The accelerator entry of a probe: the catalog's card, with what was measured in its place."""

from __future__ import annotations

from dataclasses import dataclass

from ieco_opt import catalog
from ieco_opt.catalog.types import Accelerator
from ieco_opt.documents.yaml_document import yaml_text
from ieco_opt.errors import ScenarioError
from ieco_opt.probing.rounding import share_of, short
from ieco_opt.probing.timings import CUDA, Device, Timings

_ALIKE = 0.1
"""Memory of a card may differ from the catalog's by so much of it: drivers keep some of it."""

_LEAST_FLOPS, _LEAST_BYTES_PER_S = 1e9, 1e6
"""Bounds of the schema of accelerators."""

# An unknown card is taken to be wired as consumer cards are, of which the catalog says where the figures are from.
_WIRED_AS = "RTX-4090"


@dataclass(frozen=True, slots=True)
class Peaks:
    """Peaks that shares refer to: the catalog's, or what was measured where that is more or nothing is known."""

    flops_16bit: float
    flops_8bit: float | None
    hbm_bytes_per_s: float
    raised: frozenset[str]

    def flops(self, precision: str) -> float | None:
        """Peak of the arithmetic that takes weights of a precision."""
        return self.flops_16bit if precision == "bf16" else self.flops_8bit


def known_card(device: Device) -> Accelerator | None:
    """The card of the catalog that a device is, told by its name and, among cards of one name, by its memory."""
    if device.kind != CUDA:
        return None
    try:
        named = catalog.accelerator(device.name)
    except ScenarioError:
        return None
    if _alike(named, device):
        return named
    family = named.name.partition("-")[0]
    others = [catalog.accelerator(each) for each in catalog.accelerator_names() if each.partition("-")[0] == family]
    return min(
        (each for each in others if _alike(each, device)),
        key=lambda each: abs(each.hbm_bytes - device.memory_bytes),
        default=named,
    )


def peaks(timings: Timings, card: Accelerator | None) -> Peaks:
    """Peaks of a card."""
    raised: set[str] = set()

    def least(name: str, measured: float | None) -> float | None:
        known = None if card is None else getattr(card, name)
        if measured is None or (known is not None and known >= measured):
            return known
        raised.add(name)
        return measured

    reads = [timings.copy_bytes_per_s, *(timings.read_bytes_per_s(each) or 0.0 for each in ("bf16", "fp8"))]
    flops_16bit = least("flops_16bit", max(timings.flop_per_s("bf16") or 0.0, _LEAST_FLOPS))
    flops_8bit = least("flops_8bit", timings.flop_per_s("fp8"))
    # The slope of a few times scatters upwards: beside a known peak only a copy says that the memory is quicker.
    memory = least("hbm_bytes_per_s", max(*(reads if card is None else reads[:1]), _LEAST_BYTES_PER_S))
    assert flops_16bit is not None
    assert memory is not None
    return Peaks(flops_16bit, None if flops_8bit is None else max(flops_8bit, _LEAST_FLOPS), memory, frozenset(raised))


def card_mapping(timings: Timings, card: Accelerator | None) -> dict[str, object]:
    """The entry, as :func:`ieco_opt.catalog.accelerator_from_mapping` reads it.

    Parameters
    ----------
    card
        The card of the catalog that it starts from; ``None``: none, so that everything has to be said.
    """
    reached = peaks(timings, card)
    values, sources = _assumed(timings.device) if card is None else ({"like": card.name}, {})
    measured: dict[str, float | None] = {
        name: getattr(reached, name)
        for name in ("flops_16bit", "flops_8bit", "hbm_bytes_per_s")
        if card is None or name in reached.raised
    }
    sources |= {
        name: _source(timings, f"the most that was reached, {measured[name]:.4g}")
        for name in measured
        if measured[name] is not None
    }
    copy = timings.copy_bytes_per_s
    prefill = timings.flop_per_s("bf16") or _LEAST_FLOPS
    shares = {
        "memory_cap": (share_of(copy, reached.hbm_bytes_per_s), f"a copy moved {copy:.4g} bytes/s"),
        "arithmetic_cap": (share_of(prefill, reached.flops_16bit), f"bf16 matrices reached {prefill:.4g} FLOP/s"),
    }
    measured |= {"hbm_bytes": timings.device.memory_bytes, "kernel_launch_s": short(timings.launch.plain_s)}
    sources["hbm_bytes"] = _source(timings, "total_memory")
    sources["kernel_launch_s"] = _source(timings, "launches one by one, without a captured graph")
    for name, (share, words) in shares.items():
        measured[name] = share
        sources[name] = _source(timings, words)
    if (bandwidth := _link_bytes_per_s(timings)) is not None:
        measured["intra_node_bytes_per_s"] = bandwidth
        sources["intra_node_bytes_per_s"] = _source(timings, "half of what links carry in the largest all-reduce")
    rounded = {name: value if value is None else short(value) for name, value in measured.items()}
    return {**values, **rounded, "hbm_bytes": timings.device.memory_bytes, "sources": sources}


def card_text(timings: Timings, card: Accelerator | None, day: str) -> str:
    """The entry as a YAML file, with a line that says what was measured and when."""
    rest = (
        "Everything else is an assumption: see `sources`."
        if card is None
        else (f"Everything else is the catalog's {card.name}; shares are of its peaks.")
    )
    heading = f"# Measured by ieco-opt probe on {timings.device.words}, {day}.\n# {rest}\n"
    return heading + yaml_text(card_mapping(timings, card))


def name_of(device: Device, card: Accelerator | None) -> str:
    """What the entry is called, and the column ``accelerator`` of its rows."""
    return "-".join(device.name.split()) if card is None else card.name


def _assumed(device: Device) -> tuple[dict[str, object], dict[str, str]]:
    """What an entry of an unknown card needs beside what was measured."""
    alike = catalog.accelerator(_WIRED_AS)
    wires = ("intra_node_bytes_per_s", "inter_node_bytes_per_s")
    values = {
        "name": name_of(device, None),
        **({} if device.vendor is None else {"vendor": device.vendor}),
        **{name: getattr(alike, name) for name in wires},
        "flops_4bit": None,
        "node_size": device.count,
    }
    sources = dict.fromkeys(wires, f"assumed: as {alike.name} of the catalog")
    return values, {**sources, "flops_4bit": "not measured", "node_size": "devices of the machine that was measured"}


def _link_bytes_per_s(timings: Timings) -> float | None:
    """All-reduce bandwidth of a node as the catalog states it: half of what each link carries one way."""
    ranks = max((each.ranks for each in timings.all_reduces), default=0)
    found = [each.message_bytes / each.seconds for each in timings.all_reduces if each.ranks == ranks]
    # A ring carries each byte of the message 2 (n - 1) / n times over a link.
    return max(max(found) * (ranks - 1) / ranks, _LEAST_BYTES_PER_S) if found else None


def _alike(card: Accelerator, device: Device) -> bool:
    return abs(device.memory_bytes / card.hbm_bytes - 1.0) <= _ALIKE


def _source(timings: Timings, words: str) -> str:
    return f"measured on {timings.device.name}: {words}"
