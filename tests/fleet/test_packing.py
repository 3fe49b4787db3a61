"""Instances on nodes: what fits, which conditions say so, and where each one lands."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from ieco_opt.errors import SolverError
from ieco_opt.fleet.placement import (
    Arc,
    Nodes,
    arcs,
    copies_within,
    fillings,
    is_chain,
    place,
    rooms,
)


def fits(rests: tuple[int, ...], bins: list[int]) -> bool:
    """By trying everything."""
    if not rests:
        return True
    return any(
        room >= rests[0] and fits(rests[1:], [*bins[:at], room - rests[0], *bins[at + 1 :]])
        for at, room in enumerate(bins)
    )


@pytest.mark.parametrize(("size", "sizes"), [(8, (1, 2, 4)), (8, (3, 6)), (10, (1, 4)), (7, (1, 2)), (9, (2, 4))])
@pytest.mark.parametrize("partial", [0, 1, 3, 5])
def test_rooms_are_necessary_and_sufficient_for_chains(size: int, sizes: tuple[int, ...], partial: int) -> None:
    assert is_chain(sizes)
    nodes = Nodes(size, 2, partial)
    for counts in itertools.product(range(6), repeat=len(sizes)):
        rests = tuple(sorted(Counter(dict(zip(sizes, counts, strict=True))).elements(), reverse=True))
        allowed = all(
            sum(rest // room.size for rest in rests if rest >= room.size) <= room.per_node * 2 + room.in_partial
            for room in rooms(sizes, nodes)
        )
        assert allowed == fits(rests, [size, size, partial]), rests
        if allowed:
            kinds = dict(enumerate(sizes))
            placed = place(kinds, dict(enumerate(counts)), nodes)
            assert all(sum(piece.gpus for piece in pieces) <= room for room, pieces in placed)
            assert Counter(piece.gpus for _, pieces in placed for piece in pieces) == Counter(rests)


def test_chains() -> None:
    assert is_chain([8, 2, 4, 2])
    assert is_chain([])
    assert not is_chain([4, 6])


def test_a_six_and_a_four_do_not_share_a_node_of_eight() -> None:
    assert not is_chain([6, 4])
    # Paths through one node: 6, or 4 and 4; nothing starts with 4 and goes on with 6.
    assert arcs([6, 4], 8) == [Arc(0, 4), Arc(0, 6), Arc(4, 4)]
    with pytest.raises(SolverError):
        place({0: 6, 1: 4}, {0: 1, 1: 1}, Nodes(8, 1, 0))


@pytest.mark.parametrize("size", [5, 8, 12])
def test_arc_flows_hold_whatever_fits_one_node(size: int) -> None:
    sizes = (2, 3, 5)
    paths = {(): 0}
    for arc in sorted(arcs(sizes, size), key=lambda each: (each.start, -each.size)):
        for path, end in list(paths.items()):
            if end == arc.start:
                paths[tuple(sorted((*path, arc.size)))] = arc.end
    for counts in itertools.product(range(5), repeat=3):
        rests = tuple(sorted(Counter(dict(zip(sizes, counts, strict=True))).elements()))
        assert (rests in paths) == (sum(rests) <= size), rests


def test_flows_are_taken_apart_into_nodes() -> None:
    flow = {Arc(0, 6): 1, Arc(0, 4): 2, Arc(4, 4): 1}
    assert sorted(map(sorted, (node.elements() for node in fillings(flow)))) == [[4], [4, 4], [6]]


def test_instances_larger_than_a_node_share_only_their_rest() -> None:
    placed = place({0: 12}, {0: 2}, Nodes(8, 3, 0))
    assert sorted(sorted(piece.gpus for piece in pieces) for _, pieces in placed) == [[4, 4], [8], [8]]


@pytest.mark.parametrize(
    ("gpus", "within", "copies"), [(4, 8, 2), (3, 8, 2), (8, 12, 1), (4, 12, 3), (12, 24, 2), (6, 12, 1), (5, 4, 0)]
)
def test_copies_that_always_fit(gpus: int, within: int, copies: int) -> None:
    assert copies_within(gpus, within, 8) == copies


@pytest.mark.parametrize("gpus", [1, 3, 4, 8, 12, 20])
@pytest.mark.parametrize("nodes", [Nodes(8, 3, 0), Nodes(8, 2, 5), Nodes(4, 5, 3)])
def test_most_instances_of_one_size(gpus: int, nodes: Nodes) -> None:
    most = nodes.most(gpus)
    if most:
        place({0: gpus}, {0: most}, nodes)
    with pytest.raises(SolverError):
        place({0: gpus}, {0: most + 1}, nodes)
