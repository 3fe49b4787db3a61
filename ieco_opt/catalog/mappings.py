"""Models and accelerators from complete plain mappings, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ieco_opt.catalog.attention import Attention, AttentionBlock, Indexer
from ieco_opt.catalog.calibration import PARTS as CALIBRATION_PARTS
from ieco_opt.catalog.field_docstrings import field_docstrings
from ieco_opt.catalog.schema import AcceleratorInput, FeedForwardInput, ModelInput, PaperModelInput, SitePowerInput
from ieco_opt.catalog.schema_attention import KIND_OF, KINDS, AttentionBlockInput, IndexerInput
from ieco_opt.catalog.types import Accelerator, Model, PaperModel, SitePower, Topology
from ieco_opt.documents.near import near
from ieco_opt.documents.origin import Location, dotted, found, shortened
from ieco_opt.errors import Fault, ScenarioError

USER = "user"
"""Source of a value that came with a mapping and names no other source."""

_ACTIVATION_SOURCE = "assumed: 16-bit activations"
LIKE = "like"
"""Field of a mapping that names the catalog entry to start from."""

_NO_FIGURES = ("calibration", "like", "like_hardware")

_UNSOURCED = frozenset({"name", "notes", "power", "sources", "vendor", "generation"})
_HOLDERS: dict[str, type[BaseModel]] = {
    "feed_forward": FeedForwardInput,
    "blocks": AttentionBlockInput,
    "indexer": IndexerInput,
    **CALIBRATION_PARTS,
}

_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_pattern_mismatch": "text that is not blank",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "invalid_key": "text as the name of a field",
}

Input = TypeVar("Input", bound=BaseModel)


def build_accelerator(mapping: Mapping[str, object], source: str = USER) -> Accelerator:
    """Make an accelerator of a complete mapping; `source` stands for what its `sources` leave out."""
    checked = _validate(AcceleratorInput, mapping)
    values = checked.model_dump(exclude={"sources", "topology", "power"})
    return Accelerator(
        **values,
        power=None if checked.power is None else SitePower(**checked.power.model_dump()),
        topology=Topology(checked.topology),
        sources=_complete(checked.sources, Accelerator, source),
    )


def build_model(mapping: Mapping[str, object], source: str = USER) -> Model:
    """Make a model of the real collection; `source` stands for what its `sources` leave out."""
    checked = _validate(ModelInput, mapping)
    sources = dict(checked.sources)
    if "activation_bytes" not in mapping:
        sources.setdefault("activation_bytes", _ACTIVATION_SOURCE)
    return Model(
        name=checked.name,
        layers=checked.layers,
        width=checked.width,
        vocabulary=checked.vocabulary,
        tied_embeddings=checked.tied_embeddings,
        blocks=_blocks(checked),
        feed_forward=tuple(block.build() for block in checked.feed_forward),
        activation_bytes=checked.activation_bytes,
        max_context_tokens=checked.max_context_tokens,
        recipes={name: dict(parts) for name, parts in checked.recipes.items()},
        published=checked.published,
        checkpoint=checked.checkpoint,
        hf_architecture=checked.hf_architecture,
        fp8_block=checked.fp8_block,
        mtp_layers=checked.mtp_layers,
        notes=checked.notes,
        sources=_complete(sources, Model, source),
    )


def _blocks(checked: ModelInput) -> tuple[AttentionBlock, ...]:
    if checked.attention is not None:
        return (AttentionBlock(checked.layers, checked.attention.build()),)
    return tuple(block.build() for block in checked.blocks or ())


def build_paper_model(mapping: Mapping[str, object], source: str = USER) -> PaperModel:
    """Make a model of the paper collection; `source` stands for what its `sources` leave out."""
    checked = _validate(PaperModelInput, mapping)
    values = checked.model_dump(exclude={"sources"})
    return PaperModel(**values, sources=_complete(checked.sources, PaperModel, source))


def accelerator_to_mapping(accelerator: Accelerator) -> dict[str, object]:
    """Give the mapping that `accelerator_from_mapping` reads back; infinity is written as the text `inf`.

    What energy costs is left out where it is not said: entries of the catalog stand nowhere.
    """
    mapping = {name: _plain(getattr(accelerator, name)) for name in _names(Accelerator) if name != "power"}
    return mapping if accelerator.power is None else mapping | {"power": _nested(accelerator.power)}


def model_to_mapping(model: Model | PaperModel) -> dict[str, object]:
    """Give the mapping that `model_from_mapping` reads back (in the collection the model belongs to)."""
    mapping = {name: _plain(getattr(model, name)) for name in _names(type(model))}
    if isinstance(model, Model):
        if len(model.blocks) == 1:
            del mapping["blocks"]
            mapping["attention"] = _attention(model.blocks[0].attention)
        else:
            mapping["blocks"] = [
                {"layers": block.layers, "attention": _attention(block.attention)} for block in model.blocks
            ]
        mapping["feed_forward"] = [_nested(block) for block in model.feed_forward]
        mapping["recipes"] = {name: dict(parts) for name, parts in model.recipes.items()}
        mapping["published"] = list(model.published)
    return mapping


def _attention(attention: Attention) -> dict[str, object]:
    """An attention's fields, without those that stand at their default."""
    given = {item.name: value for item in fields(attention) if (value := getattr(attention, item.name)) != item.default}
    if isinstance(given.get("indexer"), Indexer):
        given["indexer"] = _nested(given["indexer"])
    if "matrices" in given:
        given["matrices"] = [list(sizes) for sizes in given["matrices"]]
    return {"kind": KIND_OF[type(attention)], **given}


