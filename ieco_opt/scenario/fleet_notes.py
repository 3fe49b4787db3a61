"""What a fleet should be told of itself: pools and operating points that are of no use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.documents.origin import Origin, shortened
from ieco_opt.errors import ScenarioError
from ieco_opt.scenario.references import accelerator_of

Reference = str | dict[str, object]


def notes_on_nodes(
    name: str, accelerator: Reference, gpus: int, node_size: int | None, rented_by: str, origin: Origin
) -> tuple[str, ...]:
    """Tell that a pool has not one whole node, although whole nodes are rented."""
    known = _looked_up(accelerator, origin)
    size = node_size or (None if known is None else known.node_size)
    if size is None or rented_by != "node" or gpus >= size:
        return ()
    return (
        f"pool {name}: no instance can run there, since it has {gpus} GPUs, less than one node of {size}, and is "
        "billed by the node; say rented_by: gpu or another node_size",
    )


def notes_on_points(
    workload: str, points: Iterable[str], pools: Sequence[Reference], origin: Origin
) -> tuple[str, ...]:
    """Tell that operating points are for accelerators that no pool of their workload has.

    Parameters
    ----------
    workload
        Its name.
    points
        Accelerators of its operating points, as far as they name one.
    pools
        Accelerators of the pools that it may use. Names that are unknown are faults elsewhere, and passed over here.
    """
    there = [_looked_up(pool, origin) for pool in pools]
    names = dict.fromkeys(known.name for known in there if known is not None)
    lost: dict[str, None] = {}
    for point in dict.fromkeys(points):
        known = None if point in names else _looked_up(point, origin)
        if known is not None and known.name not in names:
            lost[point] = None
    if not lost or None in there:
        return ()
    return (
        f"workload {workload}: its operating points for {shortened(lost)} are of no use, since none of its pools has "
        f"that accelerator; they have {shortened(names)}",
    )


def _looked_up(accelerator: Reference, origin: Origin) -> Accelerator | None:
    try:
        return accelerator_of(accelerator, (), Fidelity.DEPLOYABLE, origin)
    except ScenarioError:
        return None
