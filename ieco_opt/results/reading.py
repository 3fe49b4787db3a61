"""From the JSON of a result back to its record, read by its types, with every fault collected and raised once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ieco_opt.documents.json_document import lines_of, parse_mapping
from ieco_opt.documents.origin import Known, Location, Origin, found, undotted
from ieco_opt.documents.text_file import read_text
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.results.alternatives import Alternatives
from ieco_opt.results.answer import Answer, QuestionKind
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.configuration import FORMAT as EXPLAINED_CONFIGURATION
from ieco_opt.results.earlier_models import completed
from ieco_opt.results.encoding import FORMAT, FORMAT_VERSION
from ieco_opt.results.explained_alternatives import FORMAT as EXPLAINED_ALTERNATIVES
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.fleet_explanation import FleetExplanation
from ieco_opt.results.format1 import FORMATS_1, upgraded
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.places import place_of
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.saved_folder import result_in
from ieco_opt.results.wording import expected_of
from ieco_opt.scenario import Fleet, Scenario, load_fleet_mapping, load_scenario_mapping
from ieco_opt.scenario.resolved import Resolved, contradictions

KINDS: dict[QuestionKind, type[Answer]] = {
    "frontier": Frontier,
    "solve": Frontier,
    "plan": FleetResult,
    "fleet_frontier": FleetResult,
    "explain": Explanation,
    "explain_fleet": FleetExplanation,
    "compare": Comparison,
    "alternatives": Alternatives,
}
"""Records of answers, by what was asked."""

_WRITTEN_BY_US = "a JSON result that ieco-opt wrote"

_NOT_READ = {
    EXPLAINED_ALTERNATIVES: "the alternatives that were explained, or what stands in this file under 'best'",
    EXPLAINED_CONFIGURATION: _WRITTEN_BY_US,
}
"""What ieco-opt writes of results for people and scripts, and what is read instead."""

_HEAD = 2000
"""Letters of a file that are looked at for what it is."""


def load_result(path: str | Path, *, max_setups: int | None = None) -> Answer:
    """Read a saved result of any kind: a frontier, a deployment, a plan, an explanation, a comparison or alternatives.

    Parameters
    ----------
    path
        The file, or the folder of a plan.
    max_setups
        Most configurations that its scenario may list where it is checked; by default
        ``scenario.bounds.DEFAULT_MAX_SETUPS``.

    Raises
    ------
    ScenarioError
        The file cannot be read, is no result, or part of it is malformed; with every fault.
    """
    file = result_in(Path(path))
    text = read_text(file, expected="a JSON result", most_bytes=None)
    return from_json(text, str(file), max_setups=max_setups)


def is_result(path: Path) -> bool:
    """Whether a file of JSON says that it is a result, which need not be whole; scenarios may be JSON, too.

    Raises
    ------
    ScenarioError
        The file cannot be read.
    """
    if path.suffix.lower() != ".json":
        return False
    return '"format"' in read_text(path, expected="a JSON result or a scenario", most_bytes=None)[:_HEAD]


def from_json(text: str, file: str | None = None, *, max_setups: int | None = None) -> Answer:
    """Read a result back from its JSON.

    Parameters
    ----------
    file
        Name that faults carry.
    max_setups
        As of :func:`load_result`.

    Raises
    ------
    ScenarioError
        The text is no result, or part of it is malformed; with every fault.
    """
    values = parse_mapping(text, file, _WRITTEN_BY_US)
    if values.get("format") in FORMATS_1 and _is(values.get("format_version"), 1):
        values, text = upgraded(values, file), ""
    values = completed(values)
    # Scenarios of results are self-contained: one that names a file was not written by us.
    origin = Origin(file, files=False, max_setups=max_setups)
    try:
        return _read(values, origin)
    except ScenarioError:
        # Once more, now that it is worth knowing the line of every field.
        return _read(values, replace(origin, lines=lines_of(text)))


def _is(value: object, expected: object) -> bool:
    """Whether a value of a file is the one that is expected; true equals 1, but is none."""
    return value == expected and not isinstance(value, bool)


def _read(values: Mapping[str, Any], origin: Origin) -> Answer:
    for name, instead in _NOT_READ.items():
        if values.get("format") == name:
            message = f"found {found(name)}, which is not read again, expected {instead}"
            raise ScenarioError([origin.fault(("format",), message)])
    for name, expected in (("format", FORMAT), ("format_version", FORMAT_VERSION)):
        if not _is(values.get(name), expected):
            message = f"found {found(values.get(name))}, expected {found(expected)} ({_WRITTEN_BY_US})"
            raise ScenarioError([origin.fault((name,), message)])
    return _Reader(origin).answer({name: values[name] for name in values if name not in ("format", "format_version")})


class _Reader:
    """Reads one result and collects what is wrong with it."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.faults: list[Fault] = []

    def answer(self, values: dict[str, Any]) -> Answer:
        kind = self._kind(values.get("question"))
        resolved = self._resolved(values.get("resolved"))
        scenario = self._scenario(values.get("scenario"), kind, resolved)
        stands_in = {name: read for name, read in (("scenario", scenario), ("resolved", resolved)) if name in values}
        try:
            answer: Answer = _adapter(kind).validate_python(values | stands_in)
        except ValidationError as error:
            known = {str(undotted(fault.field)[0]) for fault in self.faults}
            self._note(error, kind, without=known)
        if not self.faults:
            self.faults += [self.origin.fault(undotted(field), message) for field, message in answer.contradictions()]
        if self.faults:
            raise ScenarioError(self.faults)
        return replace(answer, solver=replace(answer.solver, options=_infinite(answer.solver.options)))

    def _kind(self, question: object) -> type[Answer]:
        kind = question.get("kind") if isinstance(question, dict) else None
        if not isinstance(kind, str) or kind not in KINDS:
            place: Location = ("question", "kind") if isinstance(question, dict) else ("question",)
            value = kind if isinstance(question, dict) else question
            message = f"found {found(value)}, expected one of {', '.join(KINDS)}"
            raise ScenarioError([self.origin.fault(place, message)])
        return KINDS[kind]

    def _resolved(self, given: object) -> Resolved | None:
        """What names stand for; ``None`` where it is wrong, which then is noted."""
        if given is None:
            return None
        try:
            resolved: Resolved = _adapter(Resolved).validate_python(given)
        except ValidationError as error:
            self._note(error, Resolved, at=("resolved",))
            return None
        return resolved

    def _scenario(self, given: object, kind: type[Answer], resolved: Resolved | None) -> Scenario | Fleet | None:
        """The scenario that a result holds; ``None`` where it is wrong, which then is noted."""
        if not isinstance(given, dict):
            self.faults.append(self.origin.fault(("scenario",), f"found {found(given)}, expected a mapping"))
            return None
        known = {} if resolved is None else resolved.known()
        try:
            scenario = self._loaded(given, kind, known)
        except ScenarioError as error:
            self.faults += [
                self.origin.fault(("scenario", *undotted(fault.field)), fault.message) for fault in error.faults
            ]
            return None
        if resolved is not None:
            wrong = contradictions(scenario, resolved)
            self.faults += [self.origin.fault(("resolved", *place), message) for place, message in wrong]
        return scenario

    def _loaded(self, given: Mapping[str, object], kind: type[Answer], known: Known) -> Scenario | Fleet:
        of_fleet = kind in (FleetResult, FleetExplanation) or (kind is Alternatives and given.get("kind") == "fleet")
        load = load_fleet_mapping if of_fleet else load_scenario_mapping
        origin = self.origin
        return load(given, origin.file, known, files=origin.files, max_setups=origin.max_setups)

    def _note(
        self, error: ValidationError, kind: type[Any], *, at: Location = (), without: Collection[str] = ()
    ) -> None:
        """Note what Pydantic found, but for parts of which something is noted already."""
        for details in error.errors(include_url=False):
            place = place_of(kind, details["loc"])
            if not place.location or place.location[0] not in without:
                message = expected_of(details, place.hint, place.known)
                self.faults.append(self.origin.fault((*at, *place.location), message))


_ADAPTERS: dict[str, TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Reader of a record; it takes a while to make and is kept."""
    if kind.__name__ not in _ADAPTERS:
        _ADAPTERS[kind.__name__] = TypeAdapter(kind)
    return _ADAPTERS[kind.__name__]


def _infinite(options: Mapping[str, Any]) -> dict[str, Any]:
    """Put back options that are infinite, which are written as text."""
    return {name: float(value) if value in ("inf", "-inf") else value for name, value in options.items()}
