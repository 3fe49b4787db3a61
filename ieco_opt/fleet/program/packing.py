"""Packing instances into nodes, as constraints of the program of a fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ieco_opt.fleet.placement import Nodes, arcs, is_chain, rooms
from ieco_opt.fleet.program.data import FleetProgramData


def define_packing_constraints(model: Any, data: FleetProgramData) -> None:
    """Instances fit on nodes: whole nodes for themselves, and their rests on the nodes that are left.

    Rests that are a chain (each divides the next): sum_k floor(rest_k / s) x_k <= floor(m / s) (n_p - whole_k x_k)
    for each size s, and what a partial node adds (:func:`~ieco_opt.fleet.placement.rooms`). Others: an arc flow.
    """
    import pyomo.core as pyo

    model.packing = pyo.ConstraintList()
    model.filling = pyo.Block(model.pools)
    for at, pool in enumerate(model.pools):
        nodes = data.problem.pools[at].nodes
        feet = {
            name: nodes.footprint(column.gpus)
            for name, column in zip(model.columns, data.problem.columns, strict=True)
            if column.pool == at
        }
        shared = model.nodes[pool] - pyo.quicksum(
            whole * model.instances[name] for name, (whole, _) in feet.items() if whole
        )
        rests = {name: rest for name, (_, rest) in feet.items() if rest}
        if is_chain(rests.values()):
            for room in rooms(rests.values(), nodes):
                packed = pyo.quicksum(
                    rest // room.size * model.instances[name] for name, rest in rests.items() if rest >= room.size
                )
                model.packing.add(packed <= room.per_node * shared + room.in_partial)
            if feet and (nodes.partial or not rests):
                model.packing.add(shared >= 0)
        else:
            _define_arc_flow(model, model.filling[pool], rests, shared, nodes)


def _define_arc_flow(model: Any, block: Any, rests: Mapping[str, int], shared: Any, nodes: Nodes) -> None:
    """Paths through a node: as many leave a position as arrive there, ``shared`` start, and each rest is on an arc.

    The partial node, if there is one, has a flow of its own. After J. M. Valerio de Carvalho, Annals of Operations
    Research 86, 1999.
    """
    import pyomo.core as pyo

    starts = {"whole": shared, "partial": 1}
    index = [
        (name, arc.start, arc.size)
        for name, capacity in (("whole", nodes.size), ("partial", nodes.partial))
        for arc in arcs(rests.values(), capacity)
    ]
    block.flow = pyo.Var(index, domain=pyo.NonNegativeIntegers)
    leaving: dict[tuple[str, int], list[Any]] = {}
    arriving: dict[tuple[str, int], list[Any]] = {}
    packed: dict[int, list[Any]] = {}
    for (name, start, length), flow in block.flow.items():
        leaving.setdefault((name, start), []).append(flow)
        arriving.setdefault((name, start + length), []).append(flow)
        packed.setdefault(length, []).append(flow)

    def balance(_: Any, name: str, at: int) -> Any:
        source = starts[name] if at == 0 else pyo.quicksum(arriving[name, at])
        return pyo.quicksum(leaving[name, at]) <= source

    def placed(_: Any, length: int) -> Any:
        held = pyo.quicksum(model.instances[name] for name, rest in rests.items() if rest == length)
        return pyo.quicksum(packed[length]) == held

    block.balance = pyo.Constraint(list(leaving), rule=balance)
    block.placed = pyo.Constraint(sorted(set(rests.values())), rule=placed)
