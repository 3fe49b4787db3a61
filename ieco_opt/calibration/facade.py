"""What programs call to hold the model against measurements; each function imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.calibration.calibrate import Calibrated
    from ieco_opt.calibration.validation import Validation
    from ieco_opt.catalog.calibration import Calibration


def validate(measurements: pd.DataFrame | str | PathLike[str], profile: str = "auto") -> Validation:
    """Compare predicted with measured times per output token; see :func:`ieco_opt.calibration.validation.validate`.

    Parameters
    ----------
    measurements
        A table with the columns of docs/calibration.md, or a CSV file of it.
    profile
        ``auto``, the name of a calibration profile, its .yaml file, or ``paper-constants``.

    Raises
    ------
    ScenarioError
        The measurements or the profile are wrong.
    """
    from ieco_opt.calibration.measurements import measurements_of, read_measurements
    from ieco_opt.calibration.validation import validate

    if isinstance(measurements, str | PathLike):
        return validate(read_measurements(Path(measurements)), profile)
    return validate(measurements_of(measurements), profile)


def calibrate(
    measurements: str | Path | pd.DataFrame | Sequence[str | Path | pd.DataFrame],
    *,
    profile: Calibration | str | Path | None = None,
    setup: Mapping[str, object] | None = None,
    name: str | None = None,
) -> Calibrated:
    """Move a calibration profile by measurements; see :func:`ieco_opt.calibration.calibrate.calibrate`.

    Parameters
    ----------
    measurements
        Tables, files or folders, one or several.
    setup
        Columns that the files of benchmarks do not say, as a setup file names them.
    """
    import pandas as pd

    from ieco_opt.calibration.calibrate import DEFAULT_NAME, calibrate
    from ieco_opt.calibration.setup import setup_of
    from ieco_opt.documents.origin import Origin

    listed = [measurements] if isinstance(measurements, str | Path | pd.DataFrame) else measurements
    return calibrate(
        [Path(each) if isinstance(each, str) else each for each in listed],
        profile=str(profile) if isinstance(profile, Path) else profile,
        setup=setup_of(setup or {}, Origin()),
        name=name or DEFAULT_NAME,
    )
