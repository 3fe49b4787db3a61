"""Which power is known: of boards that state it, in fidelity `deployable` alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ieco_opt import catalog
from ieco_opt.catalog.types import Fidelity
from ieco_opt.performance.energy import watts

GPUS = np.array([1.0, 8.0])


@pytest.mark.parametrize(
    ("fidelity", "power_w", "known"),
    [
        (Fidelity.DEPLOYABLE, 500.0, True),
        (Fidelity.DEPLOYABLE, None, False),
        (Fidelity.PAPER, 500.0, False),
        (Fidelity.PAPER, None, False),
    ],
)
def test_power_is_known_of_boards_that_state_it(fidelity: Fidelity, power_w: float | None, known: bool) -> None:
    card = replace(catalog.accelerator("H100-SXM"), power_w=power_w, calibration=None)
    idle, busy = watts(card, fidelity, GPUS)
    assert np.isfinite(idle).tolist() == np.isfinite(busy).tolist() == [known, known]
    if known:
        # Both shares are of the board's power, which no setup exceeds.
        assert idle[1] == pytest.approx(8 * idle[0], rel=1e-12)
        assert busy[1] == pytest.approx(8 * busy[0], rel=1e-12)
        assert 0.0 < idle[0] < idle[0] + busy[0] <= 500.0
