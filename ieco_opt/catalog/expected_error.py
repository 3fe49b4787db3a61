"""How far off the model is expected to be on an accelerator: what its calibration profile says, or what none says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ieco_opt.catalog.types import Accelerator

if TYPE_CHECKING:
    from ieco_opt.catalog.calibration import Calibration

UNCALIBRATED_ERROR = 0.3
"""Expected relative error where no measurements of the accelerator are behind its constants."""


def measured_on(profile: Calibration, accelerator: Accelerator) -> bool:
    """Whether measurements of an accelerator are behind a profile."""
    if profile.fitted_on is None:
        return False
    alike = accelerator.like_hardware and accelerator.like in profile.accelerators
    return accelerator.name in profile.accelerators or alike


def expected_error(profile: Calibration | None, accelerator: Accelerator) -> float:
    """Relative error of nine rows in ten: the profile's on accelerators that it was fitted on, else 0.3."""
    if profile is None or profile.fitted_on is None or not measured_on(profile, accelerator):
        return UNCALIBRATED_ERROR
    return profile.fitted_on.p90_error
