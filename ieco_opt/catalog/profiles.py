"""Calibration profiles by name: those of the package, and files of the user's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from ieco_opt.catalog.calibration import Calibration, calibration_from_mapping
from ieco_opt.catalog.mappings import faults_of
from ieco_opt.catalog.tables import CatalogRow
from ieco_opt.catalog.types import Accelerator
from ieco_opt.documents import yaml_document
from ieco_opt.documents.near import near
from ieco_opt.documents.origin import Origin, dotted, found, undotted
from ieco_opt.documents.text_file import read_text
from ieco_opt.errors import Fault, ScenarioError

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = "profiles"
_FILE_ENDINGS = (".yaml", ".yml")


def is_calibration_file(name: str) -> bool:
    """Whether a profile is named as a file, by its ending."""
    return name.lower().endswith(_FILE_ENDINGS)


@cache
def calibrations() -> tuple[Calibration, ...]:
    """Every profile of the package, by name."""
    folder = resources.files("ieco_opt.catalog").joinpath("data", _FOLDER)
    files = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    return tuple(
        calibration_from_mapping(_mapping(yaml_document.parse_trusted(each.read_text(encoding="utf-8"))))
        for each in files
    )


def calibration(name: str, words: Sequence[str] = ()) -> Calibration:
    """Find a profile by its name, or read it from a file.

    Parameters
    ----------
    words
        What else the caller takes, for the message about a name that is none.

    Raises
    ------
    ScenarioError
        The name is none, or the file has faults: all of them.
    """
    if is_calibration_file(name):
        return read_calibration(Path(name))
    by_name = {each.name: each for each in calibrations()}
    if name in by_name:
        return by_name[name]
    known = [*words, *by_name]
    close = near(name, known)
    hint = f" (near: {close})" if close else ""
    raise ScenarioError.single(
        f"found {found(name)}, expected one of {', '.join(known)}, or a profile in a .yaml file{hint}",
        field="profile",
    )


def calibration_of(accelerator: Accelerator) -> Calibration | None:
    """The profile of the package that was fitted on an accelerator, or else is taken to be alike."""
    return fitting(accelerator, calibrations())


def fitting(accelerator: Accelerator, profiles: Iterable[Calibration]) -> Calibration | None:
    """The first of some profiles that names an accelerator as fitted on, or else as alike.

    Where none does, that of the entry counts which a user's description of the accelerator starts from.
    """
    listed = tuple(profiles)
    for name in (accelerator.name, accelerator.like):
        for names in (attrgetter("accelerators"), attrgetter("like")):
            found_here = next((each for each in listed if name in names(each)), None)
            if found_here is not None:
                return found_here
    return None


def read_calibration(path: Path) -> Calibration:
    """Read a profile that a user wrote, or that `calibrate` did.

    Raises
    ------
    ScenarioError
        With every fault: file, line, field, what was found and what is expected.
    """
    document = yaml_document.parse(read_text(path, expected="a calibration profile in YAML"), str(path))
    if document.faults:
        raise ScenarioError([Fault(str(path), line, dotted(at), message) for at, line, message in document.faults])
    return calibration_in(document.values, Origin(str(path), path.parent, document.lines))


def calibration_in(values: object, origin: Origin) -> Calibration:
    """Make a profile of what stands in a file or a scenario; errors as of :func:`read_calibration`."""
    if not isinstance(values, Mapping):
        raise ScenarioError([origin.fault((), f"found {found(values)}, expected a calibration profile: a mapping")])
    try:
        return calibration_from_mapping(values)
    except ValidationError as error:
        faults = faults_of(Calibration, error)
        raise ScenarioError([origin.fault(undotted(each.field), each.message) for each in faults]) from None


def describe(profile: Calibration) -> list[CatalogRow]:
    """Every constant of a profile with its unit, and where it comes from."""
    fitted = profile.fitted_on
    source = "assumed"
    if fitted is not None:
        source = f"fitted to {fitted.rows:,} rows; what they do not say is as assumed"
    named = {"name", "accelerators", "like"}
    fields = _values(profile.model_dump(exclude={"sources", "fitted_on", *named}))
    about = _values(profile.model_dump(include=named))
    evidence = _values({} if fitted is None else {"fitted_on": fitted.model_dump()})
    return [
        *(CatalogRow(field, value, "", "") for field, value in about),
        *(
            CatalogRow(field, value, _unit(field), profile.sources.get(field.partition(".")[0], source))
            for field, value in fields
        ),
        *(CatalogRow(field, value, "", "") for field, value in evidence),
    ]


def to_dataframe() -> pd.DataFrame:
    """Tabulate the profiles of the package, one row each."""
    import pandas as pd

    return pd.DataFrame([_row(each) for each in calibrations()])


def _row(profile: Calibration) -> dict[str, object]:
    fitted = profile.fitted_on
    return {
        "name": profile.name,
        "accelerators": ", ".join(profile.accelerators),
        "like": ", ".join(profile.like),
        "rows": None if fitted is None else fitted.rows,
        "median_error": None if fitted is None else fitted.median_error,
        "p90_error": None if fitted is None else fitted.p90_error,
    }


def _values(mapping: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Fields by their dotted names, with values as text."""
    for name, value in mapping.items():
        at = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _values(value, f"{at}.")
        elif name == "all_reduce" and isinstance(value, tuple):
            for kernel in value:
                text = f"{kernel['seconds']:g} s + bytes / {kernel['bytes_per_s']:g}"
                yield f"{at}.{kernel['ranks']}_ranks", text
        elif name == "measured" and isinstance(value, tuple):
            for pair in value:
                median, p90 = (f"{100.0 * pair[each]:.1f} %" for each in ("median_error", "p90_error"))
                text = f"{pair['rows']:,} rows, half within {median}, nine in ten within {p90}"
                yield f"{at}.{pair['model']}.{pair['accelerator']}", text
        else:
            yield at, ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _unit(field: str) -> str:
    last = field.rpartition(".")[2]
    return "s" if last in {"step_s", "layer_s", "seconds"} else "of the links" if last == "bandwidth_share" else ""


def _mapping(values: object) -> dict[str, object]:
    assert isinstance(values, dict)
    return values
