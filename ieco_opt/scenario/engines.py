"""The servers that a scenario names, as profiles, checked against its accelerators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ieco_opt.catalog.types import Accelerator
from ieco_opt.documents.origin import Location, Origin
from ieco_opt.errors import ScenarioError

if TYPE_CHECKING:
    from ieco_opt.engines.profile import Profile

PREFERENCE = ("vllm", "sglang", "trtllm")
"""Order of the servers where a scenario asks for any: those with figures of memory first."""

ANY, ALONE = "any", "none"
"""Every server that has a profile, and the equations alone."""


ProfileOrFile = str | Mapping[str, object] | None
"""A profile of the scenario's own, as it stands there: a file, a mapping, or nothing."""


def name_in(profile: object) -> str | None:
    """The engine that a profile says it is of; ``None`` where it is a file that is not read yet, or says none."""
    name = profile.get("engine") if isinstance(profile, Mapping) else None
    return name if isinstance(name, str) else None


def asked(engine: tuple[str, ...], profile: ProfileOrFile, *, said: bool) -> tuple[str, ...]:
    """Names of the servers that a scenario asks; ``said``: whether ``engine`` was given, and is not its default.

    A profile is the only server where nothing else is said.
    """
    own = name_in(profile)
    return engine if own is None or said else (own,)


def profiles_of(names: Sequence[str], own: Profile | None = None) -> tuple[Profile, ...]:
    """Profiles of the servers named, in their order; nothing for the equations alone.

    Of two servers that run a setup alike the first is priced, so that their order says which is preferred.

    Parameters
    ----------
    own
        The scenario's own profile, which stands for its name, also where the package has a profile of that name.
    """
    if ALONE in names:
        return ()
    from ieco_opt.engines.store import profile

    listed = tuple(names)
    if ANY in names:
        listed = PREFERENCE if own is None or own.name in PREFERENCE else (*PREFERENCE, own.name)
    return tuple(own if own is not None and name == own.name else profile(name) for name in listed)


def own_profile(profile: ProfileOrFile, location: Location, origin: Origin) -> Profile | None:
    """The profile that a scenario brings; ``None`` where it brings none.

    Raises
    ------
    ScenarioError
        With every fault of it: at ``location`` of the scenario, or in the profile's file.
    """
    if profile is None:
        return None
    if isinstance(profile, str):
        return _checked(*_read(profile, location, origin))
    try:
        # Where no file was read, the profile says itself where a general rule of it stands.
        return replace(_checked(profile, Origin()), file="profile")
    except ScenarioError as error:
        raise ScenarioError(origin.placed(location, error.faults)) from None


def profile_values(file: str, location: Location, origin: Origin) -> object:
    """What stands in the file of a profile, which is checked; errors as of :func:`own_profile`."""
    values, where = _read(file, location, origin)
    _checked(values, where)
    return values


def _read(file: str, location: Location, origin: Origin) -> tuple[object, Origin]:
    from ieco_opt.engines.store import file_values

    return file_values(origin.path_of(file, location, "a profile of an engine in YAML"))


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
