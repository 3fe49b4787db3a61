"""From the JSON of a result back to its record, read by its types, with every fault collected and raised once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ieco_opt.documents.json_document import parse_json, read_json_text
from ieco_opt.documents.origin import Location, dotted, found
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.results.answer import Answer, QuestionKind
from ieco_opt.results.comparison import Comparison
from ieco_opt.results.encoding import FORMAT, FORMAT_VERSION
from ieco_opt.results.explanation import Explanation
from ieco_opt.results.format1 import FORMATS_1, upgraded
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.parallelism import PREFIXES, Row
from ieco_opt.results.plan import FleetResult
from ieco_opt.results.wording import expected_of
from ieco_opt.scenario import load_fleet_mapping, load_scenario_mapping
from ieco_opt.scenario.resolved import Resolved, contradictions

KINDS: dict[QuestionKind, type[Answer]] = {
    "frontier": Frontier,
    "solve": Frontier,
    "plan": FleetResult,
    "fleet_frontier": FleetResult,
    "explain": Explanation,
    "compare": Comparison,
}
"""Records of answers, by what was asked."""

_WRITTEN_BY_US = "a JSON result that ieco-opt wrote"


def load_result(path: str | Path) -> Answer:
    """Read a saved result of any kind: a frontier, a deployment, a plan, an explanation or a comparison.

    Raises
    ------
    ScenarioError
        The file cannot be read, is no result, or part of it is malformed; with every fault.
    """
    return from_json(read_json_text(Path(path), "a JSON result"), str(path))


def from_json(text: str, file: str | None = None) -> Answer:
    """Read a result back from its JSON.

    Parameters
    ----------
    file
        Name that faults carry.

    Raises
    ------
    ScenarioError
        The text is no result, or part of it is malformed; with every fault.
    """
    values = parse_json(text, _WRITTEN_BY_US, file)
    if not isinstance(values, dict):
        raise ScenarioError.single(f"found {found(values)}, expected {_WRITTEN_BY_US}", file=file)
    if values.get("format") in FORMATS_1 and values.get("format_version") == 1:
        values = upgraded(values, file)
    _check_format(values, file)
    return _Reader(file).answer({name: value for name, value in values.items() if not name.startswith("format")})


def _check_format(values: Mapping[str, Any], file: str | None) -> None:
    for name, expected in (("format", FORMAT), ("format_version", FORMAT_VERSION)):
        if values.get(name) != expected or isinstance(values.get(name), bool):
            message = f"found {found(values.get(name))}, expected {found(expected)} ({_WRITTEN_BY_US})"
            raise ScenarioError.single(message, file=file, field=name)
    unknown = [name for name in values if name.startswith("format") and name not in ("format", "format_version")]
    if unknown:
        raise ScenarioError([Fault(file, None, name, "unknown field of a result") for name in unknown])


class _Reader:
    """Reads one result and collects what is wrong with it."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def answer(self, values: dict[str, Any]) -> Answer:
        kind = self._kind(values.get("question"))
        resolved = self._part(Resolved, values, "resolved")
        scenario = self._scenario(values, kind, resolved)
        read = {**values, "scenario": scenario, "resolved": resolved}
        try:
            answer: Answer = TypeAdapter(kind).validate_python(read)
        except ValidationError as error:
            self.faults += [fault for fault in self._worded(error, kind) if not self._is_known(fault.field)]
        if not self.faults:
            self.faults += [Fault(self.file, None, field, message) for field, message in answer.contradictions()]
        if self.faults:
            raise ScenarioError(self.faults)
        return replace(answer, solver=replace(answer.solver, options=_infinite(answer.solver.options)))

    def _kind(self, question: object) -> type[Answer]:
        kind = question.get("kind") if isinstance(question, dict) else None
        if not isinstance(kind, str) or kind not in KINDS:
            field = "question.kind" if isinstance(question, dict) else "question"
            message = f"found {found(kind if isinstance(question, dict) else question)}, expected one of "
            raise ScenarioError.single(message + ", ".join(KINDS), file=self.file, field=field)
        return KINDS[kind]

    def _scenario(self, values: Mapping[str, Any], kind: type[Answer], resolved: Resolved | None) -> Any:
        """The scenario that a result holds; ``None`` where it is wrong, which then is noted already."""
        given = values.get("scenario")
        if not isinstance(given, dict):
            message = f"found {found(given)}, expected a mapping"
            self.faults.append(Fault(self.file, None, "scenario", message))
            return None
        load = load_fleet_mapping if kind is FleetResult else load_scenario_mapping
        try:
            scenario = load(given, self.file, {} if resolved is None else resolved.known())
        except ScenarioError as error:
            self.faults += [
                Fault(self.file, None, f"scenario.{fault.field}".rstrip("."), fault.message) for fault in error.faults
            ]
            return None
        if resolved is not None:
            wrong = contradictions(scenario, resolved)
            self.faults += [Fault(self.file, None, f"resolved.{field}", message) for field, message in wrong]
        return scenario

    def _part(self, kind: type[Any], values: Mapping[str, Any], name: str) -> Any:
        try:
            return TypeAdapter(kind).validate_python(values.get(name))
        except ValidationError as error:
            self.faults += [self._fault((name, *details["loc"]), details) for details in error.errors()]
            return None

    def _worded(self, error: ValidationError, kind: type[Answer]) -> list[Fault]:
        return [self._fault(details["loc"], details, kind) for details in error.errors(include_url=False)]

    def _fault(self, location: Location, details: Any, kind: type[Answer] | None = None) -> Fault:
        place = _flat(location)
        message = expected_of(details, lambda: _fields_at(kind, place[:-1]))
        return Fault(self.file, None, dotted(place), message)

    def _is_known(self, field: str) -> bool:
        """Whether something is wrong with a field that was read before."""
        return field.split(".")[0] in ("scenario", "resolved") and any(
            fault.field.split(".")[0] == field.split(".")[0] for fault in self.faults
        )


def _flat(location: Location) -> Location:
    """Place in the file of a place in the records, where a parallelism is held and not flat."""
    place: list[str | int] = []
    prefix = ""
    for key in location:
        if key in PREFIXES and place and isinstance(place[-1], int):
            prefix = PREFIXES[str(key)]
        else:
            place.append(prefix + key if prefix and isinstance(key, str) else key)
            prefix = ""
    return tuple(place)


def _fields_at(kind: type[Any] | None, place: Location) -> Iterable[str]:
    """Names of the fields that a record of an answer may have in a file."""
    at: Any = kind
    for key in place:
        if isinstance(key, str) and is_dataclass(at):
            hints = get_type_hints(at)
            at = next(_records_in(hints[key]), None) if key in hints else None
    if isinstance(at, type) and issubclass(at, Row):
        return at.columns()
    return [item.name for item in fields(at)] if is_dataclass(at) else []


def _records_in(hint: object) -> Iterator[type[Any]]:
    if isinstance(hint, type) and is_dataclass(hint):
        yield hint
    for argument in get_args(hint):
        yield from _records_in(argument)


def _infinite(options: Mapping[str, Any]) -> dict[str, Any]:
    """Put back options that are infinite, which are written as text."""
    return {name: float(value) if value in ("inf", "-inf") else value for name, value in options.items()}
