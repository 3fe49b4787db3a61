"""What servers accept and how they run it, by the tables of docs/engines.md.

Facts about models and machines (the class and the FP8 blocks of a family, GPUs of a machine) are the package's data;
rules and prices are written here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

import ieco_opt
from ieco_opt.catalog.attention import GeneralAttention, GroupedQueryAttention
from ieco_opt.catalog.types import Accelerator, FeedForward, Model

from .common import Setup
from .heads import mode_of
from .kinds import Kind, kind_of
from .precision import Precision, recipe

SERVERS = ("vllm", "sglang", "trtllm")

DATA = Path(ieco_opt.__file__).parent / "engines" / "data"

Engines = str | Sequence[str]

_GROUPS_IN_SGLANG = frozenset(
    {
        *("DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM", "DeepseekV32ForCausalLM", "DeepseekV4ForCausalLM"),
        *("Qwen3ForCausalLM", "Qwen3MoeForCausalLM", "Qwen2MoeForCausalLM", "Qwen3NextForCausalLM"),
        *("GptOssForCausalLM", "Glm4MoeForCausalLM", "GlmMoeDsaForCausalLM", "MiniMaxM2ForCausalLM"),
        *("MiniMaxM3SparseForCausalLM", "Llama4ForConditionalGeneration", "KimiK25ForConditionalGeneration"),
        *("KimiK3ForConditionalGeneration", "Exaone4ForCausalLM", "NemotronHForCausalLM"),
    }
)
WHOLE_DENSE_IN_SGLANG = frozenset(
    {
        *("DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM", "DeepseekV32ForCausalLM", "Glm4MoeForCausalLM"),
        *("Glm4MoeLiteForCausalLM", "GlmMoeDsaForCausalLM", "MiniMaxM3SparseForCausalLM"),
        *("KimiK25ForConditionalGeneration", "MiMoV2FlashForCausalLM", "BailingMoeV2ForCausalLM"),
        "BailingMoeV3ForCausalLM",
    }
)
_NO_COPIES_IN_VLLM = frozenset(
    {
        *("GptOssForCausalLM", "MiniMaxM2ForCausalLM", "MiniMaxM3SparseForCausalLM", "GraniteMoeHybridForCausalLM"),
        *("BailingMoeV2ForCausalLM", "BailingMoeV3ForCausalLM", "HYV3ForCausalLM", "LongcatFlashForCausalLM"),
        "Step3VLForConditionalGeneration",
    }
)
_VENDORS = {"vllm": ("nvidia", "amd"), "sglang": ("nvidia", "amd"), "trtllm": ("nvidia",)}
_IN_TILES = frozenset({"nvfp4", "int4", "awq", "gptq", "int4_g64", "int4_g32"})
_GROUPED = frozenset({"int4", "awq", "gptq"})
_NOT_IN_TRTLLM = frozenset({"int8", "mxfp8", "gptq", "int4_g64", "int4_g32"})


def of_scenario(engine: Engines) -> tuple[str, ...]:
    """Servers that a field ``engine`` names, the preferred ones first; ``none`` is no server, and stands for itself.

    One entry may stand alone or be the only one of a list.
    """
    listed = (engine,) if isinstance(engine, str) else tuple(engine)
    return SERVERS if listed == ("any",) else listed


def factors_count(engine: Engines, engine_factors: bool) -> bool:
    """Whether launches take the factors of servers: where one is named, or a scenario asks for them."""
    return engine_factors or len(set(of_scenario(engine))) == 1


def runs_on(engine: str, accelerator: Accelerator) -> bool:
    """Whether the server runs on the accelerator at all."""
    return engine == "none" or accelerator.vendor in _VENDORS[engine]


# --- models and machines ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _hosts() -> tuple[Mapping[str, Any], ...]:
    return tuple(yaml.safe_load((DATA / "hosts.yaml").read_text()))


def architecture(model: Model) -> str | None:
    """Class by which servers know the model."""
    return model.hf_architecture


def fp8_block(model: Model) -> int:
    """Width of the blocks of the model's FP8 checkpoint; 0 without blocks."""
    return model.fp8_block


