"""Groups of deployments that share a colour in a plot."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from ieco_opt.results.deployment import Deployment

MOST_GROUPS = 8
"""More colours than this nobody tells apart."""


@dataclass(frozen=True, slots=True)
class Group:
    """Deployments under one label."""

    label: str
    members: tuple[Deployment, ...]


def groups_of(deployments: Sequence[Deployment]) -> list[Group]:
    """Group deployments by the finest of their layout, degrees or GPUs that gives at most ``MOST_GROUPS``.

    Groups are in the order of their GPUs, so that neighbours in the legend are alike.
    """
    for label in _FINE_TO_COARSE:
        groups = _grouped(deployments, label)
        if len(groups) <= MOST_GROUPS:
            break
    return groups


def split_by(deployments: Sequence[Deployment], key: Callable[[Deployment], Hashable]) -> list[list[Deployment]]:
    """Split by the value of ``key``, in the order of first appearance."""
    parts: dict[Hashable, list[Deployment]] = {}
    for item in deployments:
        parts.setdefault(key(item), []).append(item)
    return list(parts.values())


def _grouped(deployments: Sequence[Deployment], label: Callable[[Deployment], str]) -> list[Group]:
    groups = [Group(label(members[0]), tuple(members)) for members in split_by(deployments, label)]
    return sorted(groups, key=lambda group: (min(item.gpus for item in group.members), group.label))


def _by_layout(item: Deployment) -> str:
    return item.parallelism.short()


def _by_degrees(item: Deployment) -> str:
    held = item.parallelism
    return f"TP{held.tensor}" + (f" PP{held.pipeline}" if held.pipeline > 1 else "")


def _by_gpus(item: Deployment) -> str:
    return f"{item.gpus} GPU{'' if item.gpus == 1 else 's'}"


def _by_power_of(base: int) -> Callable[[Deployment], str]:
    def label(item: Deployment) -> str:
        least = 1
        while least * base <= item.gpus:
            least *= base
        return f"{least} to {least * base - 1} GPUs"

    return label


_FINE_TO_COARSE: tuple[Callable[[Deployment], str], ...] = (
    _by_layout,
    _by_degrees,
    _by_gpus,
    _by_power_of(2),
    _by_power_of(4),
    _by_power_of(32),
)
