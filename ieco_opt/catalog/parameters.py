"""Numbers of weights of a model, and what one token leaves in its cache."""

from __future__ import annotations

from ieco_opt.catalog.types import GroupedQueryAttention, LatentAttention, Model, PaperModel


def total_params(model: Model | PaperModel) -> int:
    """Count every weight of the model.

    Matrices of attention, feed-forward blocks and embeddings are counted (tied embeddings once); routers,
    norms, biases and multi-token-prediction layers are not. Models of the paper count two embeddings, as the
    paper does.

    Returns
    -------
    int
        Number of weights.
    """
    if isinstance(model, PaperModel):
        return _paper_outside_experts(model) + _paper_feed_forward(model)
    return _outside_feed_forward(model) + sum(
        block.layers * block.experts * (block.up + block.down) * model.width * block.width
        for block in model.feed_forward
    )


def active_params(model: Model | PaperModel) -> int:
    """Count the weights that one token passes through, embeddings included as in `total_params`.

    Returns
    -------
    int
        Number of weights. For models of the paper, the share of active experts is rounded as in the paper.
    """
    if isinstance(model, PaperModel):
        sparsity = model.experts // model.active_experts
        return _paper_outside_experts(model) + _paper_feed_forward(model) // sparsity
    return _outside_feed_forward(model) + sum(
        block.layers * block.active * (block.up + block.down) * model.width * block.width
        for block in model.feed_forward
    )


def cache_bytes_per_token(model: Model | PaperModel) -> float:
    """Bytes of keys and values (or of the compressed latent) of one token in all layers, one copy.

    Returns
    -------
    float
        Bytes per token.
    """
    if isinstance(model, PaperModel):
        words = model.mla_kv_width or _paper_kv_heads(model) * model.head_width
    elif isinstance(model.attention, LatentAttention):
        words = model.attention.kv_width + model.attention.rope_head_width
    else:
        words = 2 * model.attention.kv_heads * model.attention.head_width
    return words * model.layers * model.activation_bytes


def _outside_feed_forward(model: Model) -> int:
    attention = model.attention
    per_layer = (
        _grouped_query_params(attention, model.width)
        if isinstance(attention, GroupedQueryAttention)
        else _latent_params(attention, model.width)
    )
    embeddings = model.vocabulary * model.width * (1 if model.tied_embeddings else 2)
    return model.layers * per_layer + embeddings


def _grouped_query_params(attention: GroupedQueryAttention, width: int) -> int:
    heads_in_and_out = 2 * attention.query_heads + 2 * attention.kv_heads
    return heads_in_and_out * attention.head_width * width


def _latent_params(attention: LatentAttention, width: int) -> int:
    heads = attention.query_heads
    query_words = heads * (attention.nope_head_width + attention.rope_head_width)
    compressed = attention.query_width
    queries = query_words * width if compressed is None else compressed * (width + query_words)
    compress = (attention.kv_width + attention.rope_head_width) * width
    expand = heads * (attention.nope_head_width + attention.value_head_width) * attention.kv_width
    return queries + compress + expand + heads * attention.value_head_width * width


def _paper_kv_heads(model: PaperModel) -> int:
    return 2 * model.query_heads // model.query_heads_per_kv_head


def _paper_outside_experts(model: PaperModel) -> int:
    heads, head, width = model.query_heads, model.head_width, model.width
    kv_words = _paper_kv_heads(model) * head
    if model.mla_kv_width is None or model.mla_query_width is None:
        attention = (heads * head + kv_words) * width
    else:
        attention = (
            (2 * model.mla_kv_width + model.mla_query_width) * width
            + kv_words * model.mla_kv_width
            + heads * head * model.mla_query_width
        )
    attention += heads * head * width
    return model.layers * attention + 2 * model.vocabulary * width


def _paper_feed_forward(model: PaperModel) -> int:
    per_expert = (model.up + model.down) * model.width * model.feed_forward_width
    return model.layers * model.experts * per_expert
