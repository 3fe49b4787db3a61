"""Copies, products of matrices and launches, measured on one device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

from ieco_opt.probing.devices import Machine
from ieco_opt.probing.sizes import Sizes
from ieco_opt.probing.timings import BYTES, CUDA, CopyTime, LaunchTime, MatrixTime, Phase

_MOST_TURNS = 64
"""Most products in a row: enough to hide what the launch of a graph takes."""

_TURNS_OF_PROMPTS = 4

_LEAST_ROWS = {"bf16": 1, "fp8": 16, "int8": 32}
"""Kernels of 8 bits take no fewer rows; servers pad to as many."""


def measured_copies(machine: Machine, sizes: Sizes, seconds: float) -> Iterator[CopyTime]:
    """Times of copies within the memory of the device, each in so many seconds."""
    for size in sizes.copy_bytes:
        source = machine.torch.ones(size, dtype=machine.torch.uint8, device=machine.place)
        target = machine.torch.empty_like(source)
        yield CopyTime(2.0 * size, machine.timed(partial(target.copy_, source), seconds))


def measured_launches(machine: Machine, sizes: Sizes, seconds: float) -> LaunchTime:
    """Time of one launch, one by one, and on cards in a captured graph."""
    cell = machine.torch.zeros(1, device=machine.place)

    def launches() -> None:
        for _ in range(sizes.launches):
            cell.add_(1.0)

    plain = machine.timed(launches, seconds) / sizes.launches
    if machine.device.kind != CUDA:
        return LaunchTime(plain, None)
    return LaunchTime(plain, machine.timed(machine.captured(launches), seconds) / sizes.launches)


def matrices_of(sizes: Sizes, precision: str) -> list[tuple[Phase, int, int]]:
    """Phase, rows and width of every product of a precision, the small matrices first."""
    phases: list[tuple[Phase, tuple[int, ...]]] = [("decode", sizes.decode_rows), ("prefill", sizes.prefill_rows)]
    return [
        (phase, rows, width)
        for width, (phase, listed) in product(sizes.widths, phases)
        for rows in listed
        if rows >= _LEAST_ROWS[precision]
        # Prompts of the widest matrices say nothing more about arithmetic, and take the longest.
        if phase == "decode" or width in sizes.widths[:2]
    ]


def measured_matrices(machine: Machine, sizes: Sizes, seconds: float, notes: list[str]) -> Iterator[MatrixTime]:
    """Times of products in each precision that the device has, in about so many seconds; notes say which it has not.

    Where the time of a precision is up, wider matrices are left out; the narrowest ones are always measured.
    """
    for precision in BYTES:
        listed = matrices_of(sizes, precision)
        end = time.perf_counter() + seconds / len(BYTES)
        for at, (phase, rows, width) in enumerate(listed):
            left = end - time.perf_counter()
            if left < 0.0 and width > sizes.widths[0]:
                notes.append(f"{precision} matrices: {at} of {len(listed)} were measured, then the time was up")
                break
            try:
                step, turns = _products(machine, precision, phase, rows, width, sizes.rotation_bytes)
                taken = machine.timed(machine.captured(step), left / (len(listed) - at)) / turns
            except _REFUSALS as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                notes.append(f"{precision} matrices were not measured: {reason[:_MOST_LETTERS]}")
                break
            yield MatrixTime(precision, phase, rows, width, taken)


_REFUSALS = (RuntimeError, NotImplementedError, AttributeError, ValueError)
"""What torch says where a device, or its version, has no arithmetic of a precision."""

_MOST_LETTERS = 160


def _products(
    machine: Machine, precision: str, phase: Phase, rows: int, width: int, rotation_bytes: int
) -> tuple[Callable[[], None], int]:
    """A step of several products, each with weights of its own, and how many they are."""
    # Prompts take the time of their arithmetic, wherever the weights are.
    most = _MOST_TURNS if phase == "decode" else _TURNS_OF_PROMPTS
    turns = max(2, min(most, rotation_bytes // (width * width * BYTES[precision])))
    given = _MULTIPLIED[precision](machine, rows, width, turns)

    def step() -> None:
        for each in given:
            each()

    return step, turns


def _in_bf16(machine: Machine, rows: int, width: int, turns: int) -> list[Callable[[], Any]]:
    torch = machine.torch
    given = torch.randn(rows, width, device=machine.place).to(torch.bfloat16)
    weights = torch.randn(turns, width, width, device=machine.place, dtype=torch.bfloat16)
    out = torch.empty(rows, width, device=machine.place, dtype=torch.bfloat16)
    return [partial(torch.mm, given, each.t(), out=out) for each in weights]


def _in_fp8(machine: Machine, rows: int, width: int, turns: int) -> list[Callable[[], Any]]:
    torch = machine.torch
    # AMD's CDNA3 has a format of 8 bits of its own.
    architecture = getattr(torch.cuda.get_device_properties(0), "gcnArchName", "") if torch.version.hip else ""
    kind = torch.float8_e4m3fnuz if architecture.startswith("gfx94") else torch.float8_e4m3fn
    given = torch.randn(rows, width, device=machine.place).to(kind)
    weights = torch.randn(turns, width, width, device=machine.place, dtype=torch.bfloat16).to(kind)
    scale = torch.ones((), device=machine.place)
    return [
        partial(torch._scaled_mm, given, each.t(), scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16)
        for each in weights
    ]


def _in_int8(machine: Machine, rows: int, width: int, turns: int) -> list[Callable[[], Any]]:
    torch = machine.torch
    given = torch.randint(-8, 8, (rows, width), device=machine.place, dtype=torch.int8)
    weights = torch.randint(-8, 8, (turns, width, width), device=machine.place, dtype=torch.int8)
    return [partial(torch._int_mm, given, each.t()) for each in weights]


_MULTIPLIED = {"bf16": _in_bf16, "fp8": _in_fp8, "int8": _in_int8}
