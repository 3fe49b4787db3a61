"""What fields say of themselves: the strings below them, read when somebody asks and not with every import."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel


def describe_fields(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Add to the JSON Schema of a model what its fields say of themselves."""
    told = field_docstrings(model)
    for name, field in model.model_fields.items():
        if name in told:
            schema["properties"][field.alias or name]["description"] = told[name]


def field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string below each field of a model, those of its bases included."""
    found: dict[str, str] = {}
    for owner in reversed(model.__mro__):
        if issubclass(owner, BaseModel) and owner is not BaseModel:
            found |= _below(owner)
    return found


@cache
def _below(owner: type[BaseModel]) -> dict[str, str]:
    """Of the fields that a class itself has."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for field, below in pairwise(definition.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            text = below.value.value if isinstance(below.value, ast.Constant) else None
            if isinstance(text, str):
                found[field.target.id] = inspect.cleandoc(text)
    return found
