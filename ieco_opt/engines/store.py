"""Profiles by name: those of the package, and files of the user's own."""

from __future__ import annotations

import copyreg
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ieco_opt.documents import json_document, yaml_document
from ieco_opt.documents.near import near
from ieco_opt.documents.origin import Origin, dotted, found
from ieco_opt.documents.packaged import packaged_text
from ieco_opt.documents.text_file import read_text
from ieco_opt.engines.loading import profile_of
from ieco_opt.engines.profile import Profile
from ieco_opt.errors import Fault, ScenarioError

NAMES = ("sglang", "trtllm", "vllm")
"""Engines that the package knows, sorted."""

EXPECTED = "an engine profile in YAML or JSON"
"""What a file that is named as a profile should be, for messages."""

_FILE_ENDINGS = (".yaml", ".yml", ".json")


def is_profile_file(name: str) -> bool:
    """Whether an engine is named as a file, by its ending or a slash."""
    return name.lower().endswith(_FILE_ENDINGS) or "/" in name


def profile(name: str, own: Sequence[Profile] = ()) -> Profile:
    """Find a profile by the name of its engine, or read it from a file.

    Parameters
    ----------
    own
        Profiles that go before those of the package.

    Raises
    ------
    ScenarioError
        The name is none, or the file has faults: all of them.
    """
    return read_profile(Path(name)) if is_profile_file(name) else profile_named(name, own)


def profile_named(name: str, own: Sequence[Profile] = ()) -> Profile:
    """Find a profile by the name of its engine alone, which never is a file; parameters and errors as of `profile`."""
    spelt = name.strip().casefold().replace("-", "").replace("_", "").replace("tensorrtllm", "trtllm")
    by_name = {each.name: each for each in own}
    for each in (name, name.strip().casefold(), spelt):
        if each in by_name:
            return by_name[each]
    if spelt in NAMES:
        return _shipped(spelt)
    known = sorted({*NAMES, *by_name})
    close = near(spelt, known)
    hint = f" (near: {close})" if close else ""
    raise ScenarioError.single(
        f"found {found(name)}, expected one of {', '.join(known)}, or an engine profile in a file{hint}",
        field="engine",
    )


def profiles() -> tuple[Profile, ...]:
    """Every profile of the package."""
    return tuple(_shipped(name) for name in NAMES)


def read_profile(path: Path) -> Profile:
    """Read a profile that a user wrote.

    Raises
    ------
    ScenarioError
        With every fault: file, line, field, what was found and what is expected.
    """
    return profile_of(*file_values(path))


def file_values(path: Path) -> tuple[object, Origin]:
    """What stands in the file of a profile, and where; errors as of :func:`read_profile`, but for its fields."""
    text = read_text(path, expected=EXPECTED)
    if path.suffix.lower() == ".json":
        return json_document.parse(text, str(path)), Origin(str(path), path.parent, json_document.lines_of(text))
    document = yaml_document.parse(text, str(path))
    if document.faults:
        raise ScenarioError([Fault(str(path), line, dotted(at), message) for at, line, message in document.faults])
    return document.values, Origin(str(path), path.parent, document.lines)


def says_engine(path: Path) -> bool:
    """Whether a file is a profile: a mapping with the field ``engine``; false where it cannot be read."""
    try:
        values, _ = file_values(path)
    except ScenarioError:
        return False
    return isinstance(values, dict) and "engine" in values and "accepts" in values


@cache
def _shipped(name: str) -> Profile:
    return profile_of(yaml_document.parse_trusted(_text(name)), Origin(f"{name}.yaml"))


def _text(name: str) -> str:
    return packaged_text("ieco_opt.engines", f"{name}.yaml")


@cache
def _digest(name: str) -> str:
    return hashlib.sha256(_text(name).encode()).hexdigest()


def _pickled(chosen: Profile) -> tuple[object, ...]:
    """How a profile is pickled: by name where the package brings it, which is a tenth of what is sent to a worker."""
    if chosen.name in NAMES and chosen is _shipped(chosen.name):
        return _same, (chosen.name, _digest(chosen.name))
    return object.__reduce_ex__(chosen, 4)  # type: ignore[return-value]


def _same(name: str, digest: str) -> Profile:
    """The profile of the package by name; another release of it may have other rules, and is refused.

    Raises
    ------
    ScenarioError
        It is not the one that was pickled.
    """
    if digest != _digest(name):
        message = f"found another release's profile of {name}, expected that of the release which asks"
        raise ScenarioError.single(message, field="engine")
    return _shipped(name)


copyreg.pickle(Profile, _pickled)  # type: ignore[arg-type]
