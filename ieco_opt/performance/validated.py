"""How far figures can be trusted: the profile behind them, its expected error, and the range that it was fitted in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ieco_opt import catalog
from ieco_opt.catalog.calibration import Calibration, FittedOn, Measured
from ieco_opt.catalog.expected_error import expected_error, measured_on
from ieco_opt.catalog.types import Accelerator, Model
from ieco_opt.errors import ScenarioError
from ieco_opt.performance.collectives import Array
from ieco_opt.scenario.calibrations import PUBLISHED

_ROUNDING = 5e-3
"""Ends of ranges are written with three digits."""

_FP4 = frozenset({"fp4", "mxfp4", "nvfp4"})
"""Precisions that measurements call fp4."""


@dataclass(frozen=True, slots=True)
class Validated:
    """What is known of the error of one model on one accelerator at one precision of weights.

    Attributes
    ----------
    profile
        Name of the calibration profile, or ``paper-constants``.
    expected_error
        Relative error that nine times in ten are within.
    fitted_on
        Ranges that the profile was fitted in; ``None`` where accelerator, model or weights were not measured.
    """

    profile: str
    expected_error: float
    fitted_on: FittedOn | None

    def in_range(self, gpus: Array, batch: Array, context_tokens: Array) -> NDArray[np.bool_]:
        """Where GPUs of an instance, sequences in flight for each of them, and mean context were measured."""
        fitted = self.fitted_on
        if fitted is None:
            return np.zeros(len(gpus), dtype=bool)
        ranges = ((gpus, fitted.gpus), (batch / gpus, fitted.batch_per_gpu), (context_tokens, fitted.context_tokens))
        inside = np.ones(len(gpus), dtype=bool)
        for values, (least, most) in ranges:
            inside &= (values >= least * (1.0 - _ROUNDING)) & (values <= most * (1.0 + _ROUNDING))
        return inside


def validated(accelerator: Accelerator, model: Model, weights: str) -> Validated:
    """What is known of times of a model on an accelerator with its calibration, at a precision by its label."""
    profile = accelerator.calibration
    name = PUBLISHED if profile is None else profile.name
    error = expected_error(profile, accelerator)
    if profile is None or profile.fitted_on is None or not measured_on(profile, accelerator):
        return Validated(name, error, None)
    fitted = profile.fitted_on
    known = _weights_measured(weights, fitted) and any(_is_like(model, each) for each in fitted.models)
    return Validated(name, error, fitted if known else None)


def measured(profile: Calibration, accelerator: str, model: Model) -> Measured | None:
    """How far a profile is off on rows of a model, or of one with the same layers, on an accelerator by its name."""
    rows = () if profile.fitted_on is None else profile.fitted_on.measured
    alike = [each for each in rows if each.accelerator == accelerator and _is_like(model, each.model)]
    return max(alike, key=lambda each: each.rows, default=None)


def _weights_measured(weights: str, fitted: FittedOn) -> bool:
    return weights in fitted.weights or (weights in _FP4 and not _FP4.isdisjoint(fitted.weights))


def _is_like(model: Model, measured: str) -> bool:
    """Whether a model is one that was measured, or has the same layers under another name."""
    if model.name == measured:
        return True
    try:
        other = catalog.model(measured)
    except ScenarioError:
        return False
    return isinstance(other, Model) and _layers_of(model) == _layers_of(other)


def _layers_of(model: Model) -> tuple[object, ...]:
    """What decides how long a pass takes."""
    return (
        *(model.layers, model.width, model.vocabulary, model.activation_bytes),
        *(model.blocks, model.feed_forward),
    )
