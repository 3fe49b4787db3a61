"""What programs call to hold the model against measurements; each function imports what it needs when it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ieco_opt.defaults import CALIBRATED

if TYPE_CHECKING:
    import pandas as pd

    from ieco_opt.calibration.calibrate import Calibrated
    from ieco_opt.calibration.gathering import Source
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
    measurements: Source | Sequence[Source],
    *,
    profile: Calibration | str | PathLike[str] | None = None,
    setup: Mapping[str, object] | None = None,
    name: str = CALIBRATED,
) -> Calibrated:
    """Move a calibration profile by measurements; see :func:`ieco_opt.calibration.calibrate.calibrate`."""
    from ieco_opt.calibration.calibrate import calibrate

    return calibrate(measurements, profile=profile, setup=setup, name=name)
