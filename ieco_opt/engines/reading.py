"""From the words of a command back to the point: the inverse of ``saying``, derived from the same profile."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ieco_opt.catalog.types import DRAFT_MODES, DraftMode
from ieco_opt.documents import json_document, yaml_document
from ieco_opt.documents.origin import found
from ieco_opt.engines.columns import DRAFT, POINT
from ieco_opt.engines.expressions import Expression, parse, solved
from ieco_opt.engines.profile import Profile, Said
from ieco_opt.errors import ScenarioError

Equation = tuple[Expression, float]

_STAGE_RANKS = "stage_ranks"
_PRODUCT = parse("tensor_parallel * attention_data_parallel", POINT)
_NEAR = 1e-9


def read(
    profile: Profile,
    argv: Sequence[str],
    files: Mapping[str, str] | None = None,
    known: Mapping[str, float] | None = None,
) -> dict[str, int]:
    """Read the columns of ``columns.POINT`` from a command of a profile, with those of the draft model if there is one.

    Parameters
    ----------
    argv
        Words of the command of one node; assignments and a launcher may stand before it.
    files
        Contents of the files that it names, by path.
    known
        Facts that a value rests on, such as ``experts`` where a server counts slots.

    Raises
    ------
    ScenarioError
        The words are no command of this profile, a flag is unknown or wrong, or a column does not follow from them.
    """
    return _columns(profile, _all_heard(profile, argv, files or {}), dict(known or {}))


def read_draft_mode(profile: Profile, argv: Sequence[str], files: Mapping[str, str] | None = None) -> DraftMode | None:
    """Read what proposes tokens from a command of a profile; ``None`` where nothing does. As :func:`read`."""
    for entry, value in _all_heard(profile, argv, files or {}):
        if entry.text == "{draft_mode}" and value is not None:
            mode = next((mode for mode in DRAFT_MODES if profile.drafts.get(mode) == value), None)
            if mode is None:
                raise _fault(profile, f"found {found(value)} for {entry.name}, expected a word for a draft")
            return mode
    return None


def _all_heard(profile: Profile, argv: Sequence[str], files: Mapping[str, str]) -> list[tuple[Said, object]]:
    """Each entry of the flags and of the file with its value as given."""
    given = dict(_flags(profile, argv))
    entries = list(_heard(profile.say.flags, given))
    path = given.get("config")
    if profile.say.config:
        if path is None or path not in files:
            raise _fault(profile, f"found no file {found(path)}, expected the one that the command names")
        values = _flat(yaml_document.parse(files[path], path).values, "")
        _refuse_unknown(profile, values, profile.say.config)
        entries += _heard(profile.say.config, values)
    return entries


def _flags(profile: Profile, argv: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Flags by name with what follows them; texts of the command by the name in braces."""
    command = profile.say.command
    start = next((at for at in range(len(argv)) if _begins(command, argv[at:])), None)
    if start is None:
        raise _fault(profile, f"found {found(' '.join(argv))}, expected {' '.join(command)}")
    for pattern, word in zip(command, argv[start:], strict=False):
        if pattern.startswith("{") and pattern.endswith("}"):
            yield pattern[1:-1], word
    entries = {entry.name: entry for entry in profile.say.flags}
    online = {name for flags in profile.precisions.values() for name, _ in flags or ()}
    rest = list(argv[start + len(command) :])
    while rest:
        name = rest.pop(0)
        entry = entries.get(name)
        if entry is None and name not in online:
            raise _fault(profile, f"found {found(name)}, expected a flag of the profile")
        bare = entry is not None and entry.value is None and not entry.text and not entry.parts
        if not bare and not rest:
            raise _fault(profile, f"found {found(name)} without a value, expected one")
        yield name, True if bare else rest.pop(0)


def _begins(command: Sequence[str], words: Sequence[str]) -> bool:
    return len(words) >= len(command) and all(
        pattern.startswith("{") or pattern == word for pattern, word in zip(command, words, strict=False)
    )


def _flat(values: object, before: str) -> dict[str, object]:
    """Nested mappings with dotted names."""
    if not isinstance(values, Mapping):
        return {before: values}
    flat: dict[str, object] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{before}.{name}" if before else str(name))
    return flat


def _refuse_unknown(profile: Profile, values: Mapping[str, object], entries: Sequence[Said]) -> None:
    unknown = sorted(values.keys() - {entry.name for entry in entries})
    if unknown:
        raise _fault(profile, f"found {found(unknown[0])} in the file, expected a key of the profile")


def _heard(entries: Sequence[Said], given: Mapping[str, object]) -> Iterator[tuple[Said, object]]:
    """Each entry with its value as given; ``None`` where it is not."""
    for entry in entries:
        value = given.get(entry.name)
        yield entry, value
        if entry.parts:
            parts = {} if value is None else json_document.parse_mapping(str(value), None, f"JSON of {entry.name}")
            yield from _heard(entry.parts, parts)


def _columns(profile: Profile, heard: Sequence[tuple[Said, object]], known: dict[str, float]) -> dict[str, int]:
    equations = list(_equations(profile, heard, known))
    targets: list[tuple[str, Expression]] = []
    for entry, value in heard:
        if value is None:
            known |= entry.absent
        else:
            targets += entry.means.items()
    while _learn(equations, targets, known):
        pass
    wanted = [*POINT, *(DRAFT if known.get("draft_tokens") else ())]
    missing = [name for name in wanted if name not in known]
    if missing:
        raise _fault(profile, f"found nothing that says {missing[0]}, expected a flag for it")
    return {name: _whole(profile, name, known[name]) for name in wanted}


def _equations(
    profile: Profile, heard: Sequence[tuple[Said, object]], known: Mapping[str, float]
) -> Iterator[Equation]:
    for entry, value in heard:
        if entry.value is None or (value is None and (entry.unless is None or entry.when is not None)):
            continue
        if not entry.value.names - known.keys() - {*POINT, *DRAFT, _STAGE_RANKS}:
            yield entry.value, _number(profile, entry, entry.unless if value is None else value)


def _number(profile: Profile, entry: Said, value: object) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise _fault(profile, f"found {found(value)} for {entry.name}, expected a number")
    return number


def _learn(equations: Sequence[Equation], targets: Sequence[tuple[str, Expression]], known: dict[str, float]) -> bool:
    """Find what follows from what is known; whether anything did."""
    before = len(known)
    for name, expression in targets:
        if expression.names <= known.keys():
            known.setdefault(name, expression.number(known))
    product = [(_PRODUCT, known[_STAGE_RANKS])] if _STAGE_RANKS in known else []
    for expression, value in (*equations, *product):
        unknown = expression.names - known.keys()
        if len(unknown) == 1:
            (name,) = unknown
            number = solved(expression, value, name, known)
            if number is not None:
                known[name] = number
    if known.keys() >= _PRODUCT.names:
        known.setdefault(_STAGE_RANKS, _PRODUCT.number(known))
    return len(known) > before


def _whole(profile: Profile, name: str, number: float) -> int:
    if abs(number - round(number)) > _NEAR:
        raise _fault(profile, f"found {number:g} for {name}, expected a whole number")
    return round(number)


def _fault(profile: Profile, message: str) -> ScenarioError:
    return ScenarioError.single(message, field=profile.name)
