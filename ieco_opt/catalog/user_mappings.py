"""Models and accelerators that users describe as mappings, which may start from an entry of the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from ieco_opt.catalog.collection import Collection
from ieco_opt.catalog.mappings import (
    LIKE,
    accelerator_to_mapping,
    build_accelerator,
    build_model,
    build_paper_model,
    model_to_mapping,
)
from ieco_opt.catalog.one_kind import ONE_KIND, asks_for_several
from ieco_opt.catalog.store import accelerator, model
from ieco_opt.catalog.types import Accelerator, Model, PaperModel
from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError

_NO_HARDWARE = {"name", "usd_per_gpu_hour", "power_w", "idle_power_w", "power", "sources"}
"""Fields of an accelerator that change nothing about the times that it takes."""

Entry = TypeVar("Entry", Accelerator, Model | PaperModel)


def model_from_mapping(
    mapping: Mapping[str, object],
    collection: Collection = Collection.REAL,
    find: Callable[[str, Collection], Model | PaperModel] = model,
) -> Model | PaperModel:
    """Make a model of a mapping, whose keys are those of docs/catalog.md.

    Parameters
    ----------
    mapping
        Fields of the model. `like: NAME` starts from a catalog entry; other fields replace its own.
    collection
        `Collection.REAL` makes a `Model`, `Collection.PAPER` a `PaperModel`; also where `like` looks.
    find
        What `like` looks names up with.

    Raises
    ------
    ScenarioError
        With every fault found; `field` is the dotted path inside the mapping.
    """
    build = build_paper_model if collection is Collection.PAPER else build_model
    if LIKE not in mapping:
        return build(mapping)
    base, given = _base("a model", mapping, collection, find)
    fields_of_base = model_to_mapping(base)
    if "blocks" in given or "attention" in given:
        # Either says all about the attention.
        fields_of_base = {key: value for key, value in fields_of_base.items() if key not in {"attention", "blocks"}}
    return build(_merged(fields_of_base, base.sources, given))


def accelerator_from_mapping(
    mapping: Mapping[str, object],
    collection: Collection = Collection.REAL,
    find: Callable[[str, Collection], Accelerator] = accelerator,
) -> Accelerator:
    """Make an accelerator of a mapping, whose keys are those of docs/catalog.md.

    Parameters
    ----------
    mapping
        Fields of the accelerator, in SI units. `like: NAME` starts from a catalog entry; other fields replace
        its own, and `name` defaults to the entry's name.
    collection
        Where `like` looks.
    find
        What `like` looks names up with.

    Raises
    ------
    ScenarioError
        With every fault found; `field` is the dotted path inside the mapping.
    """
    if LIKE not in mapping:
        try:
            return build_accelerator(mapping)
        except ScenarioError:
            # Names are looked up only now: each that is unknown is compared with all of the catalog.
            if asks_for_several(" + ".join(map(str, mapping)), lambda name: find(name, collection)):
                raise ScenarioError.single(f"found {found(mapping)}, expected {ONE_KIND}") from None
            raise
    if isinstance(mapping[LIKE], list | tuple):
        raise ScenarioError.single(f"found {found(mapping[LIKE])}, expected {ONE_KIND}", field=LIKE)
    base, given = _base("an accelerator", mapping, collection, find)
    built = build_accelerator(_merged(accelerator_to_mapping(base), base.sources, given))
    return replace(built, like=base.name, like_hardware=not given.keys() - _NO_HARDWARE)


def _base(
    kind: str, mapping: Mapping[str, object], collection: Collection, find: Callable[[str, Collection], Entry]
) -> tuple[Entry, dict[str, object]]:
    """The entry that `like` names, and the fields given beside."""
    given = dict(mapping)
    like = given.pop(LIKE)
    if not isinstance(like, str):
        raise ScenarioError.single(f"found {found(like)}, expected the name of {kind}", field=LIKE)
    try:
        return find(like, collection), given
    except ScenarioError as error:
        raise ScenarioError.single(error.faults[0].message, field=LIKE) from None


def _merged(
    base: Mapping[str, object], base_sources: Mapping[str, str], given: Mapping[str, object]
) -> dict[str, object]:
    """Fields of an entry, replaced by those given, each with its source."""
    merged = {**base, **given}
    own_sources = given.get("sources", {})
    if isinstance(own_sources, Mapping):
        kept = {key: source for key, source in base_sources.items() if key not in given}
        merged["sources"] = {**kept, **own_sources}
    return merged
