"""Strict JSON, written and read: no `NaN`, no name twice, bounded depth; with the line of every field if asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NoReturn

from ieco_opt.documents.origin import Location, dotted, found
from ieco_opt.errors import ScenarioError

MAX_DEPTH = 50

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+|\n', re.DOTALL)


def json_text(values: object) -> str:
    """Write plain values as strict JSON.

    Raises
    ------
    ValueError
        A number is infinite or none.
    """
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def parse(text: str, file: str | None, expected: str = "JSON", *, constants: bool = False) -> object:
    """Parse strict JSON into mappings, lists, text, numbers, booleans and ``None``.

    Numbers beyond the range of a float are read as infinite, as Python does: whoever asks for a number has to ask for
    a finite one.

    Parameters
    ----------
    file
        Name that faults carry.
    expected
        What the text should be, for messages.
    constants
        Whether `NaN` and `Infinity` are read, which Python writes, as numbers.

    Raises
    ------
    ScenarioError
        Where the text is no JSON, has `NaN` or `Infinity`, names a field twice or nests too much; with the line.
    """
    refused: list[str] = []
    repeated = False

    def mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal repeated
        fields = dict(pairs)
        repeated = repeated or len(fields) < len(pairs)
        return fields

    try:
        values = json.loads(text, parse_constant=float if constants else refused.append, object_pairs_hook=mapping)
    except json.JSONDecodeError as error:
        message = f"found no valid JSON ({error.msg}), expected {expected}"
        raise ScenarioError.single(message, file=file, line=error.lineno) from None
    except (ValueError, RecursionError):
        # Integers of thousands of digits, and thousands of brackets.
        raise ScenarioError.single(f"found no readable JSON, expected {expected}", file=file) from None
    if refused:
        _refuse_constant(text, refused[0], file)
    _refuse_depth(values, file)
    if repeated:
        _refuse_repeated(text, file)
    return values


def parse_mapping(text: str, file: str | None, expected: str = "JSON") -> dict[str, object]:
    """Parse strict JSON that should be a mapping; parameters and errors as of :func:`parse`."""
    values = parse(text, file, expected)
    if not isinstance(values, dict):
        raise ScenarioError.single(f"found {found(values)}, expected {expected}", file=file)
    return values


def lines_of(text: str) -> dict[Location, int | None]:
    """Line of every field of JSON that :func:`parse` accepts, counted from 1; of names given twice the first."""
    lines: dict[Location, int | None] = {}
    for location, line in _places(text):
        lines.setdefault(location, line)
    return lines


def _places(text: str) -> Iterator[tuple[Location, int]]:
    """Every field with the line on which its name or, in lists, its value begins."""
    location: list[str | int] = []
    containers: list[str] = []
    names_next = False
    line = 1
    for match in _TOKEN.finditer(text):
        part = match[0]
        if part == "\n":
            line += 1
        elif part in "}]":
            containers.pop()
            location.pop()
            names_next = False
        elif part == ",":
            names_next = containers[-1] == "{"
            if not names_next:
                location[-1] = int(location[-1]) + 1
        elif part == ":":
            names_next = False
        elif names_next:
            location[-1] = json.loads(part)
            yield tuple(location), line
        else:
            if containers and containers[-1] == "[":
                yield tuple(location), line
            if part in "{[":
                containers.append(part)
                location.append(0)
                names_next = part == "{"


def _refuse_constant(text: str, constant: str, file: str | None) -> NoReturn:
    line = 1
    for match in _TOKEN.finditer(text):
        if match[0] == constant:
            break
        line += match[0] == "\n"
    message = f"found {constant}, which JSON does not know; expected a number"
    raise ScenarioError.single(message, file=file, line=line)


def _refuse_repeated(text: str, file: str | None) -> NoReturn:
    first: dict[Location, int] = {}
    for location, line in _places(text):
        if location in first:
            message = f"found twice (first on line {first[location]}), expected once"
            raise ScenarioError.single(message, file=file, line=line, field=dotted(location))
        first[location] = line
    raise AssertionError("a name that was read twice is in the text twice")


def _refuse_depth(values: object, file: str | None) -> None:
    waiting = [(values, 1)]
    while waiting:
        value, depth = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if depth > MAX_DEPTH and isinstance(value, dict | list):
            raise ScenarioError.single(f"found deeper nesting, expected at most {MAX_DEPTH} levels", file=file)
        waiting += [(each, depth + 1) for each in inner if isinstance(each, dict | list)]
