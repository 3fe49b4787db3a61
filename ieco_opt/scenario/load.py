"""Loading scenarios from files and mappings, with every fault collected and raised once."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError

from ieco_opt.documents.origin import COMMAND_LINE, NOTHING_KNOWN, Known, Location, Origin, dotted, found
from ieco_opt.documents.text_file import read_text
from ieco_opt.documents.yaml_document import Document, parse
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.deployment import Scenario
from ieco_opt.scenario.faults import faults_of
from ieco_opt.scenario.fleet import Fleet
from ieco_opt.scenario.self_contained import self_contained, self_contained_fleet

_OVERRIDE = re.compile(r"([\w-]+(?:\.[\w-]+)*)=(.*)", re.DOTALL)
_MOST_FAULTS = 100


Kind = TypeVar("Kind", Scenario, Fleet)


def load_scenario(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Scenario | Fleet:
    """Load a scenario file of either kind; parameters and errors as of :func:`load_deployment`."""
    return load_fleet(path, overrides) if kind_of(path) == "fleet" else load_deployment(path, overrides)


def load_deployment(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Scenario:
    """Load a scenario file of kind ``deployment``.

    Parameters
    ----------
    path
        File in YAML. Model files that it names start from its folder; they are read here, so that the
        scenario returned holds all it needs.
    overrides
        Fields to set after reading, each as ``dotted.path=value`` with the value in YAML.

    Raises
    ------
    ScenarioError
        With every fault of the file and of the overrides.
    """
    return self_contained(_from_file(path, overrides, Scenario))


def load_fleet(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Fleet:
    """Load a scenario file of kind ``fleet``; like :func:`load_deployment`, also for tables of operating points.

    In overrides, entries of lists are named by position or by their name, as in ``workloads.chat.headroom=0.3``.
    """
    return self_contained_fleet(_from_file(path, overrides, Fleet))


def load_scenario_mapping(
    mapping: Mapping[str, object], file: str | None = None, known: Known = NOTHING_KNOWN
) -> Scenario:
    """Check a scenario that is kept as a mapping, such as the one inside a JSON result.

    Parameters
    ----------
    mapping
        What :meth:`Scenario.to_mapping` returned, or the like.
    file
        File that faults should name; files in the scenario start from its folder.
    known
        What names stand for, before the catalog is asked (see :class:`Origin`).

    Raises
    ------
    ScenarioError
        With every fault.
    """
    return self_contained(_from_mapping(mapping, file, known, Scenario))


def load_fleet_mapping(mapping: Mapping[str, object], file: str | None = None, known: Known = NOTHING_KNOWN) -> Fleet:
    """Check a fleet that is kept as a mapping; see :func:`load_scenario_mapping`."""
    return self_contained_fleet(_from_mapping(mapping, file, known, Fleet))


def kind_of(path: str | os.PathLike[str]) -> object:
    """What a scenario file says its kind is, unchecked; ``None`` where it says nothing.

    Raises
    ------
    ScenarioError
        Where the file cannot be read.
    """
    source = pathlib.Path(path)
    values = parse(read_text(source), str(source)).values
    return values.get("kind") if isinstance(values, Mapping) else None


def _from_file(path: str | os.PathLike[str], overrides: Sequence[str], schema: type[Kind]) -> Kind:
    source = pathlib.Path(path)
    document = parse(read_text(source), str(source))
    faults = [Fault(str(source), line, dotted(at), message) for at, line, message in document.faults]
    if document.values is None and faults:
        raise ScenarioError(faults)
    values = _top_level(document.values, str(source))
    origin = Origin(str(source), source.parent, document.lines)
    for override in overrides:
        faults += _override(values, document, override)
    values.setdefault("name", source.stem)
    faults += _kind_faults(values, origin, schema)
    return _checked(values, origin, faults, schema)


def _from_mapping(mapping: Mapping[str, object], file: str | None, known: Known, schema: type[Kind]) -> Kind:
    origin = Origin(file, pathlib.Path(file).parent if file else pathlib.Path(), known=known)
    values = _top_level(mapping, file)
    return _checked(values, origin, _kind_faults(values, origin, schema), schema)


def _top_level(values: object, file: str | None) -> dict[str, object]:
    if values is None:
        raise ScenarioError.single("found an empty file, expected a scenario", file=file)
    if not isinstance(values, Mapping):
        raise ScenarioError.single(f"found {found(values)}, expected a mapping of fields", file=file)
    wrong = [key for key in values if not isinstance(key, str)]
    if wrong:
        message = f"found {found(wrong[0])} as the name of a field, expected text"
        raise ScenarioError.single(message, file=file)
    return dict(values)


def _kind_faults(values: Mapping[str, object], origin: Origin, schema: type[Kind]) -> list[Fault]:
    """Stop at another kind, whose fields would all be unknown here."""
    expected, other = ("deployment", "fleet") if schema is Scenario else ("fleet", "deployment")
    if "kind" not in values:
        return [origin.fault(("kind",), f"found nothing, expected '{expected}'")]
    if values["kind"] != expected:
        message = f"found {found(values['kind'])}, expected '{expected}'"
        if values["kind"] == other:
            message += f" ({_COMMANDS[other]})"
        raise ScenarioError([origin.fault(("kind",), message)])
    return []


_COMMANDS = {
    "fleet": "scenarios of kind 'fleet' are for `ieco-opt fleet`",
    "deployment": "scenarios of kind 'deployment' are for `ieco-opt solve` and `ieco-opt frontier`",
}


def _checked(values: dict[str, object], origin: Origin, faults: list[Fault], schema: type[Kind]) -> Kind:
    try:
        scenario = schema.model_validate(values, context=origin)
    except ValidationError as error:
        # A field that could not even be read is not reported again for what was put in its place.
        known = {fault.field for fault in faults if fault.field}
        faults = faults + [fault for fault in faults_of(error, schema, origin) if not known & _and_around(fault.field)]
    else:
        if not faults:
            return scenario
    raise ScenarioError(_bounded(faults, origin))


def _bounded(faults: list[Fault], origin: Origin) -> list[Fault]:
    """Cut off a list of faults that nobody would read to its end."""
    more = len(faults) - _MOST_FAULTS
    return faults if more <= 0 else [*faults[:_MOST_FAULTS], origin.fault((), f"and {more} more faults")]


def _and_around(name: str) -> set[str]:
    """Name a field and all fields around it."""
    ends = [match.start() for match in re.finditer(r"[.\[]", name)]
    return {name, *(name[:end] for end in ends)}


def _override(values: dict[str, object], document: Document, override: str) -> list[Fault]:
    """Set one field, or say why it cannot be."""
    match = _OVERRIDE.fullmatch(override)
    if match is None:
        return [Fault(COMMAND_LINE, None, "", f"found {found(override)}, expected dotted.path=value")]
    name, text = match.groups()
    location: Location = tuple(name.split("."))
    try:
        parsed = parse(text, COMMAND_LINE, name)
    except ScenarioError as error:
        return [Fault(fault.file, None, fault.field, fault.message) for fault in error.faults]
    if parsed.faults:
        return [Fault(COMMAND_LINE, None, name, message) for _, _, message in parsed.faults]
    return _set(values, document, location, parsed.values)


def _set(values: dict[str, object], document: Document, location: Location, value: object) -> list[Fault]:
    inner: dict[str, object] | list[object] = values
    *around, last = (str(key) for key in location)
    reached: list[str | int] = []
    for depth, name in enumerate(around, start=1):
        key = _key_in(inner, name)
        below = None if key is None else _entry(inner, key)
        if below is None and isinstance(inner, dict):
            below = inner[name] = {}
        if key is None or not isinstance(below, dict | list):
            message = f"found {found(below)} in the file, expected a mapping to set a field of"
            return [Fault(COMMAND_LINE, None, ".".join(around[:depth]), message)]
        reached.append(key)
        inner = below
    key = _key_in(inner, last)
    if key is None:
        message = f"found no entry {found(last)} in a list of {len(inner)}"
        return [Fault(COMMAND_LINE, None, ".".join([*around, last]), message)]
    inner[key] = value  # type: ignore[index]
    at: Location = (*reached, key)
    for stale in [line for line in document.lines if line[: len(at)] == at]:
        del document.lines[stale]
    document.lines[at] = None
    return []


def _key_in(container: dict[str, object] | list[object], name: str) -> str | int | None:
    """Key of a mapping, or the position in a list that ``name`` counts or names; ``None`` if there is none."""
    if isinstance(container, dict):
        return name
    if name.isdecimal():
        return int(name) if int(name) < len(container) else None
    named = [at for at, entry in enumerate(container) if isinstance(entry, dict) and entry.get("name") == name]
    return named[0] if named else None


def _entry(container: dict[str, object] | list[object], key: str | int) -> object:
    return container.get(str(key)) if isinstance(container, dict) else container[int(key)]
