"""What the rules of an engine need to know of a model in a precision on an accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ieco_opt.catalog.attention import GeneralAttention, GroupedQueryAttention, LatentAttention, RecurrentAttention
from ieco_opt.catalog.types import Accelerator, DraftMode, Head, Model
from ieco_opt.engines.checkpoints import Checkpoint, Weights, checkpoint
from ieco_opt.engines.columns import ATTENTION, DENSE, DRAFT_ATTENTION, EXPERTS, SHARED

Table = tuple[tuple[float, ...], ...]

_TILE = 128
_TILED = frozenset({"nvfp4", "int4", "awq", "gptq", "int4_g64", "int4_g32"})
"""Formats whose kernels split experts into tiles, and pad or refuse what is none; MXFP4 is stored padded instead."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Facts of one model, precision and accelerator.

    Attributes
    ----------
    vendor
        Of the accelerator; ``None`` where the user did not say it: no rule about vendors applies then.
    architecture
        Class by which servers know the model; empty where it is not known.
    checkpoint
        Repository and format of the weights.
    kv_cache
        Precision of the cache.
    numbers
        Facts of ``columns.FACTS`` by name.
    tables
        Rows of each of ``columns.TABLES``: kinds of attention, widths of dense layers, shared and routed experts.
    draft_mode
        What proposes tokens, where something does.
    """

    vendor: str | None
    architecture: str
    checkpoint: Checkpoint
    kv_cache: str
    numbers: Mapping[str, float]
    tables: Mapping[tuple[str, ...], Table] = field(default_factory=dict)

    draft_mode: DraftMode = "draft_model"

    @property
    def routed(self) -> bool:
        """Whether the model has routed experts."""
        return self.numbers["experts"] > 1


def facts_of(
    model: Model,
    weights: Weights,
    accelerator: Accelerator,
    *,
    kv_cache: str = "bf16",
    draft: Model | None = None,
    reference: str | Mapping[str, object] | None = None,
    phase: str = "colocated",
) -> EngineFacts:
    """Gather the facts of a model, in one precision on one accelerator.

    Parameters
    ----------
    draft
        The draft model, where there may be one.
    reference
        How the scenario names the model: it says which checkpoint is loaded.
    phase
        ``prefill`` or ``decode`` of instances whose requests others do the rest of, else ``colocated``.
    """
    held = checkpoint(reference, model, weights, accelerator)
    blocks = model.feed_forward
    attention = _attention(model)
    head = draft if isinstance(draft, Head) else None
    numbers = {
        "layers": model.layers,
        "width": model.width,
        "vocabulary": model.vocabulary,
        "experts": max((block.experts for block in blocks), default=1),
        "active_experts": max((block.active for block in blocks), default=1),
        "block": held.block,
        "tile": _TILE if held.format in _TILED and any(block.experts > 1 for block in blocks) else 0,
        "four_bit": accelerator.flops_4bit is not None,
        "mtp_layers": model.mtp_layers,
        # Heads propose tokens of the model, whatever the rows of their own output.
        "draft_vocabulary": 0 if draft is None else model.vocabulary if head else draft.vocabulary,
        "mtp": head is not None and head.mode == "mtp",
        "eagle3": head is not None and head.mode == "eagle3",
        "prefills_alone": phase == "prefill",
        "decodes_alone": phase == "decode",
        "uneven_kv_heads": len({kv_heads for _, kv_heads, latent in attention if not latent}) > 1,
    }
    dense = {(block.width,) for block in blocks if block.experts == 1 and not block.shared and block.width}
    tables = {
        ATTENTION: attention,
        DRAFT_ATTENTION: () if draft is None else _attention(draft),
        DENSE: tuple(sorted(dense)),
        SHARED: tuple(sorted({(block.width,) for block in blocks if block.shared and block.width})),
        EXPERTS: tuple(sorted({(block.width,) for block in blocks if block.experts > 1})),
    }
    return EngineFacts(
        vendor=accelerator.vendor,
        architecture=model.hf_architecture or "",
        checkpoint=held,
        kv_cache=kv_cache,
        numbers={name: float(value) for name, value in numbers.items()},
        tables=tables,
        draft_mode="draft_model" if head is None else head.mode,
    )


def _attention(model: Model) -> Table:
    """Query heads, KV heads, and whether there are no KV heads to split, of each kind of attention."""
    rows: set[tuple[float, ...]] = set()
    for block in model.blocks:
        match block.attention:
            case GroupedQueryAttention() | GeneralAttention() as kind:
                rows.add((kind.query_heads, kind.kv_heads, 0))
            case LatentAttention() as kind:
                rows.add((kind.query_heads, 1, 1))
            case RecurrentAttention() as kind:
                rows.add((kind.heads, 1, 1))
    return tuple(sorted(rows))
