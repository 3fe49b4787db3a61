"""Time of one forward pass of many setups as functions of the batch, with its components kept apart."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.performance.collectives import Array
from ieco_opt.performance.network import NETWORK_PARTS
from ieco_opt.performance.rows import take_rows


@dataclass(frozen=True, slots=True)
class Components:
    """Seconds of one pass, each array shaped like the batch it was evaluated at.

    ``latency_s`` is at most the sum of the others, and at least kernels + network + max(memory, arithmetic): with a
    calibration the memory of attention and the arithmetic of prompts overlap with nothing.
    """

    kernel_s: Array
    attention_allreduce_s: Array
    feed_forward_allreduce_s: Array
    expert_all_to_all_s: Array
    pipeline_transfer_s: Array
    memory_s: Array
    arithmetic_s: Array
    latency_s: Array

    @property
    def network_s(self) -> Array:
        """All collectives and transfers together."""
        return (
            self.attention_allreduce_s
            + self.feed_forward_allreduce_s
            + self.expert_all_to_all_s
            + self.pipeline_transfer_s
        )


_FEW = 4096
"""So many batches are put on all lines of the network at once; of more the arrays would be large."""


@dataclass(frozen=True, slots=True)
class PassTime:
    """Coefficients of the pass time in the batch B, for ``setups`` setups.

    time(B) = kernel + sum_k min_p (network_latency[k, p] + network_slope[k, p] B)
              + max(memory(B), arithmetic_slope B) + (attention_slope + prompt_slope) B
    memory(B) = memory_fixed + memory_slope B + sum_j U_j(B) (expert_fixed[j] + expert_slope[j] B)
    U_j(B) = 1 - exp(expert_log_idle[j] B), the expected share of experts that a batch touches

    Shapes: (setups,) for scalars of a setup, (setups, collectives, protocols) for the network and
    (setups, blocks) for experts. ``network_part`` names the component of each collective. Attention over the cache and
    prompts stand apart where a calibration says what they take; else they are in memory and arithmetic.
    """

    kernel_s: Array
    network_latency_s: Array
    network_slope_s: Array
    network_part: tuple[str, ...]
    memory_fixed_s: Array
    memory_slope_s: Array
    expert_fixed_s: Array
    expert_slope_s: Array
    expert_log_idle: Array
    arithmetic_slope_s: Array
    attention_slope_s: Array
    prompt_slope_s: Array

    def __len__(self) -> int:
        return len(self.kernel_s)

    def network_s(self, batch: Array, part: str | None = None) -> Array:
        """Seconds of the collectives (of one ``part`` if given) at ``batch`` of shape (setups, ...)."""
        if batch.size <= _FEW:
            return self._of_part(self._collectives_s(batch), part)
        total = np.zeros(batch.shape)
        for index, label in enumerate(self.network_part):
            if part not in (None, label):
                continue
            if not (self.network_latency_s[:, index].any() or self.network_slope_s[:, index].any()):
                continue
            of_protocols = (
                lift(self.network_latency_s[:, index, protocol], batch)
                + lift(self.network_slope_s[:, index, protocol], batch) * batch
                for protocol in range(self.network_latency_s.shape[2])
            )
            first, *others = of_protocols
            for line in others:
                np.minimum(first, line, out=first)
            total += first
        return total

    def _collectives_s(self, batch: Array) -> Array:
        """Seconds of each collective at few batches, shape (setups, collectives, ...).

        A search asks for few batches a setup so often that calls, and not arithmetic, take its time.
        """
        several = (slice(None),) * 3 + (None,) * (batch.ndim - 1)
        lines = self.network_latency_s[several] + self.network_slope_s[several] * batch[:, None, None]
        return np.asarray(lines.min(axis=2))

    def _of_part(self, collectives_s: Array, part: str | None) -> Array:
        """Seconds of the collectives of one ``part``, or of all."""
        total = np.zeros((len(collectives_s), *collectives_s.shape[2:]))
        for index, label in enumerate(self.network_part):
            if part in (None, label):
                total += collectives_s[:, index]
        return total

    def _parts_s(self, batch: Array) -> tuple[dict[str, Array], Array]:
        """Seconds of the collectives by their part, and of all."""
        if batch.size > _FEW:
            return {part: self.network_s(batch, part) for part in NETWORK_PARTS}, self.network_s(batch)
        collectives_s = self._collectives_s(batch)
        return {part: self._of_part(collectives_s, part) for part in NETWORK_PARTS}, self._of_part(collectives_s, None)

    def memory_s(self, batch: Array) -> Array:
        """Seconds of memory traffic at ``batch`` of shape (setups, ...)."""
        total = lift(self.memory_fixed_s, batch) + lift(self.memory_slope_s, batch) * batch
        for block in range(self.expert_fixed_s.shape[1]):
            touched = -np.expm1(lift(self.expert_log_idle[:, block], batch) * batch)
            total += touched * (
                lift(self.expert_fixed_s[:, block], batch) + lift(self.expert_slope_s[:, block], batch) * batch
            )
        return total

    def arithmetic_s(self, batch: Array) -> Array:
        """Seconds of arithmetic at ``batch`` of shape (setups, ...)."""
        return lift(self.arithmetic_slope_s, batch) * batch

    def apart_s(self, batch: Array) -> Array:
        """Seconds of attention and prompts that overlap with nothing, at ``batch`` of shape (setups, ...)."""
        return lift(self.attention_slope_s + self.prompt_slope_s, batch) * batch

    def latency_s(self, batch: Array) -> Array:
        """Seconds of the pass at ``batch`` of shape (setups, ...)."""
        return (
            lift(self.kernel_s, batch)
            + self.network_s(batch)
            + np.maximum(self.memory_s(batch), self.arithmetic_s(batch))
            + self.apart_s(batch)
        )

    def busy_s(self, batch: Array) -> Array:
        """Seconds of the pass in which memory or arithmetic work, at ``batch`` of shape (setups, ...)."""
        return np.maximum(self.memory_s(batch), self.arithmetic_s(batch)) + self.apart_s(batch)

    def latency_and_busy_s(self, batch: Array) -> tuple[Array, Array]:
        """Both of the above at ``batch``; most of what they take is the same."""
        works_s, apart_s = np.maximum(self.memory_s(batch), self.arithmetic_s(batch)), self.apart_s(batch)
        return lift(self.kernel_s, batch) + self.network_s(batch) + works_s + apart_s, works_s + apart_s

    def components(self, batch: Array) -> Components:
        """Every component at ``batch`` of shape (setups, ...)."""
        kernel_s, memory_s, arithmetic_s = lift(self.kernel_s, batch), self.memory_s(batch), self.arithmetic_s(batch)
        parts_s, network_s = self._parts_s(batch)
        return Components(
            kernel_s=np.broadcast_to(kernel_s, batch.shape),
            memory_s=memory_s + lift(self.attention_slope_s, batch) * batch,
            arithmetic_s=arithmetic_s + lift(self.prompt_slope_s, batch) * batch,
            latency_s=kernel_s + network_s + np.maximum(memory_s, arithmetic_s) + self.apart_s(batch),
            **parts_s,
        )

    def experts_are_concave(self) -> NDArray[np.bool_]:
        """Where the memory time is concave in the batch and falls per sequence, shape (setups,).

        With U = 1 - exp(-l B), the second derivative of U (W + A B) has the sign of 2 A - l W - l A B, so 2 A <= l W
        is enough; then U (W + A B) / B falls too.
        """
        concave = 2.0 * self.expert_slope_s <= -self.expert_log_idle * self.expert_fixed_s
        return np.asarray(concave.all(axis=1))

    def take(self, rows: NDArray[np.intp]) -> PassTime:
        """Keep the given setups, in the given order."""
        return take_rows(self, rows)


def idle_pass(like: PassTime, setups: int) -> PassTime:
    """A pass that takes no time, with the collectives and blocks of ``like``."""
    columns = {item.name: getattr(like, item.name) for item in fields(like) if item.name != "network_part"}
    # One zero stands for all of them.
    idle: dict[str, Any] = {name: np.broadcast_to(0.0, (setups, *column.shape[1:])) for name, column in columns.items()}
    return replace(like, **idle)


def lift(per_setup: Array, batch: Array) -> Array:
    """One value a setup, shape (setups,), in a shape that goes with a ``batch`` of shape (setups, ...)."""
    return per_setup if batch.ndim == 1 else per_setup.reshape(per_setup.shape + (1,) * (batch.ndim - 1))
