"""From version 1 of scenario files, whose `tensor_parallel` counted all ranks of a stage, to version 2."""

from __future__ import annotations

import codecs
import os
import pathlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ieco_opt.documents.origin import Location, Origin, dotted, found
from ieco_opt.documents.text_file import decoded, read_bytes
from ieco_opt.documents.yaml_document import Document, parse
from ieco_opt.errors import Fault, ScenarioError
from ieco_opt.scenario.version import FORMER_VERSION, VERSION

_FORMER, _CURRENT = "tensor_parallel", "stage_ranks"


@dataclass(frozen=True, slots=True)
class Migration:
    """A scenario file in the current version.

    Attributes
    ----------
    text
        The whole file, with its comments and its layout.
    renamed
        Fields that are called `stage_ranks` now, by their former names.
    was_current
        Whether the file said the current version already, so that nothing was changed.
    """

    text: str
    renamed: tuple[str, ...]
    was_current: bool
    starts_with_mark: bool = False

    @property
    def content(self) -> bytes:
        """The bytes to write; a byte order mark that the file had stays."""
        return self.text.encode("utf-8-sig" if self.starts_with_mark else "utf-8")


def migrated_file(path: str | os.PathLike[str]) -> Migration:
    """Read a scenario file of either kind and rewrite it to the current version; nothing is written.

    Raises
    ------
    ScenarioError
        The file cannot be read or is no scenario, its version is unknown, or it mixes fields of both versions.
    """
    source = pathlib.Path(path)
    content = read_bytes(source)
    migration = migrated_text(decoded(content, str(source)), str(source))
    return replace(migration, starts_with_mark=content.startswith(codecs.BOM_UTF8))


def migrated_text(text: str, file: str | None = None) -> Migration:
    """Rewrite the text of a scenario file; see :func:`migrated_file`."""
    document = parse(text, file)
    if document.faults:
        raise ScenarioError([Fault(file, line, dotted(at), message) for at, line, message in document.faults])
    if not isinstance(document.values, Mapping):
        raise ScenarioError.single(f"found {found(document.values)}, expected a scenario", file=file)
    origin = Origin(file, lines=document.lines)
    wanted = migrated_mapping(document.values, origin)
    if document.values.get("version") == VERSION:
        return Migration(text, (), was_current=True)
    outdated = list(_outdated(document.values, origin))
    edited = _edited(text, document, outdated)
    # Layouts that no plain edit survives (an anchor on a key, say) are better refused than broken.
    if not _says(edited, wanted):
        message = (
            f"cannot be rewritten as it is laid out; expected names of fields without anchors and tags, or `version: "
            f"{VERSION}` and {_CURRENT} written by hand"
        )
        raise ScenarioError.single(message, file=file)
    return Migration(edited, tuple(map(dotted, outdated)), was_current=False)


def migrated_mapping(mapping: Mapping[str, object], origin: Origin | None = None) -> dict[str, object]:
    """Convert a scenario that is kept as a mapping, such as one inside a saved result.

    The design space stays the same set of configurations.

    Parameters
    ----------
    mapping
        A scenario of either kind. One that says the current version is returned as it is.
    origin
        Where faults should say that its fields are.

    Raises
    ------
    ScenarioError
        The kind or the version is unknown, or there are fields of both versions.
    """
    origin = origin or Origin()
    version = mapping.get("version", FORMER_VERSION)
    if version == VERSION:
        return dict(mapping)
    if version != FORMER_VERSION:
        message = f"found {found(version)}, expected {FORMER_VERSION} or {VERSION}"
        raise ScenarioError([origin.fault(("version",), message)])
    current: dict[str, object] = {"version": VERSION} | {key: mapping[key] for key in mapping if key != "version"}
    for location in _outdated(mapping, origin):
        current = _renamed(current, location)
    return current


