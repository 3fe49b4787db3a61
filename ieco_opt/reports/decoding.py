"""From the JSON of a result back to a frontier, with every fault collected and raised once."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NoReturn, TypeVar, get_type_hints

from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.pareto.points import Box, SearchStatistics, Status
from ieco_opt.results.deployment import Deployment
from ieco_opt.results.frontier import Census, Claim, Frontier
from ieco_opt.scenario import Scenario, load_scenario_mapping
from ieco_opt.scenario.origin import found
from ieco_opt.solvers.config import SolverConfig

FORMAT = "ieco_opt result"
FORMAT_VERSION = 1

UNBOUNDED = frozenset({"latency_hi_s", "cost_hi", "bound", "gap"})
"""Fields that may be infinite, which JSON cannot say: there null stands for infinity."""

QUESTIONS = ("frontier", "fastest", "cheapest", "preferred")

_FIELDS = (
    "format",
    "format_version",
    "question",
    "claim",
    "coverage",
    "stopped",
    "preference",
    "scenario",
    "deployments",
    "open_regions",
    "versions",
    "solver",
    "census",
    "statistics",
    "notes",
)

_WRITTEN_BY_US = "a JSON result that ieco-opt wrote"
_LARGEST_INTEGER = 2**53

Check = tuple[Callable[[Any], bool], str]
"""A test of a value, and what is expected in words."""

Record = TypeVar("Record")


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
    return _Decoder(file).frontier(_parsed(text, file))


def _parsed(text: str, file: str | None) -> dict[str, Any]:
    def refuse(constant: str) -> NoReturn:
        raise ScenarioError.single(f"found {constant}, which JSON does not know; expected a number", file=file)

    try:
        values = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        message = f"found no valid JSON ({error.msg}), expected {_WRITTEN_BY_US}"
        raise ScenarioError.single(message, file=file, line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        # Integers of thousands of digits, and thousands of brackets.
        raise ScenarioError.single(f"found no readable JSON, expected {_WRITTEN_BY_US}", file=file) from error
    if not isinstance(values, dict):
        raise ScenarioError.single(f"found {found(values)}, expected {_WRITTEN_BY_US}", file=file)
    for name, expected in (("format", FORMAT), ("format_version", FORMAT_VERSION)):
        if values.get(name) != expected or isinstance(values.get(name), bool):
            message = f"found {found(values.get(name))}, expected {found(expected)} ({_WRITTEN_BY_US})"
            raise ScenarioError.single(message, file=file, field=name)
    return values


def _is_number(value: object) -> bool:
    # The comparison also refuses NaN, infinity, and integers that no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST_INTEGER


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _or_null(check: Check) -> Check:
    return (lambda value: value is None or check[0](value)), f"{check[1]} or null"


def _list_of(check: Check) -> Check:
    return (lambda value: isinstance(value, list) and all(map(check[0], value))), f"a list with {check[1]} each"


def _mapping_to(check: Check) -> Check:
    return (
        (lambda value: isinstance(value, dict) and all(map(check[0], value.values()))),
        f"a mapping to {check[1]} each",
    )


def _one_of(choices: type[StrEnum] | tuple[str, ...]) -> Check:
    known = tuple(map(str, choices))
    return (lambda value: value in known), "one of " + ", ".join(known)


_NUMBER: Check = (_is_number, "a number")
_INTEGER: Check = (_is_integer, "an integer")
_TEXT: Check = (_is_text, "text")
_OPTION: Check = ((lambda value: isinstance(value, bool | str) or _is_number(value)), "true, false, a number or text")

_BY_TYPE: dict[object, Check] = {
    float: _NUMBER,
    float | None: _or_null(_NUMBER),
    int: _INTEGER,
    int | None: _or_null(_INTEGER),
    str: _TEXT,
    str | None: _or_null(_TEXT),
    dict[str, int]: _mapping_to(_INTEGER),
    dict[str, bool | int | float | str]: _mapping_to(_OPTION),
    tuple[float, ...]: _list_of(_NUMBER),
}

_ABOVE_ZERO: Check = ((lambda value: value > 0), "a number above 0")
_FROM_ZERO: Check = ((lambda value: value >= 0), "a number from 0 on")

_BY_NAME: dict[str, Check] = {
    "tensor_layout": _one_of(("1d", "2d")),
    "draft_tensor_layout": _one_of(("1d", "2d")),
    "bottleneck": _one_of(("kernel", "network", "memory", "arithmetic")),
    "status": _one_of(Status),
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
        _ABOVE_ZERO,
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
        _FROM_ZERO,
    ),
}
"""What the value of a field must be besides its type."""

_COVERAGE = (Claim.COMPLETE, Claim.COVERED)


class _Decoder:
    """Reads the parts of a result and collects what is wrong with them."""

    def __init__(self, file: str | None) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def frontier(self, values: dict[str, Any]) -> Frontier:
        for name in sorted(values.keys() - set(_FIELDS)):
            self._fault(name, "unknown field, expected one of " + ", ".join(_FIELDS))
        question = self._value(values, "question", _one_of(QUESTIONS))
        claim = self._value(values, "claim", _one_of(Claim))
        coverage = self._value(values, "coverage", self._coverage_of(claim))
        stopped = self._value(values, "stopped", _or_null(_TEXT) if claim != Claim.PARTIAL else _TEXT)
        preference = self._value(values, "preference", _or_null(_NUMBER))
        scenario = self._scenario(values)
        deployments = self._records(Deployment, values, "deployments")
        open_regions = self._records(Box, values, "open_regions")
        versions = self._value(values, "versions", _mapping_to(_TEXT))
        solver = self._record(SolverConfig, values.get("solver"), "solver")
        census = self._record(Census, values.get("census"), "census")
        statistics = self._record(SearchStatistics, values.get("statistics"), "statistics")
        notes = self._value(values, "notes", _list_of(_TEXT))
        if self.faults or scenario is None or solver is None or census is None or statistics is None:
            raise ScenarioError(self.faults)
        return Frontier(
            scenario=scenario,
            question=question,
            claim=Claim(claim),
            deployments=deployments,
            coverage=coverage,
            open_regions=open_regions,
            stopped=stopped,
            solver=dataclasses.replace(solver, options=_options(solver.options)),
            statistics=statistics,
            census=census,
            versions=versions,
            preference=preference,
            notes=tuple(notes),
        )

    def _fault(self, field: str, message: str) -> None:
        self.faults.append(Fault(file=self.file, line=None, field=field, message=message))

    def _value(self, values: Mapping[str, Any], name: str, check: Check, where: str = "") -> Any:
        """Read one field; ``None`` where it is wrong."""
        field = f"{where}.{name}" if where else name
        if name not in values:
            self._fault(field, f"the field is missing, expected {check[1]}")
            return None
        if not check[0](values[name]):
            self._fault(field, f"found {found(values[name])}, expected {check[1]}")
            return None
        return values[name]

    def _coverage_of(self, claim: object) -> Check:
        if claim in _COVERAGE:
            return (lambda value: _is_number(value) and value >= 0), f"a number from 0 on with the claim {claim}"
        return (lambda value: value is None), f"null with the claim {claim}"

    def _scenario(self, values: Mapping[str, Any]) -> Scenario | None:
        mapping = self._value(values, "scenario", ((lambda value: isinstance(value, dict)), "a mapping"))
        if mapping is None:
            return None
        try:
            return load_scenario_mapping(mapping, self.file)
        except ScenarioError as error:
            for fault in error.faults:
                self._fault(f"scenario.{fault.field}".rstrip("."), fault.message)
            return None

    def _records(self, kind: type[Record], values: Mapping[str, Any], name: str) -> tuple[Record, ...]:
        entries = self._value(values, name, ((lambda value: isinstance(value, list)), "a list of mappings")) or []
        read = (self._record(kind, entry, f"{name}[{index}]") for index, entry in enumerate(entries))
        return tuple(record for record in read if record is not None)

    def _record(self, kind: type[Record], values: object, where: str) -> Record | None:
        """Read a dataclass from a mapping of its fields; ``None`` where anything is wrong."""
        if not isinstance(values, dict):
            self._fault(where, f"found {found(values)}, expected a mapping")
            return None
        hints = get_type_hints(kind)
        before = len(self.faults)
        for name in sorted(values.keys() - hints.keys()):
            self._fault(f"{where}.{name}", "unknown field, expected one of " + ", ".join(hints))
        read = {name: self._field(hint, values, name, where) for name, hint in hints.items()}
        return kind(**read) if len(self.faults) == before else None

    def _field(self, hint: object, values: Mapping[str, Any], name: str, where: str) -> Any:
        check = _or_null(_NUMBER) if name in UNBOUNDED else _BY_TYPE[hint]
        before = len(self.faults)
        value = self._value(values, name, check, where)
        if value is None:
            return math.inf if name in UNBOUNDED else None
        meaning = _BY_NAME.get(name)
        if len(self.faults) == before and meaning is not None and not meaning[0](value):
            self._fault(f"{where}.{name}", f"found {found(value)}, expected {meaning[1]}")
        if hint in (float, float | None):
            return float(value)
        return tuple(map(float, value)) if isinstance(value, list) else value


def _options(options: Mapping[str, bool | int | float | str]) -> dict[str, bool | int | float | str]:
    """Put back options that are infinite, which are written as text."""
    return {name: float(value) if value in ("inf", "-inf") else value for name, value in options.items()}
