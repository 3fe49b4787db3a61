"""The JSON Schema of result files, made of the same types that read them."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from ieco_opt.results.answer import Answer
from ieco_opt.results.encoding import FORMAT, FORMAT_VERSION
from ieco_opt.results.parallelism import DERIVED, PREFIXES
from ieco_opt.results.reading import KINDS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DERIVED: dict[str, Any] = {"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}]}


def result_schema() -> dict[str, Any]:
    """Schema of a JSON result of file format 2, whatever was asked."""
    definitions: dict[str, Any] = {}
    kinds = []
    for record in dict.fromkeys(KINDS.values()):
        schema = TypeAdapter(record).json_schema(by_alias=True, ref_template="#/$defs/{model}")
        definitions |= schema.pop("$defs")
        definitions[record.__name__] = _top_level(schema, record)
        kinds.append({"$ref": f"#/$defs/{record.__name__}"})
    parallelism = definitions.pop("Parallelism")
    flat = {name: _flat(definition, parallelism) for name, definition in definitions.items()}
    return {"$schema": _DIALECT, "title": "ieco_opt result", "oneOf": kinds, "$defs": flat}


def _top_level(schema: dict[str, Any], record: type[Answer]) -> dict[str, Any]:
    properties = {
        "format": {"const": FORMAT},
        "format_version": {"const": FORMAT_VERSION},
        **schema["properties"],
        "question": {
            "allOf": [
                schema["properties"]["question"],
                {"properties": {"kind": {"enum": [kind for kind, known in KINDS.items() if known is record]}}},
            ]
        },
    }
    return schema | {"properties": properties, "required": ["format", "format_version", *schema["required"]]}


def _flat(definition: dict[str, Any], parallelism: dict[str, Any]) -> dict[str, Any]:
    """Columns in the place of the fields that hold a parallelism, which are flat in files."""
    properties: dict[str, Any] = {}
    required = [name for name in definition.get("required", []) if name not in PREFIXES]
    held = [name for name in PREFIXES if name in definition.get("properties", {})]
    if not held:
        return definition
    for name, schema in definition["properties"].items():
        if name not in held:
            properties[name] = schema
            continue
        optional = "anyOf" in schema
        columns = parallelism["properties"] | dict.fromkeys(DERIVED, _DERIVED)
        for column, described in columns.items():
            properties[PREFIXES[name] + column] = {"anyOf": [described, {"type": "null"}]} if optional else described
            required.append(PREFIXES[name] + column)
    return definition | {"properties": properties, "required": required}
