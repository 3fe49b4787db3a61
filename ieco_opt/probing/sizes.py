"""Sizes of what is measured, by the device: large enough to leave caches, small enough to take two minutes."""

from __future__ import annotations

from dataclasses import dataclass

from ieco_opt.probing.timings import CUDA

_GIB = 2**30

_SHARE = 8
"""A buffer takes at most so small a part of the memory: several are held at a time."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is measured.

    Attributes
    ----------
    copy_bytes
        Bytes of the buffers that are copied.
    widths
        Edges of the square matrices of weights.
    rotation_bytes
        Weights are taken in turn from so many bytes of them, so that no cache holds those that come next.
    decode_rows, prefill_rows
        Rows that meet the weights, as in decoding (sequences in flight) and in prompts (tokens).
    message_bytes
        Messages of all-reduces.
    launches
        Kernels that are launched in a row.
    """

    copy_bytes: tuple[int, ...]
    widths: tuple[int, ...]
    rotation_bytes: int
    decode_rows: tuple[int, ...]
    prefill_rows: tuple[int, ...]
    message_bytes: tuple[int, ...]
    launches: int


_OF_CARDS = Sizes(
    copy_bytes=(_GIB // 4, _GIB, 2 * _GIB),
    widths=(4096, 8192, 12288, 16384),
    rotation_bytes=_GIB,
    decode_rows=(1, 16, 64, 512),
    prefill_rows=(2048, 8192),
    message_bytes=tuple(2**power for power in range(12, 29, 2)),
    launches=1000,
)

_OF_CPUS = Sizes(
    copy_bytes=(_GIB // 16, _GIB // 8),
    widths=(256, 512, 1024),
    rotation_bytes=_GIB // 64,
    decode_rows=(1, 16, 64),
    prefill_rows=(256, 512),
    message_bytes=tuple(2**power for power in range(12, 23, 2)),
    launches=500,
)


def sizes_of(kind: str, memory_bytes: float) -> Sizes:
    """Sizes for a device with so much memory."""
    usual = _OF_CARDS if kind == CUDA else _OF_CPUS
    most = int(memory_bytes) // _SHARE
    return Sizes(
        copy_bytes=_within(usual.copy_bytes, most),
        # 16-bit weights are the widest that are measured.
        widths=_within(usual.widths, int((most / 2) ** 0.5)),
        rotation_bytes=min(usual.rotation_bytes, most),
        decode_rows=usual.decode_rows,
        prefill_rows=usual.prefill_rows,
        message_bytes=_within(usual.message_bytes, most),
        launches=usual.launches,
    )


def _within(values: tuple[int, ...], most: int) -> tuple[int, ...]:
    return tuple(each for each in values if each <= most) or values[:1]
