"""The catalog's own entries: data files read once, names matched loosely."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from typing import Any, Generic, NoReturn, TypeVar

from ieco_opt.catalog.collection import Collection
from ieco_opt.catalog.families import family_of
from ieco_opt.catalog.mappings import build_accelerator, build_model, build_paper_model
from ieco_opt.catalog.repository_names import (
    KnownNames,
    Refused,
    SameArchitecture,
    Understood,
    key,
    understood,
)
from ieco_opt.catalog.types import Accelerator, Model, PaperModel
from ieco_opt.documents import csv_table
from ieco_opt.documents.origin import found as shown
from ieco_opt.documents.packaged import packaged_row, packaged_row_texts, packaged_rows, packaged_text, rows_of
from ieco_opt.errors import ScenarioError

Entry = TypeVar("Entry")
Row = dict[str, Any]


_PACKAGE = "ieco_opt.catalog"
_LONGEST_NAME = 100
"""Letters of a name that are compared with ours: comparing longer ones takes long."""

_MOST_NAMES = 256
"""Names of which is kept what they say: a question looks the same few up again and again."""

_JUST_UNKNOWN = Refused()


@dataclass(frozen=True, slots=True)
class _Entries(Generic[Entry]):
    """Entries of one kind and collection by canonical name, and every name that leads to them as ``spelled``."""

    spelled: Callable[[str], str]
    entries: Mapping[str, Entry]
    aliases: Mapping[str, tuple[str, ...]]
    index: Mapping[str, str]

    def get(self, name: str) -> Entry | None:
        canonical = self.index.get(self.spelled(name))
        return None if canonical is None else self.entries[canonical]

    def spellings(self) -> list[str]:
        return [*self.entries, *(alias for aliases in self.aliases.values() for alias in aliases)]


class _BuiltWhenAsked(Mapping[str, Entry]):
    """Entries by canonical name, each built when it is first looked at: reading all takes longer than most questions.

    Parameters
    ----------
    build
        How each is built, by its name.
    """

    def __init__(self, build: Mapping[str, Callable[[], Entry]]) -> None:
        self._build = build
        self._built: dict[str, Entry] = {}

    def __getitem__(self, name: str) -> Entry:
        if name not in self._built:
            self._built[name] = self._build[name]()
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._build)

    def __len__(self) -> int:
        return len(self._build)


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
    """Look a model up by name, alias or the name of a repository; case, and spaces for hyphens, do not matter.

    The `checkpoint` of the model is the precision that the ending of a repository's name sets, else the entry's own.

    Raises
    ------
    ScenarioError
        Where the collection does not know the name; the message says why, as far as it is known, and lists close
        matches.
    """
    found = _named(name, collection)
    if isinstance(found, Refused):
        _unknown("model", name, collection, _models(collection).spellings(), why=found)
    return found


def checkpoint_of(name: str, collection: Collection = Collection.REAL) -> str | None:
    """Say the precision of the checkpoint that a model's name means, one of ``precision.PRECISIONS``.

    That is the `checkpoint` of :func:`model`; ``None`` also where the name is not known.
    """
    found = _named(name, collection)
    return found.checkpoint if isinstance(found, Model) else None


def said_about(name: str, collection: Collection = Collection.REAL) -> str | None:
    """Say in words what the name of a repository was understood as.

    ``None`` where the catalog has the very name and it sets no precision, and where the name is not known.
    """
    read = _read(name, collection)
    return read.said or None if isinstance(read, Understood) else None


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
    found = _named(name, collection)
    if not isinstance(found, Refused):
        return found
    accelerators = _accelerators(collection)
    card = accelerators.get(name)
    if card is not None:
        return card
    spellings = [*_models(collection).spellings(), *accelerators.spellings()]
    return _unknown("model or accelerator", name, collection, spellings, "name", found)


def aliases(name: str, collection: Collection = Collection.REAL) -> tuple[str, ...]:
    """List the other names of the entry whose canonical name is `name`."""
    return _models(collection).aliases.get(name) or _accelerators(collection).aliases.get(name, ())


_SEPARATORS = str.maketrans("", "", " \t-_")
"""What people put between the parts of an accelerator's name, each in a way of their own."""


def _loosely(name: str) -> str:
    return name.casefold().translate(_SEPARATORS)


def _unknown(
    kind: str,
    name: str,
    collection: Collection,
    spellings: Iterable[str],
    field: str = "",
    why: Refused = _JUST_UNKNOWN,
) -> NoReturn:
    by_key = {key(spelling): spelling for spelling in spellings}
    compared = key(why.core or name)[:_LONGEST_NAME]
    close = [by_key[each] for each in difflib.get_close_matches(compared, by_key, n=3, cutoff=0.5)]
    hint = f"; close matches: {', '.join(close)}" if close and not why.expected else ""
    article = "an" if kind.startswith("a") else "a"
    reason = f", {why.reason}" if why.reason else ""
    expected = why.expected or f"the name of {article} {kind} of the {collection.value} collection"
    raise ScenarioError.single(f"found {shown(name)}{reason}, expected {expected}{hint}", field=field)


