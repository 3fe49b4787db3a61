"""Machines that ranks are started on: nodes of the catalog, parts of them, or several of them."""

from __future__ import annotations

from functools import cache

from ieco_opt.catalog.types import Accelerator
from ieco_opt.documents.packaged import packaged_rows

Devices = tuple[int, ...] | None
"""Numbers of the accelerators of a machine that are used; ``None``: all."""


def host_size(accelerator: Accelerator) -> int:
    """Accelerators of one machine: of a node, unless the catalog's node is another thing."""
    name = accelerator.name.casefold()
    known = (size for beginning, size in _sizes() if name.startswith(beginning))
    return next(known, accelerator.node_size)


def spread(name: str, first: int, count: int, size: int, node_size: int) -> list[tuple[str, Devices]]:
    """Machines of one node that hold accelerators ``first`` to ``first + count``, with those of each.

    Parameters
    ----------
    name
        Of the node; of several machines in it each gets its number after that.
    size
        Accelerators of one machine.
    """
    machines: list[tuple[str, Devices]] = []
    for machine in range(first // size, (first + count - 1) // size + 1):
        start = max(first, machine * size) - machine * size
        end = min(first + count, (machine + 1) * size) - machine * size
        used = None if end - start == size else tuple(range(start, end))
        machines.append((name if size >= node_size else f"{name}-{machine}", used))
    return machines


@cache
def _sizes() -> tuple[tuple[str, int], ...]:
    rows = packaged_rows("ieco_opt.engines", "hosts.yaml")
    return tuple((row["accelerator"].casefold(), row["gpus"]) for row in rows)
