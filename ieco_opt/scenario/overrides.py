"""Fields that are set after a scenario was read, each as ``path=value``."""

from __future__ import annotations

import re

from ieco_opt.documents.origin import COMMAND_LINE, Location, dotted, found, shortened
from ieco_opt.documents.yaml_document import Document, parse
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.other_words import forget_others

_PART = r"[\w-]+|\[[^\[\]]+\]"
_FIELD = r"[\w-]+(?:\.[\w-]+|\[[^\[\]]+\])*"
_OVERRIDE = re.compile(rf"({_FIELD})=(.*)", re.DOTALL)
_LONGEST_POSITION = 10


def override(values: dict[str, object], document: Document, setting: str) -> list[Fault]:
    """Set one field, or say why it cannot be.

    Entries of lists go by position or by name: ``workloads[0].headroom``, ``workloads.0.headroom``,
    ``workloads.chat.headroom`` and ``workloads[chat].headroom`` may all be the same field.

    Parameters
    ----------
    values
        The scenario, which is changed.
    document
        What it was read from; lines of what is replaced are forgotten.
    setting
        The path, ``=`` and the value in YAML.
    """
    match = _OVERRIDE.fullmatch(setting)
    if match is None:
        expected = "FIELD=VALUE, such as limits.min_speed=30 or workloads[0].headroom=0.2"
        return [Fault(COMMAND_LINE, None, "", f"found {found(setting)}, expected {expected}")]
    path, text = _path(match[1]), match[2]
    name = dotted(tuple(path))
    try:
        parsed = parse(text, COMMAND_LINE, name)
    except ScenarioError as error:
        return [Fault(fault.file, None, fault.field, fault.message) for fault in error.faults]
    if parsed.faults:
        return [Fault(COMMAND_LINE, None, name, message) for _, _, message in parsed.faults]
    return _set(values, document, path, parsed.values)


def is_field(name: str) -> bool:
    """Whether a text may name a field as :func:`override` takes it."""
    return re.fullmatch(_FIELD, name) is not None


def set_field(values: dict[str, object], document: Document, name: str, value: object) -> list[Fault]:
    """Set a field whose value is read already; the rest is as of :func:`override`."""
    assert is_field(name)
    return _set(values, document, _path(name), value)


def _path(name: str) -> list[str]:
    return [part.strip("[]") for part in re.findall(_PART, name)]


def _set(values: dict[str, object], document: Document, path: list[str], value: object) -> list[Fault]:
    inner: dict[str, object] | list[object] = values
    *around, last = path
    reached: list[str | int] = []
    for depth, name in enumerate(around, start=1):
        key = _key_in(inner, name)
        if key is None:
            return [_no_entry(path[:depth], inner)]
        below = _entry(inner, key)
        if below is None and isinstance(inner, dict):
            below = inner[name] = {}
        if not isinstance(below, dict | list):
            message = f"found {found(below)} in the file, expected a mapping to set a field of"
            return [Fault(COMMAND_LINE, None, dotted(tuple(path[:depth])), message)]
        reached.append(key)
        inner = below
    key = _key_in(inner, last)
    if key is None:
        return [_no_entry(path, inner)]
    inner[key] = value  # type: ignore[index]
    at: Location = (*reached, key)
    replaced = [at, *forget_others(values, at)]
    for stale in [line for line in document.lines if any(line[: len(each)] == each for each in replaced)]:
        del document.lines[stale]
    document.lines[at] = None
    return []


def _no_entry(path: list[str], entries: object) -> Fault:
    assert isinstance(entries, list)
    names = [each["name"] for each in entries if isinstance(each, dict) and isinstance(each.get("name"), str)]
    expected = f"a position below {len(entries)}" if entries else "nothing, since it is empty"
    named = f" or a name ({shortened(names)})" if names else ""
    message = f"found no entry {found(path[-1])} in a list of {len(entries)}, expected {expected}{named}"
    return Fault(COMMAND_LINE, None, dotted(tuple(path)), message)


def _key_in(container: dict[str, object] | list[object], name: str) -> str | int | None:
    """Key of a mapping, or the position in a list that ``name`` counts or names; ``None`` if there is none."""
    if isinstance(container, dict):
        return name
    if name.isdecimal():
        return int(name) if len(name) < _LONGEST_POSITION and int(name) < len(container) else None
    named = [at for at, entry in enumerate(container) if isinstance(entry, dict) and entry.get("name") == name]
    return named[0] if named else None


def _entry(container: dict[str, object] | list[object], key: str | int) -> object:
    return container.get(str(key)) if isinstance(container, dict) else container[int(key)]
