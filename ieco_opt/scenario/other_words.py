"""Fields by the words of servers and their benchmarks: TTFT, TPOT, ISL and OSL beside our own names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ieco_opt.documents.origin import Location, found, plain_scalar

MEANT: Mapping[str, str] = {
    "isl": "prompt_tokens",
    "osl": "output_tokens",
    "ttft_s": "max_time_to_first_token_s",
    "tpot_ms": "min_speed",
}
"""Our name of each: the alias is read wherever a field of that name is."""

FOR_ALL = ("tpot_ms", "ttft_s")
"""Those that ``limits`` of a fleet may say for all its workloads."""

_TOLD: Mapping[str, dict[str, object]] = {
    "isl": {"type": "integer", "minimum": 0, "description": "Input sequence length: the same as prompt_tokens."},
    "osl": {"type": "integer", "minimum": 0, "description": "Output sequence length: the same as output_tokens."},
    "ttft_s": {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "description": "Longest time to first token, in s: the same as max_time_to_first_token_s.",
    },
    "tpot_ms": {
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "description": "Longest time per output token, in ms: 1000 / min_speed.",
    },
}
"""What the JSON Schema says of each."""

_LEAST, _MOST = 1e-9, 1e12


def _in_our_unit(alias: str, value: object) -> object:
    """The value of the field for that of the alias; what can have none stays, to be refused as it was written."""
    plain = plain_scalar(value)
    if alias != "tpot_ms" or isinstance(plain, bool) or not isinstance(plain, int | float):
        return value
    return 1000.0 / plain if _LEAST <= plain <= _MOST else value


def in_our_words(values: object, fields: Collection[str]) -> object:
    """Rename aliases of ``fields``; one that stands beside the field itself stays, and is refused.

    Parameters
    ----------
    values
        Whatever was given for a part of a scenario.
    fields
        Names of the fields that the part has.
    """
    if not isinstance(values, Mapping):
        return values
    given = [alias for alias, name in MEANT.items() if alias in values and name in fields and values.get(name) is None]
    if not given:
        return values
    ours: dict[Any, object] = {key: value for key, value in values.items() if key not in given}
    return ours | {MEANT[alias]: _in_our_unit(alias, values[alias]) for alias in given}


def for_all_workloads(values: object) -> object:
    """Put what ``limits`` of a fleet say of all workloads into each; beside one of a workload's own it stays.

    Parameters
    ----------
    values
        Whatever was given for a fleet.
    """
    limits = values.get("limits") if isinstance(values, Mapping) else None
    workloads = values.get("workloads") if isinstance(values, Mapping) else None
    if not isinstance(limits, Mapping) or not isinstance(workloads, list | tuple):
        return values
    given = [
        alias
        for alias in FOR_ALL
        if alias in limits and (limits[alias] is None or not any(_says(each, alias) for each in workloads))
    ]
    if not given:
        return values
    assert isinstance(values, Mapping)
    added = {alias: limits[alias] for alias in given}
    kept = {key: value for key, value in limits.items() if key not in given}
    spread = [{**each, **added} if isinstance(each, Mapping) else each for each in workloads]
    return {**values, "limits": kept, "workloads": spread}


def _says(workload: object, alias: str) -> bool:
    if not isinstance(workload, Mapping):
        # A workload that was built before is no longer to be changed.
        return workload is not None
    return workload.get(alias) is not None or workload.get(MEANT[alias]) is not None


def forget_others(values: dict[str, object], path: tuple[str | int, ...]) -> list[Location]:
    """Take away what says the same as a field that is set by an override; the locations that are gone.

    Parameters
    ----------
    values
        The scenario, which is changed.
    path
        Of the field that is set.
    """
    same = {name for pair in MEANT.items() if path[-1] in pair for name in pair} - {path[-1]}
    around = [path[:-1]]
    workloads = values.get("workloads")
    if path[:-1] == ("limits",) and path[-1] in FOR_ALL and isinstance(workloads, list):
        around += [("workloads", at) for at in range(len(workloads))]
        same |= {str(path[-1])}
    gone = [(*each, name) for each in around for name in same if (*each, name) != path]
    for location in gone:
        part: Any = values
        for key in location[:-1]:
            # The field that is set was reached already, and all workloads are there.
            part = part[key]
        if isinstance(part, dict):
            part.pop(location[-1], None)
    return gone


def as_written(location: Location, known: Collection[Location]) -> Location:
    """The alias by which a field was given, where not the field itself but the alias stands in a file."""
    if not location or location in known:
        return location
    aliases = [alias for alias, name in MEANT.items() if name == location[-1]]
    places = [(*location[:-1], alias) for alias in aliases] + [("limits", alias) for alias in aliases]
    return next((place for place in places if place in known), location)


def beside(location: Location, value: object, fields: Collection[str]) -> str | None:
    """What is wrong with an unknown field that is an alias; ``None`` where it is no alias of anything there."""
    alias = str(location[-1])
    name = MEANT.get(alias)
    if name in fields:
        return f"found {found(value)} beside {name}, which says the same; expected one of the two"
    if location == ("limits", alias) and alias in FOR_ALL and "max_usd_per_hour" in fields:
        return f"found {found(value)} beside {name} or {alias} of a workload; expected one of the two"
    return None


def add_to_schema(schema: dict[str, Any], fields: Collection[str]) -> None:
    """Add the aliases of ``fields`` to the JSON Schema of a part: each may stand for its field, not beside it."""
    rules: list[dict[str, object]] = []
    for alias, name in MEANT.items():
        if name in fields:
            schema["properties"][alias] = dict(_TOLD[alias])
            if name in schema.get("required", ()):
                schema["required"].remove(name)
                rules.append({"oneOf": [{"required": [name]}, {"required": [alias]}]})
            else:
                rules.append({"not": {"required": [name, alias]}})
    if rules:
        schema["allOf"] = rules


def add_limits_to_schema(schema: dict[str, Any]) -> None:
    """Add to the JSON Schema of a fleet's limits what they may say for all workloads."""
    for alias in FOR_ALL:
        told = dict(_TOLD[alias])
        schema["properties"][alias] = told | {"description": f"Of every workload. {told['description']}"}
