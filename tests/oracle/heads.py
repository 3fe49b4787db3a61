"""What proposes tokens but is no model of its own: MTP layers and EAGLE-3 heads, by docs/performance-model.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

import ieco_opt
from ieco_opt.catalog.attention import Attention, AttentionBlock, GeneralAttention, GroupedQueryAttention
from ieco_opt.catalog.attention import LatentAttention as Latent
from ieco_opt.catalog.types import FeedForward, Model

ACCEPTANCE = Path(ieco_opt.__file__).parent / "catalog" / "data" / "acceptance.yaml"

MOST_ROWS = 32_000
"""Rows of the output of an EAGLE-3 head that no file describes."""

HEAD_WIDTH = 128
"""Of the grouped-query attention of an EAGLE-3 head for a model with general attention."""


@dataclass(frozen=True, slots=True)
class Joined(Model):
    """A model with words beside its norms, whole on every rank: those that a pass reads, and those in memory."""

    words_read: int = 0
    words_held: int = 0


@dataclass(frozen=True, slots=True)
class Sitting(Joined):
    """A draft that sits on a model, as a model of its own that borrows the model's embedding and perhaps its output."""

    mode: str = "mtp"
    sits_on: Model | None = None
    holds_output: bool = False
    described: bool = False


def mode_of(draft: object) -> str:
    """Kind of a draft, as the column of results names it."""
    return draft.mode if isinstance(draft, Sitting) else "draft_model"


def is_named(draft: object) -> bool:
    """Whether a draft has a name of its own: a draft model, or a head that a scenario describes."""
    return not isinstance(draft, Sitting) or draft.described


def without_cache(model: Model) -> bool:
    """Whether no layer keeps tokens, so that no head is known for the model."""
    return _last_with_cache(model) is None


def mtp(model: Model) -> Sitting:
    """One of the model's layers of multi-token prediction."""
    routed = [block for block in model.feed_forward if block.experts > 1 or block.shared]
    dense = [block for block in model.feed_forward if block.width][-1:]
    feed_forward = routed if any(block.experts > 1 for block in routed) else dense
    return Sitting(
        **_fields(_of_one_layer(model, _attention_of(model), feed_forward)),
        words_read=2 * model.width**2,
        words_held=2 * model.width**2,
        mode="mtp",
        sits_on=model,
    )


def eagle3(model: Model) -> Sitting:
    """An EAGLE-3 head as they are for such a model."""
    dense = [block.width for block in model.feed_forward if block.experts == 1 and not block.shared and block.width]
    feed_forward = FeedForward(layers=1, width=max(dense, default=4 * model.width), up=2, down=1)
    one = _of_one_layer(model, _twice_as_wide(_attention_of(model), model.width), [feed_forward])
    return Sitting(
        **_fields(replace(one, vocabulary=min(model.vocabulary, MOST_ROWS))),
        words_held=3 * model.width**2,
        mode="eagle3",
        sits_on=model,
        holds_output=True,
    )


def given_eagle3(model: Model, head: Model) -> Sitting:
    """An EAGLE-3 head that a scenario describes."""
    return Sitting(**_fields(head), mode="eagle3", sits_on=model, holds_output=True, described=True)


def verifying(model: Any, draft: Any) -> Any:
    """Give the model as it is priced in a pass that verifies what a draft proposed."""
    if not isinstance(draft, Sitting) or draft.words_held == draft.words_read:
        return model
    return Joined(**_fields(replace(model, name=f"{model.name} that verifies")), words_read=draft.words_held)


def read_draft(given: Mapping[str, Any], model: Any, read: Callable[[Any], Any]) -> Any:
    """Find what the field ``speculation`` of a scenario drafts with; ``read`` reads a model."""
    mode, named = given.get("mode", "draft_model"), given.get("draft_model")
    if mode == "draft_model":
        return read(named)
    if mode == "mtp":
        return mtp(model)
    return given_eagle3(model, read(named)) if isinstance(named, Mapping) else eagle3(model)


# --- accepted tokens --------------------------------------------------------------------------------------------------


def expected_tokens(
    acceptance: float, accepted_tokens: Mapping[int, float] | None, most: int | None
) -> dict[int, float]:
    """Tokens that a round yields for each verify width that may be chosen."""
    if accepted_tokens is not None:
        return {
            drafts + 1: tokens
            for drafts, tokens in sorted(accepted_tokens.items())
            if most is None or drafts + 1 <= most
        }
    assert most is not None
    return {width: _geometric(acceptance, width) for width in range(2, most + 1)}


def _geometric(acceptance: float, width: int) -> float:
    return float(width) if acceptance == 1 else (1 - acceptance**width) / (1 - acceptance)


def accepted_tokens(given: Any) -> dict[int, float] | None:
    """Read the field of a scenario: a mapping, the name of a measured set, or nothing."""
    if given is None:
        return None
    if isinstance(given, str):
        given = next(each["accepted_tokens"] for each in _measured() if each["name"] == given)
    return {int(drafts): float(tokens) for drafts, tokens in given.items()}


@lru_cache(maxsize=1)
def _measured() -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = yaml.safe_load(ACCEPTANCE.read_text())
    return read


# --- parts ------------------------------------------------------------------------------------------------------------


def _fields(model: Model) -> dict[str, Any]:
    return {each.name: getattr(model, each.name) for each in fields(Model)}


def _last_with_cache(model: Model) -> Attention | None:
    keeping = (GroupedQueryAttention, Latent, GeneralAttention)
    found = [block.attention for block in model.blocks if isinstance(block.attention, keeping)]
    return found[-1] if found else None


def _attention_of(model: Model) -> Attention:
    found = _last_with_cache(model)
    assert found is not None
    return found


def _of_one_layer(model: Model, attention: Attention, feed_forward: list[FeedForward]) -> Model:
    return replace(
        model,
        name=f"head for {model.name}",
        layers=1,
        blocks=(AttentionBlock(layers=1, attention=attention),),
        feed_forward=tuple(replace(block, layers=1) for block in feed_forward) or (FeedForward(layers=1, width=0),),
    )


def _twice_as_wide(attention: Attention, width: int) -> Attention:
    """Give attention over all tokens whose projections take the embedding beside the state."""
    if isinstance(attention, Latent):
        queries = attention.query_width
        if queries is None:
            queries = attention.query_heads * (attention.nope_head_width + attention.rope_head_width)
        rows = queries + attention.kv_width + attention.rope_head_width
        return replace(attention, indexer=None, extra_params=rows * width)
    if isinstance(attention, GeneralAttention):
        attention = GroupedQueryAttention(
            query_heads=attention.query_heads, kv_heads=attention.kv_heads, head_width=HEAD_WIDTH
        )
    assert isinstance(attention, GroupedQueryAttention)
    values = attention.head_width if attention.value_head_width is None else attention.value_head_width
    rows = attention.query_heads * attention.head_width + attention.kv_heads * (attention.head_width + values)
    return replace(attention, window=None, indexer=None, extra_params=rows * width)
