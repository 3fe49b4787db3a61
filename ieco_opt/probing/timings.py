"""What a probe measures: the device, and seconds of copies, matrices, launches and all-reduces on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ieco_opt.probing.lines import fitted_line

BYTES = {"bf16": 2, "fp8": 1, "int8": 1}
"""Bytes of a weight of the precisions whose matrices are measured."""

MOST_READING_ROWS = 16
"""Matrices that meet at most so many rows take the time of reading their weights."""

CPU, CUDA = "cpu", "cuda"
"""Kinds of devices as torch calls them; AMD's cards are ``cuda`` too."""

Phase = Literal["decode", "prefill"]


@dataclass(frozen=True, slots=True)
class Device:
    """The device that was measured.

    Attributes
    ----------
    kind
        ``cuda`` (NVIDIA's and AMD's cards) or ``cpu``.
    memory_bytes
        The ``total_memory`` of torch; of a CPU the memory of the machine.
    count
        Cards of the machine, or processes of the CPU, that take part in all-reduces.
    vendor
        ``nvidia``, ``amd``, or ``None`` where torch does not say.
    software
        Versions of what measured.
    """

    name: str
    kind: str
    memory_bytes: float
    count: int
    vendor: str | None
    software: str

    @property
    def words(self) -> str:
        """What was measured, in words."""
        return f"{self.name} with {self.software}"


@dataclass(frozen=True, slots=True)
class CopyTime:
    """A copy within the device memory; ``moved_bytes`` are read and written ones together."""

    moved_bytes: float
    seconds: float


@dataclass(frozen=True, slots=True)
class MatrixTime:
    """A product of ``rows`` rows with a square matrix of weights whose edge is ``width``."""

    precision: str
    phase: Phase
    rows: int
    width: int
    seconds: float

    @property
    def weight_bytes(self) -> float:
        """Bytes of the weights."""
        return float(self.width * self.width * BYTES[self.precision])

    @property
    def flop_per_s(self) -> float:
        """Arithmetic that was reached, FLOP/s."""
        return 2.0 * self.rows * self.width * self.width / self.seconds


@dataclass(frozen=True, slots=True)
class LaunchTime:
    """Seconds of one launch of a kernel that does nothing much, one by one and in a captured graph."""

    plain_s: float
    captured_s: float | None


@dataclass(frozen=True, slots=True)
class AllReduceTime:
    """An all-reduce of a message of ``message_bytes`` over ``ranks`` cards."""

    ranks: int
    message_bytes: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Timings:
    """All that one probe measured, and notes about what could not be."""

    device: Device
    copies: tuple[CopyTime, ...]
    matrices: tuple[MatrixTime, ...]
    launch: LaunchTime
    all_reduces: tuple[AllReduceTime, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def copy_bytes_per_s(self) -> float:
        """Most bytes read and written in a second by a copy."""
        return max(each.moved_bytes / each.seconds for each in self.copies)

    def flop_per_s(self, precision: str, phase: Phase | None = None) -> float | None:
        """Most arithmetic in a precision, FLOP/s; ``None`` where it was not measured.

        In decoding that of the most rows counts: fewer take the time of reading the weights.
        """
        found = [each for each in self._of(precision) if phase is None or each.phase == phase]
        if phase == "decode":
            most = max((each.rows for each in found), default=0)
            found = [each for each in found if each.rows == most]
        return max((each.flop_per_s for each in found), default=None)

    def read_bytes_per_s(self, precision: str) -> float | None:
        """Bytes of weights that few rows read in a second, without what a launch takes; ``None`` if not measured.

        The slope of the times of one number of rows over the sizes of the matrices; the quickest number of rows counts.
        """
        by_rows: dict[int, list[MatrixTime]] = {}
        for each in self._of(precision, lambda one: one.phase == "decode" and one.rows <= MOST_READING_ROWS):
            by_rows.setdefault(each.rows, []).append(each)
        lines = [
            fitted_line([each.weight_bytes for each in listed], [each.seconds for each in listed])
            for listed in by_rows.values()
        ]
        return max((line.bytes_per_s for line in lines), default=None)

    def _of(self, precision: str, wanted: Callable[[MatrixTime], bool] = lambda _: True) -> Iterable[MatrixTime]:
        return [each for each in self.matrices if each.precision == precision and wanted(each)]
