"""Accelerators as scenarios give them: names of the catalog, or mappings that may start from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ieco_opt import catalog
from ieco_opt.catalog import Collection
from ieco_opt.catalog.types import Accelerator

NO_OTHER_CARD = frozenset({"like", "name", "usd_per_gpu_hour", "power_w", "power"})
"""Fields of a mapping that make no other accelerator of the one that it starts from."""


@dataclass(frozen=True, slots=True)
class Described(Accelerator):
    """An accelerator that a mapping describes: the entry that it starts from, and whether it is still the same."""

    base: str = ""
    is_base: bool = False


def read(reference: str | Mapping[str, Any], collection: Collection = Collection.REAL) -> Accelerator:
    """Read an accelerator of a scenario, without what its energy costs and emits."""
    if isinstance(reference, str):
        return catalog.accelerator(reference, collection)
    card = {name: value for name, value in reference.items() if name != "power"}
    known = catalog.accelerator_from_mapping(card, collection)
    if "like" not in reference:
        return known
    values = {each.name: getattr(known, each.name) for each in fields(Accelerator)}
    base = catalog.accelerator(reference["like"], collection).name
    return Described(**values, base=base, is_base=reference.keys() <= NO_OTHER_CARD)


def names(accelerator: Accelerator) -> list[str]:
    """Names that a profile may know an accelerator by, the first choice first."""
    return [accelerator.name, *([accelerator.base] if isinstance(accelerator, Described) else [])]


def measured_names(accelerator: Accelerator) -> list[str]:
    """Names whose measurements are those of an accelerator."""
    return names(accelerator) if isinstance(accelerator, Described) and accelerator.is_base else [accelerator.name]
