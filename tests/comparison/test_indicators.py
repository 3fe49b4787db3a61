"""Indicators against values worked out by hand, and against moocore."""

from __future__ import annotations

import math

import moocore
import numpy as np
import pytest

from ieco_opt.comparison import indicators
from ieco_opt.comparison.indicators import Points

# Powers of ten, so that logarithms are whole numbers of decades.
FRONTIER = Points(np.array([100.0, 10.0, 1.0]), np.array([1000.0, 100.0, 10.0]))
"""Two decades of speed and two of cost: in normalised coordinates (0, 1), (1/2, 1/2), (1, 0)."""


def points(*pairs: tuple[float, float]) -> Points:
    return Points(np.array([pair[0] for pair in pairs], float), np.array([pair[1] for pair in pairs], float))


def test_nondominated_keeps_one_of_equals_and_drops_what_is_beaten() -> None:
    some = points((10, 5), (20, 9), (10, 5), (10, 6), (9, 5), (20, 10), (5, 1))
    assert some.nondominated().tolist() == [1, 0, 6]


def test_cost_regret_compares_with_the_cheapest_that_is_as_fast() -> None:
    # At 10 tokens/s the frontier pays 100; at 11 it has to pay the 1000 of its fastest point.
    regret = indicators.cost_regret(points((10, 150), (11, 1500), (0.5, 10), (200, 1)), FRONTIER)
    assert regret[:3] == pytest.approx([0.5, 0.5, 0.0])
    assert math.isnan(regret[3])


def test_speed_regret_compares_with_the_fastest_that_is_as_cheap() -> None:
    regret = indicators.speed_regret(points((8, 100), (5, 999), (1, 10), (1, 5)), FRONTIER)
    assert regret[:3] == pytest.approx([0.25, 1.0, 0.0])
    assert math.isnan(regret[3])


def test_regret_of_a_point_that_beats_the_frontier_is_negative() -> None:
    better = points((10, 50))
    assert indicators.cost_regret(better, FRONTIER)[0] == pytest.approx(-0.5)
    assert indicators.beating(better, FRONTIER).tolist() == [0]
    assert indicators.beating(better, FRONTIER, slack=1.0).tolist() == []


@pytest.mark.parametrize(
    ("some", "share"),
    [
        (points(), 0.0),
        (points((10, 100)), 1 / 3),
        (points((10 * (1 + 1e-12), 100), (1, 10), (1, 10)), 2 / 3),
        (points((10 * (1 + 1e-6), 100)), 0.0),
        (FRONTIER, 1.0),
    ],
)
def test_share_found_counts_points_of_the_frontier(some: Points, share: float) -> None:
    assert indicators.share_found(some, FRONTIER) == pytest.approx(share)


def test_normalised_spans_the_unit_square() -> None:
    assert indicators.normalised(FRONTIER, FRONTIER) == pytest.approx(np.array([[0, 1], [0.5, 0.5], [1, 0]]))
    assert indicators.normalised(points((1000, 1)), FRONTIER) == pytest.approx(np.array([[-0.5, -0.5]]))


def test_normalised_of_a_single_point_measures_in_logarithms() -> None:
    one = points((10, 5))
    assert indicators.normalised(points((10 / math.e, 5 * math.e**2)), one) == pytest.approx(np.array([[1.0, 2.0]]))


def test_hypervolume_by_hand() -> None:
    # Reference (1.1, 1.1): strips of width 1.1 x 0.1, 0.6 x 0.5 and 0.1 x 0.5.
    whole = 1.1 * 0.1 + 0.6 * 0.5 + 0.1 * 0.5
    assert indicators.hypervolume(indicators.normalised(FRONTIER, FRONTIER)) == pytest.approx(whole)
    assert indicators.hypervolume_ratio(FRONTIER, FRONTIER) == pytest.approx(1.0)
    assert indicators.hypervolume_ratio(points((10, 100)), FRONTIER) == pytest.approx(0.6 * 0.6 / whole)
    assert indicators.hypervolume_ratio(points(), FRONTIER) == 0.0
    # A dominated point adds nothing, one beyond the reference neither.
    assert indicators.hypervolume_ratio(points((10, 100), (5, 200), (0.1, 1e6)), FRONTIER) == pytest.approx(
        0.36 / whole
    )


def test_epsilon_by_hand() -> None:
    # From (1/2, 1/2) to the ends (0, 1) and (1, 0) is half of the range.
    assert indicators.additive_epsilon(points((10, 100)), FRONTIER) == pytest.approx(0.5)
    assert indicators.additive_epsilon(FRONTIER, FRONTIER) == pytest.approx(0.0)
    # Twice as dear everywhere: log10(2) of two decades.
    expensive = Points(FRONTIER.speed, 2 * FRONTIER.cost)
    assert indicators.additive_epsilon(expensive, FRONTIER) == pytest.approx(math.log10(2) / 2)
    assert indicators.additive_epsilon(points(), FRONTIER) == math.inf


def test_igd_plus_by_hand() -> None:
    # From either end only one coordinate of (1/2, 1/2) is worse, by one half; the middle is met.
    assert indicators.igd_plus(points((10, 100)), FRONTIER) == pytest.approx((0.5 + 0.0 + 0.5) / 3)
    assert indicators.igd_plus(FRONTIER, FRONTIER) == pytest.approx(0.0)
    assert indicators.igd_plus(points(), FRONTIER) == math.inf


@pytest.mark.parametrize("seed", range(20))
def test_indicators_agree_with_moocore(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frontier = Points(rng.uniform(1.0, 200.0, 40), np.exp(rng.normal(0.0, 2.0, 40)))
    frontier = frontier.take(frontier.nondominated())
    some = Points(rng.uniform(1.0, 200.0, 25), np.exp(rng.normal(1.0, 2.0, 25)))
    assert len(frontier) > 1, "one point has no range, and every seed must compare something"
    exact, found = indicators.normalised(frontier, frontier), indicators.normalised(some, frontier)
    assert indicators.hypervolume(found) == pytest.approx(moocore.hypervolume(found, ref=[1.1, 1.1]), rel=1e-12)
    assert indicators.additive_epsilon(some, frontier) == pytest.approx(moocore.epsilon_additive(found, ref=exact))
    assert indicators.igd_plus(some, frontier) == pytest.approx(moocore.igd_plus(found, ref=exact))
    kept = moocore.is_nondominated(np.column_stack([-some.speed, some.cost]))
    assert sorted(some.nondominated()) == np.flatnonzero(kept).tolist()
