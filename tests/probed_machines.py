"""Timings of a machine whose bandwidths, arithmetic and launches are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ieco_opt.probing.kernels import matrices_of
from ieco_opt.probing.sizes import sizes_of
from ieco_opt.probing.timings import AllReduceTime, CopyTime, Device, LaunchTime, MatrixTime, Timings

CARD = Device("NVIDIA H100 80GB HBM3", "cuda", 8.45e10, 8, "nvidia", "torch 2.99, CUDA 13.0")

READS = 2.5e12
"""Bytes of weights that matrices read in a second."""

COPIES = 3.0e12
ARITHMETIC = {"bf16": 6.0e14, "fp8": 1.1e15, "int8": 1.2e15}
RAMP_S = 3e-6
"""What each kernel takes beside."""

PLAIN_S, CAPTURED_S = 5e-6, 2e-6

LINES = {2: (4e-6, 2.0e11), 4: (6e-6, 1.5e11), 8: (8e-6, 1.2e11)}
"""Start and bandwidth of all-reduces by ranks."""


def timings(device: Device = CARD, **changes: Any) -> Timings:
    """What a probe of that machine measures, without all-reduces."""
    sizes = sizes_of(device.kind, device.memory_bytes)
    matrices = []
    for precision, rate in ARITHMETIC.items():
        for phase, rows, width in matrices_of(sizes, precision):
            empty = MatrixTime(precision, phase, rows, width, 1.0)
            matrices.append(replace(empty, seconds=RAMP_S + max(empty.weight_bytes / READS, empty.flop_per_s / rate)))
    copies = tuple(CopyTime(2.0 * size, 2.0 * size / COPIES) for size in sizes.copy_bytes)
    return replace(Timings(device, copies, tuple(matrices), LaunchTime(PLAIN_S, CAPTURED_S)), **changes)


def all_reduces(lines: dict[int, tuple[float, float]] = LINES) -> tuple[AllReduceTime, ...]:
    """Times of all-reduces along lines by ranks."""
    sizes = sizes_of(CARD.kind, CARD.memory_bytes).message_bytes
    return tuple(
        AllReduceTime(ranks, float(size), start + size / rate)
        for ranks, (start, rate) in lines.items()
        for size in sizes
    )