@lru_cache(maxsize=_MOST_NAMES)
def _read(name: str, collection: Collection) -> Understood | Refused:
    """What a name says; names of the paper's collection say nothing beside themselves."""
    if collection is Collection.REAL:
        return understood(name, _known())
    canonical = _models(collection).index.get(key(name))
    return Refused() if canonical is None else Understood(canonical, None, "")


def _named(name: str, collection: Collection) -> Model | PaperModel | Refused:
    """The model that a name means, with what the name changes."""
    read = _read(name, collection)
    return read if isinstance(read, Refused) else _as_understood(_models(collection).entries[read.model], read)


def _as_understood(entry: Model | PaperModel, read: Understood) -> Model | PaperModel:
    """The entry with what the name changes: the fields of a model of its architecture, and the precision."""
    if not isinstance(entry, Model):
        return entry
    changes: dict[str, Any] = {}
    sources = dict(entry.sources)
    if read.alike is not None and read.alike.changes:
        changes = {"name": read.alike.name, **read.alike.changes}
        sources |= dict.fromkeys(read.alike.changes, read.alike.source)
    if read.weights is not None:
        changes["checkpoint"] = read.weights
        sources["checkpoint"] = read.said
    return replace(entry, **changes, sources=sources) if changes else entry


@cache
def _known() -> KnownNames:
    models = _models(Collection.REAL)
    return KnownNames({name: models.aliases[name] for name in models.entries}, _same_architecture)


def _same_architecture() -> list[SameArchitecture]:
    return [
        SameArchitecture(row.pop("name"), row.pop("same_as"), source=row.pop("source"), changes=row)
        for row in _rows("same_architecture.yaml")
    ]


@cache
def _accelerators(collection: Collection) -> _Entries[Accelerator]:
    if collection is Collection.PAPER:
        return _entered(_paper_rows("paper_accelerators.csv"), build_accelerator, _loosely)
    return _packaged("accelerators.yaml", build_accelerator, _loosely)


@cache
def _models(collection: Collection) -> _Entries[Model | PaperModel]:
    if collection is Collection.PAPER:
        return _entered(_paper_rows("paper_models.csv"), build_paper_model)
    return _packaged("models.yaml", _of_its_family)


def _of_its_family(row: Row, source: str) -> Model:
    """A model with what its family says: by which class servers know it, and the blocks of its FP8 checkpoints."""
    family = family_of(row["name"])
    said = {"hf_architecture": family.architecture or None, "fp8_block": family.block}
    sources = dict.fromkeys(said, family.source) if family.name else {}
    return build_model(said | row | {"sources": sources | row.get("sources", {})}, source)


def _packaged(
    file_name: str, build: Callable[[Row, str], Entry], spelled: Callable[[str], str] = key
) -> _Entries[Entry]:
    """Entries of a file whose rows begin with a name, and on the next line the other names if there are any."""
    texts = packaged_row_texts(_PACKAGE, file_name)
    heads = rows_of("".join(_HEAD.match(text).group() for text in texts))  # type: ignore[union-attr]
    of_name = {head["name"]: partial(_built, text, build) for head, text in zip(heads, texts, strict=True)}
    return _indexed(heads, _BuiltWhenAsked(of_name), spelled)


_HEAD = re.compile(r"- name: .*\n(  aliases:.*\n(   .*\n)*)?")


def _entered(
    rows: list[Row], build: Callable[[Row, str], Entry], spelled: Callable[[str], str] = key
) -> _Entries[Entry]:
    return _indexed(rows, {row["name"]: _build(row, build) for row in rows}, spelled)


def _indexed(rows: Iterable[Row], entries: Mapping[str, Entry], spelled: Callable[[str], str]) -> _Entries[Entry]:
    """Entries of some rows with every name that leads to them."""
    other_names = {row["name"]: tuple(row.get("aliases", ())) for row in rows}
    index = {spelled(each): name for name, others in other_names.items() for each in (name, *others)}
    return _Entries(spelled, entries, other_names, index)


def _built(text: str, build: Callable[[Row, str], Entry]) -> Entry:
    return _build(packaged_row(text), build)


def _build(row: Row, build: Callable[[Row, str], Entry]) -> Entry:
    fields = {name: value for name, value in row.items() if name not in ("aliases", "source")}
    return build(fields, row.get("source", ""))


def _rows(file_name: str) -> list[Row]:
    return packaged_rows(_PACKAGE, file_name)


def _paper_rows(file_name: str) -> list[Row]:
    return [
        {name: cell if name in _TEXT_COLUMNS else _cell(cell) for name, cell in row.items()}
        for row in csv_table.parse(packaged_text(_PACKAGE, file_name), file_name).rows
    ]


_TEXT_COLUMNS = frozenset({"name", "topology", "source"})


def _cell(text: str) -> float | bool | None:
    if text in {"True", "False"}:
        return text == "True"
    if not text:
        return None
    return int(text) if text.isdecimal() else float(text)
