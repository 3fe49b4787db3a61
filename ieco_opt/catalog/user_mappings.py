"""Models and accelerators that users describe as mappings, which may start from an entry of the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ieco_opt.catalog.collection import Collection
from ieco_opt.catalog.mappings import LIKE, accelerator_to_mapping, build_accelerator, build_model, build_paper_model
from ieco_opt.catalog.one_kind import ONE_KIND, asks_for_several
from ieco_opt.catalog.store import accelerator
from ieco_opt.catalog.types import Accelerator, Model, PaperModel
from ieco_opt.documents.origin import found
from ieco_opt.errors import ScenarioError


def model_from_mapping(mapping: Mapping[str, object], collection: Collection = Collection.REAL) -> Model | PaperModel:
    """Make a model of a mapping, whose keys are those of docs/catalog.md.

    Parameters
    ----------
    mapping
        Fields of the model.
    collection
        `Collection.REAL` makes a `Model`, `Collection.PAPER` a `PaperModel`.

    Raises
    ------
    ScenarioError
        With every fault found; `field` is the dotted path inside the mapping.
    """
    return build_paper_model(mapping) if collection is Collection.PAPER else build_model(mapping)


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
    given = dict(mapping)
    if LIKE not in given:
        if asks_for_several(" + ".join(map(str, given)), lambda name: find(name, collection)):
            raise ScenarioError.single(f"found {found(given)}, expected {ONE_KIND}")
        return build_accelerator(given)
    like = given.pop(LIKE)
    if isinstance(like, list | tuple):
        raise ScenarioError.single(f"found {found(like)}, expected {ONE_KIND}", field=LIKE)
    if not isinstance(like, str):
        raise ScenarioError.single(f"found {found(like)}, expected the name of an accelerator", field=LIKE)
    try:
        base = find(like, collection)
    except ScenarioError as error:
        raise ScenarioError.single(error.faults[0].message, field=LIKE) from None
    merged = {**accelerator_to_mapping(base), **given}
    own_sources = given.get("sources", {})
    if isinstance(own_sources, Mapping):
        kept = {key: source for key, source in base.sources.items() if key not in given}
        merged["sources"] = {**kept, **own_sources}
    return build_accelerator(merged)
