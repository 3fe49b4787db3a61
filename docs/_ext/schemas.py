"""Tables of all fields of files, from the JSON Schemas that ``ieco-opt schema`` prints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sphinx.util.docutils import SphinxDirective

from ieco_opt.results.json_schema import result_schema
from ieco_opt.scenario import json_schema

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

Schema = dict[str, Any]

_MOST_CHOICES = 14
_WORDS_WITH_COMMAS = "words with commas"
"""How a list may be given on the command line: every list may, so the tables do not repeat it."""
_SECTION = re.compile(r"\n\n?[A-Z][a-z]+\n-{3,}")
"""Where a docstring goes on with its sections, which are about the class and not about the fields."""


class FieldTables(SphinxDirective):
    """``{fields} deployment``, ``fleet`` or ``result``: a section with a table for every record of the files."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse the tables as Markdown of the page."""
        lines = "\n".join(_markdown(self.arguments[0]))
        return self.parse_text_to_nodes(lines, allow_section_headings=True)


def _markdown(kind: str) -> Iterator[str]:
    deployment, fleet = json_schema("deployment"), json_schema("fleet")
    if kind == "result":
        schema = result_schema()
        known = {*deployment["$defs"], *fleet["$defs"], "Scenario", "Fleet"}
        records = {name: each for name, each in schema["$defs"].items() if name not in known}
    else:
        schema = deployment if kind == "deployment" else fleet
        known = set(deployment["$defs"]) if kind == "fleet" else set()
        records = {("Scenario" if kind == "deployment" else "Fleet"): schema}
        records |= {name: each for name, each in schema["$defs"].items() if name not in known}
    for name, record in records.items():
        yield from _record(name, record)


def _record(name: str, record: Schema) -> Iterator[str]:
    """One record, or one list of words, with a target that its name leads to from every page."""
    yield f"({_target(name)})=\n"
    yield f"## {name}\n"
    yield f"{_prose(record.get('description', ''))}\n"
    if "properties" not in record:
        yield f"One of {_shown(record)}.\n"
        return
    required = set(record.get("required", ()))
    yield "| field | value | default | meaning |\n|---|---|---|---|"
    for field, each in record["properties"].items():
        cells = (f"`{field}`", _shown(each), _default(field, each, required), _prose(each.get("description", "")))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _target(name: str) -> str:
    return f"fields-{name.casefold()}"


def _prose(text: str) -> str:
    """The description on one line, without the sections of a docstring; money is no maths, and no index a link."""
    return " ".join(_SECTION.split(text)[0].split()).replace("$", r"\$").replace("[", r"\[").replace("``", "`")


def _default(field: str, schema: Schema, required: set[str]) -> str:
    """What is taken where the field is left out; of a record that is taken as a whole, its own defaults say it."""
    if field in required:
        return "required"
    if "default" not in schema or isinstance(schema["default"], dict):
        return ""
    default = schema["default"]
    return "none" if default is None else f"`{json.dumps(default) if not isinstance(default, str) else default}`"


def _shown(schema: Schema) -> str:
    """What a value may be, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{_target(name)})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            shown = [_shown(each) for each in schema[several] if each.get("type") != "null"]
            return _one_or_several([*dict.fromkeys(filter(None, shown))])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        choices = [f"`{each}`" for each in schema["enum"]]
        more = ["..."] if len(choices) > _MOST_CHOICES else []
        return ", ".join([*choices[:_MOST_CHOICES], *more])
    return _of_type(schema)


def _one_or_several(shown: list[str]) -> str:
    """Alternatives in words; a value that may stand alone or in a list is said once."""
    alone = [each for each in shown if not each.startswith("list of ") and each != _WORDS_WITH_COMMAS]
    lists = [each.removeprefix("list of ") for each in shown if each.startswith("list of ")]
    said = ", or ".join(alone)
    if lists == [said]:
        return f"{said}; one or a list"
    return ", or ".join([*alone, *(f"list of {each}" for each in lists)])


def _of_type(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        return ", or ".join(_of_type({**schema, "type": each}) for each in kind if each != "null")
    if kind == "array":
        inner = schema.get("items") or {}
        positions = schema.get("prefixItems")
        if positions:
            return f"({'; '.join(_shown(each) for each in positions)})"
        return f"list of {_shown(inner)}" if _shown(inner) else "list"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"mapping to {_shown(values)}" if isinstance(values, dict) and _shown(values) else "mapping"
    if kind == "string":
        return _WORDS_WITH_COMMAS if "," in schema.get("pattern", "") else "text"
    if kind in ("integer", "number"):
        return " ".join(filter(None, (kind, _bounds(schema))))
    return {"boolean": "`true` or `false`", None: ""}.get(kind, str(kind))


def _bounds(schema: Schema) -> str:
    signs = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="), ("exclusiveMaximum", "<"))
    return ", ".join(f"{sign} {schema[name]:,g}" for name, sign in signs if name in schema)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("fields", FieldTables)
    return {"parallel_read_safe": True}
