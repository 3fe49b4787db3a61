"""Predicted against measured time per output token, before and after a calibration, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ieco_opt.calibration.calibrate import BASE, CROSS_VALIDATED, FITTED, MEASURED, PREDICTED, Calibrated
from ieco_opt.reports.figures import glyphs, style
from ieco_opt.reports.text.calibration import render_calibration, spread_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE = 3.5
_LEFT, _BOTTOM, _BETWEEN, _TOP = 0.7, 0.6, 0.75, 1.0
_LEGEND = 1.6
_BAND = 0.2
_MARGIN = 1.25
_MS = 1e3
_MOST_NAMES = 15


@style.styled
def draw(calibrated: Calibrated) -> Figure:
    """Draw predicted against measured milliseconds, by model: with the base's constants and with the fitted ones."""
    from ieco_opt.reports.figures.picture import Picture

    size = 2.0 * (_LEFT + _SIDE) + _BETWEEN + _LEGEND, _BOTTOM + _SIDE + _TOP
    figure = Picture(figsize=size)
    times = calibrated.rows[[MEASURED, PREDICTED[BASE], PREDICTED[FITTED]]].to_numpy(dtype=float) * _MS
    low, high = float(times.min()) / _MARGIN, float(times.max()) * _MARGIN
    errors = {str(row["prediction"]): row for row in calibrated.errors.to_dict("records")}
    panels = (
        (BASE, f"before: {calibrated.base.name}", f"{len(times)} rows"),
        (FITTED, f"after: {calibrated.profile.name}", f"cross-validated: {spread_words(errors[CROSS_VALIDATED])}"),
    )
    for at, (which, name, further) in enumerate(panels):
        axes = style.panel(figure, _LEFT + at * (_SIDE + _BETWEEN), _BOTTOM, _SIDE, _SIDE)
        _scales(axes, low, high)
        _points(axes, calibrated, PREDICTED[which])
        error = errors[which]
        words = f"{spread_words(error)}, bias {error['bias']:+.1%}"
        style.title(axes, name, [words, further], letters=62)
        if at:
            axes.legend(
                loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=style.SMALL, borderaxespad=0.0
            )
    return figure


def save(calibrated: Calibrated, path: Path) -> None:
    """Write the picture to a .png, .svg or .html file; errors as of :func:`style.save`."""
    name = f"{calibrated.profile.name}: predicted against measured"
    style.save(draw(calibrated), path, name=name, table=lambda: render_calibration(calibrated, style.TABLE_WIDTH))


def _scales(axes: Axes, low: float, high: float) -> None:
    style.logarithmic(axes.xaxis, low, high, "measured time per output token (ms)")
    style.logarithmic(axes.yaxis, low, high, "predicted (ms)")
    style.grid(axes)
    line = np.array([low, high])
    axes.fill_between(
        line, line * (1.0 - _BAND), line * (1.0 + _BAND), color="0.93", linewidth=0.0, label=f"within {_BAND:.0%}"
    )
    axes.plot(line, line, color="0.6", linewidth=0.9)


def _points(axes: Axes, calibrated: Calibrated, column: str) -> None:
    table = calibrated.rows
    names = table["model"].value_counts().index.tolist()
    for at, name in enumerate(names):
        part = table[table["model"] == name]
        axes.plot(
            part[MEASURED] * _MS,
            part[column] * _MS,
            linestyle="",
            marker=style.MARKERS[at % len(style.MARKERS)],
            markersize=4.0,
            markerfacecolor=style.MANY_COLOURS[at % len(style.MANY_COLOURS)],
            markeredgecolor="white",
            markeredgewidth=0.3,
            label=glyphs.readable(str(name)) if at < _MOST_NAMES else None,
        )