def machine_gpus(accelerator: Accelerator) -> int:
    """GPUs of one machine."""
    fitting = [host for host in _hosts() if accelerator.name.startswith(host["accelerator"])]
    return int(fitting[0]["gpus"]) if fitting else accelerator.node_size


def kinds_of(model: Model) -> list[Kind]:
    """Kinds of attention of the model."""
    return [kind_of(block.attention, model.width) for block in model.blocks]


def most_experts(model: Model) -> int:
    """Experts of a layer that routes; 1 for a dense model."""
    return max(block.experts for block in model.feed_forward)


# --- rules ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What a server is asked to start; its exchange of experts matters to some rules."""

    model: Model
    accelerator: Accelerator
    precision: Precision
    setup: Setup

    @property
    def ranks(self) -> int:
        """Ranks of a stage, T."""
        return int(self.setup.stage_ranks)

    @property
    def groups(self) -> int:
        """Attention groups, DP."""
        return int(self.setup.sigma)

    @property
    def degree(self) -> int:
        """Tensor ranks of a group, TP."""
        return self.ranks // self.groups

    @property
    def spread(self) -> int:
        """Expert-parallel degree, Q."""
        return int(self.setup.expert)

    @property
    def sends(self) -> bool:
        """Whether each token goes to the ranks of its experts."""
        return self.setup.exchange == "all_to_all"

    @property
    def routed(self) -> bool:
        """Whether the model has routed experts."""
        return most_experts(self.model) > 1

    @property
    def form(self) -> str:
        """Format of the experts, or of the feed-forward blocks of a dense model."""
        parts = recipe(self.model, self.precision.weights, self.accelerator)
        return parts["experts" if self.routed else "feed_forward"]

    @property
    def block(self) -> int:
        """Width of the FP8 blocks; 0 where there are none."""
        return fp8_block(self.model) if self.form == "fp8" else 0

    @property
    def tile(self) -> int:
        """Width of the tiles of 4-bit kernels; 0 where there are none."""
        return 128 if self.routed and self.form in _IN_TILES else 0

    @property
    def machines(self) -> int:
        """Machines of an instance."""
        return math.ceil(self.setup.gpus / machine_gpus(self.accelerator))

    def widths(self, *kinds: str) -> list[int]:
        """Widths of the blocks of those kinds: dense, shared or routed."""
        return [block.width for block in self.model.feed_forward if block.width and _kind(block) in kinds]


def _kind(block: FeedForward) -> str:
    if block.shared:
        return "shared"
    return "routed" if block.experts > 1 else "dense"


def _divides(whole: int, widths: Sequence[int]) -> bool:
    return all(width % whole == 0 for width in widths)


def _in_blocks(asked: Asked, ranks: int, widths: Sequence[int]) -> bool:
    """Whether every rank's share of the widths is made of whole blocks."""
    return not asked.block or _divides(ranks * asked.block, widths)


def _in_tiles(asked: Asked, ranks: int, widths: Sequence[int]) -> bool:
    """Whether every rank's share of the widths is made of whole tiles."""
    return not asked.tile or _divides(ranks * asked.tile, widths)


def _in_pieces(asked: Asked, ranks: int, *kinds: str) -> bool:
    widths = asked.widths(*kinds)
    return _in_blocks(asked, ranks, widths) and _in_tiles(asked, ranks, widths)


def _divide_each_other(one: int, other: int) -> bool:
    return one % other == 0 or other % one == 0


def _kv_heads(asked: Asked) -> bool:
    return heads_divide_or_are_divided(asked.model, asked.degree)


def heads_divide_or_are_divided(model: Model, degree: int) -> bool:
    """Whether the degree divides the KV heads of every kind of attention, or they divide it; latent has one head."""
    return all(_divide_each_other(degree, kind.kv_heads) for kind in kinds_of(model))


def _groups_of_sglang(asked: Asked) -> bool:
    return asked.groups == 1 or architecture(asked.model) in _GROUPS_IN_SGLANG


