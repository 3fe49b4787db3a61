"""Values of two mappings that differ, by the path of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ieco_opt.results.difference import Change, same_figure

_NO_FIGURES = frozenset({"sources", "fitted_on"})
"""Fields that say where figures come from."""


def flat(values: Mapping[str, Any], within: str = "") -> dict[str, Any]:
    """Every value by its path; entries of lists by their names, where they have any, and lists of values as one."""
    return dict(_leaves(values, within))


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """Values that differ, in the order of the first and then of the second."""
    return tuple(
        Change(name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if not same_figure(before.get(name), after.get(name))
    )


def _leaves(value: object, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name not in _NO_FIGURES:
                yield from _leaves(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        for at, each in enumerate(value):
            name = each.get("name") if isinstance(each, Mapping) else None
            yield from _leaves(each, f"{path}[{at}]" if not isinstance(name, str) else f"{path}[{name}]")
    else:
        yield path, [*value] if isinstance(value, tuple) else value
