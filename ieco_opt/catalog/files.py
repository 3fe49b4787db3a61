"""Models and accelerators from files: the YAML of docs/catalog.md, or a Hugging Face `config.json`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from ieco_opt.catalog.collection import Collection
from ieco_opt.catalog.huggingface import is_huggingface_config
from ieco_opt.catalog.mappings import build_model
from ieco_opt.catalog.schema import AcceleratorInput, ModelInput, PaperModelInput
from ieco_opt.catalog.types import Accelerator, Model, PaperModel
from ieco_opt.catalog.user_mappings import accelerator_from_mapping, model_from_mapping
from ieco_opt.documents import json_document, yaml_document
from ieco_opt.documents.origin import Location, Origin, dotted, found, undotted
from ieco_opt.documents.text_file import read_text
from ieco_opt.errors import Fault, ScenarioError

# Real configurations have a few kilobytes; weights or logs passed by mistake should fail at once.
_LARGEST_FILE_BYTES = 4_000_000

_QUANTIZATION_FILE = "hf_quant_config.json"
"""File in which NVIDIA's Model Optimizer says how a checkpoint is quantised."""

FILE_ENDINGS = (".yaml", ".yml", ".json")

Lines = dict[Location, int | None]


def is_file_name(name: str) -> bool:
    """Whether what stands in the place of a name is a file, by its ending."""
    return name.lower().endswith(FILE_ENDINGS)


def model_from_file(path: Path, collection: Collection = Collection.REAL) -> Model | PaperModel:
    """Read a model from a YAML or JSON file, or from a Hugging Face `config.json`.

    Parameters
    ----------
    path
        The file. JSON is told from YAML by the ending `.json`, a Hugging Face configuration by its keys.
    collection
        What the file describes. A Hugging Face configuration describes a model of the real collection only.

    Raises
    ------
    ScenarioError
        With every fault found; `file` is the path, and `line` the line where YAML or JSON tells it.
    """
    return _read(path, lambda document: _model(document, path, collection))


def accelerator_from_file(path: Path, collection: Collection = Collection.REAL) -> Accelerator:
    """Read an accelerator from a YAML or JSON file, as `ieco-opt probe` writes it; errors as of a model's file."""
    return _read(path, lambda document: _accelerator(document, collection))


def entry_from_file(path: Path, collection: Collection = Collection.REAL) -> Accelerator | Model | PaperModel:
    """Read what a file describes: an accelerator where it has a field that only these have, else a model."""

    def build(document: object) -> Accelerator | Model | PaperModel:
        if isinstance(document, Mapping) and not _ONLY_ACCELERATORS.isdisjoint(map(str, document)):
            return _accelerator(document, collection)
        return _model(document, path, collection)

    return _read(path, build)


_ONLY_ACCELERATORS = frozenset(AcceleratorInput.model_fields) - {
    *ModelInput.model_fields,
    *PaperModelInput.model_fields,
}

Entry = TypeVar("Entry")


def _read(path: Path, build: Callable[[object], Entry]) -> Entry:
    text = read_text(path, most_bytes=_LARGEST_FILE_BYTES)
    document, lines = _parsed(text, path)
    try:
        return build(document)
    except ScenarioError as error:
        origin = Origin(str(path), path.parent, lines)
        raise ScenarioError([_in_file(fault, origin) for fault in error.faults]) from None


def _accelerator(document: object, collection: Collection) -> Accelerator:
    if not isinstance(document, Mapping):
        raise ScenarioError.single(f"found {found(document)}, expected a mapping that describes an accelerator")
    return accelerator_from_mapping(document, collection)


def _parsed(text: str, path: Path) -> tuple[object, Lines]:
    if path.suffix.lower() == ".json":
        # Transformers writes NaN and Infinity; in a description of a model they are a mistake.
        values = json_document.parse(text, str(path), constants=True)
        if not is_huggingface_config(values):
            json_document.parse(text, str(path))
        return values, json_document.lines_of(text)
    document = yaml_document.parse(text, str(path))
    if document.faults:
        raise ScenarioError([Fault(str(path), line, dotted(at), message) for at, line, message in document.faults])
    return document.values, document.lines


def _in_file(fault: Fault, origin: Origin) -> Fault:
    """Add the file and the line of the field, or of the nearest one around it."""
    return replace(origin.fault(undotted(fault.field), fault.message), field=fault.field)


def _model(document: object, path: Path, collection: Collection) -> Model | PaperModel:
    if not isinstance(document, Mapping):
        raise ScenarioError.single(f"found {found(document)}, expected a mapping that describes a model")
    if not is_huggingface_config(document):
        if path.suffix.lower() == ".json" and "layers" not in document:
            raise ScenarioError.single(
                "found neither `architectures` nor `model_type`, expected a Hugging Face config.json"
            )
        return model_from_mapping({"name": _name(path), **document}, collection)
    if collection is Collection.PAPER:
        raise ScenarioError.single(
            "found a Hugging Face configuration, expected a model of the paper collection (fidelity paper)"
        )
    # The readers of all families take long to load, and few models come this way.
    from ieco_opt.catalog.huggingface.reader import mapping_from_config

    mapping = mapping_from_config(_with_quantization(document, path), _name(path))
    return build_model(mapping, source=f"Hugging Face configuration {path.name}")


def _with_quantization(document: Mapping[str, object], path: Path) -> Mapping[str, object]:
    """Add what `hf_quant_config.json` beside a `config.json` says of its formats, where that says nothing itself."""
    beside = path.with_name(path.name.replace("config.json", _QUANTIZATION_FILE))
    if "quantization_config" in document or beside == path or not beside.is_file():
        return document
    text = read_text(beside, most_bytes=_LARGEST_FILE_BYTES)
    given = json_document.parse_mapping(text, str(beside), "a mapping with `quantization`").get("quantization")
    if not isinstance(given, Mapping):
        return document
    return {**document, "quantization_config": {"quant_method": "modelopt", **given}}


def _name(path: Path) -> str:
    """Name the model after the file, or after its folder where the file has the usual name."""
    parent = path.resolve().parent.name
    return parent if path.stem == "config" and parent else path.stem
