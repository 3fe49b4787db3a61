"""The calibration profiles that a scenario prices its accelerators with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
) -> list[Accelerator | None]:
    """Accelerators with the profile that each is priced with; ``None`` stands for one that is wrong.

    One profile counts for all accelerators. Of several entries each counts for the accelerators that it names, first as
    fitted on, then as alike; the others keep the published constants.

    Raises
    ------
    ScenarioError
        With the faults of the profiles: in the scenario, or in their files.
    """
    return [each if each is None else _with_profile(each, profiles, origin) for each in accelerators]


def _with_profile(accelerator: Accelerator, profiles: Sequence[Profile], origin: Origin) -> Accelerator:
    if tuple(profiles) == (PUBLISHED,):
        return accelerator
    return replace(accelerator, calibration=_chosen(accelerator, profiles, origin))


def _chosen(accelerator: Accelerator, profiles: Sequence[Profile], origin: Origin) -> Calibration | None:
    from ieco_opt.catalog.profiles import calibration_of, fitting

    if tuple(profiles) == (AUTOMATIC,):
        return calibration_of(accelerator)
    read = _read(profiles, origin)
    return read[0] if len(profiles) == 1 else fitting(accelerator, read)


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
        return calibration(profile)
    except ScenarioError as error:
        raise ScenarioError([origin.fault(place, each.message) for each in error.faults]) from None


def in_place(
    profiles: Sequence[Profile], accelerators: Sequence[Accelerator | None], origin: Origin
) -> tuple[Profile, ...]:
    """The profiles as mappings, which need neither file nor catalog; those alone that some accelerator takes.

    Raises
    ------
    ScenarioError
        As :func:`calibrated`.
    """
    if tuple(profiles) == (PUBLISHED,):
        return tuple(profiles)
    taken: dict[str, Calibration] = {}
    for each in calibrated(accelerators, profiles, origin):
        if each is not None and each.calibration is not None:
            taken.setdefault(each.calibration.name, each.calibration)
    mappings: list[Profile] = [each.model_dump(mode="json", exclude_defaults=True) for each in taken.values()]
    # Beside another entry a profile counts for nothing but what it names.
    return (*mappings, PUBLISHED) if tuple(profiles) == (AUTOMATIC,) or len(mappings) != 1 else tuple(mappings)
