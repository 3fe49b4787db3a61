"""What instances take of a pool, in as few numbers as the packing of nodes tells apart.

A *piece* is a size of which an instance takes a whole number. Instances that come to the same pieces take the same
place: any plan with one of them is a plan with the other one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt.fleet.placement import Nodes, is_chain, rooms
from ieco_opt.fleet.space import FleetProblem

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces of all pools.

    Attributes
    ----------
    pool, gpus
        Of each piece.
    of_column
        Number of each piece that an instance of each column takes; shape (columns, pieces).
    """

    pool: tuple[int, ...]
    gpus: tuple[int, ...]
    of_column: Counts

    def of_pool(self, pool: int) -> list[int]:
        """Positions of the pieces of one pool."""
        return [at for at, each in enumerate(self.pool) if each == pool]


def pieces_of(problem: FleetProblem) -> Pieces:
    """Pieces that tell the columns of a problem apart wherever their place on nodes does."""
    pools: list[int] = []
    sizes: list[int] = []
    rows: list[tuple[int, int, int]] = []
    for pool, data in enumerate(problem.pools):
        here = [at for at, column in enumerate(problem.columns) if column.pool == pool]
        mine = _sizes(sorted({problem.columns[at].gpus for at in here}), data.nodes)
        first = len(sizes)
        pools += [pool] * len(mine)
        sizes += mine
        for at in here:
            for piece, number in _cut(problem.columns[at].gpus, mine, data.nodes):
                rows.append((at, first + piece, number))
    of_column = np.zeros((len(problem.columns), len(sizes)), dtype=np.int64)
    for at, piece, number in rows:
        of_column[at, piece] += number
    return Pieces(tuple(pools), tuple(sizes), of_column)


def _sizes(gpus: Sequence[int], nodes: Nodes) -> list[int]:
    """Sizes of pieces: of rests that are a chain those that have a row of the packing, of others all; and a node.

    With one row that a node fills without waste, a whole node is so many of its pieces.
    """
    rests = sorted({rest for each in gpus if (rest := nodes.footprint(each)[1])})
    if is_chain(rests):
        kept = [room.size for room in rooms(rests, nodes)]
        if len(kept) == 1 and nodes.size % kept[0] == 0 and not nodes.partial:
            return kept
        rests = kept
    whole = any(nodes.footprint(each)[0] for each in gpus)
    return [*rests, nodes.size] if whole else rests


def _cut(gpus: int, sizes: Sequence[int], nodes: Nodes) -> list[tuple[int, int]]:
    """An instance in pieces: position among the sizes, and number."""
    whole, rest = nodes.footprint(gpus)
    found = []
    if whole and nodes.size in sizes:
        found.append((sizes.index(nodes.size), whole))
    elif whole:
        found.append((0, whole * nodes.size // sizes[0]))
    if rest:
        at = max(at for at, size in enumerate(sizes) if size <= rest and rest % size == 0)
        found.append((at, rest // sizes[at]))
    return found


def is_simple(problem: FleetProblem, pieces: Pieces | None = None) -> bool:
    """Whether each pool has one piece that fills its nodes: what workloads can take of it then is soon listed."""
    pieces = pieces or pieces_of(problem)
    pools = [problem.pools[at] for at in pieces.pool]
    filled = (
        not pool.nodes.partial and pool.nodes.size % gpus == 0 for pool, gpus in zip(pools, pieces.gpus, strict=True)
    )
    return len(set(pieces.pool)) == len(pieces.pool) and all(filled)
