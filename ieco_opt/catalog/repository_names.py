"""What the name of a repository says: which model, and in which precision its weights are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from ieco_opt.catalog.name_endings import Ending, endings
from ieco_opt.documents.origin import cut

_LONGEST_NAME = 200
"""Longer names are like none of ours, and comparing them takes long."""

_MOST_TOKENS = 16
"""Names of more parts are not tried without each of them."""

_HOST = re.compile(r"^(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
_MAKER = re.compile(r"^(?:meta-(?=llama)|nvidia-(?=nemotron)|c4ai-)")
"""Makers who put their name before that of the model in some repositories and not in others."""

_WORDS = re.compile(r"-(instruct|chat|it|pt|base|pretrain|hf|thinking|think|reasoning|sft|dpo|preview|original)$")
"""Stages of training, which leave the architecture as it is."""

_DATE = re.compile(
    r"-(\d{4}-(?:0[1-9]|1[0-2])(?:-\d{2})?|(?:0[1-9]|1[0-2])-20\d{2}|20\d{4}|20\d{6}"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|2[3-9](?:0[1-9]|1[0-2]))$"
)
"""Months and days as repositories write them: 0324, 2507, 08-2024, 20250731."""

_NUMBER = re.compile(r"(?:\d+x)?[a-z]*\d+(?:\.\d+)*[a-z]?")
"""A size or a version, such as 70b, 8x7b, a22b, v3 and qwen2.5."""


@dataclass(frozen=True, slots=True)
class SameArchitecture:
    """A model that is another one of the catalog but for its weights.

    Attributes
    ----------
    same_as
        Name of the catalog's model.
    changes
        Fields of the model that differ all the same.
    source
        Where that is said.
    """

    name: str
    same_as: str
    changes: Mapping[str, object]
    source: str


@dataclass(frozen=True, slots=True)
class Understood:
    """What a name was understood as.

    Attributes
    ----------
    model
        Canonical name of the catalog's model.
    weights
        Precision that the name's ending sets; ``None`` where it sets none.
    said
        The same in words, for the reader; empty where the catalog has the very name and it sets no precision.
    alike
        The model that was named, where the catalog has only one of its architecture.
    """

    model: str
    weights: str | None
    said: str
    alike: SameArchitecture | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a name leads to no model.

    Attributes
    ----------
    reason
        What is wrong with it; empty where it is just unknown.
    expected
        What could be written instead; empty where that is not known.
    core
        The part of the name that is worth comparing with others; empty for none.
    """

    reason: str = ""
    expected: str = ""
    core: str = ""


class KnownNames:
    """Names that lead to models: as they are spelt, and without owner and what leaves the architecture as it is.

    Parameters
    ----------
    names
        Every spelling of each model, by canonical name.
    alike
        Gives the models that are as others.

    Attributes
    ----------
    spelt
        Canonical name by spelling.
    """

    def __init__(
        self, names: Mapping[str, Iterable[str]], alike: Callable[[], Iterable[SameArchitecture]] = tuple
    ) -> None:
        self._names, self._alike = names, alike
        self.spelt = {key(each): model for model, others in names.items() for each in (model, *others)}

    @cached_property
    def forms(self) -> Mapping[str, tuple[str, ...]]:
        """Canonical names by spelling without owner and stage of training; who spells a name as it is asks for none."""
        forms: dict[str, set[str]] = {}
        for model, others in self._names.items():
            for each in (model, *others):
                forms.setdefault(_parts(each).dated, set()).add(model)
        return {form: _nearest(form, models) for form, models in forms.items()}

    @cached_property
    def alike(self) -> Mapping[str, SameArchitecture]:
        """Models that are as others, by name."""
        return {_MAKER.sub("", key(each.name)): each for each in self._alike()}


@dataclass(frozen=True, slots=True)
class _Parts:
    """A name taken apart.

    Attributes
    ----------
    owner
        Of the repository, as names are compared; empty for none.
    plain
        The name without owner and endings.
    core
        The same without stage of training and date, in lower case.
    dates
        Dates of the release, in the order of the name.
    endings
        Endings as they are spelt, and what they say.
    """

    owner: str
    plain: str
    core: str
    dates: tuple[str, ...]
    endings: tuple[tuple[str, Ending], ...]

    @property
    def dated(self) -> str:
        return "-".join((self.core, *self.dates))

    @property
    def numbered(self) -> bool:
        """Whether size or version is said, without which a date tells one model from another."""
        return any(_NUMBER.fullmatch(token) for token in self.core.split("-"))


def key(name: str) -> str:
    """Spell a name as names are compared: case, and spaces for hyphens, do not matter."""
    return name.strip().casefold().replace(" ", "-").replace("_", "-")


def _nearest(form: str, models: set[str]) -> tuple[str, ...]:
    """The model that is called just so, else all: Kimi-K2 and Kimi-K2-Thinking without their stages are one form."""
    return tuple(sorted(model for model in models if key(model) == form) or sorted(models))


def understood(name: str, known: KnownNames) -> Understood | Refused:
    """Say which model a name means and which precision its ending sets.

    A name is tried as it is spelt, then without the endings that set a precision, then without owner and stage of
    training, then without its date (where size or version is said). Size, version and every other word have to
    agree. Nothing is guessed.

    Parameters
    ----------
    name
        A name of the catalog, or ``owner/name`` of a repository, with or without the address of Hugging Face.
    known
        What names lead to.
    """
    bare = _HOST.sub("", name.strip()).removesuffix("/")
    fault = _fault(bare)
    if fault is not None:
        return fault
    parts = _parts(bare)
    spelt = known.spelt.get(key(bare))
    weights = _weights(parts)
    if spelt is not None:
        exact = weights if isinstance(weights, tuple) else None
        return Understood(spelt, exact and exact[0], _said(name, spelt, exact, "") if exact else "")
    found = _found(parts, known)
    if isinstance(found, Refused):
        return found if isinstance(weights, tuple | None) else Refused(weights, core=parts.dated)
    model, alike, date = found
    if isinstance(weights, str):
        return Refused(weights, f"{alike.name if alike else model}, with its precision in `weights`")
    what = model if alike is None else _of_architecture(model, alike)
    return Understood(model, weights and weights[0], _said(name, what, weights, date), alike)