def memory_fields(item: Model | PaperModel | Accelerator) -> tuple[str, ...]:
    """Name the fields whose source starts with `memory`: figures that no document was checked for."""
    return tuple(name for name, source in item.sources.items() if source.startswith("memory"))


def _names(kind: type[Any]) -> Iterable[str]:
    """Fields of an entry that are figures of it: neither what a scenario prices it with nor what it starts from."""
    return (field.name for field in fields(kind) if field.name not in _NO_FIGURES)


def _nested(part: Any) -> dict[str, object]:
    return {name: getattr(part, name) for name in _names(type(part))}


def _plain(value: Any) -> object:
    if isinstance(value, float) and math.isinf(value):
        return "inf"
    if isinstance(value, Topology):
        return value.value
    return dict(value) if isinstance(value, Mapping) else value


def _complete(sources: Mapping[str, str], kind: type[Any], default: str) -> dict[str, str]:
    # A plain dictionary: models travel to worker processes, and a mapping proxy cannot be pickled.
    return {name: sources.get(name, default) for name in _names(kind) if name not in _UNSOURCED}


def _validate(schema: type[Input], mapping: Mapping[str, object]) -> Input:
    if not isinstance(mapping, Mapping):
        raise ScenarioError.single(f"found {found(mapping)}, expected a mapping of fields")
    try:
        return schema.model_validate(dict(mapping))
    except ValidationError as error:
        raise ScenarioError(faults_of(schema, error)) from None


def faults_of(schema: type[BaseModel], error: ValidationError) -> list[Fault]:
    """Word every error that Pydantic found in a mapping; `field` is the dotted path inside it."""
    return [_fault(schema, details) for details in error.errors(include_url=False)]


def _fault(schema: type[BaseModel], details: Any) -> Fault:
    location, holder = _resolve(schema, details["loc"])
    return Fault(file=None, line=None, field=dotted(location), message=_message(details, holder))


def _resolve(schema: type[BaseModel], loc: Location) -> tuple[Location, type[BaseModel]]:
    """Drop the tags that Pydantic adds, and find which schema the last key belongs to.

    Under `attention` it names the kind; `[key]` follows a key that is wrong itself.
    """
    path: list[str | int] = []
    holder = schema
    for key in loc:
        if key == "[key]":
            continue
        if path and path[-1] == "attention" and key in KINDS:
            holder = KINDS[str(key)]
            continue
        if path == ["power"] and schema is AcceleratorInput:
            # A calibration profile calls another mapping so.
            holder = SitePowerInput
        elif path:
            holder = _HOLDERS.get(str(path[-1]), holder)
        path.append(key)
    return tuple(path), holder


def _message(details: Any, holder: type[BaseModel]) -> str:
    kind, given = details["type"], found(details["input"])
    if kind == "ieco_opt":
        return str(details["msg"])
    if kind == "missing":
        described = field_docstrings(holder).get(str(details["loc"][-1]), "a value")
        return f"missing, expected: {described.rstrip('.')}"
    if kind == "extra_forbidden":
        known = _known_fields(holder)
        close = near(str(details["loc"][-1]), known)
        return (
            f"unknown field, expected perhaps {close}"
            if close
            else f"unknown field, expected one of {shortened(known)}"
        )
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        return f"found {given}, expected `kind` to be one of {', '.join(KINDS)}"
    expected = _EXPECTED.get(kind) or str(details["msg"]).removeprefix("Input should be ")
    if expected.startswith(("greater", "less")):
        expected = f"a number {expected}"
    return f"found {given}, expected {expected[:1].lower()}{expected[1:]}"


def _known_fields(holder: type[BaseModel]) -> list[str]:
    own = sorted(holder.model_fields, key="sources".__eq__)
    return [LIKE, *own] if holder in {AcceleratorInput, ModelInput} else own
