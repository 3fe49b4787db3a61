"""Loading scenarios from files and mappings, with every fault collected and raised once."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TypeVar

from pydantic import ValidationError

from ieco_opt.documents.origin import NOTHING_KNOWN, Known, Origin, dotted, found
from ieco_opt.documents.yaml_document import Document, parse
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.deployment import Scenario
from ieco_opt.scenario.faults import faults_of
from ieco_opt.scenario.fleet import Fleet
from ieco_opt.scenario.overrides import override, set_field
from ieco_opt.scenario.self_contained import self_contained, self_contained_fleet
from ieco_opt.scenario.source import ScenarioSource

_MOST_FAULTS = 100


Kind = TypeVar("Kind", Scenario, Fleet)


def load_scenario(
    path: str | os.PathLike[str] | ScenarioSource,
    overrides: Sequence[str] = (),
    *,
    files: bool = True,
    max_setups: int | None = None,
) -> Scenario | Fleet:
    """Load a scenario of either kind; parameters and errors as of :func:`load_deployment`."""
    source = ScenarioSource.of(path, files=files, max_setups=max_setups)
    document = _document(source)
    if _schema_of(document.values) is Fleet:
        return self_contained_fleet(_loaded(source, document, overrides, Fleet))
    return self_contained(_loaded(source, document, overrides, Scenario))


def load_deployment(
    path: str | os.PathLike[str] | ScenarioSource,
    overrides: Sequence[str] = (),
    *,
    files: bool = True,
    max_setups: int | None = None,
) -> Scenario:
    """Load a scenario of kind ``deployment``.

    Parameters
    ----------
    path
        A YAML file, or the text of one: text of several lines is the scenario itself, and so is any text where
        ``files`` is false. Files that it names start from its folder; they are read here, so that the scenario
        returned holds all it needs.
    overrides
        Fields to set after reading, each as ``path=value`` with the value in YAML; entries of lists are named by
        position or by their name, as in ``workloads[0].headroom=0.3`` and ``workloads.chat.headroom=0.3``.
    files
        Whether the scenario may name files; false for one that a stranger wrote.
    max_setups
        Most configurations that the scenario may list, which is checked before they are priced; by default
        ``bounds.DEFAULT_MAX_SETUPS``.

    Raises
    ------
    ScenarioError
        With every fault of the file and of the overrides.
    """
    source = ScenarioSource.of(path, files=files, max_setups=max_setups)
    return self_contained(_loaded(source, _document(source), overrides, Scenario))


def load_fleet(
    path: str | os.PathLike[str] | ScenarioSource,
    overrides: Sequence[str] = (),
    *,
    files: bool = True,
    max_setups: int | None = None,
) -> Fleet:
    """Load a scenario of kind ``fleet``; like :func:`load_deployment`, also for tables of operating points."""
    source = ScenarioSource.of(path, files=files, max_setups=max_setups)
    return self_contained_fleet(_loaded(source, _document(source), overrides, Fleet))


def load_scenario_mapping(
    mapping: Mapping[str, object],
    file: str | None = None,
    known: Known = NOTHING_KNOWN,
    *,
    files: bool = True,
    max_setups: int | None = None,
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
    files, max_setups
        As of :func:`load_deployment`.

    Raises
    ------
    ScenarioError
        With every fault.
    """
    origin = _origin_of_mapping(file, known, files, max_setups)
    return self_contained(_from_mapping(mapping, origin, Scenario))


def load_fleet_mapping(
    mapping: Mapping[str, object],
    file: str | None = None,
    known: Known = NOTHING_KNOWN,
    *,
    files: bool = True,
    max_setups: int | None = None,
) -> Fleet:
    """Check a fleet that is kept as a mapping; see :func:`load_scenario_mapping`."""
    origin = _origin_of_mapping(file, known, files, max_setups)
    return self_contained_fleet(_from_mapping(mapping, origin, Fleet))


