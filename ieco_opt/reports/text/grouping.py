"""Families of deployments or plans that share a colour in a picture: those of one layout."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from ieco_opt.reports.text.wording import counted
from ieco_opt.results.deployment import Deployment

MOST_FAMILIES = 8
"""More colours than this nobody tells apart."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Family(Generic[T]):
    """What has one label; ``is_rest``: what is left of many layouts."""

    label: str
    members: tuple[T, ...]
    is_rest: bool = False


def families_of(deployments: Sequence[Deployment]) -> list[Family[Deployment]]:
    """Group deployments by layout, those of few GPUs first, so that neighbours in the legend are alike."""
    return families(deployments, lambda item: item.parallelism.short(), lambda item: item.gpus)


def families(
    items: Sequence[T], label: Callable[[T], str], size: Callable[[T], float], most: int = MOST_FAMILIES
) -> list[Family[T]]:
    """Group items by label, in the order of the least size of each.

    Of more labels than ``most`` those with the most items are kept, and all others together are the last family.
    """
    groups = [Family(label(members[0]), tuple(members)) for members in split_by(items, label)]
    kept, rest = groups, []
    if len(groups) > most:
        ranked = sorted(groups, key=lambda family: (-len(family.members), family.label))
        kept, rest = ranked[: most - 1], ranked[most - 1 :]
    kept.sort(key=lambda family: (min(map(size, family.members)), family.label))
    if rest:
        others = tuple(item for family in rest for item in family.members)
        kept.append(Family(f"{counted(rest, 'other layout')}", others, is_rest=True))
    return kept


def split_by(items: Sequence[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Split by the value of ``key``, in the order of first appearance."""
    parts: dict[Hashable, list[T]] = {}
    for item in items:
        parts.setdefault(key(item), []).append(item)
    return list(parts.values())
