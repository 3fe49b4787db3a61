"""Read the architecture of a model from the `config.json` of its Hugging Face repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ieco_opt.catalog.huggingface import drafts
from ieco_opt.catalog.huggingface.families import (
    BY_MODEL_TYPE,
    FAMILIES,
    PRUNED,
    REFUSED,
    WRAPPED,
    WRAPPED_DEFAULTS,
    Family,
)
from ieco_opt.catalog.huggingface.feed_forward import EXPERTS
from ieco_opt.catalog.huggingface.keys import Config, Mappings
from ieco_opt.catalog.huggingface.layers import Attentions, attention_fields, feed_forward_rows
from ieco_opt.catalog.huggingface.modules import modules, spelling_in
from ieco_opt.catalog.huggingface.quantization import fp8_block, recipe_fields
from ieco_opt.documents.origin import found, shortened
from ieco_opt.errors import ScenarioError

_BY_HAND = "any other model can be described by its layers in YAML, as `blocks` and `feed_forward` of docs/catalog.md"
_CONTEXT_KEYS = (
    "max_position_embeddings",
    "model_max_length",
    "max_seq_len",
    "max_position_embedding",
    "max_sequence_length",
    "seq_length",
)
_WITHIN_CONTEXT = frozenset({"", "default", "mrope", "proportional", "su", "longrope", "llama3"})
"""Kinds of rope scaling whose factor `max_position_embeddings` already holds, as vLLM reads them."""

_LARGEST_FACTOR = 1e6

_SHAPES = (
    EXPERTS,
    ("attn_type_list",),
    ("block_configs",),
    ("compress_ratios",),
    ("hidden_size_per_layer_input",),
    ("hybrid_override_pattern",),
    ("index_topk",),
    ("kv_lora_rank",),
    ("linear_attn_config", "linear_num_key_heads"),
    ("moe_latent_size", "routed_expert_hidden_size"),
    ("num_kv_shared_layers",),
    ("per_layer_config",),
    ("share_q_dim",),
    ("sparse_attention_config",),
    ("ssm_state_size", "mamba_d_state"),
    ("use_cla",),
)
"""Keys that change what layers are made of: an architecture that does not read them is not what it is called."""

_OUTER_KEYS = ("tie_word_embeddings", "draft_vocab_size", "target_hidden_size")
_INNER_CONFIGS = ("text_config", "llm_config", "language_config", "transformer_layer_config")
_WRAPPED_NOTES = "Language model only, without the encoders of images, video or sound."
_HEAD_NOTES = "A head that drafts tokens; it shares the embedding of its target, and here counts its output alone."


@dataclass(frozen=True, slots=True)
class _Found:
    """What an architecture's name leads to."""

    family: Family
    config: Config
    refine: Callable[[Config, Attentions], Attentions] | None = None
    notes: str = ""
    draft: bool = False


def mapping_from_config(document: Mapping[str, object], name: str) -> Mappings:
    """Turn a Hugging Face configuration into the mapping that `model_from_mapping` reads.

    Parameters
    ----------
    document
        The parsed `config.json`.
    name
        What to call the model.

    Raises
    ------
    ScenarioError
        Where the architecture is unknown or has layers that the performance model cannot price, or where
        keys are missing or wrong; `field` is the key.
    """
    known = _found(document)
    config, family = known.config, known.family
    attentions, feed_forwards = family.attention(config), family.feed_forward(config)
    if known.refine is not None and not config.faults:
        attentions = known.refine(config, attentions)
    width = config.count("hidden_size", "n_embed")
    mapping: Mappings = {
        "name": name,
        "layers": len(attentions),
        "width": width,
        "vocabulary": config.count(*(("draft_vocab_size",) if known.draft else ()), "vocab_size"),
        "tied_embeddings": known.draft or config.flag("tie_word_embeddings", family.tied_by_default),
        **attention_fields(attentions),
        "feed_forward": feed_forward_rows(feed_forwards),
        "max_context_tokens": _max_context(config),
        "hf_architecture": _class_name(_architecture(document)),
        "fp8_block": fp8_block(document),
        "mtp_layers": 0 if known.draft else drafts.mtp_layers(config),
        "notes": known.notes,
    }
    config.refuse_unread(_SHAPES)
    if not config.faults:
        own = Config(document, faults=config.faults)
        beside = config.flag("enable_moe_block", False)
        mapping |= recipe_fields(
            config, own, lambda text: modules(width, attentions, feed_forwards, spelling_in(text, beside))
        )
    if config.faults:
        # Several parts of the mapping read the same key.
        raise ScenarioError(list(dict.fromkeys(config.faults)))
    return mapping


