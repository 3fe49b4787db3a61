"""The calibration profiles that a scenario prices its accelerators with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ieco_opt.catalog.types import Accelerator
from ieco_opt.documents.origin import Location, Origin
from ieco_opt.errors import Fault, ScenarioError

if TYPE_CHECKING:
    from ieco_opt.catalog.calibration import Calibration

AUTOMATIC, PUBLISHED = "auto", "paper-constants"
"""The profile of the package for each accelerator, and the published constants (of those that no other names)."""

PLACE: Location = ("profile",)

Profile = str | dict[str, object]
"""A calibration profile as a scenario names it: a word of above, a name, a file, or a mapping."""


def calibrated(
    accelerators: Sequence[Accelerator | None], profiles: Sequence[Profile], origin: Origin
) -> tuple[list[Accelerator | None], tuple[Profile, ...]]:
    """Accelerators with the profile that each is priced with, and these profiles as mappings.

    One profile counts for all accelerators. Of several entries each counts for the accelerators that it names, first as
    fitted on, then as alike; the others keep the published constants. ``None`` stands for an accelerator that is wrong.
    The mappings need neither file nor catalog, and are those alone that some accelerator takes.

    Raises
    ------
    ScenarioError
        With the faults of the profiles: in the scenario, or in their files.
    """
    if tuple(profiles) == (PUBLISHED,):
        return list(accelerators), tuple(profiles)
    from ieco_opt.catalog.profiles import calibrations, fitting

    automatic = tuple(profiles) == (AUTOMATIC,)
    read = calibrations() if automatic else _read(profiles, origin)
    alone = len(profiles) == 1 and not automatic
    taken: list[Calibration] = []
    found: list[Accelerator | None] = []
    for each in accelerators:
        chosen = None if each is None else read[0] if alone else fitting(each, read)
        found.append(None if each is None else replace(each, calibration=chosen))
        if chosen is not None and chosen not in taken:
            taken.append(chosen)
    mappings: list[Profile] = [each.model_dump(mode="json", exclude_defaults=True) for each in taken]
    # Beside another entry a profile counts for nothing but what it names.
    return found, tuple(mappings) if alone and mappings else (*mappings, PUBLISHED)


def profile_of(profile: str) -> Callable[[Accelerator], Calibration | None]:
    """Which profile each accelerator takes by one word of a command; ``None``: the published constants.

    Raises
    ------
    ScenarioError
        The word is no profile, or its file has faults.
    """
    from ieco_opt.catalog.profiles import calibration, calibration_of

    if profile == AUTOMATIC:
        return calibration_of
    chosen = None if profile == PUBLISHED else calibration(profile, (AUTOMATIC, PUBLISHED))
    return lambda _: chosen


def _read(profiles: Sequence[Profile], origin: Origin) -> list[Calibration]:
    read: list[Calibration] = []
    faults: list[Fault] = []
    for at, each in enumerate(profiles):
        if each == PUBLISHED:
            continue
        try:
            read.append(_profile(each, (*PLACE, at), origin))
        except ScenarioError as error:
            faults += error.faults
    if faults:
        raise ScenarioError(faults)
    return read


def _profile(profile: Profile, location: Location, origin: Origin) -> Calibration:
    from ieco_opt.catalog.profiles import calibration, calibration_in, is_calibration_file, read_calibration

    # Where the profile stands alone, the file of the scenario has lines of the field itself.
    place = location if location in origin.lines else PLACE
    if isinstance(profile, Mapping):
        try:
            return calibration_in(profile, Origin())
        except ScenarioError as error:
            raise ScenarioError(origin.placed(place, error.faults)) from None
    if is_calibration_file(profile):
        return read_calibration(origin.path_of(profile, place, "a calibration profile (.yaml)"))
    try:
        return calibration(profile, (AUTOMATIC, PUBLISHED))
    except ScenarioError as error:
        raise ScenarioError([origin.fault(place, each.message) for each in error.faults]) from None
