"""Lines and kernels that are recovered from times."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ieco_opt.catalog.calibration import AllReduceKernel, Calibration, by_ranks
from ieco_opt.catalog.profiles import calibrations
from ieco_opt.probing.lines import (
    all_reduce_kernels,
    cheapest_lines,
    fitted_line,
    never_quicker_with_more_ranks,
)

SIZES = [float(2**power) for power in range(12, 29, 2)]


def _kernels(*lines: tuple[int, float, float]) -> list[AllReduceKernel]:
    return [AllReduceKernel(ranks=ranks, seconds=start, bytes_per_s=rate) for ranks, start, rate in lines]


def test_a_line_is_recovered() -> None:
    line = fitted_line(SIZES, [7e-6 + size / 2e11 for size in SIZES])
    assert (line.seconds, line.bytes_per_s) == pytest.approx((7e-6, 2e11), rel=1e-9)


def test_small_and_large_messages_count_alike() -> None:
    times = np.array([7e-6 + size / 2e11 for size in SIZES])
    # In seconds the largest message is two hundred times the smallest: a fit that forgets this misses the start by far.
    times[-1] *= 1.05
    line = fitted_line(SIZES, times.tolist())
    assert line.seconds == pytest.approx(7e-6, rel=0.05)


def test_times_through_the_origin_or_that_fall_still_give_a_line() -> None:
    assert fitted_line([4e6], [2e-6]).bytes_per_s == pytest.approx(2e12)
    below = fitted_line([1e6, 2e6, 4e6], [0.9e-6, 2e-6, 4.2e-6])
    assert below.seconds == 0.0
    assert below.bytes_per_s == pytest.approx(1e12, rel=0.1)
    falling = fitted_line([1e6, 2e6], [3e-6, 2e-6])
    assert (falling.seconds, falling.bytes_per_s) == pytest.approx((0.0, 1e12))


def test_two_kernels_are_recovered_and_one_stays_one() -> None:
    one = [8e-6 + size / 1e11 for size in SIZES]
    assert len(cheapest_lines(SIZES, one)) == 1
    two = [min(3e-6 + size / 4e10, 1e-5 + size / 2e11) for size in SIZES]
    # In any order.
    small, large = sorted(cheapest_lines(SIZES[::-1], two[::-1]), key=lambda line: line.seconds)
    assert (small.seconds, small.bytes_per_s) == pytest.approx((3e-6, 4e10), rel=1e-6)
    assert (large.seconds, large.bytes_per_s) == pytest.approx((1e-5, 2e11), rel=1e-6)


def test_three_kernels_are_recovered_and_four_become_three() -> None:
    lines = [(2e-6, 1e10), (6e-6, 5e10), (2e-5, 2e11), (9e-5, 6e11)]
    fine = [float(2**power) for power in range(12, 30)]
    three = [min(start + size / rate for start, rate in lines[:3]) for size in fine]
    found = sorted((line.seconds, line.bytes_per_s) for line in cheapest_lines(fine, three))
    assert np.array(found) == pytest.approx(np.array(lines[:3]), rel=1e-6)
    four = [min(start + size / rate for start, rate in lines) for size in fine]
    assert len(cheapest_lines(fine, four)) == 3


def test_kernels_of_a_profile_are_recovered() -> None:
    lines = {2: (4e-6, 2e11), 4: (6e-6, 1.5e11), 8: (8e-6, 1.2e11)}
    times = [(ranks, size, start + size / rate) for ranks, (start, rate) in lines.items() for size in SIZES]
    found = {each.ranks: (each.seconds, each.bytes_per_s) for each in all_reduce_kernels(times)}
    assert found == {ranks: pytest.approx(line, rel=1e-3) for ranks, line in lines.items()}


def test_a_kernel_that_is_quicker_with_more_ranks_is_slowed_to_one_of_fewer() -> None:
    slowed = never_quicker_with_more_ranks(_kernels((2, 4e-6, 2e11), (4, 3e-6, 1e11), (8, 9e-6, 3e11)))
    assert [(each.ranks, each.seconds, each.bytes_per_s) for each in slowed] == [
        (2, 4e-6, 2e11),
        (4, 4e-6, 1e11),
        # Not quicker than four ranks, which are slower than two.
        (8, 9e-6, 1e11),
    ]


def test_of_several_kernels_of_fewer_ranks_the_one_that_changes_least_counts() -> None:
    given = _kernels((2, 2e-6, 1e10), (2, 2e-5, 2e11), (4, 1.8e-5, 1.9e11))
    assert never_quicker_with_more_ranks(given)[-1] == given[1].model_copy(update={"ranks": 4, "bytes_per_s": 1.9e11})


def test_scattered_times_give_kernels_that_a_profile_takes() -> None:
    random = np.random.default_rng(3)
    base = calibrations()[0]
    changed = 0
    for _ in range(30):
        times = [
            (ranks, size, (5e-6 + size / 2e11) * float(random.uniform(0.5, 1.5)))
            for ranks in range(2, 9)
            for size in SIZES
        ]
        kernels = all_reduce_kernels(times)
        by_count = by_ranks(kernels)
        assert set(by_count) == set(range(2, 9))
        Calibration.model_validate(base.model_dump() | {"all_reduce": tuple(each.model_dump() for each in kernels)})
        changed += sum(
            kernel.seconds in {each.seconds for each in by_count[fewer]}
            for fewer, more in pairwise(by_count)
            for kernel in by_count[more]
        )
    assert changed > 30