def _may_be_whole(asked: Asked) -> bool:
    return architecture(asked.model) in WHOLE_DENSE_IN_SGLANG


def _can_be_split(asked: Asked, *kinds: str) -> bool:
    widths = asked.widths(*kinds)
    return _divides(asked.ranks, widths) and _in_pieces(asked, asked.ranks, *kinds)


def _blocks_of_sglang(asked: Asked) -> bool:
    split = [*(() if _may_be_whole(asked) else ("dense",)), *(() if asked.sends else ("shared",))]
    return asked.ranks == 1 or _linear_in_pieces(asked, asked.ranks, *split)


def _blocks_of_vllm(asked: Asked) -> bool:
    return asked.degree == 1 or _linear_in_pieces(asked, asked.degree, "dense", "shared")


def _linear_in_pieces(asked: Asked, ranks: int, *kinds: str) -> bool:
    """Whether a rank holds whole blocks, and in formats of groups whole tiles, of layers that are no experts."""
    tiled = asked.form not in _GROUPED or _in_tiles(asked, ranks, asked.widths(*kinds))
    return tiled and _in_blocks(asked, ranks, asked.widths(*kinds))


def _groups_of_trtllm(asked: Asked) -> bool:
    every_rank = asked.routed or architecture(asked.model) == "Qwen3ForCausalLM"
    return asked.groups == 1 or (every_rank and asked.groups == asked.ranks)


def _experts_of_vllm(asked: Asked) -> bool:
    if not asked.routed:
        return True
    if asked.spread not in (1, asked.ranks) or asked.spread > most_experts(asked.model):
        return False
    whole = asked.spread > 1 or asked.form == "mxfp4"
    return whole or _divides(asked.ranks, asked.widths("routed"))


