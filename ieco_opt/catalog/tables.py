"""The catalog as tables, for `ieco-opt catalog` and for notebooks."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ieco_opt.catalog import store
from ieco_opt.catalog.attention import AttentionBlock
from ieco_opt.catalog.collection import Collection
from ieco_opt.catalog.files import entry_from_file
from ieco_opt.catalog.mappings import accelerator_to_mapping, memory_fields, model_to_mapping
from ieco_opt.catalog.parameters import active_params, cache_bytes_per_token, total_params
from ieco_opt.catalog.precision import written
from ieco_opt.catalog.schema_attention import KIND_OF
from ieco_opt.catalog.types import (
    Accelerator,
    FeedForward,
    Model,
    PaperModel,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

_UNITS = {
    "flops_16bit": "FLOP/s",
    "flops_8bit": "FLOP/s",
    "flops_4bit": "FLOP/s",
    "hbm_bytes_per_s": "bytes/s",
    "hbm_bytes": "bytes",
    "intra_node_bytes_per_s": "bytes/s",
    "inter_node_bytes_per_s": "bytes/s",
    "node_size": "devices",
    "usd_per_gpu_hour": "$/h",
    "kernel_launch_s": "s",
    "arithmetic_cap": "share of peak",
    "memory_cap": "share of peak",
    "power_w": "W",
    "idle_power_w": "W",
    "vocabulary": "tokens",
    "max_context_tokens": "tokens",
    "weight_bytes": "bytes",
    "activation_bytes": "bytes",
}
_FLOP_COLUMNS = {f"flops_{bits}bit": f"flops_{bits}bit_per_s" for bits in (16, 8, 4)}
_PARTIAL_COLUMNS = frozenset({"mla_kv_width", "mla_query_width", "max_context_tokens"})
_COMPUTED = "computed from the other fields"


class CatalogRow(NamedTuple):
    """One fact about a catalog entry; `unit` is empty for plain numbers and text."""

    field: str
    value: object
    unit: str
    source: str


def describe(name: str, collection: Collection = Collection.REAL) -> list[CatalogRow]:
    """List what the catalog knows of a model or an accelerator, each value with its unit and source.

    Raises
    ------
    ScenarioError
        Where the collection knows neither a model nor an accelerator of this name.
    """
    item = store.find(name, collection)
    rows = _rows(item, store.aliases(item.name, collection))
    said = store.said_about(name, collection)
    return rows if said is None else [rows[0], CatalogRow("understood", said, "", ""), *rows[1:]]


def describe_file(path: Path, collection: Collection = Collection.REAL) -> list[CatalogRow]:
    """Like :func:`describe`, of a model or an accelerator in a file; errors as of :func:`model_from_file`."""
    return _rows(entry_from_file(path, collection), ())


def _rows(item: Model | PaperModel | Accelerator, other_names: tuple[str, ...]) -> list[CatalogRow]:
    rows = [CatalogRow("name", item.name, "", "")]
    if other_names:
        rows.append(CatalogRow("aliases", other_names, "", ""))
    if isinstance(item, Accelerator):
        made = ("vendor", item.vendor), ("generation", item.generation)
        rows += [CatalogRow(field, value, "", "") for field, value in made if value]
    for field, source in item.sources.items():
        rows += _field_rows(field, getattr(item, field), source)
    if not isinstance(item, Accelerator):
        rows += _computed_rows(item)
    if isinstance(item, Model) and item.notes:
        rows.append(CatalogRow("notes", item.notes, "", ""))
    return rows


def to_dataframe(kind: Literal["models", "accelerators"], collection: Collection = Collection.REAL) -> pd.DataFrame:
    """Tabulate a collection, one row per entry.

    Columns carry their units (`_bytes`, `_bytes_per_s`, `_s`, `_w`, `usd_`, `flops_..._per_s`).
    `memory_fields` lists the fields whose source starts with `memory`.

    Returns
    -------
    pandas.DataFrame
    """
    import pandas as pd

    if kind == "accelerators":
        accelerators = [store.accelerator(name, collection) for name in store.accelerator_names(collection)]
        return pd.DataFrame([_accelerator_row(item) for item in accelerators])
    models = [store.model(name, collection) for name in store.model_names(collection)]
    frame = pd.DataFrame([_model_row(item) for item in models])
    # Widths that some models lack would turn into floats.
    return frame.astype({column: "Int64" for column in frame if column in _PARTIAL_COLUMNS})


def _field_rows(field: str, value: Any, source: str) -> list[CatalogRow]:
    if field == "blocks":
        return [CatalogRow(f"attention_{at}", _attention_text(block), "", source) for at, block in enumerate(value)]
    if field == "feed_forward":
        return [CatalogRow(f"feed_forward_{at}", _block_text(block), "", source) for at, block in enumerate(value)]
    if field == "recipes":
        return [CatalogRow(f"recipe_{name}", written(parts), "", source) for name, parts in value.items()]
    if field == "published":
        return [CatalogRow(field, ", ".join(value), "", source)] if value else []
    return [CatalogRow(field, value, _UNITS.get(field, ""), source)]


def _computed_rows(item: Model | PaperModel) -> list[CatalogRow]:
    return [
        CatalogRow("total_params", total_params(item), "weights", _COMPUTED),
        CatalogRow("active_params", active_params(item), "weights", _COMPUTED),
        CatalogRow("cache_bytes_per_token", cache_bytes_per_token(item), "bytes/token", _COMPUTED),
    ]


def _layers(number: int) -> str:
    return f"{number} {'layer' if number == 1 else 'layers'}"


def _attention_text(block: AttentionBlock) -> str:
    kind = KIND_OF[type(block.attention)].replace("_", " ")
    parts = [f"{_layers(block.layers)}, {kind if kind != 'none' else 'no attention'}"]
    for item in fields(block.attention):
        value = getattr(block.attention, item.name)
        if item.name == "indexer" and value is not None:
            parts.append(f"top {value.top_k} of an indexer ({value.heads} heads of {value.head_width})")
        elif item.name == "matrices":
            parts.append("matrices " + " ".join(f"{rows}x{columns}" for rows, columns in value))
        elif value not in (None, item.default):
            parts.append(f"{item.name.replace('_', ' ')} {value:g}")
    return ", ".join(parts)


def _block_text(block: FeedForward) -> str:
    if block.width == 0:
        return f"{_layers(block.layers)}, none"
    matrices = f"{block.up} up + {block.down} down"
    if block.experts > 1:
        kind = f"{block.active} of {block.experts} experts"
    else:
        kind = "shared expert" if block.shared else "dense"
    return f"{_layers(block.layers)}, {kind}, width {block.width}, {matrices}"


def _accelerator_row(item: Accelerator) -> dict[str, object]:
    mapping = accelerator_to_mapping(item)
    row = {_FLOP_COLUMNS.get(name, name): value for name, value in mapping.items() if name != "sources"}
    # The mapping writes infinity as text; a column of numbers wants the number.
    row["intra_node_bytes_per_s"] = item.intra_node_bytes_per_s
    return row | {"memory_fields": ", ".join(memory_fields(item))}


def _model_row(item: Model | PaperModel) -> dict[str, object]:
    row: dict[str, object] = {
        "name": item.name,
        "total_params": total_params(item),
        "active_params": active_params(item),
        "cache_bytes_per_token": cache_bytes_per_token(item),
    }
    mapping = model_to_mapping(item)
    del mapping["sources"]
    if isinstance(item, Model):
        # The column of attention says in words what these are.
        mapping.pop("blocks", None)
        mapping |= _real_columns(item)
    return row | mapping | {"memory_fields": ", ".join(memory_fields(item))}


def _real_columns(item: Model) -> dict[str, object]:
    return {
        "attention": "; ".join(_attention_text(block) for block in item.blocks),
        "feed_forward": "; ".join(_block_text(block) for block in item.feed_forward),
        "experts": max(block.experts for block in item.feed_forward),
        "active_experts": max(block.active for block in item.feed_forward),
        "recipes": ", ".join(item.recipes),
        "published": ", ".join(item.published),
    }