def _fault(name: str) -> Refused | None:
    if not name:
        return Refused()
    if len(name) > _LONGEST_NAME:
        return Refused(f"a name of {len(name)} characters")
    if not name.isascii() or not name.isprintable():
        return Refused(core=name if name.isprintable() else "")
    owner_and_name = name.split("/")
    if len(owner_and_name) > 2:
        return Refused(f"a name of {len(owner_and_name)} parts", "owner/name of a repository")
    if not all(part.strip(". ") for part in owner_and_name):
        return Refused("which has no owner or no name", "owner/name of a repository")
    return None


def _parts(name: str) -> _Parts:
    owner, _, base = name.strip().rpartition("/")
    owner = key(owner)
    # Some write the version 3.3 as 3_3. Each step keeps the length, so that parts can be cut from the name as spelt.
    rest = re.sub(r"(?<=\d)_(?=\d)", ".", base.lower()).replace("_", "-").replace(" ", "-")
    kept: list[str] = []
    dates: list[str] = []
    ended: list[tuple[str, Ending]] = []
    while True:
        if (ending := endings(owner).at_end(rest)) is not None:
            at, what = ending
            ended.insert(0, (base[at + 1 : len(rest)], what))
        elif (match := _WORDS.search(rest) or _DATE.search(rest)) is not None:
            at = match.start()
            kept.insert(0, base[at + 1 : len(rest)])
            if match.re is _DATE:
                dates.insert(0, match[1])
        else:
            break
        rest = rest[:at]
    plain = "-".join((base[: len(rest)], *kept))
    return _Parts(owner, plain, _MAKER.sub("", rest), tuple(dates), (*endings(owner).of_owner(), *ended))


def _weights(parts: _Parts) -> tuple[str, str] | str | None:
    """The precision and the ending that sets it; or why the checkpoint cannot be taken; or nothing was said."""
    for text, ending in parts.endings:
        if ending.refused:
            return ending.refused.format(cut(text))
    said = {ending.weights: text for text, ending in parts.endings if ending.weights is not None}
    if len(said) > 1 and "int4" in said and {"awq", "gptq"} & said.keys():
        del said["int4"]
    if len(said) > 1:
        return f"whose endings {' and '.join(map(repr, said.values()))} set more than one precision"
    return next(iter(said.items()), None)


def _found(parts: _Parts, known: KnownNames) -> tuple[str, SameArchitecture | None, str] | Refused:
    """The catalog's model, which one was named where that is another, and the date that was left out."""
    for spelling in (f"{parts.owner}/{parts.plain}", parts.plain):
        if (model := known.spelt.get(key(spelling))) is not None:
            return model, None, ""
    if (alike := known.alike.get(_MAKER.sub("", key(parts.plain)))) is not None:
        return _as_another(alike, "", known)
    dateless = parts.core if parts.dates and parts.numbered else parts.dated
    for form in dict.fromkeys((parts.dated, dateless)):
        date = "-".join(parts.dates) if form != parts.dated else ""
        models = known.forms.get(form, ())
        if len(models) > 1:
            return Refused("which may mean several models", " or ".join(models))
        if models:
            return models[0], None, date
        if (alike := known.alike.get(form)) is not None:
            return _as_another(alike, date, known)
    return _beside(parts, known)


def _as_another(
    alike: SameArchitecture, date: str, known: KnownNames
) -> tuple[str, SameArchitecture | None, str] | Refused:
    base = known.spelt.get(key(alike.same_as))
    if base is None:
        return Refused(f"which has the architecture of {alike.same_as}, unknown too", core=alike.same_as)
    return base, alike, date


def _beside(parts: _Parts, known: KnownNames) -> Refused:
    """Say which words are not understood beside a model that is known; words with numbers may be its size."""
    tokens = parts.plain.split("-")
    if len(tokens) > _MOST_TOKENS:
        return Refused(core=parts.dated)
    windows = [(start, end) for end in range(len(tokens) + 1) for start in range(end) if end - start < len(tokens)]
    for start, end in sorted(windows, key=lambda window: window[1] - window[0]):
        words = "-".join(tokens[start:end])
        # Whatever comes before a whole name is another's name: Hermes-3-Llama-3.1-70B.
        if start > 0 and any(letter.isdigit() for letter in words):
            continue
        models = known.forms.get(_parts("-".join(tokens[:start] + tokens[end:])).dated, ())
        if len(models) == 1:
            return Refused(f"in which {cut(words)!r} is not understood", f"{models[0]} if its architecture is the same")
    return Refused(core=parts.dated)


def _of_architecture(model: str, alike: SameArchitecture) -> str:
    changes = ", ".join(f"{name} {_plain(value)}" for name, value in alike.changes.items())
    return f"the architecture of {model}" + (f" with {changes}" if changes else "")


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _said(name: str, what: str, weights: tuple[str, str] | None, date: str) -> str:
    said = f"{name.strip()}: {what}"
    if weights is not None:
        said += f", weights {weights[0]} (from {weights[1]!r})"
        if "kv" in weights[1].lower():
            said += "; the precision of the cache is what `kv_cache` says"
    if date:
        said += f"; the architecture is taken to be the same in the release {date}"
    return said