def _experts_over_shards(asked: Asked) -> bool:
    return asked.form == "mxfp4" or _divides(asked.ranks // asked.spread, asked.widths("routed"))


def _mxfp4_of_sglang(asked: Asked) -> bool:
    emulated = asked.accelerator.vendor == "nvidia" and asked.accelerator.flops_4bit is None
    unspread = asked.form == "mxfp4" and architecture(asked.model) == "GptOssForCausalLM" and emulated
    return not unspread or asked.spread == 1


def _mxfp4_of_amd(asked: Asked) -> bool:
    return asked.form == "mxfp4" and asked.accelerator.vendor == "amd"


def _dense_mxfp4_of_amd(asked: Asked) -> bool:
    """Whether it is no dense model in MXFP4 on an AMD accelerator that would have to emulate its arithmetic."""
    emulated = _mxfp4_of_amd(asked) and asked.accelerator.flops_4bit is None
    return asked.routed or not emulated


def _dense_mxfp4_of_sglang(asked: Asked) -> bool:
    on_nvidia = asked.form == "mxfp4" and asked.accelerator.vendor == "nvidia"
    return asked.routed or (not on_nvidia and _dense_mxfp4_of_amd(asked))


def _nvfp4_of_nvidia(asked: Asked) -> bool:
    return asked.form != "nvfp4" or asked.accelerator.vendor != "amd"


def _copies(asked: Asked) -> bool:
    return asked.setup.redundant == 0 or asked.spread > 1


def _copies_of_vllm(asked: Asked) -> bool:
    unable = architecture(asked.model) in _NO_COPIES_IN_VLLM or asked.form in ("awq", "gptq")
    return asked.setup.redundant == 0 or (asked.spread > 1 and not unable)


def _machines_of_vllm(asked: Asked) -> bool:
    n = asked.machines
    return asked.setup.gpus % n == 0 and _divide_each_other(n, asked.groups)


def _machines_of_sglang(asked: Asked) -> bool:
    n, stages = asked.machines, int(asked.setup.pipeline)
    return stages % n == 0 or (n % stages == 0 and asked.ranks % (n // stages) == 0)


Rule = Callable[[Asked], bool]

RULES: dict[str, dict[str, Rule]] = {
    "accelerators": {
        "vllm": lambda asked: runs_on("vllm", asked.accelerator),
        "sglang": lambda asked: runs_on("sglang", asked.accelerator),
        "trtllm": lambda asked: runs_on("trtllm", asked.accelerator),
    },
    "layout": dict.fromkeys(SERVERS, lambda asked: asked.setup.layout == "1d"),
    "weights": {"trtllm": lambda asked: asked.form not in _NOT_IN_TRTLLM},
    "attention groups": {
        "vllm": lambda asked: asked.groups == 1 or asked.routed,
        "sglang": _groups_of_sglang,
        "trtllm": _groups_of_trtllm,
    },
    "KV heads": dict.fromkeys(SERVERS, _kv_heads),
    "dense layers": {
        "vllm": lambda asked: _divides(asked.degree, asked.widths("dense")),
        "sglang": lambda asked: _may_be_whole(asked) or _divides(asked.ranks, asked.widths("dense")),
        "trtllm": lambda asked: _divides(asked.ranks, asked.widths("dense")),
    },
    "shared experts": {
        "vllm": lambda asked: _divides(asked.degree, asked.widths("shared")),
        "sglang": lambda asked: asked.sends or _divides(asked.ranks, asked.widths("shared")),
    },
    "routed experts": {"vllm": _experts_of_vllm, "sglang": _experts_over_shards, "trtllm": _experts_over_shards},
    "more ranks than experts": {
        "vllm": lambda asked: (
            not asked.routed
            or architecture(asked.model) != "Qwen3MoeForCausalLM"
            or asked.degree <= most_experts(asked.model)
        )
    },
    "blocks and tiles, dense and shared": {
        "vllm": _blocks_of_vllm,
        "sglang": _blocks_of_sglang,
        "trtllm": lambda asked: (
            asked.ranks == 1 or asked.groups > 1 or _in_blocks(asked, asked.ranks, asked.widths("dense", "shared"))
        ),
    },
    "blocks and tiles, routed experts": {
        "vllm": lambda asked: asked.spread > 1 or _in_pieces(asked, asked.ranks, "routed"),
        "sglang": lambda asked: _in_pieces(asked, asked.ranks // asked.spread, "routed"),
        "trtllm": lambda asked: _in_blocks(asked, asked.ranks // asked.spread, asked.widths("routed")),
    },
    "mxfp4 and nvfp4": {
        "vllm": lambda asked: _nvfp4_of_nvidia(asked) and (not _mxfp4_of_amd(asked) or asked.groups == 1),
        "sglang": lambda asked: _nvfp4_of_nvidia(asked) and _mxfp4_of_sglang(asked),
    },
    "mxfp4 without routed experts": {"vllm": _dense_mxfp4_of_amd, "sglang": _dense_mxfp4_of_sglang},
    "redundant experts": {"vllm": _copies_of_vllm, "sglang": _copies, "trtllm": _copies},
    "several machines": {
        "vllm": _machines_of_vllm,
        "sglang": _machines_of_sglang,
        "trtllm": lambda asked: asked.setup.gpus % asked.machines == 0,
    },
}
"""The table of docs/engines.md, row by row; draft models and instances apart have rows of their own."""


def broken_rules(engine: str, asked: Asked) -> list[str]:
    """Rows of the table that forbid the server to start it."""
    if engine == "none":
        return []
    return [row for row, rules in RULES.items() if engine in rules and not rules[engine](asked)]


def accepts(engine: str, asked: Asked) -> bool:
    """Whether the server starts it with its exchange of experts."""
    return engine == "none" or all(rules[engine](asked) for rules in RULES.values() if engine in rules)


# --- instances apart --------------------------------------------------------------------------------------------------
# These rows of the table are not in RULES: who asks for no fleet has nothing apart.

_ONE_NUMBER_OF_HEADS = frozenset({"trtllm"})
_ONE_STAGE = {"decode": frozenset({"vllm", "sglang"}), "prefill": frozenset({"vllm"})}
_FEW_RANKS = frozenset({"vllm"})
_NO_DRAFT = frozenset({"vllm"})
_NO_HEAD = frozenset({"trtllm"})
_WITHIN_A_GENERATION = frozenset({"vllm", "sglang"})


def caches_apart(model: Model, setup: Setup) -> bool:
    """Whether the setup's server exchanges a cache of the model, of which it may want one number of KV heads."""
    return setup.engine not in _ONE_NUMBER_OF_HEADS or len(set(_cached_heads(model))) <= 1


def _cached_heads(model: Model) -> list[int]:
    """KV heads of every kind of attention that has some: latent and recurrent attention have none to copy."""
    attentions = [block.attention for block in model.blocks]
    return [each.kv_heads for each in attentions if isinstance(each, GroupedQueryAttention | GeneralAttention)]


def staged_apart(setup: Setup, phase: str) -> bool:
    """Whether the setup's server has an instance with so many stages that does this phase apart from the other."""
    return setup.engine not in _ONE_STAGE[phase] or bool(setup.pipeline == 1)


def prefills_apart(model: Model, setup: Setup) -> bool:
    """Whether a prefill instance apart has no more tensor ranks than its server can send the cache of."""
    return setup.engine not in _FEW_RANKS or all(setup.tensor_parallel <= each for each in _cached_heads(model))


def drafts_apart(setup: Setup) -> bool:
    """Whether the setup's server takes a draft on a decode instance apart from prefill."""
    return setup.engine not in _NO_DRAFT


def draft_sits_apart(setup: Setup, draft: Model) -> bool:
    """Whether the setup's server, which takes drafts there, takes this one on a decode instance apart from prefill.

    It may have no MTP layer and no EAGLE-3 head, whose cache its prefill instances do not have.
    """
    return setup.engine not in _NO_HEAD or mode_of(draft) == "draft_model"


def caches_stay(engine: str, accelerator: Accelerator) -> tuple[str, str] | None:
    """Say between which accelerators a server's caches go from prefill to decode; None: between any.

    They are those of a generation, or those of a name where the generation is not known.
    """
    if engine not in _WITHIN_A_GENERATION:
        return None
    known = accelerator.generation
    return ("name", accelerator.name) if known is None else ("generation", known)


# --- prices -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sharers:
    """Ranks of a stage that share one copy: T_d of dense layers, T_s of shared experts, T_e and T_h of both ends."""

    dense: float
    shared: float
    embedding: float
    head: float


def sharers(setup: Setup) -> Sharers:
    """Ranks that share one copy where the setup's engine runs a model."""
    group, stage = setup.tensor_parallel, setup.stage_ranks
    if setup.engine == "vllm":
        return Sharers(group, group, group, group)
    if setup.engine == "sglang":
        shared = 1 if setup.exchange == "all_to_all" else stage
        return Sharers(1 if setup.dense_whole else stage, shared, group, stage)
    if setup.engine == "trtllm":
        together = stage if setup.sigma == 1 else 1
        return Sharers(together, together, together, together)
    return Sharers(stage, stage, stage, stage)


_ALL_TO_ALL_IN_SGLANG = {
    *(
        f"{name}ForCausalLM"
        for name in ("DeepseekV2", "DeepseekV3", "DeepseekV32", "Qwen2Moe", "Qwen3Moe", "Qwen3Next")
    ),
    *(f"{name}ForCausalLM" for name in ("Glm4Moe", "Glm4MoeLite", "GlmMoeDsa", "MiniMaxM2", "MiniMaxM3Sparse")),
    *(f"{name}ForCausalLM" for name in ("NemotronH", "MiMoV2Flash", "BailingMoeV2")),
    *(f"{name}ForConditionalGeneration" for name in ("KimiK25", "KimiK3", "Step3VL")),
}


def exchanges(asked: Asked, engine: str) -> list[str]:
    """Exchanges of experts that a server offers at these degrees; a dense model has none, which is empty."""
    if not asked.routed:
        return [""]
    if engine == "none":
        return ["all_to_all"]
    found = ["none" if asked.groups == 1 else "all_gather"]
    return [*found, "all_to_all"] if asked.spread > 1 and _ALL_TO_ALL[engine](asked) else found


def _to_all_in_sglang(asked: Asked) -> bool:
    named = architecture(asked.model) in _ALL_TO_ALL_IN_SGLANG
    nvidia = asked.accelerator.vendor in (None, "nvidia")
    loads = asked.form == "bf16" or asked.block > 0
    return named and nvidia and loads and asked.spread == asked.ranks


def _to_all_in_trtllm(asked: Asked) -> bool:
    active = max(block.active for block in asked.model.feed_forward)
    biased = architecture(asked.model) == "GptOssForCausalLM"
    loads = asked.form in ("bf16", "fp16", "fp8", "nvfp4")
    return asked.groups > 1 and asked.spread >= active and loads and not biased


_ALL_TO_ALL: dict[str, Rule] = {
    "vllm": lambda asked: asked.groups > 1 and asked.model.width <= 8192,
    "sglang": _to_all_in_sglang,
    "trtllm": _to_all_in_trtllm,
}


def run_as(model: Model, accelerator: Accelerator, precision: Precision, setup: Setup, engine: Engines) -> list[Setup]:
    """Give every way in which servers start the degrees of a setup: one for each server and exchange."""
    degrees = Asked(model, accelerator, precision, setup)
    asked = [
        replace(degrees, setup=replace(setup, engine=server, exchange=exchange))
        for server in of_scenario(engine)
        for exchange in exchanges(degrees, server)
    ]
    return [laid_out(each) for each in asked if accepts(each.setup.engine, each)]


def laid_out(asked: Asked) -> Setup:
    """Give the setup with what its server is told of dense layers.

    SGLang holds them whole where it can and cannot split them: one flag for dense layers of all widths.
    """
    whole = asked.setup.engine == "sglang" and _may_be_whole(asked) and not _can_be_split(asked, "dense")
    return replace(asked.setup, dense_whole=whole)


def as_run(model: Model, setup: Setup) -> Setup:
    """Give the setup the exchange that is no decision: none of a dense model, all-to-all without a server."""
    if most_experts(model) == 1:
        return replace(setup, exchange="")
    return replace(setup, exchange="all_to_all") if setup.engine == "none" else setup


# --- draft models -----------------------------------------------------------------------------------------------------


def _classes(causal: str, others: str = "") -> frozenset[str]:
    """Names of classes from their beginnings."""
    return frozenset(
        [*(f"{name}ForCausalLM" for name in causal.split())]
        + [f"{name}ForConditionalGeneration" for name in others.split()]
    )


MTP_CLASSES = {
    "vllm": _classes(
        "DeepseekV3 DeepseekV32 DeepseekV4 GlmMoeDsa Glm4Moe Glm4MoeLite Qwen3Next MiMo MiMoV2Flash NemotronH HYV3 "
        "MiniMaxM3Sparse",
        "Qwen3_5 Qwen3_5Moe",
    ),
    "sglang": _classes(
        "DeepseekV3 DeepseekV32 DeepseekV4 GlmMoeDsa Glm4Moe Glm4MoeLite Qwen3Next MiMo BailingMoeV2 BailingMoeV3 "
        "NemotronH HYV3",
        "Qwen3_5 Qwen3_5Moe",
    ),
    "trtllm": _classes("DeepseekV3 DeepseekV32"),
}
EAGLE3_CLASSES = {
    "vllm": _classes(
        "Llama Mistral Qwen2 Qwen3 Qwen3Moe Qwen3Next GptOss DeepseekV2 DeepseekV3 DeepseekV32 DeepseekV4 GlmMoeDsa "
        "MiniMaxM2 MiniMaxM3Sparse NemotronH",
        "Llama4 Mistral3 Qwen2_5_VL Qwen3VL Qwen3VLMoe Qwen3_5 Qwen3_5Moe KimiK25 KimiK3 Gemma4",
    ),
    "sglang": _classes(
        "Llama Mistral Qwen2 Qwen3 Qwen3Moe Qwen3Next GptOss DeepseekV2 DeepseekV3 DeepseekV32 Glm4Moe Glm4MoeLite "
        "MiniMaxM2 MiniMaxM3Sparse Gemma3",
        "Llama4 Qwen2_5_VL Qwen3VL Qwen3VLMoe Qwen3_5 Qwen3_5Moe KimiK25 Gemma3 Gemma4",
    ),
    "trtllm": _classes("Llama Qwen3 Qwen3Moe GptOss", "Llama4"),
}

DraftRule = Callable[[Model, Model, Setup], bool]


def _any_draft(model: Model, draft: Model, setup: Setup) -> bool:
    divided = heads_divide_or_are_divided(draft, int(setup.tensor_parallel))
    return setup.pipeline == 1 and divided


def _same_vocabulary(model: Model, draft: Model, setup: Setup) -> bool:
    return draft.vocabulary == model.vocabulary


def _one_group(model: Model, draft: Model, setup: Setup) -> bool:
    return setup.sigma == 1


def _of_a_class(classes: frozenset[str]) -> DraftRule:
    def rule(model: Model, draft: Model, setup: Setup) -> bool:
        return architecture(model) in classes

    return rule


def _one_layer(model: Model, draft: Model, setup: Setup) -> bool:
    return model.mtp_layers == 1


DRAFT_RULES: dict[str, dict[str, tuple[DraftRule, ...]]] = {
    "any draft": {"vllm": (_any_draft,), "sglang": (_any_draft,), "trtllm": (_any_draft,)},
    "draft_model": {
        "vllm": (_same_vocabulary,),
        "sglang": (_same_vocabulary, _one_group),
        "trtllm": (_same_vocabulary,),
    },
    "mtp": {
        "vllm": (_of_a_class(MTP_CLASSES["vllm"]), _one_layer),
        "sglang": (_of_a_class(MTP_CLASSES["sglang"]), _one_layer),
        "trtllm": (_of_a_class(MTP_CLASSES["trtllm"]),),
    },
    "eagle3": {
        "vllm": (_of_a_class(EAGLE3_CLASSES["vllm"]),),
        "sglang": (_of_a_class(EAGLE3_CLASSES["sglang"]), _one_group),
        "trtllm": (_of_a_class(EAGLE3_CLASSES["trtllm"]),),
    },
}
"""The last rows of the table. That the degree divides the query heads is a rule of the performance model too."""


def accepts_draft(engine: str, model: Model, draft: Model, setup: Setup) -> bool:
    """Whether the server runs a draft beside a model that it runs so."""
    rows = ("any draft", mode_of(draft))
    return engine == "none" or all(rule(model, draft, setup) for row in rows for rule in DRAFT_RULES[row][engine])


def beside(model: Model, draft: Model, setup: Setup) -> Setup | None:
    """Where a draft stands beside a model that runs so, on the same tensor ranks; None where it cannot."""
    experts = most_experts(draft)
    copies = setup.redundant if mode_of(draft) == "mtp" and experts > 1 else 0
    if setup.pipeline != 1 or any(kind.heads % setup.tensor_parallel for kind in kinds_of(draft)):
        return None
    if experts > 1 and (experts + copies) % setup.expert:
        return None
    if not accepts_draft(setup.engine, model, draft, setup):
        return None
    exchange = setup.exchange or ("none" if setup.sigma == 1 else "all_gather")
    spread = setup.expert if experts > 1 else 1
    # An MTP layer is the model's own; what is said of the model's dense layers is said of no other draft's.
    whole = setup.dense_whole and mode_of(draft) == "mtp"
    return as_run(draft, replace(setup, expert=spread, redundant=copies, exchange=exchange, dense_whole=whole))


def ways(
    model: Model, draft: Model, accelerator: Accelerator, precision: Precision, setup: Setup, engine: Engines
) -> Iterator[tuple[Setup, Setup]]:
    """Every way to start degrees with a draft beside the model: how the model runs, and how the draft."""
    for main in run_as(model, accelerator, precision, setup, engine):
        small = beside(model, draft, main)
        if small is not None:
            yield main, small
