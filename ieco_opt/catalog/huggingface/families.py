"""Which architectures are known, and how each spells its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ieco_opt.catalog.huggingface import attention, feed_forward, latent, pruned, recurrent
from ieco_opt.catalog.huggingface.keys import Config
from ieco_opt.catalog.huggingface.layers import Attentions, FeedForwards


@dataclass(frozen=True, slots=True)
class Family:
    """How the architectures of one family spell things, and what they leave to the defaults of Transformers."""

    attention: Callable[[Config], Attentions]
    feed_forward: Callable[[Config], FeedForwards]
    tied_by_default: bool = False
    defaults: Mapping[str, object] = field(default_factory=dict, hash=False)
    attentions_per_layer: int = 1


# Gemma 3 was first published without the keys that stand at their defaults (Gemma3TextConfig).
_GEMMA3_DEFAULTS = {
    "vocab_size": 262_208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131_072,
    "sliding_window": 4096,
    "sliding_window_pattern": 6,
}
# So are language models inside others (LlamaConfig, MistralConfig, Qwen2Config).
_LLAMA_DEFAULTS = {
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
}
_MISTRAL_DEFAULTS = {
    **_LLAMA_DEFAULTS,
    "intermediate_size": 14_336,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131_072,
}

_DENSE = Family(attention.plain, feed_forward.dense)
_TIED = Family(attention.plain, feed_forward.dense, tied_by_default=True)
_PLAIN = Family(attention.plain, feed_forward.plain_dense)
_QWEN = Family(attention.sliding_above, feed_forward.dense)
_SLIDING = Family(attention.sliding("L"), feed_forward.dense)
_GEMMA2 = Family(attention.sliding("LG"), feed_forward.dense, tied_by_default=True)
_GEMMA3 = Family(attention.plain, feed_forward.dense, tied_by_default=True, defaults=_GEMMA3_DEFAULTS)
_QWEN_MIXTURE = Family(attention.sliding_above, feed_forward.qwen)
_QWEN_HYBRID = Family(recurrent.qwen3_next, feed_forward.qwen)
_LATENT_MIXTURE = Family(latent.latents, feed_forward.leading_dense())
_MIXTURE = Family(attention.plain, feed_forward.leading_dense())
_LLAMA4 = Family(attention.llama4, feed_forward.llama4)
_BAILING = Family(recurrent.bailing_linear, feed_forward.leading_dense(0))
_MINIMAX_M3 = Family(attention.block_sparse, feed_forward.minimax_m3)
_MIMO_V2 = Family(attention.mimo_v2, feed_forward.leading_dense())
_MINIMAX = Family(recurrent.minimax, feed_forward.with_shared_width)
_STEP = Family(attention.step3p5, feed_forward.step)
_LONGCAT = Family(latent.latents, feed_forward.longcat, attentions_per_layer=2)
_KIMI_LINEAR = Family(recurrent.kimi_linear, feed_forward.kimi_linear)

PRUNED = Family(pruned.attentions, pruned.feed_forwards)
"""How `block_configs` are read, whatever the architecture."""

FAMILIES: Mapping[str, Family] = {
    "LlamaForCausalLM": _DENSE,
    "MistralForCausalLM": _SLIDING,
    "Ministral3ForCausalLM": _DENSE,
    "MixtralForCausalLM": Family(attention.sliding("L"), feed_forward.all_routed),
    "PhiMoEForCausalLM": Family(attention.plain, feed_forward.all_routed),
    "Phi3ForCausalLM": _SLIDING,
    "Phi4ForCausalLM": _SLIDING,
    "Qwen2ForCausalLM": _QWEN,
    "Qwen2MoeForCausalLM": _QWEN_MIXTURE,
    "Qwen3ForCausalLM": _QWEN,
    "Qwen3MoeForCausalLM": _QWEN_MIXTURE,
    "Qwen3NextForCausalLM": _QWEN_HYBRID,
    "Qwen3_5ForCausalLM": Family(recurrent.qwen3_next, feed_forward.dense),
    "Qwen3_5MoeForCausalLM": _QWEN_HYBRID,
    "DeepseekV2ForCausalLM": _LATENT_MIXTURE,
    "DeepseekV3ForCausalLM": _LATENT_MIXTURE,
    "DeepseekV32ForCausalLM": _LATENT_MIXTURE,
    "DeepseekV4ForCausalLM": Family(latent.deepseek_v4, feed_forward.leading_dense(0)),
    "GlmMoeDsaForCausalLM": _LATENT_MIXTURE,
    "Glm4MoeLiteForCausalLM": Family(latent.latents, feed_forward.leading_dense(1)),
    "Mistral4ForCausalLM": Family(latent.latents, feed_forward.leading_dense(0)),
    "MistralLarge3ForCausalLM": _LATENT_MIXTURE,
    "LongcatFlashForCausalLM": _LONGCAT,
    "LongcatCausalLM": _LONGCAT,
    "KimiLinearForCausalLM": _KIMI_LINEAR,
    "GptOssForCausalLM": Family(attention.sliding("LG"), feed_forward.all_routed),
    "GemmaForCausalLM": _TIED,
    "Gemma2ForCausalLM": _GEMMA2,
    "Gemma3ForCausalLM": _GEMMA3,
    "Gemma4ForCausalLM": Family(attention.gemma4, feed_forward.gemma4, tied_by_default=True),
    "CohereForCausalLM": _TIED,
    "Cohere2ForCausalLM": Family(attention.sliding("LLLG"), feed_forward.dense, tied_by_default=True),
    "FalconForCausalLM": Family(attention.falcon, feed_forward.falcon, tied_by_default=True),
    "Llama4ForCausalLM": _LLAMA4,
    "GlmForCausalLM": _DENSE,
    "Glm4ForCausalLM": _DENSE,
    "Glm4MoeForCausalLM": _MIXTURE,
    "Dots1ForCausalLM": Family(attention.sliding_above, feed_forward.leading_dense()),
    "SolarOpenForCausalLM": Family(attention.plain, feed_forward.leading_dense(0)),
    "MiniMaxM2ForCausalLM": Family(attention.plain, feed_forward.all_routed),
    "MiniMaxM3ForCausalLM": _MINIMAX_M3,
    "MiniMaxM3SparseForCausalLM": _MINIMAX_M3,
    "MiniMaxForCausalLM": _MINIMAX,
    "MiniMaxText01ForCausalLM": _MINIMAX,
    "MiniMaxM1ForCausalLM": _MINIMAX,
    "MiMoForCausalLM": _QWEN,
    "MiMoV2FlashForCausalLM": _MIMO_V2,
    "MiMoV2ForCausalLM": _MIMO_V2,
    "Step3TextForCausalLM": Family(attention.step3, feed_forward.step),
    "Step3p5ForCausalLM": _STEP,
    "Step3p7FlashForCausalLM": _STEP,
    "SeedOssForCausalLM": _DENSE,
    "GraniteForCausalLM": _DENSE,
    "GraniteMoeForCausalLM": Family(attention.plain, feed_forward.all_routed),
    "GraniteMoeSharedForCausalLM": Family(attention.plain, feed_forward.with_shared_width),
    "GraniteMoeHybridForCausalLM": Family(recurrent.mamba_hybrid, feed_forward.with_shared_width),
    "BambaForCausalLM": Family(recurrent.mamba_hybrid, feed_forward.dense),
    "JambaForCausalLM": Family(recurrent.jamba, feed_forward.jamba),
    "NemotronForCausalLM": _PLAIN,
    "NemotronHForCausalLM": Family(recurrent.nemotron_h, feed_forward.nemotron_h),
    "DeciLMForCausalLM": PRUNED,
    "OlmoForCausalLM": _DENSE,
    "Olmo2ForCausalLM": _DENSE,
    "Olmo3ForCausalLM": Family(attention.sliding("LLLG"), feed_forward.dense),
    "OlmoeForCausalLM": Family(attention.plain, feed_forward.all_routed),
    "OlmoHybridForCausalLM": Family(recurrent.olmo_hybrid, feed_forward.dense),
    "Ernie4_5ForCausalLM": _TIED,
    "Ernie4_5_ForCausalLM": _TIED,
    "Ernie4_5_MoeForCausalLM": Family(attention.plain, feed_forward.ernie, tied_by_default=True),
    "HunYuanDenseV1ForCausalLM": _DENSE,
    "HunYuanMoEV1ForCausalLM": Family(attention.plain, feed_forward.hunyuan),
    "HYV3ForCausalLM": Family(attention.plain, feed_forward.leading_dense(1)),
    "ExaoneForCausalLM": _DENSE,
    "Exaone4ForCausalLM": _DENSE,
    "ExaoneMoEForCausalLM": Family(attention.plain, feed_forward.leading_dense(1)),
    "ExaoneMoeForCausalLM": Family(attention.plain, feed_forward.leading_dense(1)),
    "BailingMoeForCausalLM": Family(attention.plain, feed_forward.leading_dense(0)),
    "BailingMoeV2ForCausalLM": Family(attention.plain, feed_forward.leading_dense(0)),
    "BailingMoeLinearForCausalLM": _BAILING,
    "BailingMoeLinearV2ForCausalLM": _BAILING,
    "BailingMoeV2_5ForCausalLM": _BAILING,
    "BailingHybridForCausalLM": Family(recurrent.bailing_hybrid, feed_forward.leading_dense(2)),
    "AfmoeForCausalLM": Family(attention.gated, feed_forward.afmoe),
    "ArceeForCausalLM": _PLAIN,
    "ApertusForCausalLM": _PLAIN,
    "Starcoder2ForCausalLM": Family(attention.sliding("L"), feed_forward.plain_dense, tied_by_default=True),
    "StableLmForCausalLM": _DENSE,
    "SmolLM3ForCausalLM": Family(attention.sliding_above, feed_forward.dense, tied_by_default=True),
    "AquilaForCausalLM": _DENSE,
    "BaichuanForCausalLM": _DENSE,
    "OrionForCausalLM": _DENSE,
    "XverseForCausalLM": _DENSE,
    "YiForCausalLM": _DENSE,
    "GPTNeoXForCausalLM": _PLAIN,
    "PersimmonForCausalLM": _PLAIN,
    "PhiForCausalLM": _PLAIN,
    "InternLM2ForCausalLM": _DENSE,
    "InternLM3ForCausalLM": _DENSE,
    "Lfm2ForCausalLM": Family(recurrent.lfm2, feed_forward.lfm2, tied_by_default=True),
    "Lfm2MoeForCausalLM": Family(recurrent.lfm2, feed_forward.lfm2_moe, tied_by_default=True),
}
"""Architectures of language models that can be read, by the name that `architectures` lists first."""

BY_MODEL_TYPE: Mapping[str, str] = {
    "afmoe": "AfmoeForCausalLM",
    "apertus": "ApertusForCausalLM",
    "arcee": "ArceeForCausalLM",
    "bailing_hybrid": "BailingHybridForCausalLM",
    "bailing_moe": "BailingMoeV2ForCausalLM",
    "bailing_moe_v2": "BailingMoeV2ForCausalLM",
    "bamba": "BambaForCausalLM",
    "cohere": "CohereForCausalLM",
    "cohere2": "Cohere2ForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "DeepseekV3ForCausalLM",
    "deepseek_v32": "DeepseekV32ForCausalLM",
    "deepseek_v4": "DeepseekV4ForCausalLM",
    "dots1": "Dots1ForCausalLM",
    "ernie4_5": "Ernie4_5ForCausalLM",
    "ernie4_5_moe": "Ernie4_5_MoeForCausalLM",
    "exaone": "ExaoneForCausalLM",
    "exaone4": "Exaone4ForCausalLM",
    "exaone_moe": "ExaoneMoeForCausalLM",
    "falcon": "FalconForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gemma4_text": "Gemma4ForCausalLM",
    "glm": "GlmForCausalLM",
    "glm4": "Glm4ForCausalLM",
    "glm4_moe": "Glm4MoeForCausalLM",
    "glm4_moe_lite": "Glm4MoeLiteForCausalLM",
    "glm4v_moe_text": "Glm4MoeForCausalLM",
    "glm4v_text": "Glm4ForCausalLM",
    "glm_moe_dsa": "GlmMoeDsaForCausalLM",
    "gpt_neox": "GPTNeoXForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "granite": "GraniteForCausalLM",
    "granitemoe": "GraniteMoeForCausalLM",
    "granitemoehybrid": "GraniteMoeHybridForCausalLM",
    "granitemoeshared": "GraniteMoeSharedForCausalLM",
    "hunyuan_v1_dense": "HunYuanDenseV1ForCausalLM",
    "hunyuan_v1_moe": "HunYuanMoEV1ForCausalLM",
    "hy_v3": "HYV3ForCausalLM",
    "internlm2": "InternLM2ForCausalLM",
    "internlm3": "InternLM3ForCausalLM",
    "jamba": "JambaForCausalLM",
    "kimi_k2": "DeepseekV3ForCausalLM",
    "kimi_linear": "KimiLinearForCausalLM",
    "lfm2": "Lfm2ForCausalLM",
    "lfm2_moe": "Lfm2MoeForCausalLM",
    "llama": "LlamaForCausalLM",
    "llama4_text": "Llama4ForCausalLM",
    "longcat_flash": "LongcatFlashForCausalLM",
    "mimo": "MiMoForCausalLM",
    "mimo_v2_flash": "MiMoV2FlashForCausalLM",
    "minimax": "MiniMaxForCausalLM",
    "minimax_m2": "MiniMaxM2ForCausalLM",
    "minimax_m3": "MiniMaxM3ForCausalLM",
    "ministral3": "Ministral3ForCausalLM",
    "mistral": "MistralForCausalLM",
    "mistral4": "Mistral4ForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "nemotron": "NemotronForCausalLM",
    "nemotron-nas": "DeciLMForCausalLM",
    "nemotron_h": "NemotronHForCausalLM",
    "olmo": "OlmoForCausalLM",
    "olmo2": "Olmo2ForCausalLM",
    "olmo3": "Olmo3ForCausalLM",
    "olmo_hybrid": "OlmoHybridForCausalLM",
    "olmoe": "OlmoeForCausalLM",
    "persimmon": "PersimmonForCausalLM",
    "phi": "PhiForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "phimoe": "PhiMoEForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen2_5_vl": "Qwen2ForCausalLM",
    "qwen2_5_vl_text": "Qwen2ForCausalLM",
    "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen2_vl": "Qwen2ForCausalLM",
    "qwen2_vl_text": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_5_moe_text": "Qwen3_5MoeForCausalLM",
    "qwen3_5_text": "Qwen3_5ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "qwen3_next": "Qwen3NextForCausalLM",
    "qwen3_vl_moe_text": "Qwen3MoeForCausalLM",
    "qwen3_vl_text": "Qwen3ForCausalLM",
    "seed_oss": "SeedOssForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
    "solar_open": "SolarOpenForCausalLM",
    "stablelm": "StableLmForCausalLM",
    "starcoder2": "Starcoder2ForCausalLM",
    "step3_text": "Step3TextForCausalLM",
    "step3p5": "Step3p5ForCausalLM",
    "step3p7": "Step3p7FlashForCausalLM",
}
"""Architecture of a language model, by what `model_type` calls it."""

WRAPPED: Mapping[str, str] = {
    "AyaVisionForConditionalGeneration": "Cohere2ForCausalLM",
    "Cohere2VisionForConditionalGeneration": "Cohere2ForCausalLM",
    "Exaone4_5_ForConditionalGeneration": "Exaone4ForCausalLM",
    "Gemma3ForConditionalGeneration": "Gemma3ForCausalLM",
    "Gemma4ForConditionalGeneration": "Gemma4ForCausalLM",
    "Gemma4UnifiedForConditionalGeneration": "Gemma4ForCausalLM",
    "Glm4vForConditionalGeneration": "Glm4ForCausalLM",
    "Glm4vMoeForConditionalGeneration": "Glm4MoeForCausalLM",
    "Idefics3ForConditionalGeneration": "LlamaForCausalLM",
    "InternVLChatModel": "",
    "InternVLForConditionalGeneration": "",
    "KimiK25ForConditionalGeneration": "DeepseekV3ForCausalLM",
    "KimiK3ForConditionalGeneration": "KimiLinearForCausalLM",
    "KimiVLForConditionalGeneration": "DeepseekV3ForCausalLM",
    "Llama4ForConditionalGeneration": "Llama4ForCausalLM",
    "LlavaForConditionalGeneration": "LlamaForCausalLM",
    "LlavaNextForConditionalGeneration": "LlamaForCausalLM",
    "MiniMaxM3SparseForConditionalGeneration": "MiniMaxM3ForCausalLM",
    "Mistral3ForConditionalGeneration": "MistralForCausalLM",
    "NemotronH_Nano_VL_V2": "NemotronHForCausalLM",
    "PaliGemmaForConditionalGeneration": "GemmaForCausalLM",
    "Phi4MMForCausalLM": "Phi3ForCausalLM",
    "Qwen2VLForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen2_5_VLForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen3VLForConditionalGeneration": "Qwen3ForCausalLM",
    "Qwen3VLMoeForConditionalGeneration": "Qwen3MoeForCausalLM",
    "Qwen3_5ForConditionalGeneration": "Qwen3_5ForCausalLM",
    "Qwen3_5MoeForConditionalGeneration": "Qwen3_5MoeForCausalLM",
    "SmolVLMForConditionalGeneration": "LlamaForCausalLM",
    "Step3VLForConditionalGeneration": "Step3TextForCausalLM",
    "Step3p7ForConditionalGeneration": "Step3p5ForCausalLM",
}
"""Multimodal architectures, and the language model in each where its own configuration does not name one."""

REFUSED: Mapping[str, str] = {
    "FalconH1": "attention and state-space heads side by side in each layer",
    "Zamba": "one attention block that many layers share",
    "Gemma3n": "embeddings of each layer, and layers that share a cache",
    "Mllama": "cross-attention",
    "RecurrentGemma": "recurrent layers of its own kind",
    "Mamba": "no attention at all",
    "RWKV": "no attention at all",
    "HunYuanForCausalLM": "layers that share a cache",
    "LongcatFlashNgram": "embeddings of n-grams",
}
"""Architectures whose layers `blocks` cannot describe, by their beginning, and why."""

WRAPPED_DEFAULTS: Mapping[str, Mapping[str, object]] = {
    "LlamaForCausalLM": _LLAMA_DEFAULTS,
    "MistralForCausalLM": _MISTRAL_DEFAULTS,
}
"""Defaults of language models inside others, which are published without the keys that stand at them."""
