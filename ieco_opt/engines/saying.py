"""From a point to the words of a command: each flag of a profile with the value that it has there."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ieco_opt.documents.origin import cut
from ieco_opt.engines.expressions import Expression
from ieco_opt.engines.profile import Said, Sayings
from ieco_opt.errors import ScenarioError

Numbers = Mapping[str, float]
Texts = Mapping[str, str]

_NAME = re.compile(r"\{(\w+)\}")


def filled(text: str, texts: Texts) -> str:
    """Put texts in the place of their names in braces; what is no name stays."""
    return _NAME.sub(lambda match: texts.get(match[1], match[0]), text)


def true(condition: Expression | None, numbers: Numbers) -> bool:
    """Whether a condition holds; one that is left out does."""
    return condition is None or bool(condition(numbers))


def words(sayings: Sayings, numbers: Numbers, texts: Texts, instead: Texts | None = None) -> tuple[str, ...]:
    """Words of a command.

    Parameters
    ----------
    instead
        Texts in the place of numbers, by the column that a flag says: variables that are known where it runs.
    """
    said: list[str] = []
    if sayings.launcher and true(sayings.launcher_when, numbers):
        said += [filled(word, texts) for word in sayings.launcher]
    said += [filled(word, texts) for word in sayings.command]
    for entry, value in _given(sayings.flags, numbers, texts, instead or {}):
        said += [entry.name] if value is True else [entry.name, _word(value)]
    return tuple(said)


def variables(sayings: Sayings, numbers: Numbers, texts: Texts) -> dict[str, str]:
    """Environment variables of a command."""
    return {entry.name: _word(value) for entry, value in _given(sayings.env, numbers, texts, {})}


def config(sayings: Sayings, numbers: Numbers, texts: Texts) -> dict[str, object]:
    """What stands in the file of a command, as nested mappings; empty where it has none."""
    nested: dict[str, object] = {}
    for entry, value in _given(sayings.config, numbers, texts, {}):
        *outer, last = entry.name.split(".")
        holder: dict[str, Any] = nested
        for key in outer:
            holder = holder.setdefault(key, {})
        holder[last] = value
    return nested


def is_said(entry: Said, numbers: Numbers) -> bool:
    """Whether an entry is said at all at a point."""
    if not true(entry.when, numbers):
        return False
    return entry.unless is None or entry.value is None or entry.value.number(numbers) != entry.unless


def _given(
    entries: Iterable[Said], numbers: Numbers, texts: Texts, instead: Texts
) -> Iterator[tuple[Said, bool | int | float | str | dict[str, object]]]:
    for entry in entries:
        if is_said(entry, numbers):
            yield entry, _value(entry, numbers, texts, instead)


def _value(entry: Said, numbers: Numbers, texts: Texts, instead: Texts) -> bool | int | float | str | dict[str, object]:
    if entry.parts:
        return {part.name: value for part, value in _given(entry.parts, numbers, texts, instead)}
    if entry.text:
        return filled(entry.text, texts)
    if entry.value is None:
        return True
    if entry.value.text in instead:
        return instead[entry.value.text]
    return rounded(entry.name, entry.value, numbers, entry.digits)


def rounded(name: str, expression: Expression, numbers: Numbers, digits: int | None = None) -> int | float:
    """A whole number, or one rounded down: a share of the memory must not grow.

    Raises
    ------
    ScenarioError
        The expression has no value at this point, such as a division by zero or a degree of a draft model without one.
    """
    number = expression.number(numbers)
    if not math.isfinite(number):
        message = f"found {number:g} as the value of {cut(expression.text)} at this point, expected a number"
        raise ScenarioError.single(message, field=name)
    if digits is None:
        return round(number)
    scale = 10.0**digits
    return math.floor(number * scale * (1 + 1e-12)) / scale


def _word(value: bool | int | float | str | dict[str, object]) -> str:
    if isinstance(value, dict):
        return json.dumps(value)
    return f"{value:.10g}" if isinstance(value, float) else str(value)
