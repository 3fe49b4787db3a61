"""Models from files: the YAML of docs/catalog.md, or a Hugging Face `config.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ieco_opt.catalog.collection import Collection
from ieco_opt.catalog.huggingface import is_huggingface_config, mapping_from_config
from ieco_opt.catalog.mappings import build_model
from ieco_opt.catalog.types import Model, PaperModel
from ieco_opt.catalog.user_mappings import model_from_mapping
from ieco_opt.errors import Fault, ScenarioError

if TYPE_CHECKING:
    import yaml

# Real configurations have a few kilobytes; weights or logs passed by mistake should fail at once.
_LARGEST_FILE_BYTES = 4_000_000

Lines = dict[str, int]


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
    text = _read(path)
    document, lines = _parse_json(text, path) if path.suffix.lower() == ".json" else _parse_yaml(text, path)
    try:
        return _model(document, path, collection)
    except ScenarioError as error:
        faults = [Fault(str(path), _line(lines, fault.field), fault.field, fault.message) for fault in error.faults]
        raise ScenarioError(faults) from None


def _model(document: object, path: Path, collection: Collection) -> Model | PaperModel:
    if not isinstance(document, Mapping):
        raise ScenarioError.single(f"found {type(document).__name__}, expected a mapping that describes a model")
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
    mapping = mapping_from_config(document, _name(path))
    return build_model(mapping, source=f"Hugging Face configuration {path.name}")


def _name(path: Path) -> str:
    """Name the model after the file, or after its folder where the file has the usual name."""
    parent = path.resolve().parent.name
    return parent if path.stem == "config" and parent else path.stem


def _read(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > _LARGEST_FILE_BYTES:
            message = f"found {size} bytes, expected at most {_LARGEST_FILE_BYTES}"
            raise ScenarioError.single(message, file=str(path))
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ScenarioError.single(f"cannot be read: {reason}", file=str(path)) from None
    except UnicodeDecodeError:
        raise ScenarioError.single("found bytes that are not UTF-8, expected text", file=str(path)) from None


def _parse_json(text: str, path: Path) -> tuple[object, Lines]:
    try:
        return json.loads(text), {}
    except json.JSONDecodeError as error:
        raise ScenarioError.single(
            f"found text that is not JSON: {error.msg}", file=str(path), line=error.lineno
        ) from None
    except (RecursionError, ValueError):
        raise ScenarioError.single("found JSON that is nested too deep or not valid", file=str(path)) from None


def _parse_yaml(text: str, path: Path) -> tuple[object, Lines]:
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        message = f"found text that is not YAML: {error.problem}"
        raise ScenarioError.single(message, file=str(path), line=line) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ScenarioError.single(f"found text that is not YAML: {reason}", file=str(path)) from None
    lines: Lines = {}
    repeated: list[Fault] = []
    _collect_lines(node, "", lines, repeated, str(path))
    if repeated:
        raise ScenarioError(repeated)
    return document, lines


def _collect_lines(
    node: yaml.Node | None, prefix: str, lines: Lines, repeated: list[Fault], file: str, depth: int = 0
) -> None:
    """Note the line of every field, and fields given twice, of which YAML silently keeps the last."""
    import yaml

    # No field lies deeper, and aliases may nest without end.
    if depth > 3:
        return
    children: list[tuple[str, int, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        children = [(str(key.value), key.start_mark.line + 1, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(str(i), value.start_mark.line + 1, value) for i, value in enumerate(node.value)]
    for name, line, value in children:
        path = f"{prefix}{name}"
        if path in lines:
            message = f"given twice, first in line {lines[path]}; expected once"
            repeated.append(Fault(file, line, path, message))
        lines[path] = line
        _collect_lines(value, f"{path}.", lines, repeated, file, depth + 1)


def _line(lines: Lines, field: str) -> int | None:
    """Find the line of a field, or of the nearest one that holds it."""
    while field:
        if field in lines:
            return lines[field]
        field = field.rpartition(".")[0]
    return None
