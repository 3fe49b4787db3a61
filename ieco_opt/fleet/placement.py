"""Instances on nodes: what they occupy, when they fit, and which one sits where.

An instance of g GPUs on nodes of m takes floor(g / m) whole nodes and, together on one more node, the g mod m GPUs
that are left: its *rest*, which may share that node. No other split into as few nodes leaves more room.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ieco_opt.errors import SolverError


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes of a pool: ``whole`` ones of ``size`` GPUs, and one of ``partial`` GPUs where that is not 0."""

    size: int
    whole: int
    partial: int

    def footprint(self, gpus: int) -> tuple[int, int]:
        """Whole nodes and rest of one instance."""
        return divmod(gpus, self.size)

    def most(self, gpus: int) -> int:
        """Instances of one size that the pool can hold by itself."""
        whole, rest = self.footprint(gpus)
        if rest == 0:
            return self.whole // whole
        count = self.whole // whole if whole else self.whole * (self.size // rest) + self.partial // rest
        while count and count > (self.whole - count * whole) * (self.size // rest) + self.partial // rest:
            count -= 1
        return count


@lru_cache(maxsize=4096)
def copies_within(gpus: int, within: int, node_size: int) -> int:
    """Instances of ``gpus`` that always fit where one of ``within`` was."""
    return Nodes(node_size, *divmod(within, node_size)).most(gpus)


@dataclass(frozen=True, slots=True)
class Room:
    """Necessary for rests of at least ``size``: the sum of floor(rest / size) is at most what the nodes hold.

    A whole node holds ``per_node`` of them, the partial one ``in_partial``.
    """

    size: int
    per_node: int
    in_partial: int


def is_chain(sizes: Iterable[int]) -> bool:
    """Whether each size divides the next larger one."""
    ordered = sorted(set(sizes))
    return all(larger % smaller == 0 for smaller, larger in itertools.pairwise(ordered))


def rooms(sizes: Iterable[int], nodes: Nodes) -> list[Room]:
    """Conditions on rests that form a chain, necessary and sufficient together.

    Put largest first, such rests waste nothing but what a node has beyond a multiple of the current size. Conditions
    that the one of a smaller size implies are left out.
    """
    kept: list[Room] = []
    for size in sorted(set(sizes)):
        room = Room(size, nodes.size // size, nodes.partial // size)
        held = (size * room.per_node, size * room.in_partial)
        implied = any(one.size * one.per_node <= held[0] and one.size * one.in_partial <= held[1] for one in kept)
        if not implied:
            kept.append(room)
    return kept


@dataclass(frozen=True, slots=True, order=True)
class Arc:
    """A rest of ``size`` GPUs put on a node whose first ``start`` GPUs are taken."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """GPUs taken afterwards."""
        return self.start + self.size


def arcs(sizes: Iterable[int], capacity: int) -> list[Arc]:
    """Ways to fill a node as paths from 0, larger rests first (Valerio de Carvalho, arc-flow for bin packing)."""
    reached, found = {0}, set[Arc]()
    for size in sorted(set(sizes), reverse=True):
        for start in sorted(reached):
            for at in range(start, capacity - size + 1, size):
                found.add(Arc(at, size))
                reached.add(at + size)
    return sorted(found)


def fillings(flow: Mapping[Arc, int]) -> list[Counter[int]]:
    """Paths that an arc flow consists of: the rests on each node, by size."""
    left = {arc: count for arc, count in flow.items() if count > 0}
    nodes = []
    while any(arc.start == 0 for arc in left):
        at, node = 0, Counter[int]()
        while (arc := max((arc for arc in left if arc.start == at), default=None)) is not None:
            left[arc] -= 1
            if not left[arc]:
                del left[arc]
            node[arc.size] += 1
            at = arc.end
        nodes.append(node)
    return nodes


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of an instance on one node."""

    column: int
    instance: int
    gpus: int


def place(
    gpus: Mapping[int, int],
    counts: Mapping[int, int],
    nodes: Nodes,
    contents: Sequence[tuple[int, Counter[int]]] | None = None,
) -> list[tuple[int, list[Piece]]]:
    """Put instances on nodes: the size of each node in use, and what sits on it.

    Parameters
    ----------
    gpus, counts
        GPUs of one instance, and number of instances, by column.
    contents
        Size and rests of each shared node, where the rests are no chain and the program decided.

    Raises
    ------
    SolverError
        They do not fit.
    """
    filled: list[tuple[int, list[Piece]]] = []
    rests: list[Piece] = []
    for column in sorted(counts, key=lambda each: -gpus[each]):
        whole, rest = nodes.footprint(gpus[column])
        for instance in range(counts[column]):
            filled += [(nodes.size, [Piece(column, instance, nodes.size)]) for _ in range(whole)]
            if rest:
                rests.append(Piece(column, instance, rest))
    rests.sort(key=lambda piece: -piece.gpus)
    if contents is None:
        bins = [nodes.partial] * bool(nodes.partial) + [nodes.size] * (nodes.whole - len(filled))
        contents_of = _first_fit(rests, bins)
    else:
        contents_of = _as_decided(rests, contents)
    if contents_of is None or len(filled) > nodes.whole:
        raise SolverError("the instances of the plan cannot be packed into the nodes of the pool")
    return filled + contents_of


def _first_fit(rests: Sequence[Piece], bins: Sequence[int]) -> list[tuple[int, list[Piece]]] | None:
    """Largest first into the first node with room; wastes nothing where the rests are a chain."""
    left, contents = list(bins), [list[Piece]() for _ in bins]
    first = size = 0
    for piece in rests:
        if piece.gpus != size:
            first, size = 0, piece.gpus
        at = next((index for index in range(first, len(left)) if left[index] >= size), None)
        if at is None:
            return None
        # Where there was no room for a piece there is none for another as large.
        first = at
        left[at] -= piece.gpus
        contents[at].append(piece)
    return [(size, on) for size, on in zip(bins, contents, strict=True) if on]


def _as_decided(
    rests: Sequence[Piece], contents: Sequence[tuple[int, Counter[int]]]
) -> list[tuple[int, list[Piece]]] | None:
    """Deal the rests out to nodes whose contents are decided by size."""
    waiting: dict[int, list[Piece]] = {}
    for piece in rests:
        waiting.setdefault(piece.gpus, []).append(piece)
    dealt = []
    for size, node in contents:
        on = [waiting[rest].pop() for rest in node.elements() if waiting.get(rest)]
        if on:
            dealt.append((size, on))
    return None if any(waiting.values()) else dealt
