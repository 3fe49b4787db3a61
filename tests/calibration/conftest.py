"""What the tests of calibration share."""

from __future__ import annotations

import pytest
from synthetic_rows import profile

from ieco_opt.catalog.calibration import Calibration


@pytest.fixture(scope="session")
def base() -> Calibration:
    """The profile that tests start from."""
    return profile()
