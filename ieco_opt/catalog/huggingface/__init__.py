"""Models from Hugging Face configurations: which architectures are known, and how their keys become a mapping."""

from collections.abc import Mapping


def is_huggingface_config(document: object) -> bool:
    """Tell whether a parsed document looks like a Hugging Face `config.json`."""
    return isinstance(document, Mapping) and ("architectures" in document or "model_type" in document)
