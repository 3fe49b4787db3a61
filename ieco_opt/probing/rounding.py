"""Measured figures as they are written: a few digits, and shares within what profiles and entries take."""

from __future__ import annotations

_DIGITS = 4
_LEAST_SHARE = 1e-3
"""Bound of the schemas of accelerators and profiles."""


def short(value: float) -> float:
    """A value with as many digits as measurements are good for."""
    return float(f"{value:.{_DIGITS}g}")


def share_of(value: float, peak: float) -> float:
    """What share of a peak was reached: above 0, and at most all of it."""
    return short(min(max(value / peak, _LEAST_SHARE), 1.0))
