"""Names that the expressions of a profile may use."""

from __future__ import annotations

POINT = (
    "tensor_parallel",
    "attention_data_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "redundant_experts",
    "batch",
    "draft_tokens",
)
"""Columns that make up a configuration; what a command says is read back into them."""

DRAFT = ("draft_tensor_parallel", "draft_attention_data_parallel", "draft_pipeline_parallel")
"""Columns of the draft model that go with them where there is one."""

DERIVED = ("stage_ranks", "gpus", "nodes", "node_size")
"""What follows from the degrees, and the nodes that they lie on."""

ATTENTION = ("heads", "kv_heads", "latent")
"""Of every kind of attention of the model: query heads (or heads of a state), KV heads, and whether there are none."""

DRAFT_ATTENTION = ("draft_heads", "draft_kv_heads", "draft_latent")
DENSE = ("dense_width",)
SHARED = ("shared_width",)
EXPERTS = ("expert_width",)

TABLES = (ATTENTION, DRAFT_ATTENTION, DENSE, SHARED, EXPERTS)
"""Facts that a model may have several of: a rule about one holds for all, and for none where there are none."""

FACTS = (
    "layers",
    "width",
    "vocabulary",
    "experts",
    "active_experts",
    "block",
    "tile",
    "four_bit",
    "mtp_layers",
    "draft_vocabulary",
    "mtp",
    "eagle3",
    "prefills_alone",
    "decodes_alone",
    "uneven_kv_heads",
)
"""Facts that a model has one of.

``experts`` is 1 for a dense model, ``block`` the width of the FP8 blocks of the checkpoint (0: none), ``tile`` that of
the tiles of kernels of 4 bits (0: none), ``four_bit`` whether the accelerator has arithmetic of 4 bits, ``mtp`` and
``eagle3`` whether the draft is such a head, ``prefills_alone`` and ``decodes_alone`` whether other instances decode,
or prefill, ``uneven_kv_heads`` whether layers that have KV heads differ in their number.
"""

ALL_TO_ALL = "all_to_all"
"""Whether tokens go to the ranks of their experts: the exchange of a configuration, which is a choice of its own."""

RULE_COLUMNS = frozenset((*POINT, *DRAFT, *DERIVED, *FACTS, ALL_TO_ALL, *(name for table in TABLES for name in table)))
"""What a rule may be about."""

PRICE_COLUMNS = frozenset((*POINT, "stage_ranks", "experts", "block", "tile", ALL_TO_ALL, *DENSE, *SHARED))
"""What a share of ranks may depend on; of several widths the one that is split least counts."""

WORKLOAD = ("context_tokens", "output_tokens", "memory_utilization", "weights_gb", "reserve_gb", "memory_limit_gb")

SWITCHES = (
    "kv_cache_8bit",
    "draft_online",
    ALL_TO_ALL,
    "memory_known",
    "prefill",
    "decode",
    "reached_from_outside",
    "trust_remote_code",
)
"""Truths about what is launched: 1 or 0."""

PLACES = ("node", "instance", "port")
"""Rank of the node, number of the instance among those on its first node, and the port it listens on."""

LAYOUT = ("dense_ranks",)
"""Ranks that share one copy of the dense layers, by the prices of the profile."""

SAID_COLUMNS = frozenset((*POINT, *DRAFT, *DERIVED, *FACTS, *WORKLOAD, *SWITCHES, *PLACES, *LAYOUT))
"""What a flag may say."""

TEXTS = frozenset(
    {
        "model",
        "draft_mode",
        "draft_model",
        "draft_quantization",
        "kv_cache",
        "head",
        "head_port",
        "config",
        "phase",
        "gpus",
    }
)
"""Texts that stand in braces in what a server and its benchmark say."""

ROUTER_TEXTS = frozenset({"config", "port"})
"""The same in the command of a router."""

ROUTED_TEXTS = frozenset({"address", "bootstrap_port"})
"""The same in what a router says of each of its servers."""
