"""The servers that a scenario names, as profiles, checked against its accelerators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ieco_opt.catalog.types import Accelerator
from ieco_opt.documents.origin import Location, Origin, found
from ieco_opt.errors import Fault, ScenarioError

if TYPE_CHECKING:
    from ieco_opt.engines.profile import Profile

PREFERENCE = ("vllm", "sglang", "trtllm")
"""Order of the servers where a scenario asks for any: those with figures of memory first."""

ANY, ALONE = "any", "none"
"""Every server that the package has a profile of, and the equations alone."""

Engine = str | dict[str, object]
"""A server as a scenario names it: by its name, or by an engine profile, which is a file or a mapping."""


def name_in(engine: object) -> str | None:
    """The name that an engine profile says; ``None`` where it is no mapping, or says none."""
    name = engine.get("engine") if isinstance(engine, Mapping) else None
    return name if isinstance(name, str) else None


def spoken(engines: Sequence[Engine]) -> tuple[str, ...]:
    """Names of the servers as they are listed; of a file that is not read yet, the file."""
    return tuple(each if isinstance(each, str) else name_in(each) or found(each) for each in engines)


def profiles_of(engines: Sequence[str | Profile]) -> tuple[Profile, ...]:
    """Profiles of the servers listed, in their order; nothing for the equations alone.

    Of two servers that run a setup alike the first is priced, so that their order says which is preferred. A profile
    that is listed stands for its name, wherever that stands first.
    """
    if ALONE in engines:
        return ()
    from ieco_opt.engines.store import profile_named

    own = {each.name: each for each in engines if not isinstance(each, str)}
    names: list[str] = []
    for each in engines:
        names += PREFERENCE if each == ANY else [each if isinstance(each, str) else each.name]
    return tuple(own.get(name) or profile_named(name) for name in dict.fromkeys(names))


def with_profiles(engines: Sequence[Engine], location: Location, origin: Origin) -> tuple[str | Profile, ...]:
    """The servers that a scenario lists, with what its engine profiles say in their place.

    Parameters
    ----------
    location
        Where the scenario lists them.

    Raises
    ------
    ScenarioError
        With every fault of the profiles: in the scenario, or in their files.
    """
    read: list[str | Profile] = []
    faults: list[Fault] = []
    for at, each in enumerate(engines):
        try:
            read.append(_profile_or_name(each, (*location, at), origin))
        except ScenarioError as error:
            faults += error.faults
    if faults:
        raise ScenarioError(faults)
    return tuple(read)


def _profile_or_name(engine: Engine, location: Location, origin: Origin) -> str | Profile:
    if isinstance(engine, str):
        return _checked(*_read(engine, location, origin)) if is_file(engine) else engine
    try:
        # Where no file was read, the profile says itself where a general rule of it stands.
        return replace(_checked(engine, Origin()), file=f"engine {name_in(engine)}")
    except ScenarioError as error:
        raise ScenarioError(origin.placed(_place_of_mapping(location, origin), error.faults)) from None


def _place_of_mapping(location: Location, origin: Origin) -> Location:
    """Where a mapping was written, which may be the field itself instead of a list of it."""
    around = location[:-1]
    return around if around in origin.lines and location not in origin.lines else location


def is_file(engine: Engine) -> bool:
    """Whether a server is named by the file of its profile."""
    from ieco_opt.engines.store import is_profile_file

    return isinstance(engine, str) and is_profile_file(engine)


def profile_values(file: str, location: Location, origin: Origin) -> dict[str, object]:
    """What stands in the file of an engine profile, which is checked.

    Raises
    ------
    ScenarioError
        The scenario may name no file, or there is none; or with every fault of the profile.
    """
    values, where = _read(file, location, origin)
    _checked(values, where)
    assert isinstance(values, dict)
    return values


def _read(file: str, location: Location, origin: Origin) -> tuple[object, Origin]:
    from ieco_opt.engines.store import EXPECTED, file_values

    return file_values(origin.path_of(file, location, EXPECTED))


def _checked(values: object, origin: Origin) -> Profile:
    """A profile that a design space can ask."""
    from ieco_opt.engines.askable import unaskable
    from ieco_opt.engines.loading import profile_of

    made = profile_of(values, origin)
    wrong = list(unaskable(made))
    if wrong:
        raise ScenarioError([origin.fault(location, message) for location, message in wrong])
    return made


def unserved(profiles: Sequence[Profile], accelerators: Sequence[Accelerator]) -> Iterator[tuple[int, str]]:
    """Accelerators that none of the servers runs on: position, and what was found and is expected."""
    vendors = {vendor for each in profiles for vendor in each.vendors}
    for at, each in enumerate(accelerators):
        if profiles and each.vendor is not None and each.vendor not in vendors:
            titles = " or ".join(profile.title for profile in profiles)
            known = " or ".join(sorted(vendors))
            yield (
                at,
                f"found {each.name!r}, an accelerator of {each.vendor}, expected one of {known} for {titles}; "
                "engine: none prices the equations alone",
            )
