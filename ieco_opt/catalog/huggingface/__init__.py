"""Models from Hugging Face configurations: which architectures are known, and how their keys become a mapping."""

from ieco_opt.catalog.huggingface.reader import is_huggingface_config, mapping_from_config

__all__ = ["is_huggingface_config", "mapping_from_config"]
