"""Which repository holds the weights of a model in a precision."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ieco_opt import catalog
from ieco_opt.catalog.families import Family, family_of
from ieco_opt.catalog.name_endings import endings
from ieco_opt.catalog.precision import FORMATS, PARTS, Recipe, label, recipe
from ieco_opt.catalog.types import Accelerator, Head, Model
from ieco_opt.errors import ScenarioError

PLACEHOLDER = "OWNER/REPOSITORY"
"""Stands in a command where the repository is not known."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)

_SEPARATORS = str.maketrans("", "", " \t-_")

Weights = str | Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights as they lie in a repository, for one precision on one accelerator.

    Attributes
    ----------
    repository
        Name of the repository; ``None`` where none is known.
    format
        Format of what the recipe quantises, a name of ``FORMATS``.
    online
        Whether a 16-bit checkpoint has to be quantised while it is loaded.
    block
        Width of its FP8 blocks; 0 where it has none.
    missing
        What is not known, in words; empty for nothing.
    """

    repository: str | None
    format: str
    online: bool = False
    block: int = 0
    missing: str = ""


def is_repository(name: str) -> bool:
    """Whether a name is ``owner/name`` of a repository, in characters that mean nothing to a shell."""
    return _REPOSITORY.fullmatch(name) is not None and ".." not in name


def format_of(model: Model, weights: Recipe) -> str:
    """The format of the part that a recipe is about: routed experts, else feed-forward blocks."""
    routed = any(block.experts > 1 for block in model.feed_forward)
    return weights.formats[PARTS.index("experts" if routed else "feed_forward")]


def checkpoint(
    reference: str | Mapping[str, object] | None, model: Model, weights: Weights, accelerator: Accelerator
) -> Checkpoint:
    """Find the repository of a model in a precision.

    That is the one which the scenario names, if it is in this precision; else a published one; else the 16-bit one,
    which a server may quantise while it loads it.

    Parameters
    ----------
    reference
        How the scenario names the model; ``None`` where it does not.
    """
    wanted = recipe(model, weights, accelerator)
    wanted_format = format_of(model, wanted)
    family = family_of(model.name)
    own = _own_repository(reference, model)
    held = _held(own, model, accelerator)
    if own is not None and held is not None and held.formats == wanted.formats:
        return Checkpoint(own, wanted_format, block=_block(wanted_format, model))
    named = weights if isinstance(weights, str) else wanted_format
    usual = isinstance(weights, str) or _is_usual(model, wanted, wanted_format, accelerator)
    published = _published(family, wanted_format, named, own, accelerator) if usual else None
    if published is not None and _is_made_of(published, reference, model):
        return Checkpoint(published, wanted_format, block=_block(wanted_format, model))
    sixteen = held is not None and all(FORMATS[each].bits == 16.0 for each in held.formats)
    missing = f"no repository of {model.name} in {label(weights)} is known"
    if own is not None and sixteen and usual:
        return Checkpoint(own, wanted_format, online=True, missing=missing)
    if own is None:
        missing += "; name the model by its repository, such as owner/name"
    return Checkpoint(None, wanted_format, block=_block(wanted_format, model), missing=missing)


def checkpoint_of_draft(
    reference: str | Mapping[str, object] | None,
    draft: Model | None,
    of_model: Checkpoint,
    weights: Weights,
    accelerator: Accelerator,
) -> Checkpoint | None:
    """Find the repository of a draft; ``None`` without one.

    An MTP layer lies in the repository of the model, whose checkpoint says what is missing there.
    """
    if draft is None:
        return None
    if not isinstance(draft, Head):
        return checkpoint(reference, draft, weights, accelerator)
    if draft.mode == "mtp":
        return Checkpoint(of_model.repository, of_model.format)
    named = reference if isinstance(reference, str) and is_repository(reference) else None
    missing = "" if named else "no repository of the EAGLE-3 head is known; name it in speculation.draft_model"
    return Checkpoint(named, "bf16", missing=missing)


def _is_usual(model: Model, wanted: Recipe, fmt: str, accelerator: Accelerator) -> bool:
    """Whether a recipe that was written down is the one that the name of its format stands for."""
    try:
        return recipe(model, fmt, accelerator).formats == wanted.formats
    except ScenarioError:
        # No checkpoint of the model has this format throughout.
        return False


def _own_repository(reference: str | Mapping[str, object] | None, model: Model) -> str | None:
    """The repository that a scenario names, else the first one that the catalog knows of its model."""
    if isinstance(reference, str) and is_repository(reference):
        return reference
    canonical = _canonical(reference) if isinstance(reference, str) else model.name
    if canonical is None:
        return None
    names = catalog.aliases(canonical)
    repositories = [each for each in names if is_repository(each)]
    if isinstance(reference, str) and (named := _plain(reference)) != _plain(canonical):
        own = next((each for each in repositories if _plain(each) == named), None)
        # Of a name that the entry does not have the shape is known to be that of the entry, but the weights are others.
        if own is not None or named not in map(_plain, names):
            return own
    return next(iter(repositories), None)


def _is_made_of(published: str, reference: str | Mapping[str, object] | None, model: Model) -> bool:
    """Whether a quantised checkpoint is one of the weights that a scenario names: its name begins with theirs.

    Other weights of the same shape have names of their own, and may be of the family by the beginning of theirs: a
    ``DeepSeek-R1-Distill-Qwen-32B`` is no ``DeepSeek-R1``.
    """
    asked = reference if isinstance(reference, str) and _canonical(reference) else model.name
    return _plain(published).startswith(_plain(asked))


def _canonical(reference: str) -> str | None:
    try:
        return catalog.model(reference).name
    except ScenarioError:
        return None


def _plain(name: str) -> str:
    """A name as names are compared: without owner, maker, ending of a precision, case, and hyphens or spaces."""
    bare = name.rpartition("/")[2].casefold().removeprefix("meta-")
    while (ending := endings("").at_end(bare)) is not None:
        bare = bare[: ending[0]]
    return bare.translate(_SEPARATORS)


def _held(repository: str | None, model: Model, accelerator: Accelerator) -> Recipe | None:
    """The recipe of what lies in a repository; 16 bits where nothing is said."""
    if repository is None:
        return None
    name = catalog.checkpoint_of(repository) or "bf16"
    try:
        return recipe(model, name, accelerator)
    except ScenarioError:
        return None


def _published(family: Family, fmt: str, named: str, own: str | None, accelerator: Accelerator) -> str | None:
    places = family.repositories.get(fmt) or family.repositories.get(named) or {}
    template = places.get(accelerator.vendor or "") or places.get("any")
    if template is None or (own is None and "{repository}" in template):
        return None
    return template.replace("{repository}", own or "")


def _block(fmt: str, model: Model) -> int:
    return model.fp8_block if fmt == "fp8" else 0
