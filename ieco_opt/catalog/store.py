"""The catalog's own entries: data files read once, names matched loosely."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Generic, NoReturn, TypeVar

from ieco_opt.catalog.collection import Collection
from ieco_opt.catalog.mappings import build_accelerator, build_model, build_paper_model
from ieco_opt.catalog.types import Accelerator, Model, PaperModel
from ieco_opt.documents import csv_table
from ieco_opt.documents.origin import found as shown
from ieco_opt.documents.yaml_document import parse_trusted
from ieco_opt.errors import ScenarioError

Entry = TypeVar("Entry")
Row = dict[str, Any]


_LONGEST_NAME = 100
"""Longer names are like none of ours, and comparing them takes long."""


@dataclass(frozen=True, slots=True)
class _Entries(Generic[Entry]):
    """Entries of one kind and collection by canonical name, and every name that leads to them."""

    entries: Mapping[str, Entry]
    aliases: Mapping[str, tuple[str, ...]]
    index: Mapping[str, str]

    def get(self, name: str) -> Entry | None:
        canonical = self.index.get(_key(name))
        return None if canonical is None else self.entries[canonical]

    def spellings(self) -> list[str]:
        return [*self.entries, *(alias for aliases in self.aliases.values() for alias in aliases)]


def accelerator(name: str, collection: Collection = Collection.REAL) -> Accelerator:
    """Look an accelerator up by name or alias; case, spaces, hyphens and underscores do not matter.

    Raises
    ------
    ScenarioError
        Where the collection does not know the name; the message lists close matches.
    """
    entries = _accelerators(collection)
    found = entries.get(name)
    return found if found is not None else _unknown("accelerator", name, collection, entries.spellings())


def model(name: str, collection: Collection = Collection.REAL) -> Model | PaperModel:
    """Look a model up by name or alias; case, spaces, hyphens and underscores do not matter.

    Raises
    ------
    ScenarioError
        Where the collection does not know the name; the message lists close matches.
    """
    entries = _models(collection)
    found = entries.get(name)
    return found if found is not None else _unknown("model", name, collection, entries.spellings())


def accelerator_names(collection: Collection = Collection.REAL) -> tuple[str, ...]:
    """List the canonical names of accelerators."""
    return tuple(_accelerators(collection).entries)


def model_names(collection: Collection = Collection.REAL) -> tuple[str, ...]:
    """List the canonical names of models."""
    return tuple(_models(collection).entries)


def find(name: str, collection: Collection = Collection.REAL) -> Accelerator | Model | PaperModel:
    """Look a name up among models and accelerators alike.

    Raises
    ------
    ScenarioError
        Where the collection knows neither a model nor an accelerator of this name.
    """
    models, accelerators = _models(collection), _accelerators(collection)
    found = models.get(name) or accelerators.get(name)
    if found is not None:
        return found
    return _unknown("model or accelerator", name, collection, [*models.spellings(), *accelerators.spellings()], "name")


def aliases(name: str, collection: Collection = Collection.REAL) -> tuple[str, ...]:
    """List the other names of the entry whose canonical name is `name`."""
    return _models(collection).aliases.get(name) or _accelerators(collection).aliases.get(name, ())


_SEPARATORS = str.maketrans("", "", " \t-_")
"""What people put between the parts of a name, each in a way of their own."""


def _key(name: str) -> str:
    return name.casefold().translate(_SEPARATORS)


def _unknown(kind: str, name: str, collection: Collection, spellings: Iterable[str], field: str = "") -> NoReturn:
    by_key = {_key(spelling): spelling for spelling in spellings}
    close = [by_key[key] for key in difflib.get_close_matches(_key(name)[:_LONGEST_NAME], by_key, n=3, cutoff=0.5)]
    hint = f"; close matches: {', '.join(close)}" if close else ""
    article = "an" if kind.startswith("a") else "a"
    raise ScenarioError.single(
        f"found {shown(name)}, expected the name of {article} {kind} of the {collection.value} collection{hint}",
        field=field,
    )


@cache
def _accelerators(collection: Collection) -> _Entries[Accelerator]:
    rows = _paper_rows("paper_accelerators.csv") if collection is Collection.PAPER else _rows("accelerators.yaml")
    return _entered(rows, build_accelerator)


@cache
def _models(collection: Collection) -> _Entries[Model | PaperModel]:
    if collection is Collection.PAPER:
        return _entered(_paper_rows("paper_models.csv"), build_paper_model)
    return _entered(_rows("models.yaml"), build_model)


def _entered(rows: list[Row], build: Callable[[Row, str], Entry]) -> _Entries[Entry]:
    entries: dict[str, Entry] = {}
    other_names: dict[str, tuple[str, ...]] = {}
    index: dict[str, str] = {}
    for row in rows:
        name: str = row["name"]
        other_names[name] = tuple(row.pop("aliases", ()))
        source = row.pop("source", "")
        entries[name] = build(row, source)
        index.update({_key(spelling): name for spelling in (name, *other_names[name])})
    return _Entries(entries, other_names, index)


def _rows(file_name: str) -> list[Row]:
    rows = parse_trusted(_text(file_name))
    assert isinstance(rows, list)
    return rows


def _paper_rows(file_name: str) -> list[Row]:
    return [
        {name: cell if name in _TEXT_COLUMNS else _cell(cell) for name, cell in row.items()}
        for row in csv_table.parse(_text(file_name), file_name).rows
    ]


_TEXT_COLUMNS = frozenset({"name", "topology", "source"})


def _cell(text: str) -> float | bool | None:
    if text in {"True", "False"}:
        return text == "True"
    if not text:
        return None
    return int(text) if text.isdecimal() else float(text)


def _text(file_name: str) -> str:
    return resources.files("ieco_opt.catalog").joinpath("data", file_name).read_text(encoding="utf-8")
