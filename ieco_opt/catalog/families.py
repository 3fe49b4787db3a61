"""Families of models: by which class servers know them, and which quantised checkpoints of them are published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from ieco_opt.documents.packaged import packaged_rows


@dataclass(frozen=True, slots=True)
class Family:
    """Models whose names in the catalog begin alike.

    Attributes
    ----------
    architecture
        Class of the model in its ``config.json``; empty where the name is of no family.
    block
        Width of the blocks that share a scale in its FP8 checkpoints; 0 where they have none.
    repositories
        Repositories of quantised checkpoints by format and vendor (``any`` for all).
    """

    name: str = ""
    architecture: str = ""
    block: int = 0
    repositories: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    source: str = ""


def family_of(name: str) -> Family:
    """The family with the longest beginning of a model's name; one without anything where there is none."""
    spelt = name.casefold()
    fitting = [each for each in _families() if spelt.startswith(each.name.casefold())]
    return max(fitting, key=lambda each: len(each.name), default=Family())


@cache
def _families() -> tuple[Family, ...]:
    return tuple(
        Family(
            name=row["family"],
            architecture=row["architecture"],
            block=row.get("block", 0),
            repositories={
                each: places if isinstance(places, dict) else {"any": places}
                for each, places in row.get("repositories", {}).items()
            },
            source=row["source"],
        )
        for row in packaged_rows("ieco_opt.catalog", "families.yaml")
    )