def _found(document: Mapping[str, object]) -> _Found:
    architecture = _architecture(document)
    inner_key, inner = _inner(document)
    notes = ""
    defaults: Mapping[str, object] = {}
    if architecture in WRAPPED:
        notes = _WRAPPED_NOTES
        architecture = _inner_architecture(inner, WRAPPED[architecture])
        defaults = WRAPPED_DEFAULTS.get(architecture, {}) if inner_key else {}
    for prefix, reason in REFUSED.items():
        if architecture.startswith(prefix) and architecture not in FAMILIES:
            raise _refused(f"found {found(architecture)}, which has {reason}; expected layers told one by one")
    keys, prefix = document, ""
    if inner_key:
        keys = {**{key: document[key] for key in _OUTER_KEYS if key in document}, **inner}
        prefix = f"{inner_key}."
    for heads, refine in ((drafts.EAGLE3, drafts.eagle3), (drafts.JOINED, drafts.joined)):
        if architecture in heads:
            family = FAMILIES[heads[architecture]]
            config = Config(drafts.head_keys(architecture, keys), prefix, family.defaults)
            return _Found(family, config, refine, _HEAD_NOTES, draft=True)
    known = FAMILIES.get(architecture)
    if known is None:
        raise _refused(f"found {found(architecture or None)}, expected one of {shortened(FAMILIES)}")
    config = Config(keys, prefix, {**defaults, **known.defaults})
    if config.has("block_configs"):
        known = PRUNED
    elif known.attentions_per_layer > 1:
        # A layer with two attentions counts as two layers.
        config.values = {**keys, "num_hidden_layers": known.attentions_per_layer * config.layers()}
    return _Found(known, config, notes=notes)


def _refused(message: str) -> ScenarioError:
    return ScenarioError.single(f"{message}; {_BY_HAND}", field="architectures")


def _architecture(document: Mapping[str, object]) -> str:
    named = _named(document)
    if named is not None:
        return named
    kind = str(document.get("model_type") or "")
    return BY_MODEL_TYPE.get(kind) or _inner_architecture(_inner(document)[1], kind)


def _class_name(architecture: str) -> str | None:
    """The architecture, where it is the name of a class and not a type of models."""
    return architecture if architecture[:1].isupper() and architecture.isidentifier() else None


def _inner(document: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    """Key and values of the language model's own configuration; empty where there is none."""
    for key in _INNER_CONFIGS:
        inner = document.get(key)
        if isinstance(inner, Mapping):
            return key, inner
    return "", {}


def _inner_architecture(inner: Mapping[str, object], default: str) -> str:
    named = _named(inner)
    return named if named and named in FAMILIES else BY_MODEL_TYPE.get(str(inner.get("model_type")), default)


def _named(document: Mapping[str, object]) -> str | None:
    """The architecture that is listed first."""
    named = document.get("architectures")
    return named[0] if isinstance(named, list) and named and isinstance(named[0], str) else None


def _max_context(config: Config) -> int | None:
    """Tokens that a model was made for; scaling of positions multiplies them where vLLM says that it does."""
    if not any(config.has(key) for key in _CONTEXT_KEYS):
        return None
    tokens = config.count(*_CONTEXT_KEYS)
    rope = config.get("rope_scaling") or config.get("rope_parameters")
    if isinstance(rope, Mapping) and isinstance(rope.get("full_attention"), Mapping):
        rope = rope["full_attention"]
    if not isinstance(rope, Mapping) or str(config.get("model_type")).startswith("gemma3"):
        return tokens
    kind, factor = str(rope.get("rope_type", rope.get("type", ""))), rope.get("factor")
    if kind in _WITHIN_CONTEXT or not isinstance(factor, int | float) or not 1 < factor < _LARGEST_FACTOR:
        return tokens
    original = rope.get("original_max_position_embeddings") if kind == "yarn" else None
    scaled = round((original if isinstance(original, int) else tokens) * factor)
    return max(1, min(scaled, 10**9))
