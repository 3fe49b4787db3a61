"""What a profile says of the rows that it was fitted to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ieco_opt import catalog
from ieco_opt.calibration.fitting import Problem
from ieco_opt.performance.collectives import Array

if TYPE_CHECKING:
    import pandas as pd


def evidence(problem: Problem, table: pd.DataFrame, errors: Array, source: str) -> dict[str, object]:
    """The field ``fitted_on`` of a profile.

    Parameters
    ----------
    problem, table
        The rows, and their measurements in the same order. Batches count as they are priced.
    errors
        Relative errors of the rows by fits to other rows, the last axis over rows.
    """
    gpus = table["gpus_per_instance"].to_numpy(dtype=float)
    context = (table["prompt_tokens"] + table["output_tokens"] / 2.0).to_numpy(dtype=float)
    return {
        "source": source,
        "rows": len(problem.rows),
        "configurations": len(np.unique(problem.configuration)),
        **_sizes(errors),
        "models": sorted(map(_model, table["model"].unique())),
        "weights": sorted(table["weights"].unique().tolist()),
        "gpus": [int(gpus.min()), int(gpus.max())],
        "batch_per_gpu": _ends(problem.batch / gpus),
        "context_tokens": _ends(context),
        "measured": _measured(table, errors),
    }


def _measured(table: pd.DataFrame, errors: Array) -> list[dict[str, object]]:
    """How far each model is off on each accelerator."""
    pair = [
        (_model(model), _accelerator(name)) for model, name in zip(table["model"], table["accelerator"], strict=True)
    ]
    found = []
    for model, accelerator in sorted(set(pair)):
        rows = [at for at, each in enumerate(pair) if each == (model, accelerator)]
        found.append({"model": model, "accelerator": accelerator, "rows": len(rows), **_sizes(errors[..., rows])})
    return found


def _model(name: str) -> str:
    return catalog.model(name).name


def _accelerator(name: str) -> str:
    return catalog.accelerator(name).name


def _sizes(errors: Array) -> dict[str, float]:
    size = np.abs(errors)
    return {
        "median_error": _least_of(float(np.median(size))),
        "p90_error": _least_of(float(np.quantile(size, 0.9))),
    }


def _ends(values: Array) -> list[float]:
    return [_short(float(values.min())), _short(float(values.max()))]


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _least_of(error: float) -> float:
    """An error as profiles state it; rows that a model made are fitted without any."""
    return max(_short(error), 1e-6)