def _outdated(mapping: Mapping[str, object], origin: Origin) -> Iterator[Location]:
    """Fields whose meaning has changed and that have to be renamed."""
    spaces = list(_design_spaces(mapping, origin))
    mixed = [location for location, space in spaces if _CURRENT in space]
    if mixed:
        message = (
            f"version {FORMER_VERSION} has no such field; expected a file of version {FORMER_VERSION}, "
            f"or `version: {VERSION}` in one that is of version {VERSION} already"
        )
        raise ScenarioError([origin.fault((*location, _CURRENT), message) for location in mixed])
    for location, space in spaces:
        groups = space.get("attention_data_parallel")
        # In a single attention group the ranks of the group are those of the stage.
        one_group = isinstance(groups, list | tuple) and list(groups) == [1]
        if space.get(_FORMER) is not None and not one_group:
            yield (*location, _FORMER)


def _design_spaces(mapping: Mapping[str, object], origin: Origin) -> Iterator[tuple[Location, Mapping[str, object]]]:
    """Every design space of a scenario, as far as it is a mapping at all, with its place."""
    kind = mapping.get("kind")
    if kind not in ("deployment", "fleet"):
        message = f"found {found(kind)}, expected 'deployment' or 'fleet'"
        raise ScenarioError([origin.fault(("kind",), message)])
    listed = mapping.get("workloads")
    workloads = listed if kind == "fleet" and isinstance(listed, list | tuple) else ()
    holders: list[tuple[Location, object]] = [(("workloads", at), each) for at, each in enumerate(workloads)]
    for location, holder in [((), mapping)] if kind == "deployment" else holders:
        space = holder.get("design_space") if isinstance(holder, Mapping) else None
        if isinstance(space, Mapping):
            yield (*location, "design_space"), space


def _renamed(value: object, location: Location) -> dict[str, object]:
    """Copy a mapping with the field at a location renamed, in the place it had; what is not around it is shared."""
    assert isinstance(value, Mapping)
    key, *rest = location
    if not rest:
        return {_CURRENT if name == key else name: entry for name, entry in value.items()}
    inner = value[key]
    if isinstance(inner, list | tuple):
        index, *below = rest
        copied = [_renamed(entry, tuple(below)) if at == index else entry for at, entry in enumerate(inner)]
        return {**value, key: copied}
    return {**value, key: _renamed(inner, tuple(rest))}


def _edited(text: str, document: Document, outdated: list[Location]) -> str:
    """Put the current version and the current names into the text, from its end to its start."""
    names = {document.names[location].start: document.names[location] for location in outdated}
    edits = [(place, _quoted_like(text[place], _CURRENT)) for place in names.values()]
    edits.append(_version_edit(text, document))
    for place, written in sorted(edits, key=lambda edit: edit[0].start, reverse=True):
        text = text[: place.start] + written + text[place.stop :]
    return text


def _version_edit(text: str, document: Document) -> tuple[slice, str]:
    """Where the version has to be written, and what: in the place of another one, or before all other fields."""
    if ("version",) in document.contents:
        return document.contents["version",], str(VERSION)
    first = min(place.start for location, place in document.names.items() if len(location) == 1)
    before = text[text.rfind("\n", 0, first) + 1 : first]
    in_braces = text[document.contents[()].start] == "{"
    newline = "\r\n" if "\r\n" in text else "\n"
    name = next(text[place] for location, place in document.names.items() if place.start == first)
    after = ("," if in_braces else "") + (" " if before.strip() else newline + before)
    return slice(first, first), f"{_quoted_like(name, 'version')}: {VERSION}{after}"


def _quoted_like(written: str, name: str) -> str:
    """Put a name in the quotation marks of another one, if it has any."""
    mark = written[:1]
    return f"{mark}{name}{mark}" if mark in ("'", '"') else name


def _says(text: str, wanted: dict[str, object]) -> bool:
    try:
        document = parse(text, None)
    except ScenarioError:
        return False
    return not document.faults and document.values == wanted