@dataclass(frozen=True, slots=True)
class ScenarioTemplate:
    """A scenario that is loaded many times, with other fields set each time.

    Attributes
    ----------
    values
        Its fields, not checked yet: what is missing or wrong may be set.
    origin
        Where they were written.
    """

    values: Mapping[str, object]
    origin: Origin

    @classmethod
    def read(cls, source: ScenarioSource, overrides: Sequence[str] = ()) -> ScenarioTemplate:
        """Read the text of a scenario once; parameters and errors as of :func:`load_deployment`.

        Raises
        ------
        ScenarioError
            The text is no YAML, an override cannot be set, or the field ``kind`` is neither of the two.
        """
        document = _document(source)
        values, faults = _set_all(source, document, overrides)
        origin = source.origin(document.lines)
        if _schema_of(values) is Scenario:
            faults += _kind_faults(values, origin, Scenario)
        if faults:
            raise ScenarioError(faults)
        return cls(values, origin)

    @classmethod
    def of(cls, scenario: Scenario | Fleet) -> ScenarioTemplate:
        """Begin from a scenario that was loaded or built."""
        return cls(scenario.to_mapping(), replace(scenario.origin, lines={}))

    @property
    def is_fleet(self) -> bool:
        """Whether it is of kind ``fleet``."""
        return _schema_of(self.values) is Fleet

    def with_fields(self, fields: Mapping[str, object]) -> Scenario | Fleet:
        """Load it with some fields set, by the names that overrides use.

        Raises
        ------
        ScenarioError
            With every fault.
        """
        values = deepcopy(dict(self.values))
        document = Document(values, dict(self.origin.lines))
        faults = [fault for name, value in fields.items() for fault in set_field(values, document, name, value)]
        origin = replace(self.origin, lines=document.lines)
        if _schema_of(values) is Fleet:
            return self_contained_fleet(_checked(values, origin, faults, Fleet))
        return self_contained(_checked(values, origin, faults, Scenario))


def _schema_of(values: object) -> type[Scenario] | type[Fleet]:
    return Fleet if isinstance(values, Mapping) and values.get("kind") == "fleet" else Scenario


def _document(source: ScenarioSource) -> Document:
    return parse(source.read(), source.file)


def _loaded(source: ScenarioSource, document: Document, overrides: Sequence[str], schema: type[Kind]) -> Kind:
    values, faults = _set_all(source, document, overrides)
    origin = source.origin(document.lines)
    faults += _kind_faults(values, origin, schema)
    return _checked(values, origin, faults, schema)


def _set_all(
    source: ScenarioSource, document: Document, overrides: Sequence[str]
) -> tuple[dict[str, object], list[Fault]]:
    """Fields of a scenario once its overrides are set, and what is wrong so far."""
    faults = [Fault(source.file, line, dotted(at), message) for at, line, message in document.faults]
    if document.values is None and faults:
        raise ScenarioError(faults)
    values = _top_level(document.values, source)
    for setting in overrides:
        faults += override(values, document, setting)
    if source.name is not None:
        values.setdefault("name", source.name)
    return values, faults


def _origin_of_mapping(file: str | None, known: Known, files: bool, max_setups: int | None) -> Origin:
    folder = pathlib.Path(file).parent if file else pathlib.Path()
    return Origin(file, folder, known=known, files=files, max_setups=max_setups)


def _from_mapping(mapping: Mapping[str, object], origin: Origin, schema: type[Kind]) -> Kind:
    values = _top_level(mapping, ScenarioSource(label=origin.file))
    return _checked(values, origin, _kind_faults(values, origin, schema), schema)


def _top_level(values: object, source: ScenarioSource) -> dict[str, object]:
    if values is None:
        what = "an empty file" if source.file is not None else "nothing"
        raise ScenarioError.single(f"found {what}, expected a scenario", file=source.file)
    if not isinstance(values, Mapping):
        hint = "" if source.file is not None else " (a file is named by a pathlib.Path here, not by text)"
        raise ScenarioError.single(f"found {found(values)}, expected a mapping of fields{hint}", file=source.file)
    wrong = [key for key in values if not isinstance(key, str)]
    if wrong:
        message = f"found {found(wrong[0])} as the name of a field, expected text"
        raise ScenarioError.single(message, file=source.file)
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
