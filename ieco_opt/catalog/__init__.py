"""Models and accelerators known by name, and those that users describe themselves."""

from ieco_opt.catalog.collection import Collection
from ieco_opt.catalog.files import accelerator_from_file, is_file_name, model_from_file
from ieco_opt.catalog.mappings import accelerator_to_mapping, memory_fields, model_to_mapping
from ieco_opt.catalog.parameters import active_params, cache_bytes_per_token, total_params
from ieco_opt.catalog.store import (
    accelerator,
    accelerator_names,
    aliases,
    checkpoint_of,
    model,
    model_names,
    said_about,
)
from ieco_opt.catalog.tables import CatalogRow, describe, describe_file, to_dataframe
from ieco_opt.catalog.user_mappings import accelerator_from_mapping, model_from_mapping

__all__ = [
    "CatalogRow",
    "Collection",
    "accelerator",
    "accelerator_from_file",
    "accelerator_from_mapping",
    "accelerator_names",
    "accelerator_to_mapping",
    "active_params",
    "aliases",
    "cache_bytes_per_token",
    "checkpoint_of",
    "describe",
    "describe_file",
    "is_file_name",
    "memory_fields",
    "model",
    "model_from_file",
    "model_from_mapping",
    "model_names",
    "model_to_mapping",
    "said_about",
    "to_dataframe",
    "total_params",
]
