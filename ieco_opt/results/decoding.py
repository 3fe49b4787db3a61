"""From the JSON of a result back to a frontier, with every fault collected and raised once."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from ieco_opt.documents.json_document import parse_mapping
from ieco_opt.documents.origin import found
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Frontier
from ieco_opt.results.guarantee import Box, Guarantee, Status
from ieco_opt.results.statistics import Counts, SearchStatistics
from ieco_opt.scenario import load_scenario_mapping
from ieco_opt.scenario.solver_config import SolverConfig

FORMAT = "ieco_opt result"
FORMAT_VERSION = 1

UNBOUNDED = dict.fromkeys(("latency_hi_s", "cost_hi", "bound", "gap"), math.inf)
"""Fields that may be infinite, which JSON cannot say: there null stands for infinity."""

ADDED_LATER = frozenset({"accepted_gap", "patience_s"})
"""Fields that results of earlier versions lack; they take their defaults."""

QUESTIONS = ("frontier", "fastest", "cheapest", "preferred")

_FIELDS = (
    "format",
    "format_version",
    "question",
    "guarantee",
    "coverage",
    "stopped",
    "preference",
    "scenario",
    "deployments",
    "open_regions",
    "versions",
    "solver",
    "counts",
    "statistics",
    "notes",
)

_WRITTEN_BY_US = "a JSON result that ieco-opt wrote"
_LARGEST_INTEGER = 2**53

Check = tuple[Callable[[Any], bool], str]
"""A test of a value, and what is expected in words."""

Record = TypeVar("Record")
Loaded = TypeVar("Loaded")


def from_json(text: str, file: str | None = None) -> Frontier:
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
    return _FrontierDecoder(file).frontier(parsed(text, file, FORMAT))


def parsed(text: str, file: str | None, expected_format: str) -> dict[str, Any]:
    """Parse strict JSON of one of our formats; errors as of :func:`from_json`."""
    values = parse_mapping(text, file, _WRITTEN_BY_US)
    for name, expected in (("format", expected_format), ("format_version", FORMAT_VERSION)):
        if values.get(name) != expected or isinstance(values.get(name), bool):
            message = f"found {found(values.get(name))}, expected {found(expected)} ({_WRITTEN_BY_US})"
            raise ScenarioError.single(message, file=file, field=name)
    return values


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    # The comparison also refuses NaN, infinity, and integers that no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INTEGER


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def or_null(check: Check) -> Check:
    """Let null pass, too."""
    return (lambda value: value is None or check[0](value)), f"{check[1]} or null"


def list_of(check: Check) -> Check:
    """Check every entry of a list."""
    return (lambda value: isinstance(value, list) and all(map(check[0], value))), f"a list with {check[1]} each"


def mapping_to(check: Check) -> Check:
    """Check every value of a mapping."""
    return (
        (lambda value: isinstance(value, dict) and all(map(check[0], value.values()))),
        f"a mapping to {check[1]} each",
    )


def one_of(choices: type[StrEnum] | tuple[str, ...]) -> Check:
    """Let some texts pass."""
    known = tuple(map(str, choices))
    return (lambda value: value in known), "one of " + ", ".join(known)


NUMBER: Check = (is_number, "a number")
INTEGER: Check = (_is_integer, "an integer")
TEXT: Check = (_is_text, "text")
_OPTION: Check = ((lambda value: isinstance(value, bool | str) or is_number(value)), "true, false, a number or text")

_BY_TYPE: dict[object, Check] = {
    float: NUMBER,
    float | None: or_null(NUMBER),
    int: INTEGER,
    int | None: or_null(INTEGER),
    str: TEXT,
    str | None: or_null(TEXT),
    dict[str, int]: mapping_to(INTEGER),
    dict[str, bool | int | float | str]: mapping_to(_OPTION),
    tuple[float, ...]: list_of(NUMBER),
}

ABOVE_ZERO: Check = ((lambda value: value > 0), "a number above 0")
FROM_ZERO: Check = ((lambda value: value >= 0), "a number from 0 on")

_BY_NAME: dict[str, Check] = {
    "tensor_layout": one_of(("1d", "2d")),
    "draft_tensor_layout": one_of(("1d", "2d")),
    "bottleneck": one_of(("kernel", "network", "memory", "arithmetic")),
    "status": one_of(Status),
    **dict.fromkeys(
        (
            "speed_tokens_per_s",
            "cost_usd_per_mtok",
            "latency_s",
            "throughput_tokens_per_s",
            "gpus",
            "tensor_parallel",
            "pipeline_parallel",
            "expert_parallel",
            "attention_data_parallel",
            "batch",
            "bound",
            "memory_limit_gb",
            "latency_hi_s",
            "cost_hi",
        ),
        ABOVE_ZERO,
    ),
    **dict.fromkeys(
        (
            "draft_tokens",
            "mfu",
            "power_kw",
            "kernel_s",
            "network_s",
            "memory_s",
            "arithmetic_s",
            "memory_per_gpu_gb",
            "latency_lo_s",
            "cost_lo",
            "seconds",
            "solver_seconds",
            "solves",
            "steps",
        ),
        FROM_ZERO,
    ),
}
"""What the value of a field must be besides its type."""

_COVERAGE = (Guarantee.COMPLETE, Guarantee.COVERED)


class Decoder:
    """Reads the parts of a result and collects what is wrong with them.

    Attributes
    ----------
    unbounded
        What null stands for in fields that may be infinite.
    meanings
        What the value of a field must be besides its type.
    """

    unbounded: ClassVar[Mapping[str, float]] = UNBOUNDED
    meanings: ClassVar[Mapping[str, Check]] = _BY_NAME

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def fault(self, field: str, message: str) -> None:
        """Note what is wrong with a field."""
        self.faults.append(Fault(file=self.file, line=None, field=field, message=message))

    def only_known(self, values: Mapping[str, Any], fields: Iterable[str], where: str = "") -> None:
        """Note fields that a mapping should not have."""
        for name in sorted(values.keys() - set(fields)):
            self.fault(f"{where}{name}", "unknown field, expected one of " + ", ".join(fields))

    def value(self, values: Mapping[str, Any], name: str, check: Check, where: str = "") -> Any:
        """Read one field; ``None`` where it is wrong."""
        field = f"{where}.{name}" if where else name
        if name not in values:
            self.fault(field, f"the field is missing, expected {check[1]}")
            return None
        if not check[0](values[name]):
            self.fault(field, f"found {found(values[name])}, expected {check[1]}")
            return None
        return values[name]

    def coverage_of(self, guarantee: object) -> Check:
        """What the coverage must be with a guarantee."""
        if guarantee in _COVERAGE:
            return (lambda value: is_number(value) and value >= 0), f"a number from 0 on with the guarantee {guarantee}"
        return (lambda value: value is None), f"null with the guarantee {guarantee}"

    def scenario(
        self, values: Mapping[str, Any], load: Callable[[Mapping[str, object], str | None], Loaded]
    ) -> Loaded | None:
        """Read the scenario that a result holds."""
        mapping = self.value(values, "scenario", ((lambda value: isinstance(value, dict)), "a mapping"))
        if mapping is None:
            return None
        try:
            return load(mapping, self.file)
        except ScenarioError as error:
            for fault in error.faults:
                self.fault(f"scenario.{fault.field}".rstrip("."), fault.message)
            return None

    def records(self, kind: type[Record], values: Mapping[str, Any], name: str, where: str = "") -> tuple[Record, ...]:
        """Read a list of dataclasses, without those where anything is wrong."""
        entries = self.value(values, name, ((lambda value: isinstance(value, list)), "a list of mappings"), where) or []
        place = f"{where}.{name}" if where else name
        read = (self.record(kind, entry, f"{place}[{index}]") for index, entry in enumerate(entries))
        return tuple(record for record in read if record is not None)

    def record(self, kind: type[Record], values: object, where: str) -> Record | None:
        """Read a dataclass from a mapping of its fields; ``None`` where anything is wrong."""
        if not isinstance(values, dict):
            self.fault(where, f"found {found(values)}, expected a mapping")
            return None
        hints = get_type_hints(kind)
        before = len(self.faults)
        self.only_known(values, hints, f"{where}.")
        read = {
            name: self._field(hint, values, name, where)
            for name, hint in hints.items()
            if name in values or name not in ADDED_LATER
        }
        return kind(**read) if len(self.faults) == before else None

    def _field(self, hint: object, values: Mapping[str, Any], name: str, where: str) -> Any:
        if hint not in _BY_TYPE:
            return self.records(get_args(hint)[0], values, name, where)
        check = or_null(NUMBER) if name in self.unbounded else _BY_TYPE[hint]
        before = len(self.faults)
        value = self.value(values, name, check, where)
        if value is None:
            return self.unbounded.get(name)
        meaning = self.meanings.get(name)
        if len(self.faults) == before and meaning is not None and not meaning[0](value):
            self.fault(f"{where}.{name}", f"found {found(value)}, expected {meaning[1]}")
        if hint in (float, float | None):
            return float(value)
        return tuple(map(float, value)) if isinstance(value, list) else value


class _FrontierDecoder(Decoder):
    """Reads a frontier."""

    def frontier(self, values: dict[str, Any]) -> Frontier:
        self.only_known(values, _FIELDS)
        question = self.value(values, "question", one_of(QUESTIONS))
        guarantee = self.value(values, "guarantee", one_of(Guarantee))
        coverage = self.value(values, "coverage", self.coverage_of(guarantee))
        stopped = self.value(values, "stopped", or_null(TEXT) if guarantee != Guarantee.PARTIAL else TEXT)
        preference = self.value(values, "preference", or_null(NUMBER))
        scenario = self.scenario(values, load_scenario_mapping)
        deployments = self.records(Deployment, values, "deployments")
        open_regions = self.records(Box, values, "open_regions")
        versions = self.value(values, "versions", mapping_to(TEXT))
        solver = self.record(SolverConfig, values.get("solver"), "solver")
        counts = self.record(Counts, values.get("counts"), "counts")
        statistics = self.record(SearchStatistics, values.get("statistics"), "statistics")
        notes = self.value(values, "notes", list_of(TEXT))
        if self.faults or scenario is None or solver is None or counts is None or statistics is None:
            raise ScenarioError(self.faults)
        return Frontier(
            scenario=scenario,
            question=question,
            guarantee=Guarantee(guarantee),
            deployments=deployments,
            coverage=coverage,
            open_regions=open_regions,
            stopped=stopped,
            solver=with_infinite_options(solver),
            statistics=statistics,
            counts=counts,
            versions=versions,
            preference=preference,
            notes=tuple(notes),
        )


def with_infinite_options(solver: SolverConfig) -> SolverConfig:
    """Put back options that are infinite, which are written as text."""
    options = {name: float(value) if value in ("inf", "-inf") else value for name, value in solver.options.items()}
    return dataclasses.replace(solver, options=options)
