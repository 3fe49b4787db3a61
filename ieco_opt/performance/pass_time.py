"""Time of one forward pass of many setups as functions of the batch, with its components kept apart."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ieco_opt.catalog.attention import Matrix
from ieco_opt.catalog.types import Accelerator, Fidelity
from ieco_opt.performance.architecture import Architecture, Block
from ieco_opt.performance.arithmetic import arithmetic_s
from ieco_opt.performance.attention import AttentionLayers, mean_capped
from ieco_opt.performance.collectives import Array
from ieco_opt.performance.degrees import Degrees, block_ranks, pace_of
from ieco_opt.performance.network import NETWORK_PARTS, network
from ieco_opt.performance.rows import take_rows
from ieco_opt.performance.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Components:
    """Seconds of one pass, each array shaped like the batch it was evaluated at."""

    kernel_s: Array
    attention_allreduce_s: Array
    feed_forward_allreduce_s: Array
    expert_all_to_all_s: Array
    pipeline_transfer_s: Array
    memory_s: Array
    arithmetic_s: Array
    attention_s: Array
    prompt_s: Array

    @property
    def network_s(self) -> Array:
        """All collectives and transfers together."""
        return (
            self.attention_allreduce_s
            + self.feed_forward_allreduce_s
            + self.expert_all_to_all_s
            + self.pipeline_transfer_s
        )

    @property
    def latency_s(self) -> Array:
        """Kernel launches + network + max(memory, arithmetic) + attention + prompts."""
        overlapping = np.maximum(self.memory_s, self.arithmetic_s)
        return self.kernel_s + self.network_s + overlapping + (self.attention_s + self.prompt_s)


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
        total = np.zeros(batch.shape)
        for index, label in enumerate(self.network_part):
            if part not in (None, label) or not self.network_latency_s[:, index].any():
                continue
            lines = (
                _lift(self.network_latency_s[:, index, protocol], batch)
                + _lift(self.network_slope_s[:, index, protocol], batch) * batch
                for protocol in range(self.network_latency_s.shape[2])
            )
            first, *others = lines
            for line in others:
                np.minimum(first, line, out=first)
            total += first
        return total

    def memory_s(self, batch: Array) -> Array:
        """Seconds of memory traffic at ``batch`` of shape (setups, ...)."""
        total = _lift(self.memory_fixed_s, batch) + _lift(self.memory_slope_s, batch) * batch
        for block in range(self.expert_fixed_s.shape[1]):
            touched = -np.expm1(_lift(self.expert_log_idle[:, block], batch) * batch)
            total += touched * (
                _lift(self.expert_fixed_s[:, block], batch) + _lift(self.expert_slope_s[:, block], batch) * batch
            )
        return total

    def arithmetic_s(self, batch: Array) -> Array:
        """Seconds of arithmetic at ``batch`` of shape (setups, ...)."""
        return _lift(self.arithmetic_slope_s, batch) * batch

    def apart_s(self, batch: Array) -> Array:
        """Seconds of attention and prompts that overlap with nothing, at ``batch`` of shape (setups, ...)."""
        return _lift(self.attention_slope_s + self.prompt_slope_s, batch) * batch

    def latency_s(self, batch: Array) -> Array:
        """Seconds of the pass at ``batch`` of shape (setups, ...)."""
        return (
            _lift(self.kernel_s, batch)
            + self.network_s(batch)
            + np.maximum(self.memory_s(batch), self.arithmetic_s(batch))
            + self.apart_s(batch)
        )

    def components(self, batch: Array) -> Components:
        """Every component at ``batch`` of shape (setups, ...)."""
        return Components(
            kernel_s=np.broadcast_to(_lift(self.kernel_s, batch), batch.shape),
            memory_s=self.memory_s(batch),
            arithmetic_s=self.arithmetic_s(batch),
            attention_s=_lift(self.attention_slope_s, batch) * batch,
            prompt_s=_lift(self.prompt_slope_s, batch) * batch,
            **{part: self.network_s(batch, part) for part in NETWORK_PARTS},
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
    idle: dict[str, Any] = {name: np.zeros((setups, *column.shape[1:])) for name, column in columns.items()}
    return replace(like, **idle)


def pass_time(architecture: Architecture, accelerator: Accelerator, degrees: Degrees, traffic: Traffic) -> PassTime:
    """Coefficients of the pass time of each setup, under what each sequence of the batch brings to a pass.

    Figures of ``traffic`` are scalars or have shape (setups,).
    """
    collectives = network(architecture, accelerator, degrees)
    lines = [each.published(accelerator, traffic.tokens) for each in collectives]
    memory = _memory(architecture, accelerator, degrees, traffic)
    apart = np.zeros_like(degrees.stage_ranks)
    return PassTime(
        kernel_s=4 * architecture.layers * accelerator.kernel_launch_s * pace_of(architecture, degrees),
        network_latency_s=np.stack([latency for latency, _ in lines], axis=1),
        network_slope_s=np.stack([slope for _, slope in lines], axis=1),
        network_part=tuple(each.part for each in collectives),
        **memory,
        arithmetic_slope_s=arithmetic_s(architecture, accelerator, degrees, traffic),
        attention_slope_s=apart,
        prompt_slope_s=apart,
    )


def _lift(per_setup: Array, batch: Array) -> Array:
    return per_setup.reshape(per_setup.shape + (1,) * (batch.ndim - 1))


def kv_head_replication(architecture: Architecture, kind: AttentionLayers, degrees: Degrees) -> Array:
    """Copies of the cache that the ranks of one attention group hold together, at least 1."""
    if architecture.fidelity is Fidelity.PAPER:
        return np.ones_like(degrees.stage_ranks)
    return degrees.tensor_parallel * kind.head_share(degrees.tensor_parallel)


def _activation_words(matrix: Matrix, ranks: Array) -> Array:
    """Words that one token moves through a matrix split over ``ranks`` in the best rectangle."""
    rows = np.clip(np.sqrt(matrix.rows * ranks / matrix.columns), 1.0, ranks)
    return np.asarray(rows * matrix.columns + ranks / rows * matrix.rows)


def _memory(
    architecture: Architecture, accelerator: Accelerator, degrees: Degrees, traffic: Traffic
) -> dict[str, Array]:
    """Coefficients of the memory time; the names are those of ``PassTime``."""
    stages, pace = degrees.pipeline_parallel, pace_of(architecture, degrees)
    tokens_per_sequence = traffic.tokens / stages
    fixed, per_token = _attention_weights(architecture, degrees)
    experts_fixed, experts_per_token, log_idle = [], [], []
    for block in architecture.blocks:
        weights, activations, sparsity = _block_traffic(architecture, block, degrees)
        if block.experts > 1:
            experts_fixed.append(pace * weights)
            experts_per_token.append(pace * activations)
            # With copies some experts are idle also where a token passes all; without, none is: -inf.
            with np.errstate(divide="ignore"):
                log_idle.append(np.log1p(-1.0 / sparsity) * tokens_per_sequence)
        else:
            fixed = fixed + weights
            per_token = per_token + activations
    if architecture.fidelity is Fidelity.DEPLOYABLE:
        # Every rank of a stage reads norms and routers of its own.
        fixed = fixed + degrees.stage_ranks * architecture.norm_bytes(architecture.layers, architecture.routed_layers)
    heads = degrees.stage_ranks / degrees.spread.head_ranks
    unembedding = heads * architecture.bytes_of("head") * architecture.embedding_params
    cache = pace * _cache_reads(architecture, degrees, traffic) / stages
    seconds_per_byte = stages / (degrees.gpus * accelerator.hbm_bytes_per_s * accelerator.memory_cap)
    columns = (len(stages), len(log_idle))
    return {
        "memory_fixed_s": seconds_per_byte * (pace * fixed + unembedding),
        "memory_slope_s": seconds_per_byte * (cache + pace * per_token * tokens_per_sequence),
        "expert_fixed_s": _stack([seconds_per_byte * item for item in experts_fixed], columns),
        "expert_slope_s": _stack(
            [seconds_per_byte * item * tokens_per_sequence for item in experts_per_token], columns
        ),
        "expert_log_idle": _stack(log_idle, columns),
    }


def _attention_weights(architecture: Architecture, degrees: Degrees) -> tuple[Array, Array]:
    """Bytes of attention weights that a pass reads, in every group, and of activations for each of its tokens."""
    sigma, zero = degrees.attention_data_parallel, np.zeros_like(degrees.stage_ranks)
    repeated = sigma if architecture.fidelity is Fidelity.PAPER else np.ones_like(sigma)
    fixed, per_token = zero, zero
    for kind in architecture.attention:
        words = sum((_activation_words(matrix, degrees.tensor_parallel) for matrix in kind.matrices), zero)
        fixed = fixed + kind.layers * sigma * architecture.bytes_of("attention") * kind.params
        per_token = per_token + kind.layers * repeated * architecture.activation_bytes * words
    return fixed, per_token


def _block_traffic(architecture: Architecture, block: Block, degrees: Degrees) -> tuple[Array, Array, Array]:
    """Bytes of all weights of a block and of activations for each token; experts over those a token passes.

    Ranks that hold a copy of their own read it; the tokens of a stage are divided among the copies.
    """
    ranks = block_ranks(block, degrees)
    copies = 1.0 if block.experts > 1 else degrees.stage_ranks / ranks
    # Copies of experts are experts to the memory, and a token still passes as many.
    experts = block.experts + (degrees.redundant_experts if block.experts > 1 else 0.0 * degrees.stage_ranks)
    sparsity = block.sparsity * (experts / block.experts)
    scale = block.layers * experts * (block.up + block.down)
    matrix = Matrix(architecture.width, block.width)
    weights = copies * scale * architecture.bytes_of(block.part) * block.stored * matrix.params
    activations = scale * architecture.activation_bytes * _activation_words(matrix, ranks) / sparsity
    return weights, activations, sparsity


def _cache_reads(architecture: Architecture, degrees: Degrees, traffic: Traffic) -> Array:
    """Bytes of cache and states that one sequence's tokens of a pass move, all ranks of its group together.

    A pass reads the cache once, however many tokens it verifies; a prompt reads what it found in the prefix cache.
    States are read and written.
    """
    start, end, found = traffic.cached_from, traffic.cached_to, traffic.prefix_tokens
    total = np.zeros_like(degrees.stage_ranks)
    for kind in architecture.attention:
        entries = kind.read_entries_bytes(start, end)
        entries = entries + traffic.prompts * kind.entry_bytes * np.minimum(found, kind.attended_tokens)
        keys = kind.index_bytes * (mean_capped(start, end, np.inf) + traffic.prompts * found)
        copied = entries * kv_head_replication(architecture, kind, degrees)
        total = total + kind.layers * (copied + keys * degrees.tensor_parallel + 2.0 * kind.state_bytes)
    return total


def _stack(columns: list[Array], shape: tuple[int, int]) -> Array:
    return np.stack(columns, axis=1) if columns else np.zeros(shape)
